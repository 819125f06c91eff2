"""Calls inside one process, with the manners of a network: own task, deadline, typed messages, errors as code and text.

A call is handed to the servicer in a task of its own. When the deadline passes the caller stops waiting and gets
DEADLINE; the servicer's task goes on to its end, since it may be inside a commit. An exception that is no XinYuError
is logged here and reaches the caller as INTERNAL. Calls in flight are bounded: past the bound a caller gets OVERLOADED
at once. Tasks start in the order of the calls. With `serialise=True` (tests) each message is written and parsed again,
so that nothing but bytes can cross. Cost: a task, a future and a timer a call, about 10 us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import structlog

from xinyu.base.errors import DEADLINE, INTERNAL, OVERLOADED, UNAVAILABLE, XinYuError
from xinyu.base.trace import new_trace_id, trace_id
from xinyu.rpc.context import Context
from xinyu.wire.v1.method import Method

log = structlog.get_logger(__name__)

TICK_S: Final = 0.02

Handler = Callable[[Any, Context], Awaitable[Any]]


class InProcessNetwork:
    """Where the servicers of one process are found. `instance` tells several of one service apart ("" = the only)."""

    def __init__(self, *, serialise: bool = False, max_in_flight: int = 20_000) -> None:
        self._handlers: dict[tuple[str, int], Handler] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._deadlines = _Deadlines()
        self._serialise = serialise
        self._max_in_flight = max_in_flight

    def serve(self, methods: Iterable[Method], servicer: object, *, instance: str = "") -> None:
        """Offers `servicer` for `methods`; each must be an async method of that name."""
        for method in methods:
            self._handlers[instance, method.command] = getattr(servicer, method.name)

    def withdraw(self, methods: Iterable[Method], *, instance: str = "") -> None:
        for method in methods:
            self._handlers.pop((instance, method.command), None)

    def channel(self, caller: str, *, instance: str = "") -> InProcessChannel:
        """A channel for a stub. `caller` names the room that calls."""
        return InProcessChannel(self, caller, instance)

    async def call(self, instance: str, caller: str, method: Method, request: Any, timeout_s: float | None) -> Any:
        handler = self._handlers.get((instance, method.command))
        if handler is None:
            raise XinYuError(UNAVAILABLE, f"No {method.service} service is here.")
        if type(request) is not method.request_type:
            name, expected = f"{method.service}.{method.name}", method.request_type.__name__
            raise TypeError(f"{name} takes {expected}, not {type(request).__name__}")
        if len(self._tasks) >= self._max_in_flight:
            raise XinYuError(OVERLOADED)
        if self._serialise:
            request = method.request_type.FromString(request.SerializeToString())
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + (method.timeout_s if timeout_s is None else timeout_s)
        context = Context(deadline_s, trace_id.get() or new_trace_id(), caller)
        answer: asyncio.Future[Any] = loop.create_future()
        waiting = self._deadlines.add(loop, deadline_s, answer)
        task = loop.create_task(self._run(handler, method, request, context, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await answer
        finally:
            waiting.discard(answer)

    async def _run(
        self, handler: Handler, method: Method, request: Any, context: Context, answer: asyncio.Future[Any]
    ) -> None:
        try:
            response = await handler(request, context)
            if type(response) is not method.response_type:
                raise TypeError(f"{method.service}.{method.name} answered {type(response).__name__}")
            if self._serialise:
                response = method.response_type.FromString(response.SerializeToString())
        except XinYuError as error:
            _fail(answer, XinYuError.from_wire(error.reason, error.message, error.retry_after_ms))
        except asyncio.CancelledError:
            _fail(answer, XinYuError(UNAVAILABLE))
            raise
        except Exception:
            log.exception("rpc_failed", service=method.service, method=method.name, trace_id=context.trace_id)
            _fail(answer, XinYuError(INTERNAL))
        else:
            if not answer.done():
                answer.set_result(response)

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


class _Deadlines:
    """Deadlines of many calls at the cost of a set's add and discard each: they are kept by ticks of `TICK_S`, and one
    timer looks at those that are due while there are any. A call hears of its deadline up to two ticks late."""

    def __init__(self) -> None:
        self._ticks: dict[int, set[asyncio.Future[Any]]] = {}
        self._is_ticking = False

    def add(
        self, loop: asyncio.AbstractEventLoop, at_s: float, answer: asyncio.Future[Any]
    ) -> set[asyncio.Future[Any]]:
        """The set that holds `answer` now: whoever is answered in time takes it out."""
        tick = int(at_s / TICK_S) + 1
        waiting = self._ticks.get(tick)
        if waiting is None:
            waiting = self._ticks[tick] = set()
            if not self._is_ticking:
                self._is_ticking = True
                loop.call_later(TICK_S, self._tick, loop)
        waiting.add(answer)
        return waiting

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        for tick in [tick for tick, waiting in self._ticks.items() if not waiting or tick * TICK_S <= now_s]:
            for answer in self._ticks.pop(tick):
                _fail(answer, XinYuError(DEADLINE))
        if self._ticks:
            loop.call_later(TICK_S, self._tick, loop)
        else:
            self._is_ticking = False


class InProcessChannel:
    """`xinyu.wire.v1.method.Channel` over an InProcessNetwork."""

    __slots__ = ("_caller", "_instance", "_network")

    def __init__(self, network: InProcessNetwork, caller: str, instance: str) -> None:
        self._network = network
        self._caller = caller
        self._instance = instance

    async def call(self, method: Method, request: Any, *, timeout_s: float | None = None, key: str = "") -> Any:
        # One process has one instance of each service: the key has nothing to choose.
        return await self._network.call(self._instance, self._caller, method, request, timeout_s)


def _fail(answer: asyncio.Future[Any], error: XinYuError) -> None:
    if not answer.done():
        answer.set_exception(error)
