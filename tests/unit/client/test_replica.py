"""The rules by which a device catches up, each by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.client.oracle_server import OracleServer
from xinyu.client import notices
from xinyu.client import replica as replica_module
from xinyu.client.errors import ProtocolError, UnknownTalk
from xinyu.client.replica import Replica
from xinyu.client.shapes import PUSHES, Record, SyncAnswer, read

ME, PEER, THIRD = 1, 2, 3


class Device:
    """A replica with a link to the oracle, driven by hand."""

    def __init__(self, server: OracleServer, user: int = ME, replica: Replica | None = None) -> None:
        self.server, self.user = server, user
        self.replica = replica or Replica()

    def connect(self) -> Device:
        self.replica.connected(self.user, str(self.server.epoch))
        return self

    def push(self, event: str, payload: dict[str, Any]) -> None:
        self.replica.receive(read(PUSHES[event], payload))

    def sync_page(self) -> bool:
        request = self.replica.take_sync()
        if request is None:
            return False
        self.replica.apply_sync(request, self.server.sync(self.user, request))
        return True

    def settle(self) -> int:
        pages = 0
        while self.sync_page():
            pages += 1
            assert pages < 60, "the sync does not end"
        return pages

    def look(self, talk_id: int) -> None:
        """Scroll to the start, fetching what is missing."""
        before = None
        for _ in range(200):
            page = self.replica.history(talk_id, before, 2)
            if page.missing is not None:
                assert self.replica.apply_range(page.missing, self.server.range(self.user, page.missing.request))
            elif page.at_start:
                return
            else:
                before = page.records[-1].sequence
        raise AssertionError("the history does not end")

    def check(self) -> None:
        for view in self.replica.conversation_list():
            self.look(view.talk_id)
        assert self.server.differences(self.user, self.replica) == []


def pushes(server: OracleServer, user: int = ME, *, remake: bool = False) -> list[tuple[str, dict[str, Any]]]:
    """Everything pending, dispatched, as that user's pushes."""
    got = []
    while server.pending:
        got += [(event, payload) for to, event, payload in server.dispatch(remake=remake) if to == user]
    return got


@pytest.fixture
def server() -> OracleServer:
    server = OracleServer()
    server.make_talk(7, [ME, PEER, THIRD])
    server.pending.clear()
    return server


@pytest.fixture
def device(server: OracleServer) -> Device:
    device = Device(server).connect()
    device.settle()
    device.replica.take_notices()
    return device


def texts(device: Device, talk_id: int = 7) -> list[str]:
    return [record.text for record in device.replica.records(talk_id)]


# -------------------------------------------------------------------- pushes


def test_pushes_in_order_apply_without_a_sync(server: OracleServer, device: Device) -> None:
    for _ in range(5):
        server.send(7, PEER)
    server.alter(7, 2, "recalled")
    server.hide(7, ME, 3)
    server.read(7, ME, 4)
    for event, payload in pushes(server):
        device.push(event, payload)
    assert device.replica.take_sync() is None
    device.check()
    assert device.replica.unread(7) == 1


def test_a_repeated_push_is_dropped(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    [(event, payload)] = pushes(server)
    device.push(event, payload)
    device.push(event, payload)
    assert len(device.replica.records(7)) == 1
    assert device.replica.take_sync() is None
    added = [n for n in device.replica.take_notices() if isinstance(n, notices.RecordAdded)]
    assert len(added) == 1


def test_a_push_above_the_cursor_waits_for_a_sync(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    server.send(7, PEER)
    _, second = pushes(server)
    device.push(*second)
    assert device.replica.records(7) == []
    assert device.settle() == 1
    device.check()


def test_a_recall_that_overtakes_its_message(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    server.alter(7, 1, "recalled")
    message, recall = pushes(server)
    device.push(*recall)
    assert not device.replica.is_synced, "it speaks of a number above the device's sequence"
    device.push(*message)
    device.settle()
    assert [record.recalled for record in device.replica.records(7)] == [True]
    device.check()


def test_a_push_that_arrives_during_a_sync_waits_for_its_end(server: OracleServer, device: Device) -> None:
    device.replica.sync()
    request = device.replica.take_sync()
    assert request is not None
    answer = server.sync(ME, request)
    server.send(7, PEER)
    device.push(*pushes(server)[0])
    assert device.replica.records(7) == []
    device.replica.apply_sync(request, answer)
    assert len(device.replica.records(7)) == 1
    assert device.replica.is_synced


def test_what_waited_for_a_whole_sync_and_does_not_fit_is_dropped(device: Device) -> None:
    device.push("im.message", {"talk_id": 99, "sequence": 5, "body": {**RECORD, "talk_id": 99, "sequence": 5}})
    assert device.settle() == 1, "not for this device: one sync, and no other"
    assert device.replica.is_synced
    assert device.replica.conversation(99) is None


RECORD = {"talk_id": 7, "msg_id": "x", "sequence": 1, "msg_type": 1, "from_id": PEER, "extra": '{"content":"x"}'}


def test_what_came_during_the_sync_and_does_not_fit_gets_one_of_its_own(server: OracleServer, device: Device) -> None:
    device.replica.sync()
    request = device.replica.take_sync()
    assert request is not None
    answer = server.sync(ME, request)
    server.send(7, PEER)
    server.send(7, PEER)
    device.push(*pushes(server)[1])  # the first one was lost
    device.replica.apply_sync(request, answer)
    assert not device.replica.is_synced
    assert device.settle() == 1
    device.check()


def test_pushes_that_wait_for_each_other_apply_in_any_order(server: OracleServer, device: Device) -> None:
    device.replica.sync()
    request = device.replica.take_sync()
    assert request is not None
    answer = server.sync(ME, request)
    for _ in range(4):
        server.send(7, PEER)
    for event, payload in reversed(pushes(server)):
        device.push(event, payload)
    device.replica.apply_sync(request, answer)
    assert device.replica.is_synced
    assert len(device.replica.records(7)) == 4


def test_a_push_about_ones_own_membership_never_applies(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    server.set_member(7, ME, "removed")
    server.send(7, PEER)
    server.set_member(7, ME, "in")
    for event, payload in pushes(server):
        device.push(event, payload)
    assert not device.replica.is_synced
    device.settle()
    view = device.replica.conversation(7)
    assert view is not None
    assert view.from_sequence == 3
    device.check()


def test_own_send_answered_moves_the_read_cursor(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    device.push(*pushes(server)[0])
    assert device.replica.unread(7) == 1
    server.send(7, ME)
    device.replica.stored(read(Record, server.record(server.talks[7], 2)))
    assert device.replica.unread(7) == 0
    device.push(*pushes(server)[0])  # the push of the same message comes too
    device.check()


def test_an_undelivered_text_is_no_record(device: Device) -> None:
    device.replica.stored(read(Record, {**RECORD, "sequence": 0, "status": 3, "extra": '{"invalid":true}'}))
    assert device.replica.records(7) == []
    assert device.replica.is_synced


def test_an_answer_to_a_read_moves_no_own_cursor(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    device.push(*pushes(server)[0])
    server.hide(7, ME, 1)  # by another device, push on its way
    device.replica.read_answered(7, 1)
    assert device.replica.unread(7) == 0
    assert device.replica.cursors(7)[2] == 0
    device.push(*pushes(server)[0])
    assert device.replica.records(7) == []


def test_a_read_answer_above_the_sequence_is_cut(device: Device) -> None:
    device.replica.read_answered(7, 100)
    view = device.replica.conversation(7)
    assert view is not None
    assert view.read_sequence == 0


def test_a_read_above_the_devices_sequence_is_a_gap(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    server.read(7, ME, 1)
    _, own = pushes(server)
    device.push(*own)
    assert not device.replica.is_synced
    device.settle()
    device.check()


def test_a_change_never_adds_a_record(server: OracleServer) -> None:
    for _ in range(9):
        server.send(7, PEER)
    pushes(server)
    device = Device(server).connect()
    device.settle()  # holds the newest three
    server.alter(7, 2, "edited")
    device.push(*pushes(server)[0])
    assert [record.sequence for record in device.replica.records(7)] == [7, 8, 9]
    device.check()


def test_what_was_recalled_stays_recalled(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    server.alter(7, 1, "edited")
    server.alter(7, 1, "recalled")
    message, edit, recall = pushes(server)
    device.push(*message)
    device.push("talk.changed", {"talk_id": 7, "change": 1, "records": recall[1]["records"]})  # remade: as it is now
    device.push("talk.changed", {"talk_id": 7, "change": 2, "records": edit[1]["records"]})
    assert [record.recalled for record in device.replica.records(7)] == [True]


def test_ones_own_reactions_stay_with_pushes_and_move_with_what_names_this_user(
    server: OracleServer, device: Device
) -> None:
    server.send(7, PEER)
    ((event, payload),) = pushes(server)
    both = [{"emoji": "a", "count": 1, "is_mine": False}, {"emoji": "b", "count": 1, "is_mine": False}]
    device.push(event, payload)
    seen = []
    for change, user, emoji, action in ((1, PEER, "b", 1), (2, ME, "b", 1), (3, ME, "a", 1), (4, ME, "b", 2)):
        reaction = {"sequence": 1, "user_id": user, "emoji": emoji, "action": action}
        record = payload["body"] | {"reactions": both}
        device.push("talk.changed", {"talk_id": 7, "change": change, "records": [record], "reaction": reaction})
        (held,) = device.replica.records(7)
        seen.append([each.emoji for each in held.reactions if each.is_mine])
    assert seen == [[], ["b"], ["a", "b"], ["a"]]
    # Another change keeps them, too; one of another message names nobody's here.
    device.push("talk.changed", {"talk_id": 7, "change": 5, "records": [record | {"extra": '{"content":"edited"}'}]})
    (held,) = device.replica.records(7)
    assert ([each.is_mine for each in held.reactions], held.text) == ([True, False], "edited")


def test_a_change_as_its_number_alone_moves_the_cursor(device: Device) -> None:
    device.push("talk.changed", {"talk_id": 7, "change": 1, "records": [], "voids": []})
    assert device.replica.cursors(7) == (0, 1, 0)
    assert device.replica.take_sync() is None


def test_own_text_does_not_count_as_unread_on_another_device(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    server.send(7, ME)
    for event, payload in pushes(server):
        device.push(event, payload)
    assert device.replica.unread(7) == 0


def test_sync_required_during_a_sync_makes_one_more(device: Device) -> None:
    device.replica.sync()
    device.replica.sync()
    device.replica.sync()
    assert device.settle() == 2


def test_pushes_without_a_connection_are_ignored(server: OracleServer, device: Device) -> None:
    device.replica.disconnected()
    server.send(7, PEER)
    device.push(*pushes(server)[0])
    assert device.replica.records(7) == []
    assert device.replica.take_sync() is None


def test_the_buffer_is_bounded_and_nothing_is_lost(
    server: OracleServer, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "BUFFER_LIMIT", 3)
    device.replica.sync()
    request = device.replica.take_sync()
    assert request is not None
    answer = server.sync(ME, request)
    for _ in range(10):
        server.send(7, PEER)
    for event, payload in pushes(server):
        device.push(event, payload)
    device.replica.apply_sync(request, answer)
    device.settle()
    device.check()


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("im.message", {"talk_id": 7, "sequence": 2, "body": {**RECORD, "sequence": 3}}),
        ("im.message", {"talk_id": 7, "sequence": 0, "body": {**RECORD, "sequence": 0}}),
        ("row.changed", {"room": "talk", "version": 2, "row": {"no": "talk_id"}}),
        ("row.changed", {"room": "contact", "version": 1, "row": {"kind": "other", "id": 1}}),
        ("row.changed", {"room": "nowhere", "version": 1, "row": {}}),
        ("talk.own", {"talk_id": -1, "own": 1}),
        ("talk.changed", {"talk_id": 7, "change": 2**53}),
    ],
)
def test_a_push_that_makes_no_sense_is_an_error_and_changes_nothing(
    device: Device, event: str, payload: dict[str, Any]
) -> None:
    before = device.replica.snapshot()
    with pytest.raises(ProtocolError):
        device.push(event, payload)
    assert device.replica.snapshot() == before
    assert device.replica.is_synced


# -------------------------------------------------------------------- sync


def test_the_first_sync_brings_the_newest_and_the_rest_by_range(server: OracleServer) -> None:
    for _ in range(9):
        server.send(7, PEER)
    device = Device(server).connect()
    device.settle()
    assert [record.sequence for record in device.replica.records(7)] == [7, 8, 9]
    page = device.replica.history(7, limit=5)
    assert [record.sequence for record in page.records] == [9, 8, 7]
    assert page.missing is not None
    assert page.missing.request.to_sequence == 6
    device.check()
    assert [record.sequence for record in device.replica.history(7, before=4, limit=2).records] == [3, 2]


def test_pages_follow_each_other_until_next_is_absent(server: OracleServer) -> None:
    for talk_id in range(20, 29):
        server.make_talk(talk_id, [ME, PEER])
        server.send(talk_id, PEER)
    device = Device(server).connect()
    assert device.settle() > 3
    device.check()


def test_recall_hide_clear_and_leave_while_away(server: OracleServer, device: Device) -> None:
    server.make_talk(8, [ME, PEER])
    for talk_id in (7, 7, 7, 8, 8):
        server.send(talk_id, PEER)
    for event, payload in pushes(server):
        device.push(event, payload)
    device.settle()
    device.replica.disconnected()
    server.alter(7, 1, "recalled")
    server.hide(7, ME, 2)
    server.clear(8, ME)
    server.set_member(8, ME, "left")
    device.connect().settle()
    device.check()
    assert [record.recalled for record in device.replica.records(7)] == [True, False]
    assert device.replica.records(8) == []


def test_more_changes_than_the_limit_are_stale(server: OracleServer, device: Device) -> None:
    for _ in range(6):
        server.send(7, PEER)
    for event, payload in pushes(server):
        device.push(event, payload)
    device.replica.disconnected()
    for number in (1, 2, 3, 4):
        server.alter(7, number, "recalled")
    device.connect()
    device.replica.take_notices()
    device.settle()
    assert any(isinstance(notice, notices.RecordRemoved) for notice in device.replica.take_notices())
    device.check()


def test_another_epoch_is_a_reset_and_empties_the_buffer(server: OracleServer, device: Device) -> None:
    backup = server.backup()
    server.send(7, PEER, "of the old life")
    server.send(7, PEER, "of the old life too")
    device.push(*pushes(server)[0])
    server.restore(backup)
    server.send(7, PEER, "of the new life")
    device.replica.sync()
    device.push(  # numbered in the old epoch
        "im.message", {"talk_id": 7, "sequence": 2, "body": read_record(2, "of the old life too")}
    )
    device.settle()
    assert texts(device) == ["of the new life"]
    device.check()


def read_record(sequence: int, text: str) -> dict[str, Any]:
    return {**RECORD, "sequence": sequence, "extra": f'{{"content":"{text}"}}'}


def test_cursor_below_the_floor_resets_and_a_purge_during_it_does_not_reset_again(
    server: OracleServer, device: Device
) -> None:
    device.replica.disconnected()
    for other in range(5):
        server.set_contact(ME, other)
    server.set_contact(ME, 0, deleted=True)
    server.purge(ME, "contact")
    device.connect()
    assert device.sync_page()
    assert any(isinstance(notice, notices.ResetDone) for notice in device.replica.take_notices())
    server.set_contact(ME, 1, deleted=True)
    server.purge(ME, "contact")
    pages = device.settle()
    device.replica.sync()
    pages += device.settle()
    assert pages < 10
    device.check()


def test_a_reset_forgets_everything_with_the_first_page(server: OracleServer, device: Device) -> None:
    server.set_contact(ME, 5)
    server.send(7, PEER)
    for event, payload in pushes(server):
        device.push(event, payload)
    server.delete_talk_row(ME, 7)
    server.set_contact(ME, 5, deleted=True)
    server.epoch += 1
    device.replica.sync()
    device.settle()
    assert device.replica.conversation(7) is None
    assert device.replica.records(7) == []
    assert device.replica.contact_rows("contact") == []


def test_a_talk_made_known_by_a_row_is_synced(server: OracleServer, device: Device) -> None:
    server.make_talk(9, [PEER])
    for _ in range(5):
        server.send(9, PEER)
    pushes(server)
    server.set_member(9, ME, "in")
    server.send(9, PEER)
    row = [(event, payload) for event, payload in pushes(server) if event == "row.changed"]
    device.push(*row[0])
    assert not device.replica.is_synced
    device.settle()
    assert [record.sequence for record in device.replica.records(9)] == [6]
    assert device.replica.unread(9) == 1


def test_a_message_that_comes_before_the_row_of_its_talk_waits(server: OracleServer, device: Device) -> None:
    """Else the talk would be named with a cursor, and its profile, answered to zeros only, would never come."""
    server.make_talk(9, [ME, PEER], talk_mode=1)
    server.send(9, PEER)
    row, message = pushes(server)
    device.push(*message)
    assert device.replica.records(9) == []
    device.replica.disconnected()  # before that sync has answered
    device.connect()
    request = device.replica.take_sync()
    assert request is not None
    device.push(*row)
    device.replica.apply_sync(request, server.sync(ME, request))
    device.settle()
    view = device.replica.conversation(9)
    assert view is not None
    assert (view.name, view.unread) == ("group", 1)


def test_an_unread_mention_of_everybody_is_told_pushed_or_synced(server: OracleServer, device: Device) -> None:
    def mentioned() -> bool:
        view = device.replica.conversation(7)
        assert view is not None
        return view.mentions_all

    server.send(7, PEER, '@all","mentions":[0],"x":"')
    server.send(7, PEER, '@me","mentions":[1],"x":"')
    for push in pushes(server):
        device.push(*push)
    assert [record.mentions for record in device.replica.records(7)] == [[0], [1]]
    assert mentioned()
    device.replica = Replica.restore(device.replica.snapshot())
    assert mentioned()
    device.connect().settle()
    server.read(7, ME, 2)
    device.push(*pushes(server)[0])
    assert not mentioned()
    # What a device that was away is told, though it does not hold the message.
    for _ in range(5):
        server.send(7, PEER)
    device.replica.sync()
    request = device.replica.take_sync()
    assert request is not None
    answer = server.sync(ME, request)
    (talk,) = answer.talks
    talk = msgspec.structs.replace(talk, mention_all_sequence=3)
    device.replica.apply_sync(request, msgspec.structs.replace(answer, talks=[talk]))
    assert mentioned()
    assert all(not record.mentions for record in device.replica.records(7) if record.sequence > 2)


def test_a_dismissed_group_is_not_listed_any_more(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    device.push(*pushes(server)[0])
    assert [view.talk_id for view in device.replica.conversation_list()] == [7]
    profile = {"name": "group", "avatar": "", "mute_all": False, "dismissed": True, "slow_mode_s": 9, "mention_all": 2}
    device.push("talk.changed", {"talk_id": 7, "change": 1, "records": [], "voids": [], "profile": profile})
    assert device.replica.conversation_list() == []
    view = device.replica.conversation(7)
    assert view is not None
    assert (view.dismissed, view.slow_mode_s, view.mention_all, view.is_listed) == (True, 9, 2, False)


def test_a_deleted_row_forgets_the_talk(server: OracleServer, device: Device) -> None:
    server.delete_talk_row(ME, 7)
    device.push(*pushes(server)[0])
    assert device.replica.conversation(7) is None
    with pytest.raises(UnknownTalk):
        device.replica.history(7)


def test_a_failed_sync_is_asked_again_from_its_first_page(server: OracleServer) -> None:
    for talk_id in range(20, 26):
        server.make_talk(talk_id, [ME, PEER])
    device = Device(server).connect()
    assert device.sync_page()
    request = device.replica.take_sync()
    assert request is not None
    assert request.next is not None
    device.replica.sync_failed(request)
    again = device.replica.take_sync()
    assert again is not None
    assert again.next is None
    device.replica.apply_sync(request, server.sync(ME, request))  # late: nobody waits for it
    assert device.replica.take_sync() is None
    device.replica.apply_sync(again, server.sync(ME, again))
    device.settle()
    device.check()


def test_an_answer_of_an_earlier_connection_is_ignored(server: OracleServer, device: Device) -> None:
    device.replica.sync()
    request = device.replica.take_sync()
    assert request is not None
    answer = server.sync(ME, request)
    device.replica.disconnected()
    device.connect()
    device.replica.apply_sync(request, answer)
    assert not device.replica.is_synced


def test_an_empty_page_that_repeats_itself_is_an_error(device: Device) -> None:
    device.replica.sync()
    request = device.replica.take_sync()
    assert request is not None
    empty = {"epoch": "1", "reset": False, "versions": {}, "rows": {}, "talks": [], "next": "x"}
    device.replica.apply_sync(request, read(SyncAnswer, empty))
    second = device.replica.take_sync()
    assert second is not None
    with pytest.raises(ProtocolError):
        device.replica.apply_sync(second, read(SyncAnswer, empty))


def test_a_cursor_that_goes_back_makes_the_talk_be_asked_from_zero(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    device.push(*pushes(server)[0])
    server.talks[7].change += 1  # so that there is an answer
    device.replica.sync()
    request = device.replica.take_sync()
    assert request is not None
    answer = server.sync(ME, request)
    low = {"last_sequence": 0, "base": 0, "records": [], "voids": []}
    broken = read(SyncAnswer, _as_json(answer, low))
    device.replica.apply_sync(request, broken)
    device.settle()
    device.check()
    assert texts(device) == ["m1"]


def _as_json(answer: SyncAnswer, talk_fields: dict[str, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    decoded["talks"][0] |= talk_fields
    return decoded


# -------------------------------------------------------------------- range and roster


def test_a_range_answer_older_than_a_recall_is_asked_again(server: OracleServer) -> None:
    for _ in range(9):
        server.send(7, PEER)
    pushes(server)
    device = Device(server).connect()
    device.settle()
    page = device.replica.history(7)
    assert page.missing is not None
    old = server.range(ME, page.missing.request)
    server.alter(7, 2, "recalled")
    device.push(*pushes(server)[0])
    assert not device.replica.apply_range(page.missing, old)
    device.check()
    assert [record.sequence for record in device.replica.records(7) if record.recalled] == [2]


def test_a_range_answer_after_a_reset_is_asked_again(server: OracleServer) -> None:
    for _ in range(9):
        server.send(7, PEER)
    pushes(server)
    device = Device(server).connect()
    device.settle()
    page = device.replica.history(7)
    assert page.missing is not None
    old = server.range(ME, page.missing.request)
    server.epoch += 1
    device.replica.sync()
    device.settle()
    assert not device.replica.apply_range(page.missing, old)


def test_a_page_of_voids_only_does_not_end_the_history(server: OracleServer) -> None:
    for _ in range(60):
        server.send(7, PEER)
    for number in range(10, 58):
        server.hide(7, ME, number)
    pushes(server)
    device = Device(server).connect()
    device.settle()
    device.check()
    assert len(device.replica.records(7)) == 12


def test_a_page_of_recalled_messages_only(server: OracleServer) -> None:
    for _ in range(10):
        server.send(7, PEER)
    for number in range(1, 11):
        server.alter(7, number, "recalled")
    pushes(server)
    device = Device(server).connect()
    device.settle()
    device.check()
    page = device.replica.history(7, limit=30)
    assert len(page.records) == 10
    assert page.at_start


def test_a_roster_has_a_cursor_of_its_own(server: OracleServer, device: Device) -> None:
    roster = device.replica.roster(7)
    assert roster.missing is not None
    assert device.replica.apply_members(roster.missing, server.members(roster.missing.request))
    assert [member.user_id for member in device.replica.roster(7).members] == [ME, PEER, THIRD]
    server.set_member(7, THIRD, "left")
    for event, payload in pushes(server):
        device.push(event, payload)
    fresh = device.replica.roster(7)
    assert fresh.missing is None
    assert [member.user_id for member in fresh.members] == [ME, PEER]
    device.replica.disconnected()
    server.set_member(7, PEER, "in", role=2)
    device.connect().settle()
    delta = device.replica.roster(7).missing
    assert delta is not None
    assert delta.request.change == 1
    assert device.replica.apply_members(delta, server.members(delta.request))
    assert [(member.user_id, member.role) for member in device.replica.roster(7).members] == [(ME, 3), (PEER, 2)]


def test_a_roster_answer_older_than_the_cursor_is_asked_again(server: OracleServer, device: Device) -> None:
    look = device.replica.roster(7).missing
    assert look is not None
    old = server.members(look.request)
    server.set_member(7, THIRD, "left")
    for event, payload in pushes(server):
        device.push(event, payload)
    assert not device.replica.apply_members(look, old)
    assert device.replica.roster(7).missing is not None


def test_a_roster_comes_in_pages(server: OracleServer, device: Device) -> None:
    server.set_member(7, THIRD, "in", role=2)
    for event, payload in pushes(server):
        device.push(event, payload)
    look = device.replica.roster(7).missing
    assert look is not None
    whole = server.members(look.request)
    first = msgspec.structs.replace(whole, change=whole.change - 1, members=whole.members[:2])
    assert not device.replica.apply_members(look, first)
    rest = device.replica.roster(7).missing
    assert rest is not None and rest.request.change == whole.change - 1
    last = msgspec.structs.replace(whole, members=whole.members[2:])
    assert device.replica.apply_members(rest, last)
    fresh = device.replica.roster(7)
    assert fresh.missing is None
    assert [member.user_id for member in fresh.members] == [ME, PEER, THIRD]


def test_after_a_number_alone_the_roster_is_asked_for(server: OracleServer, device: Device) -> None:
    """It may stand for more members than a push lists."""
    look = device.replica.roster(7).missing
    assert look is not None
    device.replica.apply_members(look, server.members(look.request))
    server.set_member(7, THIRD, "left")
    ((_, payload),) = pushes(server)
    device.push("talk.changed", {key: value for key, value in payload.items() if key != "members"})
    delta = device.replica.roster(7).missing
    assert delta is not None
    assert device.replica.apply_members(delta, server.members(delta.request))
    assert [member.user_id for member in device.replica.roster(7).members] == [ME, PEER]


# -------------------------------------------------------------------- views and storing


def test_the_list_shows_pinned_talks_first_then_the_newest(server: OracleServer, device: Device) -> None:
    for talk_id in (20, 21, 22):
        server.make_talk(talk_id, [ME, PEER])
    server.send(21, PEER)
    server.send(21, PEER)
    server.send(22, PEER)
    server.set_talk_row(ME, 20, is_top=1)
    device.replica.sync()
    device.settle()
    assert [view.talk_id for view in device.replica.conversation_list()] == [20, 21, 22, 7]
    server.hide_talk(ME, 21)
    for event, payload in pushes(server):
        device.push(event, payload)
    device.settle()
    assert [view.talk_id for view in device.replica.conversation_list()] == [20, 22, 7]
    server.send(21, PEER)
    for event, payload in pushes(server):
        device.push(event, payload)
    assert [view.talk_id for view in device.replica.conversation_list()] == [20, 21, 22, 7]
    assert device.replica.find(2, 210) is not None
    assert device.replica.find(1, 210) is None


def test_two_devices_reading_at_once(server: OracleServer) -> None:
    for _ in range(5):
        server.send(7, PEER)
    pushes(server)
    first, second = Device(server).connect(), Device(server).connect()
    first.settle()
    second.settle()
    server.read(7, ME, 5)
    server.read(7, ME, 3)  # the slower one asks for less: nothing changes
    for event, payload in pushes(server):
        first.push(event, payload)
        second.push(event, payload)
    assert first.replica.unread(7) == second.replica.unread(7) == 0
    first.check()
    second.check()


def test_a_snapshot_restores_everything(server: OracleServer, device: Device) -> None:
    server.set_contact(ME, 5)
    for _ in range(4):
        server.send(7, PEER)
    server.alter(7, 1, "recalled")
    for event, payload in pushes(server):
        device.push(event, payload)
    look = device.replica.roster(7).missing
    assert look is not None
    device.replica.apply_members(look, server.members(look.request))
    snapshot = device.replica.snapshot()
    restored = Replica.restore(snapshot)
    assert restored.snapshot() == snapshot
    assert not restored.is_connected
    server.send(7, PEER)
    again = Device(server, replica=restored).connect()
    again.settle()
    again.check()


@pytest.mark.parametrize("snapshot", [b"", b"\xc1", b"\x80", b"not msgpack at all", Replica().snapshot()[:-3]])
def test_a_snapshot_that_is_none_is_a_clear_error(snapshot: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        Replica.restore(snapshot)


def test_another_user_on_the_same_device_starts_from_nothing(server: OracleServer, device: Device) -> None:
    server.send(7, PEER)
    device.push(*pushes(server)[0])
    other = Device(server, user=PEER, replica=device.replica)
    device.replica.disconnected()
    other.connect()
    assert device.replica.records(7) == []
    other.settle()
    other.check()


def test_memory_is_bounded_by_talk(server: OracleServer) -> None:
    device = Device(server, replica=Replica(max_records=10)).connect()
    device.settle()
    for _ in range(25):
        server.send(7, PEER)
    for event, payload in pushes(server):
        device.push(event, payload)
    assert len(device.replica.records(7)) <= 10
    device.check()  # looking brings the rest back


# -------------------------------------------------------------------- messages that disappear


def expiring(server: OracleServer, at_ms: int) -> tuple[str, dict[str, Any]]:
    """The push of a message that disappears then."""
    server.send(7, PEER, f"until {at_ms}")
    [(event, payload)] = pushes(server)
    body = payload["body"]
    body = msgspec.structs.asdict(body) if isinstance(body, msgspec.Struct) else body
    return event, payload | {"body": body | {"expires_at_ms": at_ms}}


def test_a_record_goes_by_the_devices_own_clock_and_its_number_stays(server: OracleServer, device: Device) -> None:
    for at_ms in (3_000, 1_000, 2_000):
        device.push(*expiring(server, at_ms))
    device.replica.take_notices()
    device.replica.expire(999)
    assert device.replica.take_notices() == []
    device.replica.expire(2_000)
    assert texts(device) == ["until 3000"]
    assert device.replica.take_notices() == [notices.RecordRemoved(7, 2), notices.RecordRemoved(7, 3)]
    assert device.replica.cursors(7)[0] == 3
    page = device.replica.history(7)
    assert (page.missing, page.at_start, len(page.records)) == (None, True, 1)
    # The server says the same later: nothing more to drop, and no hole.
    change = device.replica.cursors(7)[1] + 1
    device.push("talk.changed", {"talk_id": 7, "change": change, "voids": [[2, 3]]})
    assert device.replica.take_sync() is None
    assert device.replica.take_notices() == []


def test_a_restored_device_still_knows_when_its_records_go(server: OracleServer, device: Device) -> None:
    device.push(*expiring(server, 1_000))
    restored = Device(server, replica=Replica.restore(device.replica.snapshot()))
    assert texts(restored) == ["until 1000"]
    restored.replica.expire(1_000)
    assert texts(restored) == []


def test_a_record_that_came_by_a_range_goes_as_well(server: OracleServer) -> None:
    for _ in range(30):
        server.send(7, PEER)
    server.pending.clear()
    device = Device(server).connect()
    device.settle()
    page = device.replica.history(7, limit=40)
    assert page.missing is not None
    answer = server.range(ME, page.missing.request)
    records = [msgspec.structs.replace(record, expires_at_ms=5_000) for record in answer.records]
    assert device.replica.apply_range(page.missing, msgspec.structs.replace(answer, records=records))
    held = len(device.replica.records(7))
    device.replica.expire(5_000)
    assert len(device.replica.records(7)) == held - len(records)


def test_a_profile_says_how_long_messages_live(server: OracleServer, device: Device) -> None:
    change = device.replica.cursors(7)[1] + 1
    profile = {"name": "Team", "avatar": "", "mute_all": False, "expire_after_s": 60}
    device.push("talk.changed", {"talk_id": 7, "change": change, "profile": profile})
    view = device.replica.conversation(7)
    assert view is not None
    assert view.expire_after_s == 60
