"""Catching up by the rules of data.md, on the real rooms."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.integration.services.rooms import GATEWAY, Rooms, refused, target
from xinyu.storage import meta
from xinyu.wire.v1 import message_pb2, talk_pb2, user_rpc


class Device:
    """What a device asks by: epoch, versions, and three cursors a talk. It keeps answers, and applies no rule of its
    own beyond moving the cursors."""

    def __init__(self, rooms: Rooms, user_id: int) -> None:
        self.rooms = rooms
        self.user_id = user_id
        self.epoch = ""
        self.versions: dict[str, int] = {}
        self.talks: dict[int, tuple[int, int, int]] = {}
        self.rows: dict[int, dict[str, Any]] = {}

    async def page(self, next_: str = "") -> dict[str, Any]:
        page = await self.rooms.sync(
            self.user_id,
            epoch=self.epoch,
            versions=self.versions,
            talks=[(talk_id, *held) for talk_id, held in self.talks.items()],
            next_=next_,
        )
        if page["reset"]:
            self.talks, self.rows = {}, {}
        self.epoch, self.versions = page["epoch"], page["versions"]
        for row in page["rows"]["talk"]:
            if row.get("deleted"):
                self.rows.pop(row["talk_id"], None)
                self.talks.pop(row["talk_id"], None)
            else:
                self.rows[row["talk_id"]] = row
                self.talks.setdefault(row["talk_id"], (0, 0, 0))
        for talk in page["talks"]:
            self.talks[talk["talk_id"]] = (talk["last_sequence"], talk["last_change"], talk["own"])
        return page

    async def pages(self) -> list[dict[str, Any]]:
        """To the end of a sync."""
        pages = [await self.page()]
        while "next" in pages[-1]:
            pages.append(await self.page(pages[-1]["next"]))
            assert len(pages) < 30
        return pages

    async def talk(self) -> dict[str, Any]:
        """The one talk that differs."""
        (talk,) = (await self.page())["talks"]
        return dict(talk)


def numbers(talk: dict[str, Any]) -> list[int]:
    """Sequences that a talk's answer speaks of."""
    return sorted(
        [r["sequence"] for r in talk["records"]] + [n for low, high in talk["voids"] for n in range(low, high + 1)]
    )


async def friends_of_1(rooms: Rooms, count: int) -> None:
    for peer in range(100, 100 + count):
        rooms.neighbours.users[peer] = f"user {peer}"
        await rooms.befriend(1, peer)


async def say(rooms: Rooms, peer: int, count: int) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(rooms.send(1, 1, peer, str(n)) for n in range(count))))


# -------------------------------------------------------------------- pages


async def test_more_than_a_hundred_talks_come_in_pages_that_each_answer_their_rows(rooms: Rooms) -> None:
    await friends_of_1(rooms, 230)
    for peer in range(100, 330, 7):
        await rooms.send(1, 1, peer, "hello")
    device = Device(rooms, 1)
    pages = await device.pages()
    assert [len(page["rows"]["talk"]) for page in pages] == [100, 100, 30]
    for page in pages:
        assert {t["talk_id"] for t in page["talks"]} == {r["talk_id"] for r in page["rows"]["talk"]}
    assert [page["reset"] for page in pages] == [True, False, False]
    assert (await device.pages())[0]["talks"] == []


async def test_a_page_ends_at_a_thousand_records_and_tells_a_row_only_with_its_talk(rooms: Rooms) -> None:
    await friends_of_1(rooms, 70)
    for peer in range(100, 165):
        await say(rooms, peer, 22)
    device = Device(rooms, 1)
    pages = await device.pages()
    assert [sum(len(t["records"]) for t in page["talks"]) for page in pages] == [1000, 300]
    for page in pages:
        assert {t["talk_id"] for t in page["talks"]} == {r["talk_id"] for r in page["rows"]["talk"]}
        assert page["versions"]["talk"] == page["rows"]["talk"][-1]["version"]
    told = [t for page in pages for t in page["talks"]]
    assert len(told) == 70
    # The empty ones among them too, or their devices would never learn a name for them.
    assert sum(1 for t in told if t["last_sequence"] == 0 and t["profile"]["name"]) == 5


async def test_named_talks_that_changed_come_in_pages_too(rooms: Rooms) -> None:
    await friends_of_1(rooms, 120)
    device = Device(rooms, 1)
    await device.pages()
    for peer in range(100, 220):
        await rooms.send(peer, 1, 1, "hello")
    pages = await device.pages()
    assert [len(page["talks"]) for page in pages] == [100, 20]


async def test_many_changes_of_many_talks_stay_within_a_page_s_records(rooms: Rooms) -> None:
    await friends_of_1(rooms, 8)
    sent = {peer: await say(rooms, peer, 190) for peer in range(100, 108)}
    device = Device(rooms, 1)
    await device.pages()
    for peer, records in sent.items():
        await rooms.hide(1, 1, peer, *[r["msg_id"] for r in records])
    pages = await device.pages()
    assert [sum(len(numbers(t)) for t in page["talks"]) for page in pages] == [950, 570]


# -------------------------------------------------------------------- resets


async def test_another_epoch_resets_and_answers_from_nothing(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.send(1, 1, 2, "one")
    device = Device(rooms, 2)
    await device.page()

    def restore(connection: Connection) -> str:
        return meta.begin_epoch(connection, rooms.database.dialect)

    epoch = await rooms.database.write(restore)
    page = await device.page()
    assert page["reset"] and page["epoch"] == epoch
    assert [(t["talk_id"], numbers(t)) for t in page["talks"]] == [(talk_id, [1])]
    assert not (await device.page())["reset"]


async def test_a_cursor_below_the_floor_resets_once(rooms: Rooms) -> None:
    await friends_of_1(rooms, 3)
    await rooms.roster(7, [(1, 1, 3, 1)])
    device = Device(rooms, 1)
    await device.page()
    old = dict(device.versions)
    await rooms.roster(7, [(1, 3, 3, 2)])
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=1, target=target(2, 7)))

    def age(connection: Connection) -> None:
        connection.execute(text("UPDATE talk_session SET changed_at_ms = 1 WHERE state = 2"))

    await rooms.database.write(age)
    assert await rooms.talk_service.purge_tombstones() == 1
    device.versions = old
    page = await device.page()
    assert page["reset"]
    assert len(page["rows"]["talk"]) == 3
    assert not (await device.page())["reset"]


async def test_no_reset_starts_inside_a_reset(rooms: Rooms) -> None:
    await friends_of_1(rooms, 130)

    def floor(connection: Connection) -> None:
        connection.execute(text("UPDATE talk_version SET floor = 120 WHERE user_id = 1"))

    await rooms.database.write(floor)
    device = Device(rooms, 1)
    first = await device.page()
    assert first["reset"] and first["versions"]["talk"] < 120
    second = await device.page(first["next"])
    assert not second["reset"]
    assert len(device.rows) == 130


async def test_a_next_that_is_not_ours_is_refused(rooms: Rooms) -> None:
    for text_ in ("x", "WzFd", "é" * 10, "WyJhIiwxLDJd"):
        assert await refused(rooms.sync(1, next_=text_)) == "invalid"


# -------------------------------------------------------------------- one talk


async def test_base_gap_and_the_newest_twenty(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    device = Device(rooms, 2)
    await say(rooms, 2, 3)
    await device.page()
    await say(rooms, 2, 50)
    talk = await device.talk()
    assert (talk["base"], talk["last_sequence"], numbers(talk)) == (33, 53, list(range(34, 54)))
    await say(rooms, 2, 5)
    talk = await device.talk()
    assert (talk["base"], numbers(talk)) == (53, list(range(54, 59)))


async def test_what_was_hidden_or_cleared_is_void_or_below_from(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    sent = await say(rooms, 2, 10)
    device = Device(rooms, 2)
    await device.page()
    by_sequence = {record["sequence"]: record["msg_id"] for record in sent}
    await rooms.hide(2, 1, 1, by_sequence[4], by_sequence[5], by_sequence[9])
    assert (await device.talk())["voids"] == [[4, 5], [9, 9]]
    await rooms.clear(2, 1, 1, 7)
    talk = await device.talk()
    assert (talk["from"], talk["records"], talk["voids"]) == (8, [], [])
    fresh = await Device(rooms, 2).talk()
    assert (fresh["from"], fresh["base"], fresh["voids"]) == (8, 7, [[9, 9]])
    assert [r["sequence"] for r in fresh["records"]] == [8, 10]
    page = await rooms.messages.load_range(
        message_pb2.LoadRangeRequest(user_id=2, talk_id=talk_id, from_sequence=1, to_sequence=200)
    )
    assert json.loads(page.voids) == [[1, 7], [9, 9]]


async def test_200_changes_are_told_and_201_make_it_stale(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    sent = await say(rooms, 2, 230)
    by_sequence = {record["sequence"]: record["msg_id"] for record in sent}
    told, stale = Device(rooms, 2), Device(rooms, 2)
    await told.page()
    await stale.page()
    for sequence in range(1, 101):
        await rooms.recall(1, 1, 2, by_sequence[sequence])
    await rooms.hide(2, 1, 1, *[by_sequence[n] for n in range(101, 201)])
    talk = await told.talk()
    assert "stale" not in talk and numbers(talk) == list(range(1, 201))
    await rooms.recall(1, 1, 2, by_sequence[201])
    talk = await stale.talk()
    assert talk["stale"] is True
    assert (talk["base"], numbers(talk)) == (210, list(range(211, 231)))


async def test_changes_below_from_neither_count_nor_crowd_out_the_others(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    sent = await say(rooms, 2, 230)
    by_sequence = {record["sequence"]: record["msg_id"] for record in sent}
    device = Device(rooms, 2)
    await device.page()
    for sequence in range(1, 211):
        await rooms.recall(1, 1, 2, by_sequence[sequence])
    await rooms.recall(1, 1, 2, by_sequence[225])
    await rooms.clear(2, 1, 1, 220)
    talk = await device.talk()
    assert "stale" not in talk
    assert [(r["sequence"], r["is_revoked"]) for r in talk["records"]] == [(225, 1)]


async def test_what_is_hidden_and_recalled_stays_void(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    (record,) = await say(rooms, 2, 1)
    device = Device(rooms, 2)
    await device.page()
    await rooms.hide(2, 1, 1, record["msg_id"])
    await device.page()
    await rooms.recall(1, 1, 2, record["msg_id"])
    talk = await device.talk()
    assert (talk["records"], talk["voids"]) == ([], [[1, 1]])


async def test_who_left_reads_his_window_as_it_is_now(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (3, 1, 3, 1)])
    seen = await rooms.send(1, 2, 7, "seen")
    device = Device(rooms, 3)
    await device.page()
    await rooms.roster(7, [(3, 2, 3, 2)])
    await rooms.send(1, 2, 7, "unseen")
    await rooms.recall(1, 2, 7, seen["msg_id"])
    talk = await device.talk()
    assert (talk["last_sequence"], talk["member"]["state"]) == (1, "left")
    assert [(r["sequence"], r["is_revoked"]) for r in talk["records"]] == [(1, 1)]
    fresh = await Device(rooms, 3).talk()
    assert (fresh["last_sequence"], numbers(fresh)) == (1, [1])
    assert fresh["profile"]["name"] == "Team"  # a new device must be able to name it


async def test_removed_and_added_again_while_away(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (3, 1, 3, 1)])
    await rooms.send(1, 2, 7, "before")
    device = Device(rooms, 3)
    await device.page()
    await rooms.roster(7, [(3, 3, 3, 2)])
    await rooms.send(1, 2, 7, "missed for good")
    await rooms.roster(7, [(3, 1, 3, 3)])
    await rooms.send(1, 2, 7, "back")
    talk = await device.talk()
    assert (talk["from"], talk["base"], numbers(talk)) == (3, 2, [3])
    assert talk["member"]["state"] == "in" and talk["profile"]["name"] == "Team"


async def test_an_empty_pair_is_answered_with_its_profile_and_once(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    device = Device(rooms, 2)
    talk = await device.talk()
    assert (talk["talk_id"], talk["last_sequence"], talk["base"], talk["profile"]["name"]) == (talk_id, 0, 0, "Ann")
    assert (await device.page())["talks"] == []


async def test_a_deleted_row_comes_as_a_tombstone_but_not_to_a_new_device(rooms: Rooms) -> None:
    talk_id = (await rooms.roster(7, [(3, 1, 3, 1)])).talk_id
    device = Device(rooms, 3)
    await device.page()
    await rooms.roster(7, [(3, 2, 3, 2)])
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=3, target=target(2, 7)))
    page = await device.page()
    assert [(r["talk_id"], r["deleted"]) for r in page["rows"]["talk"]] == [(talk_id, True)]
    fresh = await Device(rooms, 3).page()
    assert fresh["rows"]["talk"] == [] and fresh["talks"] == []


async def test_a_read_of_another_device_comes_with_sync(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await say(rooms, 2, 3)
    device = Device(rooms, 2)
    await device.page()
    await rooms.read(2, talk_id, 2)
    talk = await device.talk()
    assert (talk["own"], talk["read_sequence"], numbers(talk)) == (1, 2, [])


async def test_two_devices_reading_at_once_take_one_number_and_the_higher_cursor(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await say(rooms, 2, 5)
    answers = await asyncio.gather(rooms.read(2, talk_id, 2), rooms.read(2, talk_id, 5), rooms.read(2, talk_id, 4))
    assert {(a.own, a.read_sequence) for a in answers} == {(1, 5)}


async def test_reading_what_one_sent_oneself_changes_nothing_and_takes_no_number(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await say(rooms, 2, 5)
    answer = await rooms.read(1, talk_id, 5)
    assert (answer.own, answer.read_sequence) == (0, 5)


async def test_talks_of_others_and_of_nobody_are_not_answered(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.send(1, 1, 2, "private")
    page = await rooms.sync(3, epoch=await rooms.talk_service.epoch(), talks=[(talk_id, 0, 0, 0), (999, 0, 0, 0)])
    assert page["talks"] == []


# -------------------------------------------------------------------- ranges and rosters


@pytest.mark.parametrize(("low", "high"), [(0, 5), (5, 4), (1, 201), (-3, 2)])
async def test_a_range_has_bounds(rooms: Rooms, low: int, high: int) -> None:
    talk_id = await rooms.befriend(1, 2)
    request = message_pb2.LoadRangeRequest(user_id=2, talk_id=talk_id, from_sequence=low, to_sequence=high)
    assert await refused(rooms.messages.load_range(request)) == "invalid"


async def test_a_range_carries_the_cursors_that_it_was_read_at(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    sent = await say(rooms, 2, 3)
    await rooms.recall(1, 1, 2, sent[0]["msg_id"])
    await rooms.read(2, talk_id, 3)
    request = message_pb2.LoadRangeRequest(user_id=2, talk_id=talk_id, from_sequence=1, to_sequence=200)
    page = await rooms.messages.load_range(request)
    assert (page.change, page.own, len(json.loads(page.records)), json.loads(page.voids)) == (2, 1, 3, [])
    for user_id, talk, reason in ((3, talk_id, "not_member"), (2, 999, "unknown_talk")):
        request = message_pb2.LoadRangeRequest(user_id=user_id, talk_id=talk, from_sequence=1, to_sequence=2)
        assert await refused(rooms.messages.load_range(request)) == reason


async def test_a_roster_comes_whole_and_then_by_what_changed(rooms: Rooms) -> None:
    talk_id = (await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])).talk_id

    async def load(user_id: int, change: int) -> tuple[int, list[tuple[int, int]]]:
        page = await rooms.messages.load_members(
            message_pb2.LoadMembersRequest(user_id=user_id, talk_id=talk_id, change=change)
        )
        return page.change, [(m.user_id, m.state) for m in page.members]

    assert await load(1, 0) == (1, [(1, 1), (2, 1)])
    await rooms.roster(7, [(3, 1, 3, 1)])
    assert await load(1, 1) == (2, [(3, 1)])
    await rooms.roster(7, [(2, 3, 3, 2)])
    assert await load(1, 2) == (3, [(2, 3)])
    assert await refused(load(2, 0)) == "not_member"
    assert await refused(load(4, 0)) == "not_member"


async def test_a_new_profile_is_pushed_and_synced(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    device = Device(rooms, 2)
    await device.page()
    await rooms.routes.connect([2], GATEWAY, 1)
    rooms.neighbours.groups[7] = "Renamed"
    await rooms.roster(7, [], profile_revision=2, mute_all=True)
    await rooms.settle()
    (changed,) = rooms.gateway.of(2, 1, "talk.changed")
    assert changed["profile"] == {
        "name": "Renamed",
        "avatar": "",
        "mute_all": True,
        "dismissed": False,
        "slow_mode_s": 0,
        "mention_all": 1,
    }
    assert (await device.talk())["profile"] == changed["profile"]


async def test_a_profile_is_told_with_its_name_or_not_at_all(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    rooms.network.withdraw([user_rpc.LOAD_NAMES])
    assert await refused(rooms.sync(2)) == "unavailable"
    rooms.network.serve([user_rpc.LOAD_NAMES], rooms.neighbours)
    assert (await Device(rooms, 2).talk())["profile"]["name"] == "Ann"
