"""A call is the same whatever carries it: in this process, or over TCP by Rock or gRPC, with and without a secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.unit.rpc.carriers import KINDS, Carrier, carrier
from xinyu.base.errors import CONFLICT, TOO_MANY, XinYuError
from xinyu.base.trace import trace_id
from xinyu.rpc.context import Context
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.wire.v1 import message_pb2, options_pb2
from xinyu.wire.v1.message_rpc import TYPING
from xinyu.wire.v1.method import Channel
from xinyu.wire.v1.talk_rpc import SYNC

REQUEST = message_pb2.TypingRequest(user_id=1)
Typing = Callable[[Any, Context], Any]
Offer = Callable[[Typing], Channel]


@pytest.fixture(params=KINDS)
async def carries(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    marker = request.node.get_closest_marker("in_flight")
    async with carrier(request.param, marker.args[0] if marker else 20_000) as made:
        yield made


@pytest.fixture
def offer(carries: Carrier) -> Offer:
    """Offers `typing` and gives a channel to it."""

    def make(typing: Typing) -> Channel:
        class Servicer:
            async def typing(self, request: message_pb2.TypingRequest, context: Context) -> Any:
                return await typing(request, context)

        carries.servicers.serve([TYPING], Servicer())
        return carries.channel("gateway")

    return make


async def reason(call: Any) -> str:
    with pytest.raises(XinYuError) as caught:
        await call
    return caught.value.reason


async def done(request: Any, context: Context) -> options_pb2.Empty:
    return options_pb2.Empty()


async def test_messages_cross_as_bytes_and_the_context_says_who_calls(offer: Offer, carries: Carrier) -> None:
    seen: list[Any] = []

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        left_s = context.deadline_s - asyncio.get_running_loop().time()
        assert context.trace_id == trace_id.get()
        # gRPC rounds a span up.
        seen.append((request, context.caller, 0 < left_s <= 7.1, context.trace_id))
        return options_pb2.Empty()

    channel = offer(typing)
    trace_id.set("0123456789abcdef" * 2)
    assert await channel.call(TYPING, REQUEST, timeout_s=7) == options_pb2.Empty()
    assert seen[0][:3] == (REQUEST, "gateway", True) and seen[0][0] is not REQUEST
    assert (seen[0][3] == trace_id.get()) == carries.carries_trace_id


async def test_a_call_without_a_trace_id_gets_one(offer: Offer) -> None:
    seen: list[str] = []

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        seen.append(context.trace_id)
        return options_pb2.Empty()

    channel = offer(typing)
    await channel.call(TYPING, REQUEST)
    await channel.call(TYPING, REQUEST)
    assert [len(made) for made in seen] == [32, 32] and seen[0] != seen[1]


async def test_past_the_deadline_the_caller_goes_and_the_callee_stays(offer: Offer) -> None:
    go, ended = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        await go.wait()
        # The span began here a little later than there.
        await asyncio.sleep(max(0.0, context.deadline_s - asyncio.get_running_loop().time()) + 0.05)
        try:
            context.check_deadline_now()
        except XinYuError as error:
            ended.set_result(error.reason)
        return options_pb2.Empty()

    channel = offer(typing)
    # Connected before: over gRPC a call whose deadline passes before it has arrived never begins.
    assert await reason(channel.call(SYNC, SYNC.request_type())) == "unavailable"
    assert await reason(channel.call(TYPING, REQUEST, timeout_s=0.5)) == "deadline"
    go.set()
    assert await asyncio.wait_for(ended, 30) == "deadline"
    # The answer that comes now is nobody's, and the next call gets its own.
    with pytest.raises(XinYuError, match="unavailable"):
        await channel.call(SYNC, SYNC.request_type())


async def test_types_are_checked_on_both_sides(offer: Offer) -> None:
    async def typing(request: Any, context: Context) -> Any:
        return REQUEST

    channel = offer(typing)
    with pytest.raises(TypeError, match="takes TypingRequest"):
        await channel.call(TYPING, options_pb2.Empty())
    assert await reason(channel.call(TYPING, REQUEST)) == "internal"


async def test_errors_cross_as_words_and_exceptions_do_not(offer: Offer) -> None:
    async def refuses(request: Any, context: Context) -> Any:
        raise XinYuError(CONFLICT, "mine")

    async def waits(request: Any, context: Context) -> Any:
        raise XinYuError(TOO_MANY, retry_after_ms=70)

    async def breaks(request: Any, context: Context) -> Any:
        raise ZeroDivisionError("secret detail")

    with pytest.raises(XinYuError, match="conflict: mine") as caught:
        await offer(refuses).call(TYPING, REQUEST)
    assert caught.value.retry_after_ms is None
    with pytest.raises(XinYuError) as caught:
        await offer(waits).call(TYPING, REQUEST)
    assert caught.value.code is TOO_MANY and caught.value.retry_after_ms == 70
    with pytest.raises(XinYuError) as caught:
        await offer(breaks).call(TYPING, REQUEST)
    assert caught.value.reason == "internal" and "secret" not in str(caught.value)
    assert await reason(offer(done).call(SYNC, SYNC.request_type())) == "unavailable"


@pytest.mark.in_flight(2)
async def test_calls_in_flight_are_bounded(offer: Offer) -> None:
    go, running = asyncio.Event(), asyncio.Semaphore(0)

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        running.release()
        await go.wait()
        return options_pb2.Empty()

    channel = offer(typing)
    calls = [asyncio.ensure_future(channel.call(TYPING, REQUEST)) for _ in range(2)]
    await running.acquire()
    await running.acquire()
    assert await reason(channel.call(TYPING, REQUEST)) == "overloaded"
    go.set()
    await asyncio.gather(*calls)
    await asyncio.sleep(0)
    await channel.call(TYPING, REQUEST)


async def test_a_caller_that_is_cancelled_does_not_end_the_callee(offer: Offer) -> None:
    started, go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        started.set()
        await go.wait()
        ended.set()
        return options_pb2.Empty()

    channel = offer(typing)
    call = asyncio.ensure_future(channel.call(TYPING, REQUEST))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go.set()
    await ended.wait()
    await channel.call(TYPING, REQUEST)


async def test_calls_start_in_their_order_but_over_grpc(offer: Offer, carries: Carrier) -> None:
    order: list[int] = []

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        order.append(request.user_id)
        return options_pb2.Empty()

    channel = offer(typing)
    await channel.call(TYPING, REQUEST)
    order.clear()
    await asyncio.gather(*(channel.call(TYPING, message_pb2.TypingRequest(user_id=n)) for n in range(50)))
    assert (order if carries.keeps_order else sorted(order)) == list(range(50))


async def test_answers_may_overtake_one_another(offer: Offer) -> None:
    first = asyncio.Event()

    async def typing(request: Any, context: Context) -> options_pb2.Empty:
        if request.user_id == 1:
            await first.wait()
        return options_pb2.Empty()

    channel = offer(typing)
    slow = asyncio.ensure_future(channel.call(TYPING, REQUEST))
    await channel.call(TYPING, message_pb2.TypingRequest(user_id=2))
    assert not slow.done()
    first.set()
    await slow


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


async def test_drain_cancels_what_does_not_end_and_its_caller_hears_that_it_may_have_been_done(
    offer: Offer, carries: Carrier
) -> None:
    started = asyncio.Event()

    async def typing(request: Any, context: Context) -> Any:
        started.set()
        await asyncio.Event().wait()

    call = asyncio.ensure_future(offer(typing).call(TYPING, REQUEST))
    await started.wait()
    await carries.servicers.drain(0.01)
    assert await reason(call) == "interrupted"
