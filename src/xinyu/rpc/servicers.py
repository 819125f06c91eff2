"""The servicers of one process: which method is answered by what, and what one answer comes to, whatever carries it.

A call runs in a task of its own and ends with its `reply` being called once, with the method's response or with a
`XinYuError`: an exception that is none is logged here and becomes INTERNAL, a task that is cancelled INTERRUPTED. Calls
under way are bounded: past the bound a caller gets OVERLOADED at once. Cost: a task a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import structlog

from xinyu.base.errors import INTERNAL, INTERRUPTED, OVERLOADED, XinYuError
from xinyu.base.trace import trace_id
from xinyu.rpc.context import Context
from xinyu.wire.v1.method import Method

log = structlog.get_logger(__name__)

Handler = Callable[[Any, Context], Awaitable[Any]]
# The response, or what there is instead of it.
Reply = Callable[[Any, XinYuError | None], None]


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

    def start(self, offer: Offer, request: Any, context: Context, reply: Reply) -> None:
        """Begins one call; calls begin in this order. Raises OVERLOADED."""
        tasks = self._tasks
        if len(tasks) >= self._max_in_flight:
            raise XinYuError(OVERLOADED)
        tasks.add(asyncio.get_running_loop().create_task(self._run(offer, request, context, reply)))

    async def _run(self, offer: Offer, request: Any, context: Context, reply: Reply) -> None:
        trace_id.set(context.trace_id)
        method, response, refusal = offer.method, None, None
        try:
            response = await offer.handler(request, context)
            if type(response) is not method.response_type:
                raise TypeError(f"{method.service}.{method.name} answered {type(response).__name__}")
        except XinYuError as error:
            refusal = XinYuError.from_wire(error.reason, error.message, error.retry_after_ms)
        except asyncio.CancelledError:
            refusal = XinYuError(INTERRUPTED)
        except Exception:
            log.exception("rpc_failed", service=method.service, method=method.name, trace_id=context.trace_id)
            refusal = XinYuError(INTERNAL)
        # Not by a callback of the task: that is one more turn of the loop.
        self._tasks.discard(asyncio.current_task())
        reply(response, refusal)

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

