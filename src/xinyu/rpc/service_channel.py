"""A channel to one service, whoever it is that offers it: all instances that discovery knows, one connection to each.

**Who gets a call.** One with a key goes to the instance that the key has on the ring, any other by the policy
(`xinyu.rpc.balancer`). Only the best of those that are there take part. Better is, in this order: who is connected;
whom discovery still knows; who is up and has a weight above 0; who is not ejected. So an instance that comes gets calls
once the connection to it stands, one that dies gets none from the moment that its connection breaks, and one that is
draining, ejected or gone from discovery is still asked when there is nobody better: discovery may be wrong, and a last
try costs nothing.

**When a call fails.** One that was certainly not sent (`NotSent`) goes to another instance. One that may have been done
(INTERRUPTED, or the instance says UNAVAILABLE of something behind it) goes to another only if its method is marked
`repeatable` in the .proto: a read, or a command whose repetition changes nothing (a send is one, by its msg_id). The
deadline covers all tries, at most `MAX_TRIES`. What does not answer in time is not tried again: there is no time left.
OVERLOADED is not either: that is how load is shed.

**When nobody is there.** With `patience_s` a call that may be (re)tried and finds no instance connected waits for one,
so long and no longer than its deadline: a service that begins again within that is not missed by those who ask at the
doors. At most `MAX_PATIENT` calls wait; further ones are refused at once, as all are without patience: a room that asks
another has something better to do, be it that it names nobody or that it asks again later.

**When an instance goes.** Gone from discovery it stays for `LINGER_S` as one that is asked last: calls under way end, a
gateway that is called by its name is reached while ZooKeeper forgets everybody and is told anew, and the last one of
all stays for good. An instance that was started again at the same address gets a new connection at once.

Cost: a coroutine and a few dictionary look-ups a call, and one hash where there is a key.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog

from xinyu.base.errors import DEADLINE, INTERRUPTED, OVERLOADED, UNAVAILABLE, XinYuError
from xinyu.discovery.registry import Instance, Watch
from xinyu.rpc.balancer import POLICIES, Ejections, HashRing, PolicyName
from xinyu.rpc.not_sent import NotSent
from xinyu.wire.v1.method import Channel, Method

log = structlog.get_logger(__name__)

MAX_TRIES: Final = 3
MAX_PATIENT: Final = 1_000
FIRST_ANSWER_WITHIN_S: Final = 1.0
LINGER_S: Final = 10.0
# Calls of an instance that goes have this long beyond that; each has a deadline of its own.
LAST_CALLS_S: Final = 30.0
LOOK_AGAIN_S: Final = 0.5
# The channel spaces its tries by itself; this is how soon it is noticed that one may be made.
RECONNECT_S: Final = 0.25
# By which a loop's timer may be early against its clock.
CLOCK_STEP_S: Final = 0.01


class InstanceChannel(Channel, Protocol):
    """A channel to one instance (`xinyu.rpc.rock_channel.RockChannel`)."""

    @property
    def in_flight(self) -> int: ...

    @property
    def is_connected(self) -> bool: ...

    async def connect(self) -> None:
        """Returns once it is connected; raises XinYuError where that failed, or may not be tried yet."""
        ...

    async def lost(self) -> None:
        """Returns when the connection that is there now is lost."""
        ...

    async def close(self) -> None: ...


class ServiceChannel:
    """`xinyu.wire.v1.method.Channel`. Made on a running loop; owns `watch` and the channels that `connect` makes."""

    def __init__(
        self,
        service: str,
        watch: Watch,
        connect: Callable[[Instance], InstanceChannel],
        policy: PolicyName = "least_in_flight",
        patience_s: float = 0.0,
    ) -> None:
        self.service = service
        self._patience_s = patience_s
        self._patient = 0
        # Somebody is connected, or the channel is closed.
        self._is_answered = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._watch = watch
        self._connect = connect
        self._policy = POLICIES[policy]()
        self._ejections = Ejections()
        self._members: dict[str, _Member] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._candidates: list[_Member] = []
        self._candidate_of: dict[str, _Member] = {}
        self._ring: HashRing | None = None
        self._ring_of: frozenset[str] = frozenset()
        watch.on_change = self._on_change
        self._on_change()

    async def call(self, method: Method, request: Any, *, timeout_s: float | None = None, key: str = "") -> Any:
        loop = self._loop
        began_s = loop.time()
        deadline_s = began_s + (method.timeout_s if timeout_s is None else timeout_s)
        if not self._members:
            await self._first_answer(deadline_s)
        member = self._pick(key)
        if member is None and await self._somebody_comes(began_s, deadline_s):
            member = self._pick(key)
        tries = 0
        tried: tuple[_Member, ...] = ()
        while member is not None:
            tries += 1
            tried += (member,)
            left_s = deadline_s - loop.time()
            if left_s <= 0:
                raise XinYuError(DEADLINE)
            try:
                response = await member.channel.call(method, request, timeout_s=left_s)
            except XinYuError as error:
                self._note(member, error)
                may_repeat = isinstance(error, NotSent) or (
                    method.repeatable and error.code in (UNAVAILABLE, INTERRUPTED)
                )
                if not may_repeat or tries == MAX_TRIES:
                    raise
                other = self._pick(key, tried)
                if (other is None or not other.is_ready) and await self._somebody_comes(began_s, deadline_s):
                    tried, other = (), self._pick(key)
                if other is None:
                    raise
                log.debug(
                    "call_goes_to_another", service=self.service, method=method.name, address=member.address,
                    error=error.reason,
                )  # fmt: skip
                member = other
            except BaseException:
                if self._ejections.given_up(member.address):
                    self._refresh()
                raise
            else:
                if self._ejections.succeeded(member.address):
                    log.info("instance_taken_back", service=self.service, address=member.address)
                    self._refresh()
                return response
        raise NotSent(f"No {self.service} service is there.")

    def spread(self, method: Method, keys: Sequence[str]) -> list[list[int]]:
        """`xinyu.rpc.spread.Spread`."""
        ring = self._ring
        if ring is None or len(self._ring_of) == 1:
            return [list(range(len(keys)))]
        groups: dict[str, list[int]] = {}
        for number, key in enumerate(keys):
            groups.setdefault(ring.find(key), []).append(number)
        return list(groups.values())

    def instance_channel(self, instance_id: str) -> Channel:
        """To this instance and no other, wherever it is when a call is made."""
        return _NamedChannel(self, instance_id)

    async def close(self) -> None:
        """Calls under way fail with INTERRUPTED, later ones with UNAVAILABLE."""
        self._is_closed = True
        self._is_answered.set()
        self._watch.close()
        members = list(self._members.values())
        self._members.clear()
        self._refresh()
        for member in members:
            member.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *(member.channel.close() for member in members), return_exceptions=True)

    # ---------------------------------------------------------------- who gets a call

    def _pick(self, key: str, tried: tuple[_Member, ...] = ()) -> _Member | None:
        if tried:
            others = [member for member in self._members.values() if member not in tried]
            candidates = self._best(others)
            picked = self._choose(key, candidates, {member.address: member for member in candidates})
        else:
            picked = self._choose(key, self._candidates, self._candidate_of)
            if picked is not None and picked.is_ready != picked.channel.is_connected:
                # Lost in this moment: whoever waits for that has not been called yet.
                self._refresh()
                picked = self._choose(key, self._candidates, self._candidate_of)
        if picked is not None and self._ejections.begin(picked.address):
            self._refresh()  # one call on probation, and no other
        return picked

    def _choose(self, key: str, candidates: list[_Member], candidate_of: dict[str, _Member]) -> _Member | None:
        if len(candidates) <= 1:
            return candidates[0] if candidates else None
        if key and self._ring is not None:
            picked = candidate_of.get(self._ring.find(key))
            if picked is not None:
                return picked
            for address in self._ring.order(key):
                if address in candidate_of:
                    return candidate_of[address]
        return self._policy.pick(candidates)

    def _best(self, members: list[_Member]) -> list[_Member]:
        now_s = self._loop.time()
        ranks = [member.rank(self._ejections.is_out(member.address, now_s)) for member in members]
        best = min(ranks, default=None)
        return [member for member, rank in zip(members, ranks, strict=True) if rank == best]

    def _refresh(self) -> None:
        """Something has changed of which the choice depends."""
        members = list(self._members.values())
        for member in members:
            member.is_ready = member.channel.is_connected
        if any(member.is_ready for member in members):
            self._is_answered.set()
        elif not self._is_closed:
            self._is_answered.clear()
        self._candidates = self._best(members)
        self._candidate_of = {member.address: member for member in self._candidates}
        # Who is connected or ejected just now moves no key for good.
        ring_of = frozenset(member.address for member in members if member.has_keys)
        if ring_of != self._ring_of:
            self._ring_of = ring_of
            self._ring = HashRing(ring_of) if ring_of else None

    def _note(self, member: _Member, error: XinYuError) -> None:
        address, now_s = member.address, self._loop.time()
        if error.code in (UNAVAILABLE, INTERRUPTED, DEADLINE):
            if self._ejections.failed(address, now_s, len(self._members)):
                back_s = self._ejections.back_at(address) - now_s
                log.warning("instance_ejected", service=self.service, address=address, error=error.reason, for_s=back_s)
                self._loop.call_later(back_s + CLOCK_STEP_S, self._refresh)
                self._refresh()
        elif error.code is OVERLOADED:
            if self._ejections.given_up(address):
                self._refresh()
        elif self._ejections.succeeded(address):  # it answers, if only to refuse
            self._refresh()

    # ---------------------------------------------------------------- who is there

    async def _first_answer(self, deadline_s: float) -> None:
        within_s = min(FIRST_ANSWER_WITHIN_S, deadline_s - self._loop.time())
        if not self._watch.known.is_set() and not self._is_closed and within_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._watch.known.wait()

    async def _somebody_comes(self, began_s: float, deadline_s: float) -> bool:
        """Waits until an instance is connected, where none is. False: one is, or none came in time, or too many
        wait."""
        until_s = min(deadline_s, began_s + self._patience_s)
        if self._loop.time() >= until_s or self._patient >= MAX_PATIENT:
            return False
        self._refresh()  # what was lost in this moment counts
        if self._is_answered.is_set():
            return False
        self._patient += 1
        try:
            async with asyncio.timeout_at(until_s):
                await self._is_answered.wait()
        except TimeoutError:
            return False
        finally:
            self._patient -= 1
        return not self._is_closed

    def _on_change(self) -> None:
        if self._is_closed:
            return
        listed = {instance.address: instance for instance in self._watch.instances}
        for address, instance in listed.items():
            member = self._members.get(address)
            if member is not None and member.is_same_life(instance):
                member.instance = instance
                member.stay()
                continue
            if member is not None:
                self._leave(member)
            self._join(instance)
        for address, member in self._members.items():
            if address not in listed and not member.is_gone:
                member.is_gone = True
                member.leaving = self._loop.call_later(LINGER_S, self._on_lingered, member)
        self._refresh()

    def _join(self, instance: Instance) -> None:
        member = self._members[instance.address] = _Member(instance, self._connect(instance))
        self._ejections.forget(instance.address)
        member.holding = self._own(self._hold(member))

    def _on_lingered(self, member: _Member) -> None:
        if all(other.is_gone for other in self._members.values()):
            member.leaving = self._loop.call_later(LINGER_S, self._on_lingered, member)
            return
        del self._members[member.address]
        self._ejections.forget(member.address)
        self._leave(member)
        self._refresh()

    def _leave(self, member: _Member) -> None:
        """It gets no calls any more, and is closed when those under way have ended."""
        member.end()
        self._own(self._close_later(member))

    async def _close_later(self, member: _Member) -> None:
        until_s = self._loop.time() + LAST_CALLS_S
        try:
            while member.channel.in_flight and self._loop.time() < until_s:  # noqa: ASYNC110 (no event tells of it)
                await asyncio.sleep(LOOK_AGAIN_S)
        finally:
            await member.channel.close()

    async def _hold(self, member: _Member) -> None:
        """Keeps the connection, so that a call need not wait for it."""
        while True:
            try:
                await member.channel.connect()
            except XinYuError:
                await asyncio.sleep(RECONNECT_S * random.uniform(0.5, 1.0))
                continue
            self._refresh()
            await member.channel.lost()
            self._refresh()

    def _own(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def call_named(self, instance_id: str, method: Method, request: Any, timeout_s: float | None) -> Any:
        """A call to this instance, in whatever state it is. Raises NotSent where there is none of that name."""
        deadline_s = self._loop.time() + (method.timeout_s if timeout_s is None else timeout_s)
        if not self._members:
            await self._first_answer(deadline_s)
        for member in self._members.values():
            if member.instance.instance_id == instance_id:
                return await member.channel.call(method, request, timeout_s=deadline_s - self._loop.time())
        raise NotSent(f"No {self.service} {instance_id} is there.")


class _Member:
    """One instance, or one life of it."""

    def __init__(self, instance: Instance, channel: InstanceChannel) -> None:
        self.instance = instance
        self.address = instance.address
        self.channel = channel
        self.is_gone = False
        # What the list of candidates was made with.
        self.is_ready = False
        self.holding: asyncio.Task[None] | None = None
        self.leaving: asyncio.TimerHandle | None = None

    @property
    def weight(self) -> int:
        return self.instance.weight

    @property
    def in_flight(self) -> int:
        return self.channel.in_flight

    @property
    def has_keys(self) -> bool:
        return not self.is_gone and self.instance.state == "up" and self.instance.weight > 0

    def rank(self, is_out: bool) -> tuple[bool, bool, bool, bool]:
        """The lower the better."""
        is_up = self.instance.state == "up" and self.instance.weight > 0
        return not self.channel.is_connected, self.is_gone, not is_up, is_out

    def is_same_life(self, instance: Instance) -> bool:
        mine = self.instance
        return (mine.instance_id, mine.started_at) == (instance.instance_id, instance.started_at)

    def stay(self) -> None:
        self.is_gone = False
        if self.leaving is not None:
            self.leaving.cancel()
            self.leaving = None

    def end(self) -> None:
        """The connection is not kept any more."""
        if self.leaving is not None:
            self.leaving.cancel()
        if self.holding is not None:
            self.holding.cancel()


class _NamedChannel:
    __slots__ = ("_instance_id", "_service")

    def __init__(self, service: ServiceChannel, instance_id: str) -> None:
        self._service = service
        self._instance_id = instance_id

    async def call(self, method: Method, request: Any, *, timeout_s: float | None = None, key: str = "") -> Any:
        return await self._service.call_named(self._instance_id, method, request, timeout_s)
