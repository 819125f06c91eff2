"""The servicers of one process: which method is answered by what, and what one answer comes to, whatever carries it.

An answer is the method's response or a `XinYuError`: an exception that is none is logged here and becomes INTERNAL, a
task that is cancelled becomes INTERRUPTED. Calls run in tasks of their own and are bounded: past the bound a caller
gets OVERLOADED at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, NamedTuple

import structlog

from xinyu.base.errors import INTERNAL, INTERRUPTED, OVERLOADED, XinYuError
from xinyu.rpc.context import Context
from xinyu.wire.v1.method import Method

log = structlog.get_logger(__name__)

Handler = Callable[[Any, Context], Awaitable[Any]]


class Offer(NamedTuple):
    method: Method
    handler: Handler


class Servicers:
    """`instance` tells several of one service apart ("" = the only)."""

    def __init__(self, *, max_in_flight: int = 20_000) -> None:
        self._offers: dict[tuple[str, int], Offer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._max_in_flight = max_in_flight

    def serve(self, methods: Iterable[Method], servicer: object, *, instance: str = "") -> None:
        """Offers `servicer` for `methods`; each must be an async method of that name."""
        for method in methods:
            self._offers[instance, method.command] = Offer(method, getattr(servicer, method.name))

    def withdraw(self, methods: Iterable[Method], *, instance: str = "") -> None:
        for method in methods:
            self._offers.pop((instance, method.command), None)

    def find(self, command: int, *, instance: str = "") -> Offer | None:
        return self._offers.get((instance, command))

    def start(self, call: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs a call in a task that `drain` waits for; tasks start in the order of the calls. Raises OVERLOADED."""
        if len(self._tasks) >= self._max_in_flight:
            call.close()
            raise XinYuError(OVERLOADED)
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, timeout_s: float) -> None:
        """Waits until no call is running, those included that begin meanwhile, at most `timeout_s`; what is left then
        is cancelled."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        while self._tasks and (left_s := until_s - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left_s)
        pending = set(self._tasks)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.gather(*pending, return_exceptions=True)


async def answer(offer: Offer, request: Any, context: Context) -> Any:
    """The response to one call, of the method's type. Raises XinYuError, and nothing else."""
    method = offer.method
    try:
        response = await offer.handler(request, context)
        if type(response) is not method.response_type:
            raise TypeError(f"{method.service}.{method.name} answered {type(response).__name__}")
    except XinYuError as error:
        raise XinYuError.from_wire(error.reason, error.message, error.retry_after_ms) from None
    except asyncio.CancelledError:
        raise XinYuError(INTERRUPTED) from None
    except Exception:
        log.exception("rpc_failed", service=method.service, method=method.name, trace_id=context.trace_id)
        raise XinYuError(INTERNAL) from None
    return response
