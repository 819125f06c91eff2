"""Schedules that have each bitten somebody, written out by hand on the real core and the SDK's replica.

Every scenario ends as a seeded one does: what is on its way arrives, each device looks at everything and is held
against the store. What is asserted in between is what the schedule is about.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.device import Device
from tests.simulation.process import Process
from tests.simulation.world import OWNER, World, scenario
from xinyu.client.replica import Replica
from xinyu.wire.v1 import message_pb2
from xinyu_services.message.model import MemberState, Role


def devices(world: World, user_id: int) -> list[Device]:
    return [device for device in world.devices if device.user_id == user_id]


def test_number_taken_outside_the_transaction() -> None:
    """A send whose transaction fails leaves no hole, and no device has seen its number."""

    async def work(world: World) -> None:
        sender, other = devices(world, 1)[0], devices(world, 2)[0]
        last = (await world.say(sender, "before")).sequence
        world.database.refuse_next = True  # the next batch is rolled back
        first = world.loop.create_task(world.say(sender, "refused at first"))
        second = world.loop.create_task(world.say(other, "meanwhile"))
        numbers = sorted([(await first).sequence, (await second).sequence])
        assert numbers == [last + 1, last + 2]
        assert world.heads[world.group_talk][0] == last + 2

    scenario(work)


def test_push_that_arrives_during_a_sync() -> None:
    async def work(world: World) -> None:
        device, sender = devices(world, 2)[0], devices(world, 1)[0]
        device.holds_syncs = True
        device.replica.sync()
        answer = await device.sync_once()
        assert answer is not None
        await world.say(sender, "during the sync")
        await world.settle()
        assert "during the sync" not in device.texts(world.group_talk), "it waits"
        device.apply(answer)
        assert device.texts(world.group_talk).count("during the sync") == 1
        assert device.replica.is_synced

    scenario(work)


def test_recall_that_overtakes_its_message() -> None:
    async def work(world: World) -> None:
        device, sender = devices(world, 2)[0], devices(world, 1)[0]
        device.holds_pushes = True
        record = await world.say(sender, "taken back")
        assert await world.recall(1, record.talk_id, record.msg_id)
        await world.settle()
        device.holds_syncs = True
        [recall] = device.waiting("talk.changed")
        device.take(recall)
        assert not device.replica.is_synced, "a change of a number that is not held yet is a gap"
        [message] = device.waiting("im.message")
        device.take(message)
        answer = await device.sync_once()
        assert answer is not None
        device.apply(answer)
        assert device.texts(record.talk_id)[-1] == "recalled"

    scenario(work)


def test_range_answer_older_than_a_recall() -> None:
    async def work(world: World) -> None:
        device, sender = devices(world, 2)[0], devices(world, 1)[0]
        await device.disconnect()
        records = [await world.say(sender, f"text {n}") for n in range(40)]
        device.replica = Replica()
        await device.connect(world.processes[0])
        await world.settle()
        talk_id = records[0].talk_id
        assert len(device.replica.records(talk_id)) == 20, "a first sync brings the newest twenty"
        page = device.replica.history(talk_id, before=records[20].sequence, limit=30)
        assert page.missing is not None
        asked = page.missing.request
        old = await device._range(talk_id, asked.from_sequence, asked.to_sequence)
        assert old is not None
        assert await world.recall(1, talk_id, records[5].msg_id)
        await world.settle()
        assert not device.replica.apply_range(page.missing, old), "it was answered before the recall"
        await device.look(talk_id)
        shown = {record.sequence: record for record in device.replica.records(talk_id)}
        assert shown[records[5].sequence].recalled
        assert "text 5" not in device.texts(talk_id)

    scenario(work)


def test_recall_hide_clear_and_leave_while_away() -> None:
    async def work(world: World) -> None:
        away, here = devices(world, 2)
        sender = devices(world, 1)[0]
        records = [await world.say(sender, f"text {n}") for n in range(4)]
        pair = await world.say(sender, "to be cleared", to=2)
        await world.settle()
        await away.disconnect()
        talk_id = records[0].talk_id
        assert await world.recall(1, talk_id, records[1].msg_id)
        assert await world.hide(2, talk_id, [records[2].msg_id])
        assert await world.clear(2, pair.talk_id, pair.sequence)
        assert await world.group_change("leave", 2)
        await world.say(sender, "after he left")
        await away.connect(world.processes[0])
        await world.settle()
        for device in (away, here):
            assert [text for text in device.texts(talk_id) if text.startswith(("text", "recalled", "after"))] == [
                "text 0",
                "recalled",
                "text 3",
            ]
            assert device.texts(pair.talk_id) == []
            member = device.replica.conversation(talk_id)
            assert member is not None
            assert member.member is not None
            assert member.member.state == "left"

    scenario(work)


def test_removed_and_added_again_while_away() -> None:
    async def work(world: World) -> None:
        device, sender = devices(world, 3)[0], devices(world, 1)[0]
        await world.say(sender, "while in")
        await world.settle()
        await device.disconnect()
        assert await world.group_change("remove", 3)
        await world.say(sender, "while out")
        assert await world.group_change("invite", 3)
        await world.say(sender, "in again")
        await device.connect(world.processes[0])
        await world.settle()
        texts = device.texts(world.group_talk)
        assert "while out" not in texts
        assert "while in" not in texts, "a window that is closed does not open again"
        assert "in again" in texts

    scenario(work)


def test_removed_and_added_again_while_connected() -> None:
    """A push about one's own membership never applies: only a sync can say where the window is."""

    async def work(world: World) -> None:
        device, sender = devices(world, 3)[0], devices(world, 1)[0]
        device.holds_pushes = True
        assert await world.group_change("remove", 3)
        await world.say(sender, "while out")
        assert await world.group_change("invite", 3)
        await world.say(sender, "in again")
        await world.settle()
        while device.inbox:
            device.take()
        device.holds_pushes = False
        await world.settle()
        assert device.texts(world.group_talk)[-1] == "in again"
        assert "while out" not in device.texts(world.group_talk)

    scenario(work)


def test_late_repeat_of_a_removal_after_an_addition() -> None:
    """Commands between rooms carry a revision: one that is not higher changes nothing."""

    async def work(world: World) -> None:
        device, sender = devices(world, 3)[0], devices(world, 1)[0]
        assert await world.group_change("remove", 3)
        [(revision,)] = world.database.rows(
            "SELECT revision FROM group_member WHERE group_id = ? AND user_id = 3", world.group_id
        )
        assert await world.group_change("invite", 3)
        [process] = world.processes
        late = message_pb2.ChangeRosterRequest(group_id=world.group_id)
        late.entries.add(user_id=3, state=MemberState.REMOVED, role=Role.MEMBER, revision=revision)
        await process.call(process.messages.change_roster, late)
        await world.say(sender, "he is in")
        await world.settle()
        assert device.texts(world.group_talk)[-1] == "he is in"

    scenario(work)


def test_message_committed_before_a_join_and_dispatched_after_it() -> None:
    async def work(world: World) -> None:
        newcomer, sender = devices(world, 4)[0], devices(world, 1)[0]
        [process] = world.processes
        gate = process.sources["message"].gate
        gate.clear()
        await world.say(sender, "before he came")
        assert await world.group_change("invite", 4)
        await world.say(sender, "after he came")
        gate.set()
        await world.settle()
        texts = newcomer.texts(world.group_talk)
        assert "before he came" not in texts
        assert texts[-1] == "after he came"

    scenario(work)


def test_cursor_below_the_floor_and_purge_during_the_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xinyu_services.talk.service.PAGE_TALKS", 1)

    async def work(world: World) -> None:
        [device, other], sender = devices(world, 2), devices(world, 1)[0]
        await world.say(sender, "in the group")
        await world.settle()
        await device.disconnect()
        talk_id = world.group_talk
        assert await world.group_change("leave", 2)
        last = other.replica.cursors(talk_id)[0]
        assert await world.hide_talk(2, talk_id, last)
        world.purge()
        device.holds_syncs = True
        await device.connect(world.processes[0])
        first = await device.sync_once()
        assert first is not None
        assert first.reset
        assert first.next is not None, "the reset has pages"
        device.apply(first)
        # Another row is deleted and purged between two pages: no reset inside the reset.
        assert await world.group_change("invite", 2)
        assert await world.group_change("leave", 2)
        assert await world.hide_talk(2, talk_id, 10**6)
        world.purge()
        pages = 0
        while (page := await device.sync_once()) is not None:
            pages += 1
            assert pages < 20, "the sync does not end"
            assert not (page.reset and page.next is not None and pages > 3)
            device.apply(page)
        assert device.replica.conversation(talk_id) is None

    scenario(work)


@pytest.mark.parametrize(("changes", "is_stale"), [(200, False), (201, True)])
def test_201_changes(changes: int, is_stale: bool) -> None:
    async def work(world: World) -> None:
        device, sender = devices(world, 2)[0], devices(world, 1)[0]
        records = [await world.say(sender, f"text {n}") for n in range(changes + 5)]
        await world.settle()
        await device.look(records[0].talk_id)
        await device.disconnect()
        for record in records[:changes]:
            assert await world.recall(1, record.talk_id, record.msg_id)
        device.holds_syncs = True
        await device.connect(world.processes[0])
        answer = await device.sync_once()
        assert answer is not None
        [talk] = [talk for talk in answer.talks if talk.talk_id == records[0].talk_id]
        assert talk.stale is is_stale
        assert len(talk.records) == (20 if is_stale else changes)
        device.apply(answer)
        await device.look(records[0].talk_id)
        assert device.texts(records[0].talk_id).count("recalled") == changes

    scenario(work)


def test_page_of_recalled_messages_only() -> None:
    async def work(world: World) -> None:
        device, sender = devices(world, 2)[0], devices(world, 1)[0]
        await device.disconnect()
        records = [await world.say(sender, f"text {n}") for n in range(70)]
        for record in records:
            assert await world.recall(1, record.talk_id, record.msg_id)
        device.replica = Replica()
        await device.connect(world.processes[0])
        await world.settle()
        talk_id = records[0].talk_id
        assert device.texts(talk_id) == ["recalled"] * 20
        await device.look(talk_id)
        page = device.replica.history(talk_id, limit=30)
        assert len(page.records) == 30
        assert all(record.recalled for record in page.records)
        assert device.texts(talk_id).count("recalled") == 70

    scenario(work)


def test_restore_from_backup() -> None:
    async def work(world: World) -> None:
        device, sender = devices(world, 2)[0], devices(world, 1)[0]
        await world.say(sender, "in the backup")
        await world.settle()
        world.take_backup()
        lost = await world.say(sender, "after the backup")
        await world.settle()
        assert device.texts(lost.talk_id)[-1] == "after the backup"
        epoch = device.replica.epoch
        await world.restore()
        await world.all_online()
        await world.settle()
        assert device.replica.epoch != epoch
        assert device.texts(lost.talk_id)[-1] == "in the backup"
        again = await world.say(sender, "the same number again")
        assert again.sequence == lost.sequence
        await world.settle()
        assert device.texts(lost.talk_id)[-1] == "the same number again"

    scenario(work)


def test_two_devices_reading_at_once() -> None:
    async def work(world: World) -> None:
        first, second = devices(world, 2)
        sender = devices(world, 1)[0]
        records = [await world.say(sender, f"text {n}") for n in range(6)]
        await world.settle()
        talk_id, last = records[0].talk_id, records[-1].sequence
        assert first.replica.unread(talk_id) >= 6
        both = [
            world.loop.create_task(world.read_up_to(first, talk_id, last)),
            world.loop.create_task(world.read_up_to(second, talk_id, last - 3)),
        ]
        assert [await task for task in both] == [True, True]
        await world.settle()
        for device in (first, second):
            view = device.replica.conversation(talk_id)
            assert view is not None
            assert (view.read_sequence, view.unread) == (last, 0)
        # The slower one asks once more, for less: the cursor does not go back.
        assert await world.read_up_to(second, talk_id, last - 5)
        await world.settle()
        assert first.replica.unread(talk_id) == second.replica.unread(talk_id) == 0

    scenario(work)


def test_commit_whose_answer_is_lost() -> None:
    """The sender tries again and gets the first one's record; the others get the push from the outbox, though the
    process never heard that it had committed."""

    async def work(world: World) -> None:
        device, sender = devices(world, 2)[0], devices(world, 1)[0]
        before = (await world.say(sender, "before")).sequence
        await world.settle()
        world.database.lose_next_answer = True
        record = await world.say(sender, "once")
        assert record.sequence == before + 1
        await world.settle()
        process: Process = world.processes[0]
        synced = device.syncs
        await world.until(lambda: device.texts(record.talk_id)[-1] == "once", "the others hear of it")
        assert device.syncs == synced, "by a push"
        assert device.texts(record.talk_id).count("once") == 1
        assert process.is_idle
        assert sender.user_id == OWNER

    scenario(work)


def test_process_dies_between_the_commit_and_the_push() -> None:
    """What it left in the outbox is another life's to tell."""

    async def work(world: World) -> None:
        device, sender = devices(world, 2)[0], devices(world, 1)[0]
        [process] = world.processes
        for source in process.sources.values():
            source.gate.clear()
        record = await world.say(sender, "committed and not told")
        await world.kill(process, 0.5)
        for other in (device, sender):
            await other.connect(world.processes[0])
        await world.settle()
        texts: list[Any] = device.texts(record.talk_id)
        assert texts.count("committed and not told") == 1
        await world.until(
            lambda: world.database.rows("SELECT count(*) FROM message_outbox") == [(0,)], "the outbox is empty"
        )

    scenario(work)
