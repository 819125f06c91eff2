"""What requests, notices and votes ask of the database finds its rows by an index."""

from __future__ import annotations

from sqlalchemy import Connection

from tests.database_storage import Storage
from tests.integration.services.traced_database import TracedDatabase
from xinyu.storage.dialect import MYSQL
from xinyu_services.group.application_model import Application, ApplyState
from xinyu_services.group.application_store import ApplicationStore
from xinyu_services.group.notice_model import NoticeEdit
from xinyu_services.group.notice_store import NoticeStore
from xinyu_services.group.store import GroupStore
from xinyu_services.group.vote_model import Answer, AnswerMode, Vote, VoteState
from xinyu_services.group.vote_store import VoteStore

TABLES = (
    ("group_info", "group_id, creator_id, state, revision, profile_revision, name, max_members, created_at_ms, "
     "changed_at_ms", "seq, seq, 1, 1, 1, 'G', 9, 1, 1"),
    ("group_member", "group_id, user_id, state, role, revision, invited_by, joined_at_ms, changed_at_ms",
     "10000 + seq % 50, seq, 1, 3, 1, 1, seq, 1"),
    ("group_apply", "group_id, applicant_id, apply_id, state, remark, handler_id, created_at_ms, changed_at_ms",
     "10000 + seq % 50, seq, seq, 1 + seq % 4, '', 0, 1, 1"),
    ("group_notice", "group_id, edit, content, editor_id, created_at_ms, edited_at_ms",
     "10000 + seq % 50, seq, '', 1, 1, 1"),
    ("group_vote", "vote_id, group_id, creator_id, title, answer_mode, is_secret, state, answered, members, "
     "request_hash, created_at_ms, ended_at_ms", "seq, 10000 + seq % 50, seq, 'T', 1, 0, 1, 0, 0, '', seq, 0"),
    ("group_vote_option", "vote_id, position, value, num", "seq, 0, 'a', 0"),
    ("group_vote_answer", "vote_id, user_id, chosen, place, answered_at_ms", "10000 + seq % 50, seq, 'A', seq, 1"),
)  # fmt: skip


def everything(connection: Connection, traced: TracedDatabase) -> None:
    """Each method of the three stores once, and of the groups' what counts and lists members."""
    applications, notices = ApplicationStore(traced.dialect), NoticeStore(traced.dialect)
    votes, groups = VoteStore(traced.dialect), GroupStore(traced.dialect)
    applications.put(connection, Application(1, 1, 2, ApplyState.PENDING, "", 0, 1, 1))
    applications.find(connection, 1)
    applications.of(connection, 1, 2)
    applications.load(connection, [1])
    applications.count_open(connection, 2)
    applications.count_pending(connection, 1)
    applications.pending(connection, 1, 5)
    applications.pending_of_manager(connection, 1, 5)
    applications.count_of_manager(connection, 1)
    applications.of_applicant(connection, 2, 5)
    applications.managers(connection, [1], 5)
    assert len(applications.agree_to_those_who_came(connection, 1, [2], 1, 1)) == 1
    assert applications.forget(connection, 2, 5) == 1
    notices.add(connection, NoticeEdit(1, 1, "x", 1, 1, 1), 5)
    notices.last(connection, 1)
    notices.find(connection, 1, 1)
    vote = Vote(1, 1, 1, "T", AnswerMode.ONE, False, VoteState.RUNNING, 0, 0, 1, 0)
    votes.insert(connection, vote, ["a", "b"], b"x" * 32)
    votes.find(connection, 1)
    votes.repeated(connection, 1, b"x" * 32, 1)
    votes.count_made(connection, 1, 1, 1)
    votes.options(connection, 1)
    votes.add_answer(connection, vote, Answer(1, "A", 0, 1))
    votes.answer_of(connection, 1, 1)
    votes.answers(connection, 1, -1, 5)
    votes.of_group(connection, 1, 1, 99, 5)
    votes.end(connection, 1, 1, 1)
    groups.members(connection, 1, (0, 0, 0), 5)


async def test_every_statement_finds_its_rows_by_an_index(storage: Storage) -> None:
    traced = TracedDatabase(await storage.open())
    try:
        await traced.write(lambda connection: everything(connection, traced))
        statements = [each for transaction in traced.transactions for each in transaction.statements]
        assert len(statements) > 30
        if traced.dialect is MYSQL:
            await traced.inner.write(filled)
            assert await traced.inner.write(lambda connection: mysql_scans(connection, statements)) == []
        else:
            assert await traced.inner.read(lambda connection: sqlite_scans(connection, statements)) == []
    finally:
        await traced.inner.close()


def sqlite_scans(connection: Connection, statements: list[str]) -> list[str]:
    raw = connection.connection.cursor()
    found = []
    for statement in statements:
        raw.execute("EXPLAIN QUERY PLAN " + statement)
        # The rows of an INSERT are no table.
        found += [f"{row[3]}: {statement}" for row in raw.fetchall() if "SCAN" in row[3] and "CONSTANT" not in row[3]]
    return found


def mysql_scans(connection: Connection, statements: list[str]) -> list[str]:
    raw = connection.connection.cursor()
    found = []
    for statement in statements:
        raw.execute("EXPLAIN " + statement)
        for _, _, table, kind, _, key, _, _, rows, extra in raw.fetchall():
            # An INSERT is told as ALL of no rows.
            if kind in ("ALL", "index") and rows is not None:
                found.append(f"{table} {kind} {key} {rows} {extra}: {statement}")
    return found


def filled(connection: Connection) -> None:
    """Five thousand rows of others in each table, for a planner that has statistics."""
    c = connection.connection.cursor()
    for table, columns, values in TABLES:
        c.execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM seq_10001_to_15000")
        c.execute(f"ANALYZE TABLE {table}")
        c.fetchall()
