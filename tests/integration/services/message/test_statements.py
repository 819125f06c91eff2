"""Sending, reading, listing and syncing cost a bounded number of statements, and each finds its rows by an index."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.integration.services.rooms import GATEWAY, Rooms, target
from tests.integration.services.traced_database import TracedDatabase
from xinyu.storage.dialect import SQLITE
from xinyu.wire.v1 import message_pb2, talk_pb2
from xinyu_services.message.store import MessageStore
from xinyu_services.talk.store import TalkStore

TABLES = {
    "talk", "talk_member", "message", "message_change", "message_hidden", "talk_session", "talk_version", "m", "c", "h",
}  # fmt: skip

AGE = "UPDATE talk_session SET changed_at_ms = 1"


async def pairs(rooms: Rooms, count: int) -> list[int]:
    """Talks of user 1 with users 100, 101, ..."""
    for peer in range(100, 100 + count):
        rooms.neighbours.users[peer] = f"user {peer}"
    return [await rooms.befriend(1, peer) for peer in range(100, 100 + count)]


async def remembered(rooms: Rooms, peers: int) -> None:
    """Sends one message to each, so that talk ids are known and outbox rows wait to be deleted."""
    await asyncio.gather(*(rooms.send(1, 1, 100 + n, "warm") for n in range(peers)))
    await rooms.settle()


async def batch(traced: TracedDatabase, *calls: Any) -> list[str]:
    """The statements of the one transaction that `calls`, made at once, took."""
    traced.transactions.clear()
    await asyncio.gather(*calls)
    (transaction,) = [t for t in traced.transactions if t.holds("INSERT INTO message ") or t.holds("talk_member (")]
    return transaction.statements


def read_statements(traced: TracedDatabase) -> int:
    """Those of reading use cases: the outboxes are swept meanwhile, whatever is asked."""
    return sum(len(t.statements) for t in traced.transactions if not t.holds("_outbox"))


@pytest.mark.parametrize("messages", [1, 5, 60])
async def test_a_batch_of_sends_takes_eight_statements_whatever_its_size(
    rooms: Rooms, traced: TracedDatabase, messages: int
) -> None:
    await pairs(rooms, 20)
    await remembered(rooms, 20)
    statements = await batch(traced, *(rooms.send(1, 1, 100 + n % 20, str(n)) for n in range(messages)))
    assert len(statements) == 8, statements


async def test_quotes_reads_and_unknown_talks_add_one_statement_each(rooms: Rooms, traced: TracedDatabase) -> None:
    talk_ids = await pairs(rooms, 20)
    await remembered(rooms, 20)
    sent = await asyncio.gather(*(rooms.send(100 + n, 1, 1, "?") for n in range(20)))
    await rooms.settle()
    quotes = [rooms.send(1, 1, 100 + n, "!", quote_id=sent[n]["msg_id"]) for n in range(20)]
    assert len(await batch(traced, *quotes)) == 9
    await rooms.settle()
    reads = [rooms.read(100 + n, talk_ids[n]) for n in range(10)]
    assert len(await batch(traced, *reads, *(rooms.send(1, 1, 100 + n, "!") for n in range(20)))) == 9
    await rooms.settle()
    rooms.service._known_talks.clear()
    await rooms.roster(7, [(1, 1, 1, 1)])
    await rooms.settle()
    unknown = [rooms.send(1, 2, 7, "group"), *(rooms.send(1, 1, 100 + n, "!") for n in range(20))]
    assert len(await batch(traced, *unknown)) == 9


async def test_a_sync_page_takes_at_most_eight_statements_of_the_message_room(
    rooms: Rooms, traced: TracedDatabase
) -> None:
    talk_ids = await pairs(rooms, 60)
    sent = {n: [await rooms.send(1, 1, 100 + n, str(i)) for i in range(4)] for n in range(60)}
    page = await rooms.sync(1)
    assert len(page["talks"]) == 60
    for n in range(0, 60, 2):
        await rooms.recall(1, 1, 100 + n, sent[n][1]["msg_id"])
        await rooms.hide(1, 1, 100 + n, sent[n][2]["msg_id"])
        await rooms.send(100 + n, 1, 1, "new")
    cursors = [(talk_id, 4, 0, 0) for talk_id in talk_ids]
    await rooms.settle()
    traced.transactions.clear()
    page = await rooms.sync(1, epoch=page["epoch"], versions=page["versions"], talks=cursors)
    assert len(page["talks"]) == 30
    assert read_statements(traced) <= 8 + 3  # and the talk room's version, rows and epoch


async def test_the_conversation_list_takes_five_statements(rooms: Rooms, traced: TracedDatabase) -> None:
    await pairs(rooms, 50)
    await remembered(rooms, 50)
    last = await rooms.send(1, 1, 100, "hidden")
    await rooms.hide(1, 1, 100, last["msg_id"])
    await rooms.settle()
    traced.transactions.clear()
    assert len(await rooms.list(1)) == 50
    assert read_statements(traced) == 5


async def test_a_page_of_records_takes_three_statements(rooms: Rooms, traced: TracedDatabase) -> None:
    await pairs(rooms, 1)
    await remembered(rooms, 1)
    traced.transactions.clear()
    assert len(await rooms.records(100, 1, 1)) == 1
    assert read_statements(traced) == 3


def public(store: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(store, inspect.isfunction) if not name.startswith("_")}


async def test_every_statement_of_both_stores_finds_its_rows_by_an_index(
    rooms: Rooms, traced: TracedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[str] = set()

    def recorded(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            called.add(name)
            return method(*arguments, **keywords)

        return run

    for store in (MessageStore, TalkStore):
        for name in public(store):
            monkeypatch.setattr(store, name, recorded(f"{store.__name__}.{name}", getattr(store, name)))
    await everything(rooms)
    wanted = {f"{store.__name__}.{name}" for store in (MessageStore, TalkStore) for name in public(store)}
    assert wanted - called == set()
    not_theirs = ("_outbox", " lease", AGE)
    statements = {
        re.sub(r"\d+", "1", statement): statement
        for transaction in traced.transactions
        for statement in transaction.statements
        if not any(words in statement for words in not_theirs)
    }

    def explain(connection: Connection) -> list[str]:
        raw = connection.connection.cursor()
        scans = []
        for statement in statements.values():
            raw.execute("EXPLAIN QUERY PLAN " + statement)
            for row in raw.fetchall():
                words = row[3].split()
                if words[0] == "SCAN" and words[1] in TABLES:
                    scans.append(f"{row[3]}: {statement}")
        return scans

    assert await traced.read(explain) == []
    assert len(statements) > 30


async def everything(rooms: Rooms) -> None:
    """Every use case of both rooms once."""
    await rooms.routes.connect([1], GATEWAY, 0)
    await rooms.routes.connect([2], GATEWAY, 1)
    talk_id = await rooms.befriend(1, 2, greeting=True)
    sent = [await rooms.send(1, 1, 2, str(n)) for n in range(5)]
    await rooms.send(2, 1, 1, "answer", quote_id=sent[0]["msg_id"])
    group = await rooms.roster(7, [(1, 1, 1, 1), (3, 1, 3, 1)], profile_revision=1)
    await rooms.roster(7, [(3, 2, 3, 2)])
    await rooms.send(1, 2, 7, "to the group")
    await rooms.read(2, talk_id)
    await rooms.recall(1, 1, 2, sent[1]["msg_id"])
    await rooms.hide(2, 1, 1, sent[2]["msg_id"], sent[4]["msg_id"])
    await rooms.sync(2, talks=[(talk_id, 6, 0, 0)])
    epoch = await rooms.talk_service.epoch()
    await rooms.sync(2, epoch=epoch, talks=[(talk_id, 6, 0, 0)])
    await rooms.clear(2, 1, 1, 1)
    await rooms.records(2, 1, 1)
    await rooms.messages.load_history(
        message_pb2.LoadRecordsRequest(user_id=2, target=target(1, 1), limit=3, msg_type=1)
    )
    await rooms.messages.load_range(
        message_pb2.LoadRangeRequest(user_id=2, talk_id=talk_id, from_sequence=1, to_sequence=7)
    )
    for change in (0, 1):
        await rooms.messages.load_members(
            message_pb2.LoadMembersRequest(user_id=1, talk_id=group.talk_id, change=change)
        )
    await rooms.messages.typing(message_pb2.TypingRequest(user_id=1, target=target(1, 2)))
    await rooms.list(3)
    await rooms.talks.create_session(talk_pb2.CreateSessionRequest(user_id=4, target=target(1, 1)))
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=2, target=target(1, 1)))
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=3, target=target(2, 7)))

    def load_batch(connection: Connection) -> None:
        MessageStore(SQLITE).load_batch(connection, [talk_id], [(talk_id, 1)], [(sent[0]["msg_id"], talk_id, 1)])

    await rooms.database.write(load_batch, statements_only=True)

    def age(connection: Connection) -> None:
        connection.execute(text(AGE))

    await rooms.database.write(age)
    assert await rooms.talk_service.purge_tombstones() == 1
    await rooms.settle()
