"""Sending, reading, listing and syncing cost a bounded number of statements, and each finds its rows by an index."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.integration.services.message.webhook_receiver import receiving
from tests.integration.services.rooms import GATEWAY, Rooms, target
from tests.integration.services.traced_database import TracedDatabase
from xinyu.base.config import MessageSettings
from xinyu.storage.dialect import MYSQL
from xinyu.wire.v1 import message_pb2, talk_pb2
from xinyu_services.message.expiry_store import ExpiryStore
from xinyu_services.message.receipt_store import ReceiptStore
from xinyu_services.message.scheduled_store import ScheduledStore
from xinyu_services.message.search_store import SearchStore
from xinyu_services.message.store import MessageStore
from xinyu_services.message.webhook_store import WebhookStore
from xinyu_services.talk.store import TalkStore

STORES = (ExpiryStore, MessageStore, ReceiptStore, ScheduledStore, SearchStore, TalkStore, WebhookStore)
TABLES = {
    "talk", "talk_member", "message", "message_change", "message_hidden", "talk_session", "talk_version",
    "message_file", "message_edit", "message_reaction", "message_pin", "message_forward", "message_forward_token",
    "reader_choice", "scheduled_message", "scheduled_owner", "message_due", "message_term", "message_indexed",
    "bot_webhook", "bot_webhook_talk",
    "m", "c", "h", "f", "r", "k", "t", "i", "b0", "b1", "b2",
}  # fmt: skip

OVER = "UPDATE message_due SET expires_at_ms = 2"
DUE = "UPDATE scheduled_message SET send_at_ms = 2"
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


async def test_a_send_to_a_large_group_takes_no_more(traced: TracedDatabase) -> None:
    rooms = Rooms(traced, settings=MessageSettings(max_group_members=100_000))
    rooms.neighbours.groups = {7: "Large"}
    await rooms.start()
    try:
        await pairs(rooms, 1)
        for start in range(1, 2_001, 1_000):
            await rooms.roster(7, [(user, 1, 3, 1) for user in range(start, start + 1_000)])
        await rooms.routes.connect(range(1, 500), GATEWAY, 1)
        counts = []
        for mode, to_from_id in ((1, 100), (2, 7)):
            for text in ("warm", "warm too"):
                await rooms.send(1, mode, to_from_id, text)
                await rooms.settle()
            traced.transactions.clear()
            await rooms.send(1, mode, to_from_id, "counted")
            while rooms.message_dispatcher.outbox.open_count:
                await asyncio.sleep(0)
            counts.append([len(transaction.statements) for transaction in traced.transactions])
        assert counts[1] == counts[0] == [8]
    finally:
        await rooms.stop()


async def test_quotes_and_unknown_talks_add_one_statement_each_and_reads_two(
    rooms: Rooms, traced: TracedDatabase
) -> None:
    talk_ids = await pairs(rooms, 20)
    await remembered(rooms, 20)
    sent = await asyncio.gather(*(rooms.send(100 + n, 1, 1, "?") for n in range(20)))
    await rooms.settle()
    quotes = [rooms.send(1, 1, 100 + n, "!", quote_id=sent[n]["msg_id"]) for n in range(20)]
    assert len(await batch(traced, *quotes)) == 9
    await rooms.settle()
    reads = [rooms.read(100 + n, talk_ids[n]) for n in range(10)]
    assert len(await batch(traced, *reads, *(rooms.send(1, 1, 100 + n, "!") for n in range(20)))) == 10
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


async def test_a_search_takes_twelve_statements_in_many_talks_and_reads_no_more_of_a_common_word(
    rooms: Rooms, traced: TracedDatabase
) -> None:
    talk_ids = await pairs(rooms, 60)
    for words in ("rare bird", *(f"common word {n}" for n in range(4))):
        await asyncio.gather(*(rooms.send(1, 1, 100 + n, words) for n in range(60)))
    await rooms.settle()
    await rooms.index.catch_up(talk_ids, 600)
    for keyword, hits in (("common", 20), ("bird", 20), ("nowhere", 0), ("c", 20)):
        traced.transactions.clear()
        assert len(await search(rooms, keyword)) == hits
        # The talks' rows; which are behind, which have the terms; heads and members of these; how rare the terms are;
        # then a dive, the messages that it found, and which are hidden, until there are twenty.
        assert read_statements(traced) <= 12
    assert len(await search(rooms, "common", talk=(1, 100))) == 4
    traced.transactions.clear()
    await search(rooms, "common", talk=(1, 100))
    assert read_statements(traced) <= 12


async def search(rooms: Rooms, keyword: str, *, talk: tuple[int, int] | None = None) -> list[Any]:
    request = message_pb2.SearchMessagesRequest(user_id=1, keyword=keyword)
    if talk is not None:
        request.target.CopyFrom(target(*talk))
    items: list[Any] = json.loads((await rooms.messages.search(request)).items)
    return items


async def test_a_list_of_two_hundred_takes_no_more_than_one_of_fifty(rooms: Rooms, traced: TracedDatabase) -> None:
    await pairs(rooms, 200)
    await remembered(rooms, 200)
    traced.transactions.clear()
    assert len(await rooms.list(1)) == 200
    assert read_statements(traced) == 4


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

    for store in STORES:
        for name in public(store):
            monkeypatch.setattr(store, name, recorded(f"{store.__name__}.{name}", getattr(store, name)))
    await everything(rooms)
    wanted = {f"{store.__name__}.{name}" for store in STORES for name in public(store)}
    assert wanted - called == set()
    not_theirs = ("_outbox", " lease", AGE, DUE, OVER)
    statements = {
        re.sub(r"\d+", "1", statement): statement
        for transaction in traced.transactions
        for statement in transaction.statements
        if not any(words in statement for words in not_theirs)
    }

    assert len(statements) > 30
    if traced.dialect is MYSQL:
        # A planner with statistics scans a table of three rows, and is right.
        await traced.inner.write(fill_tables)
        assert await traced.inner.write(lambda connection: mysql_scans(connection, list(statements.values()))) == []
    else:
        assert await traced.inner.read(lambda connection: sqlite_scans(connection, list(statements.values()))) == []


def sqlite_scans(connection: Connection, statements: Sequence[str]) -> list[str]:
    raw = connection.connection.cursor()
    scans = []
    for statement in statements:
        raw.execute("EXPLAIN QUERY PLAN " + statement)
        for row in raw.fetchall():
            words = row[3].split()
            if words[0] == "SCAN" and words[1] in TABLES:
                scans.append(f"{row[3]}: {statement}")
    return scans


def mysql_scans(connection: Connection, statements: Sequence[str]) -> list[str]:
    raw = connection.connection.cursor()
    scans = []
    for statement in statements:
        raw.execute("EXPLAIN " + statement)
        for _, _, table, kind, _, key, _, _, rows, extra in raw.fetchall():
            # An INSERT is told as ALL of no rows. A read in the order of a key ends at its LIMIT.
            if table in TABLES and kind in ("ALL", "index") and rows is not None:
                scans.append(f"{table} {kind} {key} {rows} {extra}: {statement}")
    return scans


def fill_tables(connection: Connection) -> None:
    """Five thousand rows of others in each table: talks 10,000 and above, users 10,000 and above."""
    c = connection.connection.cursor()
    for table, columns, values in (
        ("talk", "talk_id, talk_mode, peer_low, peer_high, last_sequence", "seq, 1, seq, seq + 1, 3"),
        ("talk_member", "talk_id, user_id, role, state, joined_sequence, `change`", "seq, seq, 3, 1, 1, seq % 7"),
        (
            "message",
            "talk_id, sequence, msg_id, sender_id, msg_type, body, quote, request_hash, sent_at_ms",
            "10000 + seq % 50, seq, seq, seq, 1, '{}', '{}', '', seq",
        ),
        ("message_change", "talk_id, sequence, `change`", "10000 + seq % 50, seq, seq"),
        ("message_hidden", "talk_id, user_id, sequence, own", "10000 + seq % 50, 10000 + seq % 5, seq, seq"),
        ("reader_choice", "user_id, is_hidden, revision", "seq, seq % 2, 1"),
        (
            "scheduled_message",
            "scheduled_id, user_id, talk_id, talk_mode, to_from_id, type_name, msg_type, body, quote_id, send_at_ms, "
            "state, reason, claimed_until_ms",
            "seq, 10000 + seq % 50, seq, 1, seq, 'text', 1, '{}', '', 3000000000000 + seq, 1, '', 0",
        ),
        ("message_due", "talk_id, sequence, expires_at_ms", "10000 + seq % 50, seq, 3000000000000 + seq"),
        ("scheduled_owner", "user_id, revision", "seq, 1"),
        ("message_file", "msg_id, talk_id, sequence", "seq, 10000 + seq % 50, seq"),
        (
            "message_reaction",
            "talk_id, sequence, user_id, emoji, `change`, reacted_at_ms",
            "10000 + seq % 50, seq, seq, 'a', seq, seq",
        ),
        ("message_pin", "talk_id, sequence, `change`, user_id, pinned_at_ms", "10000 + seq % 50, seq, seq, seq, seq"),
        ("message_edit", "talk_id, sequence, number, body, edited_at_ms", "10000 + seq % 50, seq, 1, '{}', seq"),
        (
            "message_forward",
            "talk_id, sequence, source_talk_id, source_sequence, msg_id",
            "10000 + seq % 50, seq, seq, seq, seq",
        ),
        ("message_forward_token", "user_id, content_hash, token, until_ms", "10000 + seq % 50, seq, seq, seq"),
        (
            "talk_session",
            "user_id, talk_id, version, talk_mode, to_from_id, state, created_at_ms, changed_at_ms",
            "10000 + seq % 50, seq, seq, 1, seq, 1 + (seq % 100 = 0), 2000000000000, 2000000000000 + seq",
        ),
        ("talk_version", "user_id, version", "seq, seq"),
        ("message_term", "talk_id, term, place, sequence", "10000 + seq % 50, seq % 7, seq, seq"),
        ("message_indexed", "talk_id, sequence", "seq, 3"),
        (
            "bot_webhook",
            "bot_id, url, revision, state, has_begun, due_at_ms, waiting_since_ms, claim, claimed_until_ms, delivery, "
            "batch, failures, failing_since_ms, failure",
            "seq, '', 1, 1, 1, 3000000000000 + seq, 3000000000000 + seq, 0, 0, 0, '[]', 0, 0, ''",
        ),
        (
            "bot_webhook_talk",
            "bot_id, talk_id, sequence, waiting_since_ms",
            "10000 + seq % 50, seq, 3, 3000000000000 + seq",
        ),
    ):
        c.execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM seq_10001_to_15000")
        c.execute(f"ANALYZE TABLE {table}")
        c.fetchall()


async def everything_of_webhooks(rooms: Rooms) -> None:
    """A bot's webhook: set, told, left in a talk, and taken away."""
    bot_id = 9
    rooms.neighbours.users[bot_id], rooms.neighbours.groups[9] = "Bot", "Bots"
    await rooms.befriend(1, bot_id)
    await rooms.roster(9, [(1, 1, 1, 1), (bot_id, 1, 3, 1)])
    async with receiving() as receiver:
        for revision, url in enumerate((receiver.url, "", receiver.url), 1):
            await rooms.messages.choose_webhook(
                message_pb2.ChooseWebhookRequest(bot_id=bot_id, url=url, revision=revision)
            )
        await rooms.send(1, 1, bot_id, "told")
        await rooms.send(1, 2, 9, "told")
        await rooms.roster(9, [(bot_id, 2, 3, 2)])
        await rooms.send(1, 2, 9, "not told")
        await rooms.settle()
        for _ in range(2):
            await rooms.delivery.look()
            await rooms.delivery.settle()
        await rooms.send(1, 2, 9, "nobody to tell")
        await rooms.settle()
        assert receiver.texts(bot_id) == ["told", "told"]
    await rooms.messages.load_webhooks(message_pb2.LoadWebhooksRequest(bot_ids=[bot_id]))


async def everything_later(rooms: Rooms) -> None:
    """What is done with messages that are sent later, or disappear."""
    now_ms = rooms.clock.now_ms()
    ids = []
    for number in range(2):
        message = message_pb2.NewMessage(
            user_id=1, talk_mode=1, to_from_id=2, msg_type=1, body=b'{"content":"%d"}' % number
        )
        request = message_pb2.ScheduleRequest(message=message, type_name="text", send_at_ms=now_ms + 3_600_000)
        ids.append((await rooms.messages.schedule(request)).scheduled_id)
    await rooms.messages.list_scheduled(message_pb2.ListScheduledRequest(user_id=1))
    await rooms.messages.cancel_scheduled(message_pb2.CancelScheduledRequest(user_id=1, scheduled_id=ids[0]))

    def is_due(connection: Connection) -> None:
        connection.execute(text(DUE))

    await rooms.database.write(is_due)
    await rooms.service.scheduled.round()
    await rooms.service.scheduled.purge()
    await rooms.messages.set_expiry(
        message_pb2.SetExpiryRequest(user_id=1, target=target(1, 2), expire_after_s=3_600)
    )
    await rooms.send(1, 1, 2, "not for long")

    def is_over(connection: Connection) -> None:
        connection.execute(text(OVER))

    await rooms.database.write(is_over)
    await rooms.service.expiry.round()
    await rooms.database.write(lambda connection: ScheduledStore(rooms.database.dialect).fail(connection, "x", "x"))


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
    await rooms.messages.choose_receipts(message_pb2.ChooseReceiptsRequest(user_id=4, is_hidden=True, revision=1))
    for asked in (target(1, 1), target(2, 7)):
        page = await rooms.records(2, 1, 1) if asked.talk_mode == 1 else await rooms.records(1, 2, 7)
        await rooms.messages.load_readers(
            message_pb2.LoadReadersRequest(user_id=3 - asked.talk_mode, target=asked, msg_id=page[0]["msg_id"])
        )
    await everything_later(rooms)
    await everything_of_webhooks(rooms)
    file = await rooms.send_file(1, 1, 2, "2026/11/28/a.bin")
    found = await rooms.messages.load_file(message_pb2.LoadFileRequest(user_id=2, msg_id=file["msg_id"]))
    assert found.key == "2026/11/28/a.bin"
    await rooms.messages.edit(
        message_pb2.EditRequest(
            user_id=1, target=target(1, 2), msg_id=sent[0]["msg_id"], msg_type=1, body=b'{"content":"edited"}'
        )
    )
    await rooms.messages.load_versions(
        message_pb2.LoadVersionsRequest(user_id=2, target=target(1, 1), msg_id=sent[0]["msg_id"])
    )
    for action in (1, 2, 1):
        await rooms.messages.react(
            message_pb2.ReactRequest(
                user_id=2, target=target(1, 1), msg_id=sent[0]["msg_id"], emoji="a", action=action
            )
        )
    for action in (1, 2):
        await rooms.messages.pin(
            message_pb2.PinRequest(user_id=1, target=target(1, 2), msg_id=sent[0]["msg_id"], action=action)
        )
    await rooms.messages.load_pins(message_pb2.LoadPinsRequest(user_id=2, target=target(1, 1)))
    for emoji in ("", "a"):
        await rooms.messages.load_reactions(
            message_pb2.LoadReactionsRequest(user_id=1, target=target(1, 2), msg_id=sent[0]["msg_id"], emoji=emoji)
        )
    asked = {"user_id": 1, "action": 2, "group_ids": [7]}
    msg_ids = [file["msg_id"], sent[0]["msg_id"]]
    merged = await rooms.messages.forward(message_pb2.ForwardRequest(source=target(1, 2), msg_ids=msg_ids, **asked))
    again = [merged.results[0].msg_id]  # the merged one, forwarded in its turn
    await rooms.messages.forward(message_pb2.ForwardRequest(source=target(2, 7), msg_ids=again, **asked))
    await rooms.messages.load_forwarded(message_pb2.LoadForwardedRequest(user_id=3, msg_ids=[file["msg_id"]]))
    for keyword in ("a", "ans wer", "a.bin"):
        await rooms.messages.search(message_pb2.SearchMessagesRequest(user_id=2, keyword=keyword))
    # One who came later, and one who left.
    await rooms.messages.search(message_pb2.SearchMessagesRequest(user_id=3, keyword="e"))
    await rooms.recall(1, 1, 2, sent[3]["msg_id"])
    await rooms.database.read(lambda connection: rooms.index._store.load_lagging(connection, 0, 1_000))
    for change in (0, 1):
        await rooms.messages.load_members(
            message_pb2.LoadMembersRequest(user_id=1, talk_id=group.talk_id, change=change)
        )
    for change in (-1, 1):
        await rooms.messages.load_roster(
            message_pb2.LoadRosterRequest(talk_id=group.talk_id, since_change=change)
        )
    await rooms.messages.typing(message_pb2.TypingRequest(user_id=1, target=target(1, 2)))
    await rooms.list(3)
    pin = talk_pb2.MarkSessionRequest(user_id=2, target=target(1, 1), is_top=True, is_disturb=True, draft="half")
    await rooms.talks.mark_session(pin)
    await rooms.talks.create_session(talk_pb2.CreateSessionRequest(user_id=4, target=target(1, 1)))
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=2, target=target(1, 1)))
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=3, target=target(2, 7)))

    def load_batch(connection: Connection) -> None:
        store = MessageStore(rooms.database.dialect)
        store.load_batch(connection, [talk_id], [(talk_id, 1)], [(sent[0]["msg_id"], talk_id, 1)])

    await rooms.database.write(load_batch, statements_only=True)

    def age(connection: Connection) -> None:
        connection.execute(text(AGE))

    await rooms.database.write(age)
    assert await rooms.talk_service.purge_tombstones() == 1
    await rooms.settle()
