"""The page's replica against the SDK's: the same life of a device, step by step, must give the same requests and views.

The life comes from the SDK's own random schedules (sends, edits, recalls, hides, reads, joins, leaves, retention,
purges, restores over links that lose, repeat and reorder), whose end is held against an oracle server. So what agrees
with the SDK's replica agrees with the store.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from playwright.async_api import Page

from tests.unit.client.oracle_server import Pushed
from tests.unit.client.test_replica_schedules import Device, Schedule
from xinyu.client.replica import Replica
from xinyu.client.shapes import PUSHES, read

pytestmark = pytest.mark.asyncio(loop_scope="module")
SEEDS_A_TEST = 12


def plain(value: object) -> Any:
    """As it crosses the wire."""
    return json.loads(msgspec.json.encode(value))


class RecordedDevice(Device):
    """A device that writes down all that happens to it, and takes its sync requests at once, as the page does."""

    def __init__(self, device: Device) -> None:
        super().__init__(device.user)
        self.steps: list[list[Any]] = []
        self.views: list[Any] = []

    def note(self, name: str, value: object = None) -> None:
        self.steps.append([name, plain(value)])

    def view(self) -> None:
        self.note("view")
        self.views.append(view_of(self.replica))

    def take(self) -> None:
        if self.sync is None and (request := self.replica.take_sync()) is not None:
            self.sync = (request, None)

    def connect(self, epoch: str) -> None:
        self.replica.connected(self.user, epoch)
        self.note("connected", epoch)
        self.take()

    def push(self, event: str, payload: dict[str, Any]) -> None:
        self.replica.receive(read(PUSHES[event], payload))
        self.note("push", [event, payload])
        self.take()

    def want_sync(self) -> None:
        if self.replica.is_connected:
            self.replica.sync()
            self.note("sync")
            self.take()

    def answered(self, answer: Any) -> None:
        assert self.sync is not None
        request, self.sync = self.sync[0], None
        body = plain(request)
        body = {key: body[key] for key in ("epoch", "versions", "talks", "next") if key in body}
        body["versions"] = {room: request.versions.of(room) for room in ("talk", "contact", "user")}
        self.note("answer", {"request": body, "answer": answer and wire_answer(answer)})
        if answer is None:
            self.replica.sync_failed(request)
        else:
            self.replica.apply_sync(request, answer)
        self.take()
        self.view()


def wire_answer(answer: Any) -> Any:
    """Absent, not null: that is how optional fields cross the wire."""
    body = plain(answer)
    if body["next"] is None:
        del body["next"]
    for talk in body["talks"]:
        for name in ("profile", "peer_read_sequence"):
            if talk[name] is None:
                del talk[name]
    return body


class RecordedSchedule(Schedule):
    devices: list[RecordedDevice]  # type: ignore[assignment]

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.devices = [RecordedDevice(device) for device in self.devices]

    def receive(self) -> None:
        device = self.random.choice(self.devices)
        for _ in range(self.random.randint(1, 4)):
            if not device.inbox:
                return
            event, payload = device.inbox.pop(min(self.random.randint(0, self.reorder), len(device.inbox) - 1))
            if self.random.random() >= self.lossy:
                device.push(event, payload)

    def connect(self) -> None:
        device = self.random.choice(self.devices)
        if not device.replica.is_connected:
            device.connect(str(self.server.epoch))

    def disconnect(self, device: Device) -> None:
        super().disconnect(device)
        assert isinstance(device, RecordedDevice)
        device.note("disconnected")

    def break_link(self) -> None:
        self.disconnect(self.random.choice(self.devices))

    def want_sync(self) -> None:
        self.random.choice(self.devices).want_sync()

    def step_sync(self) -> None:
        device = self.random.choice(self.devices)
        if device.sync is not None:
            lost = self.random.random() < self.lossy / 2
            device.answered(None if lost else self.server.sync(device.user, device.sync[0]))

    def step_look(self) -> None:
        device = self.random.choice(self.devices)
        before = device.range
        with_answer = before is not None
        self._only(device, super().step_look)
        if with_answer and before is not None:
            device.note("range", before[1])
        elif device.range is not None:
            device.note("ask range", device.range[0].request)

    def step_roster(self) -> None:
        device = self.random.choice(self.devices)
        before = device.members
        self._only(device, super().step_roster)
        if before is not None:
            device.note("members", before[1])
        elif device.members is not None:
            device.note("ask members", device.members[0].request)

    def _only(self, device: RecordedDevice, step: Any) -> None:
        devices, self.devices = self.devices, [device]
        try:
            step()
        finally:
            self.devices = devices

    def settle(self) -> list[str]:
        while self.server.pending:
            self.deliver(self.server.dispatch())
        for device in self.devices:
            for event, payload in device.inbox:
                if device.replica.is_connected:
                    device.push(event, payload)
            if device.replica.is_connected:
                device.want_sync()
            else:
                device.connect(str(self.server.epoch))
            for _ in range(60):
                if device.sync is None:
                    break
                device.answered(self.server.sync(device.user, device.sync[0]))
            for talk_id in list(self.server.talks):
                if device.replica.conversation(talk_id):
                    self.look(device, talk_id)
            device.view()
        return [
            f"device of {device.user}: {text}"
            for device in self.devices
            for text in self.server.differences(device.user, device.replica)
        ]

    def look(self, device: Device, talk_id: int) -> None:
        assert isinstance(device, RecordedDevice)
        before = None
        while True:
            page = device.replica.history(talk_id, before, 3)
            if page.missing is not None:
                device.note("ask range", page.missing.request)
                answer = self.server.range(device.user, page.missing.request)
                assert device.replica.apply_range(page.missing, answer)
                device.note("range", answer)
            elif page.at_start:
                return
            else:
                before = page.records[-1].sequence

    def deliver(self, pushes: list[Pushed]) -> None:
        for user, event, payload in pushes:
            for device in self.devices:
                if device.user == user and device.replica.is_connected:
                    device.inbox.append((event, payload))


def view_of(replica: Replica) -> Any:
    """What replay.js shows of the page's replica, of the SDK's."""
    talks = {}
    stored = plain(msgspec.msgpack.decode(replica.snapshot()))
    for row in stored["talk_rows"]:
        talk_id = row["talk_id"]
        shown = replica.conversation(talk_id)
        assert shown is not None
        held = replica._talks.get(talk_id)
        gaps = [] if held is None else held.held.missing(held.from_sequence, held.sequence)
        roster = None if held is None or held.roster is None else sorted(held.roster.values(), key=lambda m: m.user_id)
        talks[str(talk_id)] = {
            "cursors": list(replica.cursors(talk_id)),
            "from": shown.from_sequence,
            "read": shown.read_sequence,
            "unread": shown.unread,
            "listed": shown.is_listed,
            "is_top": row["is_top"],
            "name": held.profile.name if held is not None and held.profile is not None else "",
            "member": shown.member and [shown.member.state, shown.member.role],
            "records": [[r.sequence, r.is_revoked, r.extra] for r in replica.records(talk_id)],
            "missing": sorted(list(gap) for gap in gaps),
            "roster": roster and [[member.user_id, member.role] for member in roster],
        }
    contacts = sorted(f"{kind}:{row['user_id']}" for kind in ("contact",) for row in replica.contact_rows("contact"))
    return {"talks": talks, "contacts": contacts, "versions": stored["versions"]}


def differences(shown: Any, expected: Any, path: str = "") -> list[str]:
    """Where two views differ, as "path: shown, expected"."""
    if isinstance(shown, dict) and isinstance(expected, dict):
        keys = sorted(shown.keys() | expected.keys())
        return [line for key in keys for line in differences(shown.get(key), expected.get(key), f"{path}/{key}")]
    return [] if shown == expected else [f"{path}: {shown}, expected {expected}"]


@pytest.mark.parametrize("part", range(4))
async def test_the_page_and_the_sdk_hold_the_same_after_every_answer(page: Page, part: int) -> None:
    for seed in range(part * SEEDS_A_TEST, (part + 1) * SEEDS_A_TEST):
        schedule = RecordedSchedule(seed)
        assert schedule.run() == [], f"seed {seed}: the schedule itself"
        for number, device in enumerate(schedule.devices):
            result = await page.evaluate(
                "async ([uid, steps]) => (await import('/replay.js')).replay(uid, steps)", [device.user, device.steps]
            )
            where = f"seed {seed}, device {number} of user {device.user}"
            assert result["wrong"] == [], where
            assert len(result["views"]) == len(device.views)
            for at, (shown, expected) in enumerate(zip(result["views"], device.views, strict=True)):
                assert differences(shown, expected) == [], f"{where}, view {at}"
