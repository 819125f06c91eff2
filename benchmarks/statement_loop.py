"""The floor under a durable send: a bare sqlite3 loop that runs the statements of a lane's batch and nothing else.

The texts are not repeated here but taken from the message room's own store and outbox, which are called once on a
connection that only writes down what it is asked; so they are always those that the server runs. The parameters are
made beforehand as far as they can be. Pragmas are the server's.
"""

from __future__ import annotations

import sqlite3
import time
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import Connection

from xinyu.base.clock import SystemClock
from xinyu.delivery.outbox import Event, Outbox
from xinyu.storage.dialect import SQLITE, Dialect
from xinyu.storage.sqlite import CACHE_KIB, WAL_AUTOCHECKPOINT_PAGES
from xinyu_services.message.model import Member, StoredMessage, Talk, TalkKey, TalkMode
from xinyu_services.message.store import MessageStore

BATCH: Final = 20
BODY: Final = '{"content":"good morning, how are you?"}'
DIGEST: Final = "good morning, how are you?"
# What an outbox row of 20 sends holds.
OUTBOX_EVENTS: Final = b"[" + b",".join([b'["m",1000,100000,0]'] * BATCH) + b"]"


class _Recorder:
    """Stands where a connection and its cursor are expected; keeps each statement's text."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.lastrowid = 1

    @property
    def connection(self) -> _Recorder:
        return self

    def cursor(self) -> _Recorder:
        return self

    def execute(self, text: str, _parameters: object = ()) -> None:
        self.texts.append(text)

    def fetchall(self) -> list[Any]:
        return []


@cache
def lane_statements(batch: int = BATCH, dialect: Dialect = SQLITE) -> list[str]:
    """The eight statements of a batch of sends in as many talks, as texts."""
    recorder = _Recorder()
    connection = cast(Connection, recorder)
    store = MessageStore(dialect)
    ids = range(1, batch + 1)
    talks = [Talk(i, TalkKey(TalkMode.SINGLE, i, i + 1), 1, 0, 1, 0, 1, 0, 1, "", 0, 0, 0, 0) for i in ids]
    members = [Member(i, i, 3, 1, 0, 0, 1, None, 1, 0, 0, 0, 0, 0) for i in ids]
    messages = [(StoredMessage(i, 1, "m", i, 1, BODY, "{}", 0), b"") for i in ids]
    store.load_batch(connection, ids, [(i, i) for i in ids], [("m", i, i) for i in ids])
    store.insert_messages(connection, messages)
    store.upsert_heads(connection, talks)
    store.upsert_cursors(connection, members, ("sent_sequence",))
    outbox = Outbox("message", dialect, "loop", SystemClock())
    outbox.finished(1)
    outbox.open().write(connection, [Event("m", (1, 1, 0))])
    return recorder.texts


class StatementLoop:
    """On a database of `population.create_database` with at least BATCH pairs. `run` continues where it ended."""

    def __init__(self, path: Path, pairs: int) -> None:
        if pairs < BATCH:
            raise ValueError(f"at least {BATCH} pairs are needed")
        self._pairs = pairs
        self._sequence = [0] * (pairs + 1)
        self._batches = 0
        self.commits_s: list[float] = []  # how long each COMMIT took: the disk's part
        self._texts = lane_statements()
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{CACHE_KIB}",
            f"wal_autocheckpoint={WAL_AUTOCHECKPOINT_PAGES}",
            "temp_store=MEMORY",
        ):
            self._database.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        self._database.close()

    def run(self, seconds: float) -> float:
        """Messages a second."""
        messages = 0
        began_s = time.perf_counter()
        while (elapsed_s := time.perf_counter() - began_s) < seconds:
            self._batch()
            messages += BATCH
        return messages / elapsed_s

    def _batch(self) -> None:
        execute, (heads, members, known, insert, save_heads, save_cursors, outbox, done) = (
            self._database.execute,
            self._texts,
        )
        first = self._batches * BATCH
        self._batches += 1
        now_ms = time.time_ns() // 1_000_000
        talks = [(first + i) % self._pairs + 1 for i in range(BATCH)]
        msg_ids = [f"{first + i:032x}" for i in range(BATCH)]
        execute("BEGIN IMMEDIATE")
        execute(heads, sorted(talks)).fetchall()
        execute(members, [value for talk in talks for value in (talk, talk)]).fetchall()
        named = [value for talk, msg_id in zip(talks, msg_ids, strict=True) for value in (msg_id, talk, talk)]
        execute(known, named).fetchall()
        rows: list[Any] = []
        head_rows: list[Any] = []
        cursor_rows: list[Any] = []
        for talk, msg_id in zip(talks, msg_ids, strict=True):
            self._sequence[talk] = sequence = self._sequence[talk] + 1
            rows += (talk, sequence, msg_id, talk, 1, BODY, "{}", b"0123456789abcdef" * 2, now_ms, 0)
            head_rows += (talk, 1, sequence, 0, talk, 1, DIGEST, now_ms, 0, 0)
            cursor_rows += (talk, talk, 3, 1, 1, sequence)
        execute(insert, rows)
        execute(save_heads, head_rows)
        execute(save_cursors, cursor_rows)
        written = execute(outbox, ("loop", now_ms, OUTBOX_EVENTS)).lastrowid
        execute(done, (written - 1 if written else 0,))
        began_s = time.perf_counter()
        execute("COMMIT")
        self.commits_s.append(time.perf_counter() - began_s)
