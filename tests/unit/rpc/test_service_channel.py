"""A channel over the instances of a service: real Rock servers, some of which are killed; what discovery knows is told
by hand."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.rpc.carriers import loopback
from xinyu.base.errors import OVERLOADED, UNAVAILABLE, XinYuError
from xinyu.discovery.memory import MemoryRegistry
from xinyu.discovery.registry import Instance
from xinyu.rpc import balancer, service_channel
from xinyu.rpc.balancer import HashRing, PolicyName
from xinyu.rpc.context import Context
from xinyu.rpc.not_sent import NotSent
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.service_channel import ServiceChannel
from xinyu.rpc.servicers import Servicers
from xinyu.rpc.spread import spread
from xinyu.wire.v1 import message_pb2, options_pb2
from xinyu.wire.v1.message_rpc import OPEN_TALK, SEND, TYPING

# Repeatable, and not.
READ = message_pb2.OpenTalkRequest(user_id=1)
HINT = message_pb2.TypingRequest(user_id=1)


async def answer_at_once() -> None:
    pass


class Site:
    """One process of the service: its instance as discovery would know it, and what becomes of its calls."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0
        self.began = asyncio.Event()
        self.answer: Callable[[], Awaitable[None]] = answer_at_once
        self.server: RockServer
        self.port = 0
        self.life = 0

    async def start(self) -> None:
        """Again, at the same address, after `kill`."""
        self.life += 1
        self.servicers = Servicers()
        self.servicers.serve([OPEN_TALK, TYPING], self)
        self.server = RockServer(self.servicers)
        sock = loopback() if not self.port else bind_again(self.port)
        await self.server.start(sock)
        self.port = self.server.port

    async def kill(self) -> None:
        """As SIGKILL does it: nobody listens, and connections break."""
        await self.server.stop(0.0)
        await self.servicers.drain(0.0)

    def instance(self, **changed: Any) -> Instance:
        named = {"instance_id": f"message-{self.number}", "started_at": f"life {self.life}", **changed}
        return Instance("message", f"127.0.0.1:{self.port}", "rock", **named)

    async def open_talk(self, request: message_pb2.OpenTalkRequest, context: Context) -> message_pb2.TalkHead:
        await self._count()
        return message_pb2.TalkHead(talk_id=self.number)

    async def typing(self, request: message_pb2.TypingRequest, context: Context) -> options_pb2.Empty:
        await self._count()
        return options_pb2.Empty()

    async def _count(self) -> None:
        self.calls += 1
        self.began.set()
        await self.answer()


def bind_again(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen()
    sock.setblocking(False)
    return sock


class Cluster:
    def __init__(self, sites: list[Site], policy: PolicyName, patience_s: float) -> None:
        self.sites = sites
        self.registry = MemoryRegistry()
        for site in sites:
            self.registry.put(site.instance())
        self.made: list[RockChannel] = []
        self.channel = ServiceChannel("message", self.registry.watch("message"), self._connect, policy, patience_s)

    def _connect(self, instance: Instance) -> RockChannel:
        self.made.append(RockChannel(instance.host, instance.port, caller="test"))
        return self.made[-1]

    async def ask(self, key: str = "") -> int:
        """The number of the site that answered."""
        head: message_pb2.TalkHead = await self.channel.call(OPEN_TALK, READ, key=key)
        return head.talk_id

    async def all_connected(self) -> None:
        await until(lambda: all(channel.is_connected for channel in self.made))

    def key_of(self, site: Site) -> str:
        ring = HashRing(each.instance().address for each in self.sites)
        return next(key for key in map(str, range(1000)) if ring.find(key) == site.instance().address)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def cluster(
    count: int, policy: PolicyName = "round_robin", patience_s: float = 0.0
) -> AsyncIterator[Cluster]:
    sites = [Site(number) for number in range(1, count + 1)]
    for site in sites:
        await site.start()
    made = Cluster(sites, policy, patience_s)
    await made.all_connected()
    try:
        yield made
    finally:
        await made.channel.close()
        for site in sites:
            await site.kill()


async def reason(call: Awaitable[Any]) -> str:
    with pytest.raises(XinYuError) as caught:
        await call
    return caught.value.reason


# ---------------------------------------------------------------- who gets a call


async def test_calls_are_shared_by_policy() -> None:
    async with cluster(3) as made:
        assert Counter([await made.ask() for _ in range(9)]) == {1: 3, 2: 3, 3: 3}
    async with cluster(2, "weighted") as made:
        made.registry.put(made.sites[0].instance(weight=300))
        assert Counter([await made.ask() for _ in range(8)]) == {1: 6, 2: 2}


async def test_who_is_busy_gets_no_more_when_another_is_idle() -> None:
    async with cluster(2, "least_in_flight") as made:
        busy, idle = made.sites
        busy.answer = asyncio.Event().wait  # type: ignore[assignment]
        slow = asyncio.ensure_future(made.channel.instance_channel("message-1").call(OPEN_TALK, READ))
        await busy.began.wait()
        assert [await made.ask() for _ in range(5)] == [idle.number] * 5
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)


async def test_a_key_has_one_instance_as_long_as_it_is_there() -> None:
    async with cluster(3) as made:
        keys = [f"p1-{number}" for number in range(2, 40)]
        before = {key: await made.ask(key) for key in keys}
        assert {await made.ask(key) == before[key] for key in keys} == {True} and len(set(before.values())) == 3
        gone = made.sites[1]
        await gone.kill()
        made.registry.remove(gone.instance())
        after = {key: await made.ask(key) for key in keys}
        assert all(after[key] == before[key] for key in keys if before[key] != gone.number)
        assert gone.number not in after.values()
        await gone.start()
        made.registry.put(gone.instance())
        await until(lambda: made.made[-1].is_connected)
        assert {key: await made.ask(key) for key in keys} == before


async def test_who_drains_or_weighs_nothing_gets_no_new_calls_unless_nobody_else_is_there() -> None:
    async with cluster(2) as made:
        draining, other = made.sites
        made.registry.put(draining.instance(state="draining"))
        assert {await made.ask(made.key_of(draining)), await made.ask()} == {other.number}
        made.registry.put(draining.instance(weight=0))
        assert {await made.ask(made.key_of(draining)), await made.ask()} == {other.number}
        made.registry.remove(other.instance())
        made.registry.put(draining.instance(state="draining"))
        assert await made.ask() == draining.number


async def test_sends_that_come_together_are_split_by_who_gets_them() -> None:
    async with cluster(3) as made:
        keys = [f"p1-{number}" for number in range(2, 30)]
        groups = spread(made.channel, SEND, keys)
        assert sorted(place for group in groups for place in group) == list(range(len(keys)))
        answered = [[await made.ask(keys[place]) for place in group] for group in groups]
        assert sorted({tuple(set(numbers)) for numbers in answered}) == [(1,), (2,), (3,)]
        assert all(group == sorted(group) for group in groups)
        for site in made.sites[1:]:
            made.registry.put(site.instance(state="draining"))
        assert spread(made.channel, SEND, keys) == [list(range(len(keys)))]


# ---------------------------------------------------------------- failures


async def test_one_of_two_is_killed_under_load_and_no_repeatable_call_fails() -> None:
    async with cluster(2) as made:
        dying = made.sites[0]
        running = True
        answered: Counter[int] = Counter()

        async def load(key: str) -> None:
            while running:
                answered[await made.ask(key)] += 1

        callers = [asyncio.ensure_future(load(key)) for key in ["", *(f"p1-{number}" for number in range(20))]]
        await until(lambda: min(answered[1], answered[2]) > 100)
        await dying.kill()
        answered.clear()
        await until(lambda: answered[2] > 200)
        answered.clear()
        await until(lambda: answered[2] > 200)
        assert not answered[1]
        await dying.start()
        made.registry.put(dying.instance())
        await until(lambda: answered[1] > 100)
        running = False
        await asyncio.gather(*callers)


async def test_what_may_have_been_done_is_asked_again_only_if_that_does_no_harm() -> None:
    async with cluster(2) as made:
        dying, other = made.sites
        dying.answer = asyncio.Event().wait  # type: ignore[assignment]
        key = made.key_of(dying)
        read = asyncio.ensure_future(made.ask(key))
        hint = asyncio.ensure_future(made.channel.call(TYPING, HINT, key=key))
        await until(lambda: dying.calls == 2)
        await dying.kill()
        assert await read == other.number
        assert await reason(hint) == "interrupted"
        assert other.calls == 1
        # What was certainly not sent goes to another, whatever it is.
        await made.channel.call(TYPING, HINT, key=key)
        assert other.calls == 2


async def test_an_instance_that_says_unavailable_had_begun() -> None:
    async with cluster(2) as made:
        failing, other = made.sites

        async def fail() -> None:
            raise XinYuError(UNAVAILABLE)

        failing.answer = fail
        key = made.key_of(failing)
        assert await reason(made.channel.call(TYPING, HINT, key=key)) == "unavailable"
        assert await made.ask(key) == other.number
        # Of a command that it does not know it has done nothing.
        failing.servicers.withdraw([TYPING])
        await made.channel.call(TYPING, HINT, key=key)
        assert (failing.calls, other.calls) == (2, 2)


async def test_overload_and_refusals_are_the_answer() -> None:
    async with cluster(2) as made:
        failing, other = made.sites

        async def fail() -> None:
            raise XinYuError(OVERLOADED)

        failing.answer = fail
        assert await reason(made.ask(made.key_of(failing))) == "overloaded"
        assert other.calls == 0


async def test_all_tries_share_one_deadline() -> None:
    async with cluster(2) as made:
        for site in made.sites:
            site.answer = asyncio.Event().wait  # type: ignore[assignment]
        assert await reason(made.channel.call(OPEN_TALK, READ, timeout_s=0.1)) == "deadline"
        assert sum(site.calls for site in made.sites) == 1
        assert await reason(made.channel.call(OPEN_TALK, READ, timeout_s=0.0)) == "deadline"


async def test_who_only_fails_is_ejected_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balancer, "FIRST_S", 0.2)
    async with cluster(2) as made:
        failing, other = made.sites
        key = made.key_of(failing)

        async def fail() -> None:
            raise XinYuError(UNAVAILABLE)

        failing.answer = fail
        for _ in range(balancer.FAILURES):
            assert await reason(made.channel.call(TYPING, HINT, key=key)) == "unavailable"
        for _ in range(3):
            await made.channel.call(TYPING, HINT, key=key)
        assert (failing.calls, other.calls) == (balancer.FAILURES, 3)
        # One call on probation. It goes on failing, and one caller hears of it.
        outcomes: list[str] = []

        async def probe() -> None:
            try:
                await made.channel.call(TYPING, HINT, key=key)
            except XinYuError as error:
                outcomes.append(error.reason)

        async with asyncio.timeout(30):
            while not outcomes:
                await probe()
                await asyncio.sleep(0.01)
        assert outcomes == ["unavailable"] and failing.calls == balancer.FAILURES + 1
        failing.answer = answer_at_once
        async with asyncio.timeout(30):
            while await made.ask(key) != failing.number:
                await asyncio.sleep(0.01)
        assert [await made.ask(key) for _ in range(5)] == [failing.number] * 5


async def test_when_all_fail_all_are_asked() -> None:
    async def fail() -> None:
        raise XinYuError(UNAVAILABLE)

    async with cluster(2) as made:
        for site in made.sites:
            site.answer = fail
        for _ in range(4 * balancer.FAILURES):
            assert await reason(made.channel.call(TYPING, HINT)) == "unavailable"
        for site in made.sites:
            site.answer = answer_at_once
        await made.channel.call(TYPING, HINT)


# ---------------------------------------------------------------- coming and going


async def test_nobody_is_there() -> None:
    async with cluster(0) as made:
        with pytest.raises(NotSent, match="No message service is there"):
            await made.ask()
        site = Site(1)
        await site.start()
        made.registry.put(site.instance())
        assert await made.ask() == 1
        await site.kill()


async def test_who_has_patience_waits_for_a_service_that_begins_again() -> None:
    async with cluster(1, patience_s=30.0) as made:
        [site] = made.sites
        site.answer = asyncio.Event().wait  # type: ignore[assignment]
        read = asyncio.ensure_future(made.ask())
        hint = asyncio.ensure_future(made.channel.call(TYPING, HINT))
        await until(lambda: site.calls == 2)
        await site.kill()
        # What may have been done is not asked again however long there is time.
        assert await reason(hint) == "interrupted"
        later = [asyncio.ensure_future(made.ask(key)) for key in ("", "p1-2")]
        last = asyncio.ensure_future(made.channel.call(TYPING, HINT))
        await asyncio.wait([read, *later, last], timeout=0.3)
        assert not any(call.done() for call in (read, *later, last))
        site.answer = answer_at_once
        await site.start()
        made.registry.put(site.instance())
        assert await asyncio.gather(read, *later) == [site.number] * 3
        await last


async def test_patience_waits_for_a_service_that_discovery_does_not_know_yet() -> None:
    async with cluster(1, patience_s=30.0) as made:
        channel = ServiceChannel("message", MemoryRegistry().watch("message"), made._connect, patience_s=0.05)
        assert await reason(channel.call(OPEN_TALK, READ)) == "unavailable"
        await channel.close()
        registry = MemoryRegistry()
        channel = ServiceChannel("message", registry.watch("message"), made._connect, patience_s=30.0)
        call = asyncio.ensure_future(channel.call(OPEN_TALK, READ))
        await asyncio.wait([call], timeout=0.1)
        assert not call.done()
        registry.put(made.sites[0].instance())
        assert (await call).talk_id == made.sites[0].number
        await channel.close()


async def test_patience_ends_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster(1, patience_s=0.2) as made:
        [site] = made.sites
        await site.kill()
        assert await reason(made.ask()) == "unavailable"
    monkeypatch.setattr(service_channel, "MAX_PATIENT", 2)
    async with cluster(1, patience_s=30.0) as made:
        [site] = made.sites
        await site.kill()
        waiting = [asyncio.ensure_future(made.ask()) for _ in range(2)]
        await until(lambda: made.channel._patient == 2)
        assert await reason(made.ask()) == "unavailable"
        # A deadline is kept whatever the patience; closing ends it.
        monkeypatch.setattr(service_channel, "MAX_PATIENT", 3)
        assert await reason(made.channel.call(OPEN_TALK, READ, timeout_s=0.1)) == "unavailable"
        await made.channel.close()
        assert [await reason(call) for call in waiting] == ["unavailable"] * 2


async def test_an_instance_that_is_connected_and_says_unavailable_is_not_waited_for() -> None:
    async with cluster(1, patience_s=30.0) as made:
        [site] = made.sites

        async def fail() -> None:
            raise XinYuError(UNAVAILABLE)

        site.answer = fail
        async with asyncio.timeout(10):
            assert await reason(made.ask()) == "unavailable"
        assert site.calls == 1


async def test_the_first_call_waits_for_what_discovery_has_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_channel, "FIRST_ANSWER_WITHIN_S", 0.05)
    async with cluster(1) as made:
        watch = made.registry.watch("message")
        known, watch.instances = watch.instances, ()
        watch.known.clear()
        channel = ServiceChannel("message", watch, made._connect)
        assert await reason(channel.call(OPEN_TALK, READ)) == "unavailable"
        monkeypatch.setattr(service_channel, "FIRST_ANSWER_WITHIN_S", 30.0)
        call = asyncio.ensure_future(channel.call(OPEN_TALK, READ))
        await asyncio.sleep(0)
        watch.tell(known)
        assert (await call).talk_id == 1
        await channel.close()


async def test_calls_of_an_instance_that_goes_come_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_channel, "LINGER_S", 0.01)
    monkeypatch.setattr(service_channel, "LOOK_AGAIN_S", 0.01)
    async with cluster(2) as made:
        going, staying = made.sites
        done = asyncio.Event()
        going.answer = done.wait  # type: ignore[assignment]
        call = asyncio.ensure_future(made.ask(made.key_of(going)))
        await going.began.wait()
        made.registry.remove(going.instance())
        assert await made.ask(made.key_of(going)) == staying.number
        await asyncio.sleep(0.1)  # it has lingered, and its call is still under way
        done.set()
        assert await call == going.number
        (connection,) = (channel for channel in made.made if channel.port == going.port)
        await until(lambda: not connection.is_connected)


async def test_who_is_gone_from_discovery_is_still_reached_by_name_for_a_while_and_the_last_one_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with cluster(2) as made:
        for site in made.sites:
            made.registry.remove(site.instance())
        assert (await made.channel.instance_channel("message-2").call(OPEN_TALK, READ)).talk_id == 2
        assert await made.ask() in (1, 2)
    monkeypatch.setattr(service_channel, "LINGER_S", 0.01)
    async with cluster(1) as made:
        made.registry.remove(made.sites[0].instance())
        await asyncio.sleep(0.05)
        assert await made.ask() == 1
        # And it is the same one when it is back: no new connection.
        made.registry.put(made.sites[0].instance())
        assert await made.ask() == 1
        assert len(made.made) == 1


async def test_a_call_by_name_goes_there_or_nowhere() -> None:
    async with cluster(2) as made:
        named = made.channel.instance_channel("message-2")
        made.registry.put(made.sites[1].instance(state="draining"))
        assert [(await named.call(OPEN_TALK, READ)).talk_id for _ in range(3)] == [2, 2, 2]
        await made.sites[1].kill()
        assert await reason(named.call(OPEN_TALK, READ)) in ("unavailable", "interrupted")
        with pytest.raises(NotSent, match="No message message-9 is there"):
            await made.channel.instance_channel("message-9").call(OPEN_TALK, READ)
        assert made.sites[0].calls == 0


async def test_a_new_life_at_the_same_address_gets_a_new_connection_at_once() -> None:
    async with cluster(1) as made:
        (site,) = made.sites
        await site.kill()
        for _ in range(8):  # the pause between tries grows
            await reason(made.ask())
            await asyncio.sleep(0.05)
        await site.start()
        made.registry.put(site.instance())
        assert await made.ask() == 1
        assert len(made.made) == 2


async def test_closing_ends_all() -> None:
    async with cluster(2) as made:
        made.sites[0].answer = asyncio.Event().wait  # type: ignore[assignment]
        call = asyncio.ensure_future(made.ask(made.key_of(made.sites[0])))
        await made.sites[0].began.wait()
        await made.channel.close()
        assert await reason(call) == "interrupted"
        assert await reason(made.ask()) == "unavailable"
        made.registry.put(made.sites[0].instance(weight=1))  # heard by nobody
        assert not any(channel.is_connected for channel in made.made)
