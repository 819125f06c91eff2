"""Whether a process should get traffic now, and if not, why: what /readyz asks.

A check answers "" when its part works, else a short reason. All are asked at once, each under `CHECK_S`; one that fails
or does not answer is a reason itself. What they said holds for `HOLDS_S`, and whoever asks meanwhile gets that: many
askers cost what one does. A process that starts or drains says so without asking anybody.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

import structlog

log = structlog.get_logger(__name__)

CHECK_S: Final = 1.0
HOLDS_S: Final = 0.5

Check = Callable[[], str] | Callable[[], Awaitable[str]]


class Readiness:
    """`state` is "starting" until the owner says "up", and "draining" when it is about to stop."""

    def __init__(self) -> None:
        self.state: Literal["starting", "up", "draining"] = "starting"
        self._checks: dict[str, Check] = {}
        self._asking: asyncio.Task[dict[str, str]] | None = None
        self._said: dict[str, str] = {}
        self._said_at_s = float("-inf")

    def add(self, name: str, check: Check) -> None:
        self._checks[name] = check

    async def reasons(self) -> Mapping[str, str]:
        """Why not, by the name of the check; empty = ready."""
        if self.state != "up":
            return {"process": self.state}
        loop = asyncio.get_running_loop()
        if loop.time() - self._said_at_s >= HOLDS_S:
            if self._asking is None:
                self._asking = loop.create_task(self._ask_all())
            await asyncio.shield(self._asking)
        return self._said

    async def _ask_all(self) -> dict[str, str]:
        try:
            answers = await asyncio.gather(*(self._ask(name, check) for name, check in self._checks.items()))
            said = {name: reason for name, reason in zip(self._checks, answers, strict=True) if reason}
            if said.keys() != self._said.keys():
                log.warning("not_ready", **said) if said else log.info("ready")
            self._said, self._said_at_s = said, asyncio.get_running_loop().time()
        finally:
            self._asking = None
        return said

    async def _ask(self, name: str, check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_S):
                answer = check()
                return await answer if inspect.isawaitable(answer) else answer
        except TimeoutError:
            return f"no answer within {CHECK_S:g} s"
        except Exception as error:
            log.warning("check_failed", check=name, error=f"{type(error).__name__}: {error}")
            return "cannot be used"
