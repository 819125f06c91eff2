"""Calls inside one process, with the manners of a network: own task, deadline, typed messages, errors as code and text.

A call is handed to the servicer in a task of its own. When the deadline passes the caller stops waiting and gets
DEADLINE; the servicer's task goes on to its end, since it may be inside a commit. Tasks start in the order of the
calls. With `serialise=True` (tests) each message is written and parsed again, so that nothing but bytes can cross.
Cost: a task and a future a call, about 10 us.
"""

from __future__ import annotations

import asyncio
from typing import Any

from xinyu.base.errors import XinYuError
from xinyu.base.trace import new_trace_id, trace_id
from xinyu.rpc.context import Context
from xinyu.rpc.deadlines import Deadlines
from xinyu.rpc.not_sent import NotSent
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1.method import Method


class InProcessNetwork(Servicers):
    """The servicers of one process, and channels to them."""

    def __init__(self, *, serialise: bool = False, max_in_flight: int = 20_000) -> None:
        super().__init__(max_in_flight=max_in_flight)
        self._deadlines = Deadlines()
        self._serialise = serialise

    def channel(self, caller: str, *, instance: str = "") -> InProcessChannel:
        """A channel for a stub. `caller` names the room that calls."""
        return InProcessChannel(self, caller, instance)

    async def call(self, instance: str, caller: str, method: Method, request: Any, timeout_s: float | None) -> Any:
        offer = self.offers(instance).get(method.command)
        if offer is None:
            raise NotSent(f"No {method.service} service is here.")
        method.check_request(request)
        if self._serialise:
            request = method.request_type.FromString(request.SerializeToString())
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + (method.timeout_s if timeout_s is None else timeout_s)
        context = Context(deadline_s, trace_id.get() or new_trace_id(), caller)
        answered: asyncio.Future[Any] = loop.create_future()

        def reply(response: Any, refusal: XinYuError | None) -> None:
            if answered.done():
                return
            if refusal is not None:
                answered.set_exception(refusal)
            elif self._serialise:
                answered.set_result(method.response_type.FromString(response.SerializeToString()))
            else:
                answered.set_result(response)

        self.start(loop, offer, request, context, reply)
        waiting = self._deadlines.add(loop, deadline_s, answered)
        try:
            return await answered
        finally:
            waiting.discard(answered)


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
