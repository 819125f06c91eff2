"""SQLite behind the Database contract: one writer at a time, a few reader threads, WAL, synchronous=FULL.

Work that uses Core runs on a Python thread with a connection of its own; statements-only work, the hot kind, on the
loop's thread, with its statements on a C thread and its connection (`statement_writer`), where the interpreter's SQLite
can be reached so; elsewhere it goes to the Python thread too. SQLite has one writer anyway: one fair lock lets one
transaction of either kind begin after the other, in order of the calls, so that the two connections never find each
other busy. Between two statements-only ones it is passed on as soon as the first is handed over to be committed. A hop
to a Python thread costs about 100 us, which is why work comes in batches. Readers have a connection a thread and see
the snapshot of their BEGIN. The queue to the writer is bounded by those who wait on it: each caller has one piece of
work in it, and callers are bounded by the RPC layer's calls in flight.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import NullPool

from xinyu._fast import sqlite
from xinyu.storage.database import DatabaseError, Duplicate, Retry, Unavailable, Work
from xinyu.storage.dialect import SQLITE
from xinyu.storage.statement_writer import StatementWriter

T = TypeVar("T")

CACHE_KIB: Final = 64 * 1024
WAL_AUTOCHECKPOINT_PAGES: Final = 8_000
BUSY_TIMEOUT_MS: Final = 5_000
READER_THREADS: Final = 2
# A batch of another size is another text. Preparing a batch's statements anew costs about a third of running them.
CACHED_STATEMENTS: Final = 1_024
# Of every connection.
PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    f"PRAGMA cache_size=-{CACHE_KIB}",
    f"PRAGMA wal_autocheckpoint={WAL_AUTOCHECKPOINT_PAGES}",
    "PRAGMA temp_store=MEMORY",
)
_UNIQUE: Final = frozenset(
    (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_ROWID)
)


def create_sqlite_engine(path: Path | str, *, writer: bool) -> Engine:
    """An engine whose connections are set up for us; `writer` decides how a transaction begins."""
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        pool_reset_on_return=None,
        connect_args={
            # Each thread keeps to its own connection; only `close`, after the threads are gone, touches one from
            # outside.
            "check_same_thread": False,
            "cached_statements": CACHED_STATEMENTS,
        },
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we emit BEGIN ourselves
        for pragma in PRAGMAS:
            connection.execute(pragma)
        if not writer:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def translate(error: BaseException) -> DatabaseError | None:
    """The contract's word for a driver's error, or None for a mistake of ours."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, sqlite3.IntegrityError):
        # A missing value or a broken reference is a mistake of ours, and would only be repeated.
        return Duplicate(str(error)) if getattr(error, "sqlite_errorcode", 0) in _UNIQUE else None
    if isinstance(error, sqlite3.OperationalError):
        code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Retry(str(error))
        if code == sqlite3.SQLITE_ERROR:
            return None  # bad SQL
        return Unavailable(str(error))
    if isinstance(error, sqlite3.ProgrammingError):
        return None
    return Unavailable(str(error)) if isinstance(error, sqlite3.DatabaseError) else None


def run_transaction(connection: Connection, work: Work[T]) -> T:
    """Runs `work` in one transaction of `connection`; errors come out as the contract's."""
    try:
        with connection.begin():
            return work(connection)
    except Exception as error:
        raw: Any = connection.connection.dbapi_connection
        if raw is not None and raw.in_transaction:  # a COMMIT that is refused leaves it open
            with suppress(sqlite3.Error):
                raw.rollback()
        raise_translated(error)


def raise_translated(error: Exception) -> NoReturn:
    """Raises the contract's word for a driver's error, or `error` itself."""
    translated = translate(error)
    if translated is None:
        raise error
    raise translated from error


class SqliteDatabase:
    """`xinyu.storage.database.Database` on one file."""

    dialect = SQLITE

    def __init__(self, path: Path, *, readers: int = READER_THREADS) -> None:
        self._path = str(path)
        self._writer_engine = create_sqlite_engine(path, writer=True)
        self._reader_engine = create_sqlite_engine(path, writer=False)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-reader")
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._lock = threading.Lock()
        self._statements: StatementWriter | None = None  # from its first use on
        self._writing = asyncio.Lock()
        self._writing_loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def _connection(self, engine: Engine) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = engine.connect()
            with self._lock:
                self._opened.append(connection)
        return connection

    def _run(self, engine: Engine, work: Work[T]) -> T:
        try:
            connection = self._connection(engine)
        except Exception as error:
            raise_translated(error)
        return run_transaction(connection, work)

    async def read(self, work: Work[T]) -> T:
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._run, self._reader_engine, work)

    async def write(
        self,
        work: Work[T],
        *,
        lane: int | None = None,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> T:
        self._check_open()
        loop = asyncio.get_running_loop()
        writing = self._lock_of(loop)
        await writing.acquire()
        if statements_only and sqlite.available():
            return await self._run_statements(work, writing, committing)
        try:
            if self._statements is not None:
                await self._statements.drained()
            running = loop.run_in_executor(self._writer, self._run, self._writer_engine, work)
        except BaseException:
            writing.release()
            raise

        def ended(running: asyncio.Future[T]) -> None:
            writing.release()
            if not running.cancelled():
                running.exception()  # is looked at: the caller may have gone

        # The thread finishes what it was given, whether the caller still wants it or not.
        running.add_done_callback(ended)
        await asyncio.wait((running,))
        return running.result()

    async def _run_statements(
        self, work: Work[T], writing: asyncio.Lock, committing: Callable[[], None] | None
    ) -> T:
        is_held = True

        def pass_on() -> None:
            nonlocal is_held
            is_held = False
            writing.release()
            if committing is not None:
                committing()

        try:
            if self._statements is None:
                self._statements = StatementWriter(self._path, PRAGMAS, CACHED_STATEMENTS)
            return await self._statements.run(work, pass_on)
        except Exception as error:
            raise_translated(error)
        finally:
            if is_held:
                writing.release()

    def _lock_of(self, loop: asyncio.AbstractEventLoop) -> asyncio.Lock:
        """The lock that a writing transaction holds. A lock serves one loop; the next loop finds nobody at work."""
        if self._writing_loop is not loop:
            self._writing_loop = loop
            self._writing = asyncio.Lock()
        return self._writing

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the database is closed")

    async def close(self) -> None:
        """Work that was handed in is done first; later work is refused. Idempotent."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        async with self._lock_of(loop):
            if self._statements is not None:
                await self._statements.drained()
                await self._statements.close()
            await loop.run_in_executor(self._writer, self._checkpoint)
        for pool in (self._readers, self._writer):
            await loop.run_in_executor(None, pool.shutdown)
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._writer_engine.dispose()
        self._reader_engine.dispose()

    def _checkpoint(self) -> None:
        """Leaves one tidy file behind."""
        connection = self._connection(self._writer_engine)
        raw = connection.connection.dbapi_connection
        if raw is not None:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
