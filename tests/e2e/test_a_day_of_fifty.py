"""A day in the life of fifty people: at its end every device shows what the store holds, unread numbers included.

The plan is seeded: friendships, groups, and for each hour who does what on which of his devices. Everybody has a phone
that stays on; many have a laptop that is away for some hours, some a tablet that is away from morning to night. What a
device knew when it went is all that it has when it comes back. Actions of one hour run side by side; the hours are as
long as they take.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.e2e.views import device_view, rest_view
from tests.forms import FORMS, EitherServer, running
from xinyu.client import GROUP, SINGLE, ApiError, Client, Record
from xinyu.client.backoff import Backoff
from xinyu.client.shapes import SyncAnswer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SEED = 20_261_129
PEOPLE = 50
FRIENDS_EACH = 3
GROUPS = 8
HOURS = 12
ACTIONS_AN_HOUR = 90
AT_ONCE = 12
PASSWORD = "correct horse battery"
DEADLINE_S = 90.0
ENVIRONMENT = {
    "XINYU_LIMITS__SENDS_PER_S": "2000",
    "XINYU_LIMITS__SEND_BURST": "2000",
    "XINYU_MESSAGES__REVOKE_WINDOW_S": "3600",
}
WORDS = ("good", "fine", "你好", "naïve", "<b>", "see you", "五点见", "🙂")
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)


@dataclass
class Device:
    """Away between two hours: `away` holds those in which it is off."""

    person: Somebody
    away: frozenset[int]
    client: Client
    state: bytes = b""

    async def come(self, server: EitherServer) -> None:
        self.client = new_client(server, self.state or None)
        await self.client.login(self.person.mobile, PASSWORD)
        await self.client.start(DEADLINE_S)

    async def go(self) -> None:
        await self.client.close()
        self.state = self.client.state()


@dataclass
class Somebody:
    number: int
    mobile: str
    user_id: int = 0
    devices: list[Device] = field(default_factory=list)
    on: list[Device] = field(default_factory=list)
    friends: set[int] = field(default_factory=set)
    # What he sent: (talk_mode, to_from_id, record).
    sent: list[tuple[int, int, Record]] = field(default_factory=list)


def new_client(server: EitherServer, state: bytes | None = None) -> Client:
    backoff = Backoff(base_ms=50, cap_ms=500)
    return Client(server.http_url, server.websocket_url, state=state, backoff=backoff, request_timeout_s=20.0)


class Town:
    def __init__(self, server: EitherServer) -> None:
        self.server = server
        self.random = Random(SEED)
        start = 13_700_000_000 + self.random.randrange(1000)
        self.people = [Somebody(number, str(start + number)) for number in range(PEOPLE)]
        self.by_id: dict[int, Somebody] = {}
        self.groups: dict[int, set[int]] = {}
        self.done: Counter[str] = Counter()

    # ---------------------------------------------------------------- the morning

    async def wake_up(self) -> None:
        """Accounts, devices, friendships and groups."""
        await self.side_by_side([lambda who=who: self.register(who) for who in self.people])  # type: ignore[misc]
        for who in self.people:
            others = self.random.sample([other for other in self.people if other is not who], FRIENDS_EACH)
            for other in others:
                if other.user_id not in who.friends:
                    await self.befriend(who, other)
        for number in range(GROUPS):
            owner = self.random.choice([who for who in self.people if len(who.friends) >= 3])
            invited = self.random.sample(sorted(owner.friends), self.random.randint(2, len(owner.friends)))
            group_id = await owner.on[0].client.create_group(f"Group {number}", invited)
            self.groups[group_id] = {owner.user_id, *invited}

    async def register(self, who: Somebody) -> None:
        phone = Device(who, frozenset(), new_client(self.server))
        await phone.client.register(f"P{who.number}", who.mobile, PASSWORD)
        who.user_id = (await phone.client.detail()).id
        self.by_id[who.user_id] = who
        await phone.client.start(DEADLINE_S)
        who.devices, who.on = [phone], [phone]
        if who.number % 2:
            first = 1 + who.number % (HOURS - 3)
            await self.add_device(who, frozenset(range(first, first + 1 + who.number % 3)))
        if who.number % 5 == 0:
            await self.add_device(who, frozenset(range(HOURS)))

    async def add_device(self, who: Somebody, away: frozenset[int]) -> None:
        device = Device(who, away, new_client(self.server))
        who.devices.append(device)
        await device.come(self.server)
        who.on.append(device)

    async def befriend(self, one: Somebody, other: Somebody) -> None:
        await one.on[0].client.apply(other.user_id, "hello")
        asked = [each for each in await other.on[0].client.applications() if each.friend_id == one.user_id]
        await other.on[0].client.accept(asked[0].id)
        one.friends.add(other.user_id)
        other.friends.add(one.user_id)

    # ---------------------------------------------------------------- the day

    async def live(self) -> None:
        for hour in range(HOURS):
            for who in self.people:
                for device in who.devices:
                    if (hour in device.away) != (device not in who.on):
                        await self.turn(device, hour not in device.away)
            plan = [(self.random.choice(self.people), self.pick()) for _ in range(ACTIONS_AN_HOUR)]
            await self.side_by_side([lambda who=who, act=act: self.act(who, act) for who, act in plan])  # type: ignore[misc]

    async def turn(self, device: Device, is_on: bool) -> None:
        if is_on:
            await device.come(self.server)
            device.person.on.append(device)
        else:
            device.person.on.remove(device)
            await device.go()

    async def side_by_side(self, actions: list[Callable[[], Awaitable[None]]]) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(action: Callable[[], Awaitable[None]]) -> None:
            async with room:
                await action()

        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
            for action in actions:
                tasks.create_task(one(action))

    def pick(self) -> str:
        names = list(WEIGHTS)
        return self.random.choices(names, [WEIGHTS[name] for name in names])[0]

    async def act(self, who: Somebody, name: str) -> None:
        """A refusal is an answer, too: he may have left the group meanwhile, or the message is gone."""
        client = self.random.choice(who.on).client
        action: Callable[[Somebody, Client], Awaitable[bool]] = getattr(self, f"do_{name}")
        try:
            if await action(who, client):
                self.done[name] += 1
        except ApiError as refusal:
            if refusal.status not in (400, 403, 404, 409):
                raise
            self.done[f"{name} refused"] += 1

    # ---------------------------------------------------------------- what people do

    def place(self, who: Somebody) -> tuple[int, int]:
        mine = [group_id for group_id, members in self.groups.items() if who.user_id in members]
        if mine and self.random.random() < 0.5:
            return GROUP, self.random.choice(mine)
        return SINGLE, self.random.choice(sorted(who.friends))

    async def say(self, who: Somebody, client: Client, type: str, body: dict[str, Any], quote_id: str = "") -> bool:
        mode, target = self.place(who)
        return await self.say_there(who, client, mode, target, type, body, quote_id)

    async def say_there(
        self, who: Somebody, client: Client, mode: int, target: int, type: str, body: dict[str, Any], quote_id: str = ""
    ) -> bool:
        record = await client.send(mode, target, type, body, quote_id=quote_id)
        assert record.sequence > 0
        who.sent.append((mode, target, record))
        return True

    def words(self) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(1, 6)))

    async def do_text(self, who: Somebody, client: Client) -> bool:
        return await self.say(who, client, "text", {"content": self.words()})

    async def do_code(self, who: Somebody, client: Client) -> bool:
        return await self.say(who, client, "code", {"lang": "python", "code": "print('<hello>')"})

    async def do_location(self, who: Somebody, client: Client) -> bool:
        body = {"longitude": "116.39", "latitude": "39.9", "description": "the gate"}
        return await self.say(who, client, "location", body)

    async def do_picture(self, who: Somebody, client: Client) -> bool:
        picture = await client.upload_picture(PICTURE, "dot.png")
        mode, target = self.place(who)
        who.sent.append((mode, target, await client.send_picture(mode, target, picture)))
        return True

    async def do_file(self, who: Somebody, client: Client) -> bool:
        upload_id = await client.upload_file(self.words().encode(), "words.txt")
        mode, target = self.place(who)
        who.sent.append((mode, target, await client.send_file(mode, target, upload_id)))
        return True

    async def do_reply(self, who: Somebody, client: Client) -> bool:
        talks = [talk for talk in client.conversations() if client.replica.records(talk.talk_id)]
        if not talks:
            return False
        talk = self.random.choice(talks)
        quoted = self.random.choice(client.replica.records(talk.talk_id))
        body = {"content": self.words()}
        return await self.say_there(who, client, talk.talk_mode, talk.to_from_id, "text", body, quoted.msg_id)

    async def do_recall(self, who: Somebody, client: Client) -> bool:
        if not who.sent:
            return False
        mode, target, record = self.random.choice(who.sent)
        await client.revoke(mode, target, record.msg_id)
        return True

    async def do_card(self, who: Somebody, client: Client) -> bool:
        return await self.say(who, client, "card", {"user_id": self.random.choice(sorted(who.friends))})

    async def do_edit(self, who: Somebody, client: Client) -> bool:
        texts = [sent for sent in who.sent if sent[2].msg_type == 1]
        if not texts:
            return False
        mode, target, record = self.random.choice(texts)
        await client.edit(mode, target, record.msg_id, {"content": self.words()})
        return True

    async def do_react(self, who: Somebody, client: Client) -> bool:
        talk = self.random.choice(client.conversations())
        page = [record for record in await client.history(talk.talk_id, limit=10) if record.msg_type < 1000]
        if page:
            emoji, is_set = self.random.choice("👍🎉😀"), self.random.random() < 0.75
            msg_id = self.random.choice(page).msg_id
            await client.react(talk.talk_mode, talk.to_from_id, msg_id, emoji, is_set=is_set)
        return bool(page)

    async def do_pin(self, who: Somebody, client: Client) -> bool:
        talk = self.random.choice(client.conversations())
        page = [record for record in await client.history(talk.talk_id, limit=10) if record.msg_type < 1000]
        if page:
            msg_id, is_set = self.random.choice(page).msg_id, self.random.random() < 0.75
            await client.pin(talk.talk_mode, talk.to_from_id, msg_id, is_set=is_set)
        return bool(page)

    async def do_forward(self, who: Somebody, client: Client) -> bool:
        talk = self.random.choice(client.conversations())
        page = [
            record
            for record in await client.history(talk.talk_id, limit=10)
            if record.msg_type < 1000 and not record.recalled
        ]
        if page:
            picked = self.random.sample(page, min(2, len(page)))
            results = await client.forward(
                talk.talk_mode,
                talk.to_from_id,
                [record.msg_id for record in picked],
                user_ids=[self.random.choice(sorted(who.friends))],
                is_merged=self.random.random() < 0.5,
            )
            assert results and all(result.ok for result in results), results
        return bool(page)

    async def do_hide(self, who: Somebody, client: Client) -> bool:
        talk = self.random.choice(client.conversations())
        page = await client.history(talk.talk_id, limit=10)
        if page:
            victims = self.random.sample(page, min(2, len(page)))
            await client.hide(talk.talk_mode, talk.to_from_id, [victim.msg_id for victim in victims])
        return bool(page)

    async def do_read(self, who: Somebody, client: Client) -> bool:
        for talk in self.random.sample(client.conversations(), min(3, len(client.conversations()))):
            await client.mark_read(talk.talk_id)
        return True

    async def do_clear(self, who: Somebody, client: Client) -> bool:
        await client.clear_records(self.random.choice(client.conversations()).talk_id)
        return True

    async def do_hide_talk(self, who: Somebody, client: Client) -> bool:
        await client.hide_talk(self.random.choice(client.conversations()).talk_id)
        return True

    async def do_new_friend(self, who: Somebody, client: Client) -> bool:
        other = self.random.choice(self.people)
        if other is who or other.user_id in who.friends:
            return False
        await self.befriend(who, other)
        return True

    async def do_invite(self, who: Somebody, client: Client) -> bool:
        mine = [group_id for group_id, members in self.groups.items() if who.user_id in members]
        new = sorted(who.friends - self.groups[mine[0]]) if mine else []
        if not new:
            return False
        await client.invite(mine[0], [new[0]])
        self.groups[mine[0]].add(new[0])
        return True

    async def do_leave(self, who: Somebody, client: Client) -> bool:
        mine = [group_id for group_id, members in self.groups.items() if who.user_id in members]
        if not mine:
            return False
        await client.leave(mine[-1])
        self.groups[mine[-1]].discard(who.user_id)
        return True

    # ---------------------------------------------------------------- the night

    async def compare(self) -> None:
        for who in self.people:
            for device in who.devices:
                if device not in who.on:
                    await self.turn(device, is_on=True)
        await self.side_by_side([lambda who=who: self.compare_devices(who) for who in self.people])  # type: ignore[misc]

    async def compare_devices(self, who: Somebody) -> None:
        everything = {"epoch": "", "versions": {"talk": 0, "contact": 0, "user": 0}, "talks": []}
        answer = await who.on[0].client.api.call_as(SyncAnswer, "sync", everything)
        assert answer.next is None
        wanted = {talk.talk_id: (talk.last_sequence, talk.last_change, talk.own) for talk in answer.talks}
        if any(talk.member.state != "in" for talk in answer.talks):
            # Who has left learns of what changes afterwards by his next sync.
            for device in who.on:
                device.client.reconnect()
        rest = await rest_view(who.on[0].client)
        for device in who.on:
            client = device.client
            try:
                async with asyncio.timeout(DEADLINE_S / 2):
                    while not self.is_level(client, wanted):
                        await asyncio.sleep(0.02)
            except TimeoutError:
                held = {talk: client.replica.cursors(talk) for talk, at in wanted.items()}
                missed = {talk: (held[talk], at) for talk, at in wanted.items() if held[talk] != at}
                raise AssertionError((who.number, who.devices.index(device), client.is_synced, missed)) from None
            view = await device_view(client)
            shown = {talk: (seen.messages, seen.unread) for talk, seen in view.items()}
            for talk in {*shown, *rest}:
                held, stored = (set(side.get(talk, ((), 0))[0]) for side in (shown, rest))
                unread = [side.get(talk, ((), 0))[1] for side in (shown, rest)]
                assert (held - stored, stored - held, unread[0]) == (set(), set(), unread[1]), self.where(device, talk)
            # Where nothing is left to be seen, the list knows when the talk was made, a device does not.
            order = [[talk for talk, (messages, _) in seen.items() if messages] for seen in (shown, rest)]
            assert order[0] == order[1], "the order of the list"
            assert {row["user_id"] for row in client.replica.contact_rows("contact")} == who.friends

    @staticmethod
    def where(device: Device, talk_id: int) -> str:
        cursors = device.client.replica.cursors(talk_id)
        return f"P{device.person.number}, device {device.person.devices.index(device)}, talk {talk_id}, at {cursors}"

    @staticmethod
    def is_level(client: Client, wanted: dict[int, tuple[int, int, int]]) -> bool:
        return client.is_synced and all(client.replica.cursors(talk) == at for talk, at in wanted.items())

    async def close(self) -> None:
        for who in self.people:
            for device in who.on:
                await device.client.close()


WEIGHTS = {
    "text": 30,
    "reply": 10,
    "read": 20,
    "recall": 6,
    "edit": 6,
    "react": 10,
    "forward": 4,
    "pin": 4,
    "card": 2,
    "hide": 5,
    "picture": 3,
    "file": 3,
    "code": 2,
    "location": 2,
    "clear": 2,
    "hide_talk": 3,
    "new_friend": 2,
    "invite": 2,
    "leave": 1,
}


@pytest.mark.parametrize("form", FORMS)
async def test_at_the_end_of_the_day_every_device_shows_what_the_store_holds(
    form: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with running(form, request, tmp_path / "data", ENVIRONMENT) as server:
        town = Town(server)
        try:
            await town.wake_up()
            await town.live()
            await town.compare()
        finally:
            await town.close()
        assert set(WEIGHTS) <= set(town.done), town.done
        assert sum(count for name, count in town.done.items() if name.endswith("refused")) < 200, town.done
