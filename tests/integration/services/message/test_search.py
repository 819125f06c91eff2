"""Searching one's own talks: what is found, what must not be, pages, and that the index follows what happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.services.rooms import Rooms, target
from tests.integration.services.traced_database import TracedDatabase
from xinyu.base.errors import XinYuError
from xinyu.storage.database import Unavailable
from xinyu.wire.v1 import message_pb2
from xinyu_services.message import rounds as rounds_module
from xinyu_services.message import search as search_module
from xinyu_services.message.search_index import SearchIndex
from xinyu_services.message.search_store import SearchStore
from xinyu_services.message.search_text import terms_of


async def page(
    rooms: Rooms, user_id: int, keyword: str, *, talk: tuple[int, int] | None = None, **fields: Any
) -> tuple[list[dict[str, Any]], str]:
    """Items and cursor."""
    request = message_pb2.SearchMessagesRequest(user_id=user_id, keyword=keyword, codec=1, **fields)  # type: ignore[arg-type]
    if talk is not None:
        request.target.CopyFrom(target(*talk))
    answer = await rooms.messages.search(request)
    return json.loads(answer.items), answer.cursor


async def texts(rooms: Rooms, user_id: int, keyword: str, **fields: Any) -> list[str]:
    """Texts of all pages."""
    found: list[str] = []
    cursor, seen = "", set()
    while True:
        items, cursor = await page(rooms, user_id, keyword, cursor=cursor, **fields)
        found += [json.loads(item["record"]["extra"]).get("content", "") for item in items]
        if not cursor:
            return found
        assert cursor not in seen, "a search must come to an end"
        seen.add(cursor)


async def terms_stored(rooms: Rooms, talk_id: int, sequence: int) -> int:
    def count(connection: Any) -> int:
        c = connection.connection.cursor()
        c.execute(f"SELECT COUNT(*) FROM message_term WHERE talk_id = {talk_id} AND sequence = {sequence}")
        return int(c.fetchone()[0])

    return await rooms.database.read(count)


async def test_words_are_found_in_all_of_ones_talks_newest_first(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.befriend(1, 3)
    await rooms.roster(7, [(1, 1, 1, 1), (3, 1, 3, 1)])
    await rooms.send(1, 1, 2, "明天去北京吗")
    await rooms.send(3, 1, 1, "我在北京")
    await rooms.send(3, 2, 7, "京北 is not it")
    await rooms.send(3, 2, 7, "Beijing 北京, 北京")
    items, cursor = await page(rooms, 1, "北京")
    assert cursor == ""
    assert [json.loads(i["record"]["extra"])["content"] for i in items] == [
        "Beijing 北京, 北京", "我在北京", "明天去北京吗",
    ]  # fmt: skip
    assert [item["highlights"] for item in items] == [[[8, 10], [12, 14]], [[2, 4]], [[3, 5]]]
    assert items[1]["record"]["nickname"] == "Cid"
    assert await texts(rooms, 1, "BEIJING") == ["Beijing 北京, 北京"]
    assert await texts(rooms, 1, "北") == [*(["Beijing 北京, 北京", "京北 is not it", "我在北京", "明天去北京吗"])]
    assert await texts(rooms, 1, "nowhere") == []
    assert await texts(rooms, 4, "北京") == []


async def test_a_search_can_be_narrowed(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.befriend(1, 3)
    first = await rooms.send(1, 1, 2, "report one")
    await rooms.send(2, 1, 1, "report two")
    last = await rooms.send(3, 1, 1, "report three")
    await rooms.send_file(1, 1, 2, "2026/a.bin")
    assert await texts(rooms, 1, "report", talk=(1, 2)) == ["report two", "report one"]
    assert await texts(rooms, 1, "report", from_id=1) == ["report one"]
    assert await texts(rooms, 1, "report", msg_type=6) == []
    assert len((await page(rooms, 1, "a.bin", msg_type=6))[0]) == 1
    assert await texts(rooms, 1, "report", since_ms=last["sent_at_ms"] + 1) == []
    assert "report three" in await texts(rooms, 1, "report", since_ms=last["sent_at_ms"])
    assert "report one" in await texts(rooms, 1, "report", until_ms=first["sent_at_ms"])
    assert await texts(rooms, 1, "report", until_ms=first["sent_at_ms"] - 1) == []


async def test_what_one_may_not_see_is_not_found(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    hidden = await rooms.send(2, 1, 1, "secret hidden")
    await rooms.hide(1, 1, 2, hidden["msg_id"])
    cleared = await rooms.send(2, 1, 1, "secret cleared")
    assert await texts(rooms, 1, "secret") == ["secret cleared"]
    await rooms.clear(1, 1, 2, cleared["sequence"])
    assert await texts(rooms, 1, "secret") == []
    assert await texts(rooms, 2, "secret") == ["secret cleared", "secret hidden"]

    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    await rooms.send(1, 2, 7, "secret before")
    await rooms.roster(7, [(3, 1, 3, 1)])
    await rooms.send(1, 2, 7, "secret while")
    await rooms.roster(7, [(3, 2, 3, 2)])
    await rooms.send(1, 2, 7, "secret after")
    assert await texts(rooms, 3, "secret") == ["secret while"]
    assert await texts(rooms, 3, "secret", talk=(2, 7)) == ["secret while"]
    assert (await texts(rooms, 2, "secret"))[:3] == ["secret after", "secret while", "secret before"]


async def test_a_recalled_message_is_not_found_and_leaves_no_terms(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    sent = await rooms.send(1, 1, 2, "take back")
    assert await texts(rooms, 2, "take") == ["take back"]
    assert await terms_stored(rooms, talk_id, sent["sequence"]) == len(terms_of("take back"))
    await rooms.recall(1, 1, 2, sent["msg_id"])
    assert await texts(rooms, 2, "take") == []
    assert await terms_stored(rooms, talk_id, sent["sequence"]) == 0


async def test_a_changed_text_is_found_by_its_new_words_only(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    sent = await rooms.send(1, 1, 2, "old words")
    assert await texts(rooms, 1, "old") == ["old words"]
    store = rooms.service._store

    def edit(connection: Any) -> None:
        before = store.load_messages(connection, [(talk_id, sent["sequence"])])[talk_id, sent["sequence"]]
        after = store.load_messages(connection, [(talk_id, sent["sequence"])])[talk_id, sent["sequence"]]
        after.body = json.dumps({"content": "new words"})
        store.save_change(connection, talk_id, sent["sequence"], 1, recalled_by=0)
        c = connection.connection.cursor()
        c.execute("UPDATE message_change SET body = '{\"content\":\"new words\"}'")
        SearchStore(rooms.database.dialect).reindex(connection, before, after)

    await rooms.database.write(edit)
    assert await texts(rooms, 1, "old") == []
    assert await texts(rooms, 1, "new") == ["new words"]
    assert await terms_stored(rooms, talk_id, sent["sequence"]) == len(terms_of("new words"))


async def test_an_edited_message_is_found_by_its_new_text_only(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    sent = await rooms.send(1, 1, 2, "first wording")
    assert await texts(rooms, 2, "first") == ["first wording"]
    request = message_pb2.EditRequest(
        user_id=1, target=target(1, 2), msg_id=sent["msg_id"], msg_type=1, body=b'{"content":"second wording"}'
    )
    await rooms.messages.edit(request)
    assert await texts(rooms, 2, "first") == []
    assert await texts(rooms, 2, "second") == await texts(rooms, 1, "wording") == ["second wording"]
    assert await terms_stored(rooms, talk_id, sent["sequence"]) == len(terms_of("second wording"))


async def test_pages_follow_one_another_without_holes_or_repeats(rooms: Rooms) -> None:
    for peer in (2, 3, 4):
        await rooms.befriend(1, peer)
    sent = [await rooms.send(1, 1, 2 + n % 3, f"page {n}") for n in range(50)]
    first, cursor = await page(rooms, 1, "page")
    assert len(first) == 20
    assert cursor
    # What is written meanwhile belongs to no later page.
    await rooms.send(1, 1, 2, "page late")
    assert (await texts(rooms, 1, "page"))[0] == "page late"
    found = [item["record"]["msg_id"] for item in first]
    while cursor:
        items, cursor = await page(rooms, 1, "page", cursor=cursor)
        found += [item["record"]["msg_id"] for item in items]
    assert sorted(found) == sorted(record["msg_id"] for record in sent)
    order = {record["msg_id"]: (record["sent_at_ms"], record["sequence"]) for record in sent}
    assert [order[m][0] for m in found] == sorted((order[m][0] for m in found), reverse=True)


@pytest.mark.parametrize("examined", [3, 10_000])
async def test_a_page_costs_no_more_than_it_may_and_the_rest_is_found_later(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch, examined: int
) -> None:
    await rooms.befriend(1, 2)
    await rooms.befriend(1, 3)
    monkeypatch.setattr(search_module, "MAX_EXAMINED", examined)
    monkeypatch.setattr(search_module, "MAX_LOOKED_INTO", 4)
    monkeypatch.setattr(search_module, "LOOKED_INTO_AT_ONCE", 2)
    monkeypatch.setattr(search_module, "FIRST_DIVES", 1)
    monkeypatch.setattr(search_module, "MOST_DIVES", 2)
    monkeypatch.setattr(search_module, "ROWS_OF_DIVES", 2)
    # Both pairs of "abc" are in each of them, the word is not.
    for n in range(12):
        await rooms.send(1, 1, 2 + n % 2, "ab bc")
    await rooms.send(1, 1, 2, "abc")
    for n in range(12):
        await rooms.send(1, 1, 2 + n % 2, "bc ab")
    items, cursor = await page(rooms, 1, "abc")
    assert items == []
    assert cursor
    assert await texts(rooms, 1, "abc") == ["abc"]


@asynccontextmanager
async def indexing(index: SearchIndex) -> AsyncIterator[None]:
    """Its rounds run meanwhile."""
    running = asyncio.create_task(rounds_module.run_rounds([index.follow, index.walk]))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_talks_from_before_the_index_are_found_and_indexed_by_the_walk(rooms: Rooms) -> None:
    talk_ids = [await rooms.befriend(1, peer) for peer in (2, 3)]
    for n in range(3):
        await rooms.send(1, 1, 2, f"early {n}")
    sent = await rooms.send(1, 1, 3, "early too")
    await rooms.settle()
    async with indexing(rooms.index):
        while not await terms_stored(rooms, talk_ids[1], sent["sequence"]):
            await rooms.settle()
    assert len(await texts(rooms, 1, "early")) == 4


async def test_what_is_told_is_indexed_without_a_search(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    async with indexing(rooms.index):
        sent = await rooms.send(1, 1, 2, "told")
        while not await terms_stored(rooms, talk_id, sent["sequence"]):
            await rooms.settle()


class FailsAtFirst(TracedDatabase):
    """Away for its first transactions."""

    failures = 2

    async def read(self, work: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        return await super().read(work)


async def test_a_database_that_was_away_is_asked_again(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds_module, "PAUSE_S", 0.0)
    talk_id = await rooms.befriend(1, 2)
    rooms.index = SearchIndex(FailsAtFirst(rooms.database), SearchStore(rooms.database.dialect))
    sent = await rooms.send(1, 1, 2, "kept in mind")
    async with indexing(rooms.index):
        rooms.index.note(talk_id)
        while not await terms_stored(rooms, talk_id, sent["sequence"]):
            await rooms.settle()


async def test_a_long_backlog_is_indexed_in_bounded_transactions(rooms: Rooms, traced: TracedDatabase) -> None:
    talk_id = await rooms.befriend(1, 2)
    for n in range(30):
        await rooms.send(1, 1, 2, "".join(chr(0x4E00 + 300 * n + i) for i in range(280)))
    await rooms.settle()
    traced.transactions.clear()
    await rooms.index.catch_up([talk_id], 600)
    written = traced.with_statement("INSERT INTO message_term")
    assert len(written) >= 4
    rows = [sum(s.count("),(") + 1 for s in t.statements if "message_term" in s) for t in written]
    assert sum(rows) == 30 * (280 + 279)
    assert max(rows) <= 5_000
    assert len(await texts(rooms, 1, chr(0x4E00) + chr(0x4E01))) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"keyword": " "}, "invalid"),
        ({"cursor": "x"}, "invalid"),
        ({"cursor": "9" * 19 + "-1"}, "invalid"),
        ({"target": target(2, 99)}, "unknown_group"),
        ({"target": target(2, 7)}, "not_member"),
    ],
)
async def test_what_cannot_be_searched_is_refused(rooms: Rooms, fields: dict[str, Any], reason: str) -> None:
    await rooms.roster(7, [(2, 1, 1, 1)])
    request = {"user_id": 1, "keyword": "x"} | fields
    with pytest.raises(XinYuError) as refusal:
        await rooms.messages.search(message_pb2.SearchMessagesRequest(**request))
    assert refusal.value.reason == reason


async def test_a_pair_that_never_spoke_has_nothing(rooms: Rooms) -> None:
    assert await page(rooms, 1, "x", talk=(1, 2)) == ([], "")
