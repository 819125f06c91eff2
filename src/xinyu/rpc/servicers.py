"""The servicers of one process: which method is answered by what, and what one answer comes to, whatever carries it.

A call runs in a task of its own and ends with its `reply` being called once, with the method's response or with a
`XinYuError`: an exception that is none is logged here and becomes INTERNAL, a task that is cancelled INTERRUPTED. Calls
under way are bounded: past the bound a caller gets OVERLOADED at once. Cost: a task a call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import structlog

from xinyu.base.errors import INTERNAL, INTERRUPTED, OVERLOADED, XinYuError
from xinyu.base.logging import is_debug
from xinyu.base.trace import trace_id
from xinyu.rpc.call_times import Calls, CallTimes
from xinyu.rpc.context import Context
from xinyu.wire.v1.method import Method

log = structlog.get_logger(__name__)

Handler = Callable[[Any, Context], Awaitable[Any]]
# The response, or what there is instead of it.
Reply = Callable[[Any, XinYuError | None], None]


class Offer(NamedTuple):
    method: Method
    handler: Handler
    calls: Calls


class Servicers:
    """`instance` tells several of one service apart ("" = the only)."""

    def __init__(self, *, max_in_flight: int = 20_000) -> None:
        self._offers: dict[str, dict[int, Offer]] = {}
        self._by_path: dict[str, Offer] = {}
        # By a number of each call's own: a task that looked itself up would pay for it.
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._last_call = 0
        self._max_in_flight = max_in_flight
        self.times = CallTimes()

    def serve(self, methods: Iterable[Method], servicer: object, *, instance: str = "") -> None:
        """Offers `servicer` for `methods`; each must be an async method of that name."""
        for method in methods:
            offer = Offer(method, getattr(servicer, method.name), self.times.of(method))
            self.offers(instance)[method.command] = offer
            if not instance:
                self._by_path[method.path] = offer

    def withdraw(self, methods: Iterable[Method], *, instance: str = "") -> None:
        for method in methods:
            self.offers(instance).pop(method.command, None)
            if not instance:
                self._by_path.pop(method.path, None)

    def offers(self, instance: str = "") -> dict[int, Offer]:
        """By command: what is offered at every moment, to be looked at only."""
        return self._offers.setdefault(instance, {})

    def find_path(self, path: str) -> Offer | None:
        """By the method's full name, as gRPC writes it."""
        return self._by_path.get(path)

    def service_names(self) -> list[str]:
        """Full names of the services that are offered now, without the last part of their methods' paths."""
        return sorted({path[1:].rpartition("/")[0] for path in self._by_path})

    def start(
        self, loop: asyncio.AbstractEventLoop, offer: Offer, request: Any, context: Context, reply: Reply
    ) -> None:
        """Begins one call on the running loop; calls begin in this order. Raises OVERLOADED."""
        tasks = self._tasks
        if len(tasks) >= self._max_in_flight:
            raise XinYuError(OVERLOADED)
        number = self._last_call = self._last_call + 1
        call = self._run(number, offer, request, context, reply)
        if loop.get_task_factory() is None:
            # Not by create_task: a name that is given need not be made up, which is a sixth of what a task costs.
            tasks[number] = asyncio.Task(call, loop=loop, name=offer.method.path)
        else:  # whoever makes tasks of his own kind wants these, too
            tasks[number] = loop.create_task(call)

    async def _run(self, number: int, offer: Offer, request: Any, context: Context, reply: Reply) -> None:
        began_s = time.monotonic()
        trace_id.set(context.trace_id)
        method, handler, calls = offer
        response = refusal = None
        try:
            response = await handler(request, context)
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
        del self._tasks[number]
        took_s = time.monotonic() - began_s
        calls.seconds.observe(took_s)
        if refusal is not None:
            calls.refused(refusal)
        if is_debug():
            log.debug(
                "call_answered",
                service=method.service,
                method=method.name,
                caller=context.caller,
                took_ms=round(took_s * 1000, 2),
                reason=refusal.reason if refusal is not None else "ok",
            )
        reply(response, refusal)

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    async def drain(self, timeout_s: float) -> None:
        """Waits until no call is running, those included that begin meanwhile, at most `timeout_s`; what is left then
        is cancelled."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        while self._tasks and (left_s := until_s - loop.time()) > 0:
            await asyncio.wait(self._tasks.values(), timeout=left_s)
        pending = list(self._tasks.values())
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.gather(*pending, return_exceptions=True)

