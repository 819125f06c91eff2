"""Random schedules: devices of three users against the oracle, over links that lose, repeat, delay and reorder pushes,
with connections that break in the middle of a sync, restores, purges and rejoining members. At the end everybody
catches up and must hold what the store holds.

A schedule is a seed: the same number replays the same steps. Each seed uses some operations only, so that rare
combinations meet often enough. `python -m tests.unit.client.test_replica_schedules FROM TO` runs any number of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.unit.client.oracle_server import OracleServer, Pushed
from xinyu.client.replica import MembersLook, RangeLook, Replica
from xinyu.client.shapes import PUSHES, MembersAnswer, RangeAnswer, SyncAnswer, SyncRequest, read

USERS = (1, 2, 3)
DEVICES = (1, 1, 2, 2, 3)  # user of each device
GROUP, PAIR, OTHER = 10, 11, 12
TALKS = (GROUP, GROUP, PAIR, OTHER)
STEPS = 250


class Device:
    def __init__(self, user: int) -> None:
        self.user = user
        self.replica = Replica()
        self.boot()

    def boot(self) -> None:
        self.inbox: list[tuple[str, dict[str, Any]]] = []
        self.sync: tuple[SyncRequest, SyncAnswer | None] | None = None
        self.range: tuple[RangeLook, RangeAnswer] | None = None
        self.members: tuple[MembersLook, MembersAnswer] | None = None


class Schedule:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.server = OracleServer()
        self.server.make_talk(GROUP, [1, 2, 3])
        self.server.make_talk(PAIR, [1, 2], talk_mode=1)
        self.server.make_talk(OTHER, [3])
        self.devices = [Device(user) for user in DEVICES]
        self.backup: Any = None
        operations: list[Callable[[], None]] = [
            self.edit,
            self.recall,
            self.expire,
            self.read,
            self.clear,
            self.hide,
            self.membership,
            self.membership,
            self.retain,
            self.rename,
            self.row,
            self.contact,
            self.purge,
            self.restore,
            self.break_link,
            self.want_sync,
        ]
        self.random.shuffle(operations)
        self.operations = [*operations[: self.random.randint(3, len(operations))], self.send, self.send]
        self.links = [self.dispatch, self.receive, self.receive, self.step_sync, self.step_sync, self.step_look]
        self.links += [self.step_roster, self.connect]
        self.lossy = self.random.choice((0.0, 0.1, 0.3))
        self.reorder = self.random.choice((0, 0, 2))

    def run(self) -> list[str]:
        """The whole schedule; returns what is wrong at its end."""
        for _ in range(STEPS):
            self.random.choice(self.operations if self.random.random() < 0.3 else self.links)()
            self.check_cursors()
        return self.settle()

    # ------------------------------------------------ operations

    def talk(self) -> int:
        return self.random.choice(TALKS)

    def user(self) -> int:
        return self.random.choice(USERS)

    def number(self, talk_id: int) -> int:
        return max(1, self.server.talks[talk_id].last - self.random.choice((0, 0, 1, 2, 4, 7)))

    def is_member(self, talk_id: int, user: int) -> bool:
        member = self.server.talks[talk_id].members.get(user)
        return member is not None and member.state == "in"

    def send(self) -> None:
        talk_id, user = self.talk(), self.user()
        if self.is_member(talk_id, user):
            self.server.send(talk_id, user)

    def alter(self, state: str) -> None:
        talk_id = self.talk()
        self.server.alter(talk_id, self.number(talk_id), state)

    def edit(self) -> None:
        self.alter("edited")

    def recall(self) -> None:
        self.alter("recalled")

    def expire(self) -> None:
        self.alter("void")

    def read(self) -> None:
        talk_id, user = self.talk(), self.user()
        if user in self.server.talks[talk_id].members:
            self.server.read(talk_id, user, self.number(talk_id))

    def clear(self) -> None:
        talk_id, user = self.talk(), self.user()
        if user in self.server.talks[talk_id].members:
            self.server.clear(talk_id, user)

    def hide(self) -> None:
        talk_id, user = self.talk(), self.user()
        if user in self.server.talks[talk_id].members:
            self.server.hide(talk_id, user, self.number(talk_id))

    def membership(self) -> None:
        talk_id, user = self.random.choice((GROUP, OTHER)), self.user()
        state = "in" if not self.is_member(talk_id, user) else self.random.choice(("left", "removed", "in"))
        self.server.set_member(talk_id, user, state, role=self.random.choice((2, 3)))

    def retain(self) -> None:
        talk_id = self.talk()
        self.server.retain(talk_id, self.server.talks[talk_id].first + self.random.randint(1, 3))

    def rename(self) -> None:
        self.server.rename(self.talk())

    def row(self) -> None:
        user, talk_id = self.user(), self.talk()
        row = self.server.rows.get((user, "talk"), {}).get(talk_id)
        if row is None or row.get("deleted"):
            return
        if not self.is_member(talk_id, user):
            self.server.delete_talk_row(user, talk_id)
        elif self.random.random() < 0.5:
            self.server.set_talk_row(user, talk_id, is_top=3 - row["is_top"])
        else:
            self.server.hide_talk(user, talk_id)

    def contact(self) -> None:
        self.server.set_contact(self.user(), self.random.randint(50, 54), self.random.random() < 0.4)

    def purge(self) -> None:
        self.server.purge(self.user(), self.random.choice(("talk", "contact")))

    def restore(self) -> None:
        if self.backup is None:
            self.backup = self.server.backup()
        elif self.random.random() < 0.3:
            self.server.restore(self.backup)
            self.backup = None
            for device in self.devices:
                self.disconnect(device)

    # ------------------------------------------------ links

    def deliver(self, pushes: list[Pushed]) -> None:
        for user, event, payload in pushes:
            for device in self.devices:
                if device.user == user and device.replica.is_connected:
                    device.inbox.append((event, payload))

    def dispatch(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            if self.server.pending:
                event = self.server.pending[0]
                self.deliver(self.server.dispatch(remake=self.random.random() < 0.2))
                if self.random.random() < self.lossy:  # handed over twice
                    self.server.pending.append(event)

    def receive(self) -> None:
        device = self.random.choice(self.devices)
        for _ in range(self.random.randint(1, 4)):
            if not device.inbox:
                return
            event, payload = device.inbox.pop(min(self.random.randint(0, self.reorder), len(device.inbox) - 1))
            if self.random.random() >= self.lossy:
                device.replica.receive(read(PUSHES[event], payload))

    def connect(self) -> None:
        device = self.random.choice(self.devices)
        if not device.replica.is_connected:
            device.replica.connected(device.user, str(self.server.epoch))

    def disconnect(self, device: Device) -> None:
        device.replica.disconnected()
        device.boot()

    def break_link(self) -> None:
        device = self.random.choice(self.devices)
        self.disconnect(device)
        if self.random.random() < 0.5:
            device.replica = Replica.restore(device.replica.snapshot())

    def want_sync(self) -> None:
        self.random.choice(self.devices).replica.sync()

    def step_sync(self) -> None:
        """One half of a page: the request reaches the server, or the answer the device."""
        device = self.random.choice(self.devices)
        if device.sync is None:
            request = device.replica.take_sync()
            if request is not None:
                lost = self.random.random() < self.lossy / 2
                device.sync = (request, None if lost else self.server.sync(device.user, request))
        else:
            request, answer = device.sync
            device.sync = None
            if answer is None:
                device.replica.sync_failed(request)
            else:
                device.replica.apply_sync(request, answer)

    def step_look(self) -> None:
        device, talk_id = self.random.choice(self.devices), self.talk()
        if device.range is not None:
            device.replica.apply_range(*device.range)
            device.range = None
        elif device.replica.is_connected and device.replica.conversation(talk_id) is not None:
            missing = device.replica.history(talk_id, limit=2).missing
            if missing is not None and device.user in self.server.talks[talk_id].members:
                device.range = (missing, self.server.range(device.user, missing.request))

    def step_roster(self) -> None:
        device, talk_id = self.random.choice(self.devices), self.talk()
        if device.members is not None:
            device.replica.apply_members(*device.members)
            device.members = None
        elif device.replica.is_connected and device.replica.conversation(talk_id) is not None:
            missing = device.replica.roster(talk_id).missing
            if missing is not None and self.is_member(talk_id, device.user):
                device.members = (missing, self.server.members(missing.request))

    # ------------------------------------------------ what must hold

    def check_cursors(self) -> None:
        """No cursor passes the store."""
        for device in self.devices:
            if device.replica.epoch == str(self.server.epoch):
                for talk_id, talk in self.server.talks.items():
                    sequence, change, own = device.replica.cursors(talk_id)
                    member = talk.members.get(device.user)
                    assert sequence <= talk.last
                    assert change <= talk.change
                    assert member is None or own <= member.own

    def settle(self) -> list[str]:
        """Everything is dispatched and received; then one sync more, as by the timer; then everything is looked at."""
        while self.server.pending:
            self.deliver(self.server.dispatch())
        wrong = []
        for device in self.devices:
            if device.sync is not None:
                device.replica.sync_failed(device.sync[0])
            for event, payload in device.inbox:
                device.replica.receive(read(PUSHES[event], payload))
            device.replica.sync() if device.replica.is_connected else device.replica.connected(
                device.user, str(self.server.epoch)
            )
            for _ in range(60):
                request = device.replica.take_sync()
                if request is None:
                    break
                device.replica.apply_sync(request, self.server.sync(device.user, request))
            else:
                wrong.append("the sync does not end")
            for talk_id in [talk_id for talk_id in self.server.talks if device.replica.conversation(talk_id)]:
                self.look(device, talk_id)
                wrong += self.roster_differences(device, talk_id)
            wrong += [
                f"device of {device.user}: {text}" for text in self.server.differences(device.user, device.replica)
            ]
        return wrong

    def look(self, device: Device, talk_id: int) -> None:
        before = None
        for _ in range(200):
            page = device.replica.history(talk_id, before, 3)
            if page.missing is not None:
                answer = self.server.range(device.user, page.missing.request)
                assert device.replica.apply_range(page.missing, answer)
            elif page.at_start:
                return
            else:
                before = page.records[-1].sequence
        raise AssertionError("the history does not end")

    def roster_differences(self, device: Device, talk_id: int) -> list[str]:
        if not self.is_member(talk_id, device.user):
            return []
        missing = device.replica.roster(talk_id).missing
        if missing is not None:
            assert device.replica.apply_members(missing, self.server.members(missing.request))
        held = {member.user_id: member.role for member in device.replica.roster(talk_id).members}
        members = self.server.talks[talk_id].members.items()
        stored = {user: member.role for user, member in members if member.state == "in"}
        return [] if held == stored else [f"roster of {talk_id}: replica {held}, store {stored}"]


@pytest.mark.parametrize("tens", range(20))
def test_every_schedule_ends_with_the_view_of_the_store(tens: int) -> None:
    for seed in range(tens * 20, tens * 20 + 20):
        assert Schedule(seed).run() == [], f"seed {seed}"


if __name__ == "__main__":
    failed = [(seed, wrong) for seed in range(int(sys.argv[1]), int(sys.argv[2])) if (wrong := Schedule(seed).run())]
    for seed, wrong in failed:
        print(seed, *wrong, sep="\n    ")
    print(f"{len(failed)} of {int(sys.argv[2]) - int(sys.argv[1])} fail")
    sys.exit(bool(failed))
