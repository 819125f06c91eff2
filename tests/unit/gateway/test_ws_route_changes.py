"""What the gateway tells the presence room: one call a turn, in order, each answer once, and each route back once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from xinyu.base.clock import SystemClock
from xinyu.base.errors import DEADLINE, INTERRUPTED, OVERLOADED, XinYuError
from xinyu.gateway.ws import route_changes as module
from xinyu.gateway.ws.route_changes import MAX_TOGETHER, RouteChanges
from xinyu.gateway.ws.talk_absences import TalkAbsences
from xinyu.rpc.context import Context
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.wire.v1 import options_pb2, presence_pb2, presence_rpc

# gone, codec, users
Change = tuple[bool, int, list[int]]


class Presence:
    """Writes down each call, and answers with the next of `refusals`."""

    def __init__(self) -> None:
        self.calls: list[list[Change]] = []
        self.incarnations: list[str] = []
        self.refusals: list[Exception | None] = []
        self.gate: asyncio.Event | None = None

    async def change_routes(self, request: presence_pb2.ChangeRoutesRequest, _: Context) -> options_pb2.Empty:
        assert request.gateway == "one"
        self.incarnations.append(request.incarnation)
        self.calls.append([(change.gone, change.codec, list(change.user_ids)) for change in request.changes])
        if self.gate is not None:
            await self.gate.wait()
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal
        return options_pb2.Empty()

    load_online = renew_gateway = watch = unwatch = change_routes


class Door:
    """The gateway's side: `answers` are (subject, reason of the refusal)."""

    def __init__(self) -> None:
        self.presence = Presence()
        network = InProcessNetwork(serialise=True)
        network.serve(presence_rpc.METHODS, self.presence)
        self.answers: list[tuple[str, str]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.absences = TalkAbsences(SystemClock())
        stub = presence_rpc.PresenceStub(network.channel("gateway.ws"))
        self.routes: RouteChanges[str] = RouteChanges(
            stub, self._on_answer, self._own, self.absences, gateway="one", incarnation="first"
        )

    def _on_answer(self, subject: str, refusal: XinYuError | None) -> None:
        self.answers.append((subject, "" if refusal is None else refusal.reason))
        if subject == "breaks":
            raise RuntimeError("whoever asked has a fault")

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def quiet(self) -> None:
        """Until nothing is left to be told."""
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
            while pending := [task for task in self.tasks if not task.done()]:
                await asyncio.wait(pending)
                await asyncio.sleep(0)
        for task in self.tasks:
            task.result()


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setattr(module, "DISCONNECT_PAUSES_S", (0.001, 0.001, 0.001))
    return Door()


async def test_what_happens_in_one_turn_is_one_call_in_order(door: Door) -> None:
    door.routes.connect([1], 0, "a")
    door.routes.connect([2], 0, "b")
    door.routes.disconnect(1, 0)
    door.routes.connect([1], 0, "c")
    door.routes.connect([3], 1, "d")
    door.routes.disconnect(3, 1)
    door.routes.disconnect(2, 0)
    await door.quiet()
    assert door.presence.calls == [
        [(False, 0, [1, 2]), (True, 0, [1]), (False, 0, [1]), (False, 1, [3]), (True, 1, [3]), (True, 0, [2])]
    ]
    assert door.answers == [("a", ""), ("b", ""), ("c", ""), ("d", "")]
    door.routes.disconnect(9, 1)
    await door.quiet()
    assert door.presence.calls[1:] == [[(True, 1, [9])]]


async def test_a_call_that_hangs_holds_up_nobody_else(door: Door) -> None:
    door.presence.gate = asyncio.Event()
    door.routes.connect([1], 0, "hangs")
    while not door.presence.calls:
        await asyncio.sleep(0)
    gate, door.presence.gate = door.presence.gate, None
    door.routes.connect([2], 0, "goes on")
    while not door.answers:
        await asyncio.sleep(0)
    assert door.answers == [("goes on", "")]
    gate.set()
    await door.quiet()
    assert door.answers == [("goes on", ""), ("hangs", "")]


@pytest.mark.parametrize("mixed", [False, True])
async def test_calls_are_bounded_and_nothing_is_lost_or_turned_around(door: Door, mixed: bool) -> None:
    users = range(1, 5 * MAX_TOGETHER + 8)
    for user in users:
        door.routes.connect([user], user % 2 if mixed else 0, str(user))
    await door.quiet()
    told = [user for call in door.presence.calls for _, _, user_ids in call for user in user_ids]
    assert told == list(users)
    assert max(sum(len(user_ids) for _, _, user_ids in call) for call in door.presence.calls) <= 2 * MAX_TOGETHER
    assert sorted(int(subject) for subject, _ in door.answers) == list(users)


async def test_a_refusal_is_heard_by_who_connects_and_what_is_gone_is_told_again(door: Door) -> None:
    door.presence.refusals = [XinYuError(OVERLOADED), XinYuError(OVERLOADED)]
    door.routes.disconnect(5, 1)
    door.routes.connect([1], 0, "a")
    door.routes.disconnect(6, 0)
    await door.quiet()
    gone = [(True, 1, [5]), (True, 0, [6])]
    assert door.presence.calls == [[(True, 1, [5]), (False, 0, [1]), (True, 0, [6])], gone, gone]
    assert door.answers == [("a", "overloaded")]


async def test_what_is_gone_is_given_up_after_a_while(door: Door) -> None:
    door.presence.refusals = [XinYuError(OVERLOADED)] * 9
    door.routes.disconnect(5, 1)
    await door.quiet()
    assert len(door.presence.calls) == 1 + len(module.DISCONNECT_PAUSES_S)


@pytest.mark.parametrize("code", [DEADLINE, INTERRUPTED])
async def test_what_may_have_happened_is_taken_back_once_and_not_given_back_twice(door: Door, code: Any) -> None:
    door.presence.refusals = [XinYuError(code)]
    door.routes.connect([1], 0, "a")
    door.routes.disconnect(5, 1)
    await door.quiet()
    assert door.presence.calls == [[(False, 0, [1]), (True, 1, [5])], [(True, 0, [1])]]
    assert door.answers == [("a", code.reason)]


async def test_a_deadline_that_passes(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRESENCE_TIMEOUT_S", 0.01)
    gate = door.presence.gate = asyncio.Event()
    door.routes.connect([1], 0, "a")
    while not door.answers:
        await asyncio.sleep(0.001)
    assert door.answers == [("a", "deadline")]
    gate.set()
    await door.quiet()
    assert door.presence.calls == [[(False, 0, [1])], [(True, 0, [1])]]


async def test_a_fault_of_one_who_asked_is_not_another_s(door: Door) -> None:
    for subject in ("a", "breaks", "b"):
        door.routes.connect([1], 0, subject)
    await door.quiet()
    assert door.answers == [("a", ""), ("breaks", ""), ("b", "")]


async def test_a_fault_of_the_room_is_a_refusal(door: Door) -> None:
    door.presence.refusals = [RuntimeError("the secret of the room")]
    door.routes.connect([1], 0, "a")
    await door.quiet()
    assert door.answers == [("a", "internal")]


async def test_stopping_tells_what_has_gathered_at_once_and_nothing_again(door: Door) -> None:
    door.presence.refusals = [XinYuError(OVERLOADED)]
    door.routes.disconnect(5, 1)
    door.routes.stop()
    assert len(door.tasks) == 1
    await door.quiet()
    assert door.presence.calls == [[(True, 1, [5])]]


# ---------------------------------------------------------------- with a lease


async def test_another_incarnation_begins_with_what_comes_after_it(door: Door) -> None:
    door.routes.connect([1], 0, "a")
    door.routes.disconnect(5, 1)
    door.routes.begin("second")
    door.routes.connect([2], 0, "b")
    door.routes.disconnect(6, 1)
    await door.quiet()
    # What gathered before was told in the first; a route that was made there is made again, and answered once.
    assert list(zip(door.presence.incarnations, door.presence.calls, strict=True)) == [
        ("first", [(False, 0, [1]), (True, 1, [5])]),
        ("second", [(False, 0, [2]), (True, 1, [6])]),
        ("second", [(False, 0, [1])]),
    ]
    assert sorted(door.answers) == [("a", ""), ("b", "")]


async def test_a_route_under_way_is_made_in_the_incarnation_that_it_ends_in(door: Door) -> None:
    gate = door.presence.gate = asyncio.Event()
    door.routes.connect([1], 0, "a")
    for number in (1, 2):
        while len(door.presence.calls) < number:
            await asyncio.sleep(0)
        door.routes.begin(f"incarnation {number}")
        gate.set()
        gate = door.presence.gate = asyncio.Event()
    gate.set()
    await door.quiet()
    assert door.presence.incarnations == ["first", "incarnation 1", "incarnation 2"]
    assert door.answers == [("a", "")]


async def test_what_is_told_again_ends_with_its_incarnation(door: Door) -> None:
    doubts: list[int] = []
    door.routes.on_uncertain = lambda: doubts.append(1)
    door.presence.refusals = [XinYuError(OVERLOADED)] * 2
    door.routes.disconnect(5, 1)
    while len(door.presence.calls) < 2:
        await asyncio.sleep(0)
    door.routes.begin("second")
    await door.quiet()
    assert door.presence.incarnations == ["first"] * 2
    assert doubts == []


@pytest.mark.parametrize("code", [DEADLINE, INTERRUPTED])
async def test_doubt_is_told_and_nothing_is_taken_back(door: Door, code: Any) -> None:
    doubts: list[int] = []
    door.routes.on_uncertain = lambda: doubts.append(1)
    door.presence.refusals = [XinYuError(code)]
    door.routes.connect([1], 0, "a")
    door.routes.disconnect(5, 1)
    await door.quiet()
    assert door.presence.calls == [[(False, 0, [1]), (True, 1, [5])]]
    assert door.answers == [("a", code.reason)]
    assert doubts


async def test_what_could_not_be_given_back_is_a_doubt(door: Door) -> None:
    doubts: list[int] = []
    door.routes.on_uncertain = lambda: doubts.append(1)
    door.presence.refusals = [XinYuError(OVERLOADED)] * 9
    door.routes.disconnect(5, 1)
    await door.quiet()
    assert doubts == [1]
