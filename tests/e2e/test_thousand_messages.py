"""The promise, kept by real processes: what was acknowledged is in every history, once, and all devices agree.

Ann and Ben with two devices each and Cy with one send 1,000 messages through the SDK, in a pair and in a group of
three; messages are recalled, hidden and read in between. Ben's second device is offline half of the time and comes back
each time from the state that it stored. In the middle the server is killed (SIGKILL) and started again on the same
ports and data, and the clients are left to find that out by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from tests.e2e.views import TalkView, device_view, rest_view
from tests.forms import FORMS, EitherServer, running
from xinyu.client import GROUP, SINGLE, ApiError, Client, ClosedError, NetworkError, Record
from xinyu.client.backoff import Backoff
from xinyu.client.shapes import SyncAnswer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

T = TypeVar("T")
SEED = 20_261_124
MESSAGES = 1000
# Ben's second device changes between online and offline each time so many more messages have been acknowledged.
AWAY_EVERY = 50
KILL_AT = MESSAGES // 2
PASSWORD = "correct horse battery"
DEADLINE_S = 60.0
# The rates are limited by other tests; recalling is allowed for the whole test, however slow the machine.
ENVIRONMENT = {
    "XINYU_LIMITS__SENDS_PER_S": "2000",
    "XINYU_LIMITS__SEND_BURST": "2000",
    "XINYU_MESSAGES__REVOKE_WINDOW_S": "3600",
}


@dataclass(frozen=True)
class Acknowledged:
    sender_id: int
    record: Record
    text: str


@dataclass
class Ledger:
    """What the test knows to be true, because a server answered it."""

    sent: list[Acknowledged] = field(default_factory=list)
    recalled: set[str] = field(default_factory=set)
    hidden: dict[int, set[tuple[int, int]]] = field(default_factory=dict)  # by user: (talk, sequence)
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def add(self, message: Acknowledged) -> None:
        async with self.moved:
            self.sent.append(message)
            self.moved.notify_all()

    async def wait_for(self, count: int) -> None:
        async with self.moved:
            await self.moved.wait_for(lambda: len(self.sent) >= min(count, MESSAGES))


@dataclass
class Device:
    """One user's client, which may be replaced by its own later self."""

    name: str
    mobile: str
    server: EitherServer
    random: Random
    client: Client = field(init=False)
    online: asyncio.Event = field(default_factory=asyncio.Event)

    async def come_online(self, state: bytes | None = None) -> None:
        self.client = Client(
            self.server.http_url,
            self.server.websocket_url,
            state=state,
            backoff=Backoff(base_ms=50, cap_ms=500, random=self.random),
            random=self.random,
            request_timeout_s=5.0,
        )
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    await self.client.login(self.mobile, PASSWORD)
                    break
                except NetworkError:
                    await asyncio.sleep(0.05)
                except ApiError as error:
                    if not error.is_retryable:
                        raise
                    await asyncio.sleep(0.05)
        await self.client.start(DEADLINE_S)
        self.online.set()

    async def go_offline(self) -> bytes:
        """Answers what the device has stored: all that it knows in its next life."""
        self.online.clear()
        await self.client.close()
        return self.client.state()

    async def ask(self, request: Callable[[Client], Awaitable[T]]) -> T:
        """Repeats what is safe to repeat, until an answer has come: server and device may be away meanwhile."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                await self.online.wait()
                try:
                    return await request(self.client)
                except (NetworkError, ClosedError):
                    await asyncio.sleep(0.02)
                except ApiError as error:
                    if not error.is_retryable:
                        raise
                    await asyncio.sleep(0.02)


class House:
    """The people of the test, and what they do."""

    def __init__(self, server: EitherServer, random: Random) -> None:
        self.server = server
        self.random = random
        self.ledger = Ledger()
        self.ids: dict[str, int] = {}
        self.devices: list[Device] = []
        self.group_id = 0
        self.plan = list(range(MESSAGES, 0, -1))

    async def move_in(self) -> None:
        mobiles = {"Ann": "13500000001", "Ben": "13500000002", "Cy": "13500000003"}
        url = self.server.http_url
        async with Client(url) as ann, Client(url) as ben, Client(url) as cy:
            people = {"Ann": ann, "Ben": ben, "Cy": cy}
            for name, client in people.items():
                await client.register(name, mobiles[name], PASSWORD)
                self.ids[name] = (await client.detail()).id
            for name in ("Ben", "Cy"):
                await ann.apply(self.ids[name])
                (asked,) = await people[name].applications()
                await people[name].accept(asked.id)
            self.group_id = await ann.create_group("The three", [self.ids["Ben"], self.ids["Cy"]])
        for name in ("Ann", "Ann", "Ben", "Ben", "Cy"):
            device = Device(name, mobiles[name], self.server, Random(self.random.random()))
            await device.come_online()
            self.devices.append(device)

    async def move_out(self) -> None:
        for device in self.devices:
            await device.client.close()

    @property
    def traveller(self) -> Device:
        """Ben's second device."""
        return self.devices[3]

    # ---------------------------------------------------------------- what they do

    async def talk(self, device: Device) -> None:
        """Sends its share of the plan, and recalls, hides and reads in between."""
        random, me = device.random, self.ids[device.name]
        peer = self.ids["Ben" if device.name == "Ann" else "Ann"]
        mine: list[tuple[int, int, Record]] = []
        while self.plan:
            await device.online.wait()
            if not self.plan:
                return
            number = self.plan.pop()
            in_group = device.name == "Cy" or random.random() < 0.4
            mode, target = (GROUP, self.group_id) if in_group else (SINGLE, peer)
            text = f"<{number}> & {random.choice(['good', 'fine', '你好', 'naïve'])}"
            # Whoever goes offline takes his unsent messages along, and sends them when he is back.
            record = await device.ask(
                lambda client, m=mode, t=target, s=text, n=number: client.send_text(m, t, s, msg_id=f"n-{n}")  # type: ignore[misc]
            )
            assert (record.msg_id, record.text, record.from_id) == (f"n-{number}", text, me)
            await self.ledger.add(Acknowledged(me, record, text))
            mine.append((mode, target, record))
            await self._meddle(device, mode, target, mine)

    async def _meddle(self, device: Device, mode: int, target: int, mine: list[tuple[int, int, Record]]) -> None:
        random = device.random
        chance = random.random()
        if chance < 0.06:
            place, whose, victim = random.choice(mine)
            await device.ask(lambda client: client.revoke(place, whose, victim.msg_id))
            self.ledger.recalled.add(victim.msg_id)
        elif chance < 0.12:
            page = await device.ask(lambda client: client.history(self._talk_id(client, mode, target), limit=10))
            victims = random.sample(page, min(len(page), random.randint(1, 3)))
            await device.ask(lambda client: client.hide(mode, target, [victim.msg_id for victim in victims]))
            hidden = self.ledger.hidden.setdefault(self.ids[device.name], set())
            hidden.update((victim.talk_id, victim.sequence) for victim in victims)
        elif chance < 0.30:
            await device.ask(lambda client: client.mark_read(self._talk_id(client, mode, target)))

    def _talk_id(self, client: Client, mode: int, target: int) -> int:
        talk = client.talk(mode, target)
        assert talk is not None
        return talk.talk_id

    async def travel(self) -> None:
        """Ben's second device: offline, online, offline ..."""
        for trip in range(0, MESSAGES // AWAY_EVERY, 2):
            await self.ledger.wait_for(trip * AWAY_EVERY)
            state = await self.traveller.go_offline()
            await self.ledger.wait_for((trip + 1) * AWAY_EVERY)
            await self.traveller.come_online(state)

    async def power_cut(self) -> None:
        await self.ledger.wait_for(KILL_AT)
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)

    async def live(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for device in self.devices:
                for _ in range(2):
                    tasks.create_task(self.talk(device))
            tasks.create_task(self.travel())
            tasks.create_task(self.power_cut())

    # ---------------------------------------------------------------- what they see

    async def settle(self, device: Device) -> None:
        """Returns when the device is where the server is. Nobody does anything any more."""
        everything = {"epoch": "", "versions": {"talk": 0, "contact": 0, "user": 0}, "talks": []}
        answer = await device.ask(lambda client: client.api.call_as(SyncAnswer, "sync", everything))
        assert answer.next is None
        wanted = {t.talk_id: (t.last_sequence, t.last_change, t.own) for t in answer.talks}
        replica = device.client.replica

        def is_there() -> bool:
            return device.client.is_synced and all(replica.cursors(talk) == at for talk, at in wanted.items())

        try:
            async with asyncio.timeout(DEADLINE_S):
                while not is_there():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            held = {talk: replica.cursors(talk) for talk in wanted}
            raise AssertionError(f"{device.name} holds {held}, the server {wanted}") from None


@pytest.mark.parametrize("form", FORMS)
async def test_thousand_messages(form: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with running(form, request, tmp_path / "data", ENVIRONMENT) as server:
        house = House(server, Random(SEED))
        try:
            await house.move_in()
            await house.live()
            await check(house)
        finally:
            await house.move_out()


async def check(house: House) -> None:
    ledger = house.ledger
    assert len(ledger.sent) == MESSAGES
    assert len(ledger.recalled) > 20
    assert all(len(ledger.hidden[user]) > 5 for user in house.ids.values())
    for device in house.devices:
        await house.settle(device)
    views = []
    for device in house.devices:
        view = await device_view(device.client)
        views.append(view)
        check_history(house, house.ids[device.name], view)
        rest = await rest_view(device.client)
        assert {talk: (seen.messages, seen.unread) for talk, seen in view.items()} == rest
        assert list(rest) == list(view), "the order of the list"
    assert views[0] == views[1], "Ann's devices"
    assert views[2] == views[3], "Ben's devices"
    assert len({message.record.talk_id for message in ledger.sent}) == 2, "one pair, one group"


def check_history(house: House, user_id: int, view: dict[int, TalkView]) -> None:
    """Each acknowledged message once, where it was acknowledged; nothing else but what the house itself says."""
    ledger = house.ledger
    hidden = ledger.hidden[user_id]
    for talk_id, talk in view.items():
        sequences = [message.sequence for message in talk.messages]
        assert sequences == sorted(set(sequences), reverse=True)
        gone = {sequence for talk, sequence in hidden if talk == talk_id}
        assert talk.from_sequence == 1
        assert set(sequences) | gone == set(range(1, talk.last_sequence + 1)), "1 .. n without holes"
        assert not set(sequences) & gone
        by_sequence = {message.sequence: message for message in talk.messages}
        acknowledged = [message for message in ledger.sent if message.record.talk_id == talk_id]
        for message in acknowledged:
            record = message.record
            if record.sequence in gone:
                continue
            is_recalled = record.msg_id in ledger.recalled
            seen = by_sequence[record.sequence]
            told = (record.msg_id, message.sender_id, is_recalled, "" if is_recalled else message.text)
            assert (seen.msg_id, seen.from_id, seen.is_recalled, seen.text) == told
        # The greeting of a new friendship, or the line that says who made the group.
        assert talk.last_sequence == len(acknowledged) + 1
        assert set(range(1, talk.last_sequence + 1)) - {m.record.sequence for m in acknowledged} == {1}
