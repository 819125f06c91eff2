"""Who carries a verification code to its owner: here the log; `sms_webhook` and `smtp` are the real ways.

All answer within a deadline, and raise UNAVAILABLE where the code did not get out. What waits is bounded: mail and SMS
go out `AT_ONCE` at a time each, and who would wait behind `MAX_WAITING` others is told OVERLOADED.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

import structlog

from xinyu.base.errors import OVERLOADED, UNAVAILABLE, XinYuError

log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
MAX_WAITING: Final = 200


class CodeSender(Protocol):
    """A way to a mobile or to a mail address."""

    # Whether a code gets to its owner and to nobody else: then it is never answered.
    is_real: bool

    async def send(self, target: str, channel: str, code: str) -> None: ...


class MailSender(CodeSender, Protocol):
    """`address`: its own, to which a test message goes when no other is named; "" = none."""

    address: str

    async def send_test(self, target: str) -> None: ...


class LogCodeSender:
    """Writes codes to the log, for whoever runs the server."""

    is_real = False
    address = ""

    async def send(self, target: str, channel: str, code: str) -> None:
        log.info("verification_code", target=target, channel=channel, code=code)

    async def send_test(self, target: str) -> None:
        log.info("test_mail", target=target)


class Turns:
    """AT_ONCE at a time, MAX_WAITING behind them."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            raise XinYuError(OVERLOADED)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


def not_sent(way: str, problem: str) -> XinYuError:
    log.warning("code_not_sent", way=way, problem=problem)
    return XinYuError(UNAVAILABLE, "The code could not be sent. Please try again.")
