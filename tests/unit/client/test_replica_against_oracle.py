"""Random schedules: devices of three users against the oracle, over links that lose, repeat, delay and reorder pushes,
with connections that break in the middle of a sync, restores, purges and rejoining members. At the end everybody
catches up and must hold what the store holds.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.client.oracle_server import OracleServer, Pushed
from xinyu.client.replica import MembersLook, RangeLook, Replica
from xinyu.client.shapes import PUSHES, MembersAnswer, RangeAnswer, SyncAnswer, SyncRequest, read

USERS = (1, 2, 3)
DEVICES = (1, 1, 2, 3)  # user of each device: user 1 has two
GROUP, PAIR, OTHER = 10, 11, 12

which_device = st.integers(0, len(DEVICES) - 1)
which_user = st.sampled_from(USERS)
which_talk = st.sampled_from((GROUP, GROUP, PAIR, OTHER))
which_number = st.integers(1, 15)


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


class CatchingUp(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.server = OracleServer()
        self.server.make_talk(GROUP, [1, 2, 3])
        self.server.make_talk(PAIR, [1, 2], talk_mode=1)
        self.server.make_talk(OTHER, [3])
        self.devices = [Device(user) for user in DEVICES]
        self.backup: Any = None
        self.deliver(self.dispatch_all())

    def dispatch_all(self) -> list[Pushed]:
        pushes = []
        while self.server.pending:
            pushes += self.server.dispatch()
        return pushes

    def deliver(self, pushes: list[Pushed]) -> None:
        for user, event, payload in pushes:
            for device in self.devices:
                if device.user == user and device.replica.is_connected:
                    device.inbox.append((event, payload))

    # ------------------------------------------------ operations

    def is_member(self, talk_id: int, user: int) -> bool:
        member = self.server.talks[talk_id].members.get(user)
        return member is not None and member.state == "in"

    @rule(talk_id=which_talk, user=which_user)
    def send(self, talk_id: int, user: int) -> None:
        if self.is_member(talk_id, user):
            self.server.send(talk_id, user)

    @rule(talk_id=which_talk, back=st.integers(0, 6), state=st.sampled_from(["edited", "recalled", "void"]))
    def alter(self, talk_id: int, back: int, state: str) -> None:
        self.server.alter(talk_id, self.server.talks[talk_id].last - back, state)

    @rule(talk_id=which_talk, user=which_user, number=which_number, what=st.sampled_from(["read", "clear", "hide"]))
    def own(self, talk_id: int, user: int, number: int, what: str) -> None:
        if user in self.server.talks[talk_id].members:
            if what == "clear":
                self.server.clear(talk_id, user)
            else:
                getattr(self.server, what)(talk_id, user, number)

    @rule(talk_id=st.sampled_from((GROUP, OTHER)), user=which_user, state=st.sampled_from(["in", "left", "removed"]))
    def membership(self, talk_id: int, user: int, state: str) -> None:
        self.server.set_member(talk_id, user, state)

    @rule(talk_id=which_talk, up=st.integers(1, 3))
    def retain(self, talk_id: int, up: int) -> None:
        self.server.retain(talk_id, self.server.talks[talk_id].first + up)

    @rule(talk_id=which_talk)
    def rename(self, talk_id: int) -> None:
        self.server.rename(talk_id)

    @rule(user=which_user, talk_id=which_talk, what=st.sampled_from(["pin", "hide", "delete"]))
    def row(self, user: int, talk_id: int, what: str) -> None:
        row = self.server.rows.get((user, "talk"), {}).get(talk_id)
        if row is None or row.get("deleted"):
            return
        if what == "pin":
            self.server.set_talk_row(user, talk_id, is_top=3 - row["is_top"])
        elif what == "hide":
            self.server.hide_talk(user, talk_id)
        elif not self.is_member(talk_id, user):
            self.server.delete_talk_row(user, talk_id)

    @rule(user=which_user, other=st.integers(50, 54), deleted=st.booleans())
    def contact(self, user: int, other: int, deleted: bool) -> None:
        self.server.set_contact(user, other, deleted)

    @rule(user=which_user, room=st.sampled_from(["talk", "contact"]))
    def purge(self, user: int, room: str) -> None:
        self.server.purge(user, room)

    @rule()
    def take_backup(self) -> None:
        if self.backup is None:
            self.backup = self.server.backup()

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self) -> None:
        self.server.restore(self.backup)
        self.backup = None
        for device in self.devices:
            self.disconnect(device)

    # ------------------------------------------------ links

    @precondition(lambda self: self.server.pending)
    @rule(remake=st.booleans(), twice=st.booleans())
    def dispatch(self, remake: bool, twice: bool) -> None:
        event = self.server.pending[0]
        self.deliver(self.server.dispatch(remake=remake))
        if twice:
            self.server.pending.append(event)

    @rule(at=which_device, position=st.integers(0, 3), fate=st.sampled_from(["take", "take", "take", "lose", "repeat"]))
    def receive(self, at: int, position: int, fate: str) -> None:
        device = self.devices[at]
        if not device.inbox:
            return
        event, payload = device.inbox.pop(min(position, len(device.inbox) - 1))
        if fate == "repeat":
            device.inbox.append((event, payload))
        if fate != "lose":
            device.replica.receive(read(PUSHES[event], payload))

    @rule(at=which_device)
    def receive_all(self, at: int) -> None:
        device = self.devices[at]
        while device.inbox:
            event, payload = device.inbox.pop(0)
            device.replica.receive(read(PUSHES[event], payload))

    @rule(at=which_device)
    def connect(self, at: int) -> None:
        device = self.devices[at]
        if not device.replica.is_connected:
            device.replica.connected(device.user, str(self.server.epoch))

    def disconnect(self, device: Device) -> None:
        device.replica.disconnected()
        device.boot()

    @rule(at=which_device, restart=st.booleans())
    def break_link(self, at: int, restart: bool) -> None:
        device = self.devices[at]
        self.disconnect(device)
        if restart:
            device.replica = Replica.restore(device.replica.snapshot())

    @rule(at=which_device)
    def want_sync(self, at: int) -> None:
        self.devices[at].replica.sync()

    @rule(at=which_device, lose=st.integers(0, 9))
    def step_sync(self, at: int, lose: int) -> None:
        """One half of a page: the request reaches the server, or the answer the device."""
        device = self.devices[at]
        if device.sync is None:
            request = device.replica.take_sync()
            if request is not None:
                device.sync = (request, self.server.sync(device.user, request) if lose else None)
        else:
            request, answer = device.sync
            device.sync = None
            if answer is None:
                device.replica.sync_failed(request)
            else:
                device.replica.apply_sync(request, answer)

    @rule(at=which_device, talk_id=which_talk)
    def step_look(self, at: int, talk_id: int) -> None:
        device = self.devices[at]
        if device.range is not None:
            device.replica.apply_range(*device.range)
            device.range = None
        elif device.replica.is_connected and device.replica.conversation(talk_id) is not None:
            missing = device.replica.history(talk_id, limit=2).missing
            if missing is not None and device.user in self.server.talks[talk_id].members:
                device.range = (missing, self.server.range(device.user, missing.request))

    @rule(at=which_device, talk_id=which_talk)
    def step_roster(self, at: int, talk_id: int) -> None:
        device = self.devices[at]
        if device.members is not None:
            device.replica.apply_members(*device.members)
            device.members = None
        elif device.replica.is_connected and device.replica.conversation(talk_id) is not None:
            missing = device.replica.roster(talk_id).missing
            if missing is not None and self.is_member(talk_id, device.user):
                device.members = (missing, self.server.members(missing.request))

    # ------------------------------------------------ what must hold

    @invariant()
    def no_cursor_passes_the_store(self) -> None:
        for device in self.devices:
            if device.replica.epoch == str(self.server.epoch):
                for talk_id, talk in self.server.talks.items():
                    sequence, change, own = device.replica.cursors(talk_id)
                    member = talk.members.get(device.user)
                    assert sequence <= talk.last
                    assert change <= talk.change
                    assert member is None or own <= member.own

    @invariant()
    def nothing_outside_the_window_is_held(self) -> None:
        for device in self.devices:
            for view in device.replica.conversation_list():
                assert all(r.sequence >= view.from_sequence for r in device.replica.records(view.talk_id))

    def teardown(self) -> None:
        self.deliver(self.dispatch_all())
        for device in self.devices:
            self.receive_all(self.devices.index(device))
            device.sync = device.range = device.members = None
            self.disconnect(device)
            device.replica.connected(device.user, str(self.server.epoch))
            for _ in range(60):
                request = device.replica.take_sync()
                if request is None:
                    break
                device.replica.apply_sync(request, self.server.sync(device.user, request))
            else:
                raise AssertionError("the sync does not end")
            for talk_id in [talk_id for talk_id in self.server.talks if device.replica.conversation(talk_id)]:
                self.look(device, talk_id)
            assert self.server.differences(device.user, device.replica) == []

    def look(self, device: Device, talk_id: int) -> None:
        before = None
        for _ in range(200):
            page = device.replica.history(talk_id, before, 3)
            if page.missing is not None:
                answer = self.server.range(device.user, page.missing.request)
                assert device.replica.apply_range(page.missing, answer)
            elif page.at_start:
                break
            else:
                before = page.records[-1].sequence
        else:
            raise AssertionError("the history does not end")
        if self.is_member(talk_id, device.user):
            missing = device.replica.roster(talk_id).missing
            if missing is not None:
                assert device.replica.apply_members(missing, self.server.members(missing.request))
            members = self.server.talks[talk_id].members.items()
            held = device.replica.roster(talk_id).members
            assert [m.user_id for m in held] == sorted(user for user, member in members if member.state == "in")


CatchingUp.TestCase.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
TestCatchingUp = CatchingUp.TestCase
