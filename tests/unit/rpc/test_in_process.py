"""Calls inside one process behave as calls over a network do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from xinyu.base.errors import CONFLICT, XinYuError
from xinyu.rpc.context import Context
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.wire.v1 import message_pb2, options_pb2
from xinyu.wire.v1.message_rpc import TYPING
from xinyu.wire.v1.talk_rpc import SYNC


class Servicer:
    """`typing` does what the test says."""

    def __init__(self, typing: Any) -> None:
        self._typing = typing

    async def typing(self, request: message_pb2.TypingRequest, context: Context) -> Any:
        return await self._typing(request, context)


def network(typing: Any, **settings: Any) -> InProcessNetwork:
    network = InProcessNetwork(serialise=True, **settings)
    network.serve([TYPING], Servicer(typing))
    return network


async def reason(call: Any) -> str:
    with pytest.raises(XinYuError) as caught:
        await call
    return caught.value.reason


REQUEST = message_pb2.TypingRequest(user_id=1)


async def test_messages_cross_as_bytes_and_the_context_says_who_calls() -> None:
    seen: list[Any] = []

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        seen.append((request, context.caller, len(context.trace_id)))
        return options_pb2.Empty()

    answer = await network(typing).channel("gateway").call(TYPING, REQUEST)
    assert answer == options_pb2.Empty()
    assert seen == [(REQUEST, "gateway", 32)] and seen[0][0] is not REQUEST


async def test_past_the_deadline_the_caller_goes_and_the_callee_stays() -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        await go.wait()
        assert await reason_of(context) == "deadline"
        done.set()
        return options_pb2.Empty()

    async def reason_of(context: Context) -> str:
        try:
            context.check_deadline_now()
        except XinYuError as error:
            return error.reason
        return ""

    assert await reason(network(typing).channel("x").call(TYPING, REQUEST, timeout_s=0.01)) == "deadline"
    go.set()
    await done.wait()


async def test_types_are_checked_on_both_sides() -> None:
    async def typing(request: Any, context: Context) -> Any:
        return REQUEST

    channel = network(typing).channel("x")
    with pytest.raises(TypeError, match="takes TypingRequest"):
        await channel.call(TYPING, options_pb2.Empty())
    assert await reason(channel.call(TYPING, REQUEST)) == "internal"


async def test_errors_cross_as_words_and_exceptions_do_not() -> None:
    async def refuses(request: Any, context: Context) -> Any:
        raise XinYuError(CONFLICT, "mine")

    async def breaks(request: Any, context: Context) -> Any:
        raise ZeroDivisionError("secret detail")

    with pytest.raises(XinYuError, match="conflict: mine"):
        await network(refuses).channel("x").call(TYPING, REQUEST)
    with pytest.raises(XinYuError) as caught:
        await network(breaks).channel("x").call(TYPING, REQUEST)
    assert caught.value.reason == "internal" and "secret" not in str(caught.value)
    assert await reason(network(breaks).channel("x").call(SYNC, SYNC.request_type())) == "unavailable"


async def test_calls_in_flight_are_bounded() -> None:
    go = asyncio.Event()

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        await go.wait()
        return options_pb2.Empty()

    channel = network(typing, max_in_flight=2).channel("x")
    calls = [asyncio.ensure_future(channel.call(TYPING, REQUEST)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await reason(channel.call(TYPING, REQUEST)) == "overloaded"
    go.set()
    await asyncio.gather(*calls)
    await asyncio.sleep(0)
    await channel.call(TYPING, REQUEST)


async def test_a_caller_that_is_cancelled_does_not_end_the_callee() -> None:
    started, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        started.set()
        await go.wait()
        done.set()
        return options_pb2.Empty()

    call = asyncio.ensure_future(network(typing).channel("x").call(TYPING, REQUEST))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go.set()
    await done.wait()


async def test_calls_start_in_their_order() -> None:
    order: list[int] = []

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        order.append(request.user_id)
        return options_pb2.Empty()

    channel = network(typing).channel("x")
    await asyncio.gather(*(channel.call(TYPING, message_pb2.TypingRequest(user_id=n)) for n in range(50)))
    assert order == list(range(50))


async def test_drain_waits_for_what_runs_and_for_what_that_begins() -> None:
    order: list[str] = []
    network = InProcessNetwork(serialise=True)
    channel = network.channel("x")

    class Outer:
        async def typing(self, request: message_pb2.TypingRequest, context: Context) -> options_pb2.Empty:
            await asyncio.sleep(0)
            if request.user_id:
                later.append(asyncio.ensure_future(channel.call(TYPING, message_pb2.TypingRequest())))
            await asyncio.sleep(0)
            order.append(f"done {request.user_id}")
            return options_pb2.Empty()

    later: list[Any] = []
    network.serve([TYPING], Outer())
    call = asyncio.ensure_future(channel.call(TYPING, REQUEST))
    await asyncio.sleep(0)
    await network.drain(5.0)
    assert order == ["done 1", "done 0"]
    await asyncio.gather(call, *later)


async def test_drain_cancels_what_does_not_end() -> None:
    async def typing(request: Any, context: Context) -> Any:
        await asyncio.Event().wait()

    net = network(typing)
    call = asyncio.ensure_future(net.channel("x").call(TYPING, REQUEST))
    await asyncio.sleep(0)
    await net.drain(0.01)
    assert await reason(call) == "unavailable"


async def test_waiting_for_what_was_caused_ends_with_the_caller_s_patience() -> None:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    assert await reason(Context(loop.time() + 0.01, "", "").wait(done)) == "deadline"
    assert not done.cancelled()  # what it stands for goes on
    done.set_result(None)
    await Context(loop.time() + 5, "", "").wait(done)
