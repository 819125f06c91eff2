"""MySQL or MariaDB behind the Database contract: a connection a lane, a bounded pool for everything else.

Reads run REPEATABLE READ, READ ONLY: one snapshot from the first statement on. Writes run READ COMMITTED: numbers are
taken under row locks, and no gap is locked. Both are set once a connection, with autocommit off, so that no transaction
begins with a round trip. Work that uses Core or waits for each of its statements runs by SQLAlchemy's
`AsyncConnection.run_sync`; statements-only work, the hot kind, by `mysql_statements`.

Who waits. Work of a lane waits for its turn on the lane's connection (lanes are shared where there are more of them
than connections), other work for a free one of its pool, each in order of the calls, and no longer than
`connect_timeout_s`: then Unavailable. A transaction has `statement_timeout_s` for all of its statements; whoever waits
for a row lock is told Retry before that. `committing` is not called: the next batch of a lane must not overtake one
that is run again.

Connections. One that the server has closed meanwhile, or that has long been idle and does not answer, is replaced
before it is used. Where it is lost all the same before COMMIT was sent, nothing has been written, and the work runs
once more on a new one. Cancellation or a deadline in the middle gives the connection up: the server rolls back what was
open. We have a pool of our own because a checkout of SQLAlchemy's asyncio pool costs 160 us, more than a short query.

Needs MariaDB 10.6 or MySQL 8.0 (SKIP LOCKED).
"""

from __future__ import annotations

import asyncio
import re
import select
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NoReturn, TypeVar

import aiomysql
import pymysql
from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from xinyu.base.config import DatabaseSettings
from xinyu.storage.database import DatabaseError, Duplicate, Retry, Unavailable, Work
from xinyu.storage.dialect import MYSQL
from xinyu.storage.mysql_statements import StatementTransaction

T = TypeVar("T")

# A connection that was idle for longer is asked whether it still answers.
PING_AFTER_IDLE_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 10.0
# Escaping and comparing must not depend on how the server is set up.
SESSION: Final = (
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION'",
    "SET SESSION time_zone = '+00:00'",
)
READER: Final = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
WRITER: Final = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"

# Server and client error numbers: https://mariadb.com/kb/en/mariadb-error-codes/
_RETRY: Final = frozenset((
    1020,  # record has changed since last read (innodb_snapshot_isolation)
    1205,  # lock wait timeout
    1213,  # deadlock
))  # fmt: skip
_DUPLICATE: Final = frozenset((1062, 1586))
_UNAVAILABLE: Final = frozenset((
    1021, 1041, 1114,  # disk full, out of memory, table full
    1040, 1203, 1226,  # too many connections
    1044, 1045, 1049, 1129, 1130, 1698,  # not let in, no such database
    1047,  # Galera: this node is not ready
    1053, 1077, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184,  # shutting down, aborted, network
    1180,  # error during commit
    1290, 1836,  # read-only server
    1317, 1927, 1969, 3024,  # killed, took too long
    4031,  # idle for too long
))  # fmt: skip
_CLIENT_ERRORS: Final = range(2000, 2100)  # of the connection, told by the driver itself


def translate(error: BaseException) -> DatabaseError | None:
    """The contract's word for a driver's error, or None for a mistake of ours."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, pymysql.err.Error):
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if number in _RETRY:
            return Retry(_text(error))
        if number in _DUPLICATE:
            return Duplicate(_text(error))
        if number in _UNAVAILABLE or number in _CLIENT_ERRORS:
            return Unavailable(_text(error))
        # Without a number: the driver found the connection closed, or out of step.
        if isinstance(error, pymysql.err.InterfaceError | pymysql.err.InternalError) and number == 0:
            return Unavailable(_text(error))
        return None
    return Unavailable(_text(error)) if isinstance(error, OSError | exc.TimeoutError) else None


def _text(error: BaseException) -> str:
    """On one line."""
    if len(error.args) == 2 and isinstance(error.args[0], int):
        return " ".join(f"{error.args[1]} ({error.args[0]})".split())
    return " ".join(str(error).split()) or type(error).__name__


def raise_translated(error: Exception) -> NoReturn:
    """Raises the contract's word for a driver's error, or `error` itself."""
    translated = translate(error)
    if translated is None:
        raise error
    raise translated from error


def driver_url(url: str, driver: str) -> URL:
    """`database.url` for a driver of SQLAlchemy's. Raises Unavailable for what is no such address."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise Unavailable("database.url is not mysql://user:password@host:port/name") from None
    if parsed.drivername not in ("mysql", "mariadb") or not parsed.database or not parsed.host:
        raise Unavailable("database.url is not mysql://user:password@host:port/name")
    return parsed.set(drivername=f"mysql+{driver}").update_query_dict({"charset": "utf8mb4"})


def create_mysql_engine(settings: DatabaseSettings) -> Engine:
    """A synchronous engine for who works on the schema alone: no deadline on statements."""
    engine = create_engine(
        driver_url(settings.url, "pymysql"),
        poolclass=NullPool,
        pool_reset_on_return=None,
        connect_args={"connect_timeout": max(1, round(settings.connect_timeout_s))},
    )
    _set_up(engine, (*SESSION, WRITER))
    return engine


def run_transaction(connection: Connection, work: Work[T]) -> T:
    """Runs `work` in one transaction of `connection`; errors come out as the contract's."""
    try:
        with connection.begin():
            return work(connection)
    except Exception as error:
        raise_translated(error)


def _set_up(engine: Engine, statements: tuple[str, ...]) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()


async def _connect_driver(*arguments: Any, **keywords: Any) -> Any:
    """aiomysql.connect, which leaves its socket open when it is cancelled."""
    connection = aiomysql.Connection(*arguments, **keywords)
    try:
        await connection._connect()
    except BaseException:
        connection.close()
        raise
    return connection


def check_version(version: str) -> None:
    """Raises Unavailable for a server that cannot do what we ask."""
    numbers = re.search(r"(\d+)\.(\d+)\.\d+-MariaDB", version, re.IGNORECASE) or re.match(r"(\d+)\.(\d+)", version)
    found = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if found < ((10, 6) if "mariadb" in version.lower() else (8, 0)):
        raise Unavailable(f"the database server is {version}; MariaDB 10.6 or MySQL 8.0 is needed")


class _Session:
    """One connection to the server, set up."""

    __slots__ = ("connection", "driver", "is_fresh", "used_s")

    def __init__(self, connection: AsyncConnection, driver: Any) -> None:
        self.connection = connection
        self.driver = driver  # aiomysql's connection
        self.is_fresh = True  # has not been idle yet
        self.used_s = time.monotonic()

    @property
    def is_lost(self) -> bool:
        """The server has closed it, or has something to say that nobody asked for; the loop may not know of it yet."""
        if self.driver.closed:
            return True
        reader, transport = self.driver._reader, self.driver._writer.transport
        if transport.is_closing() or reader.eof_received or reader._buffer:
            return True
        waiting = select.poll()
        waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(waiting.poll(0))


class _Pool:
    """At most `size` connections, of one kind. Whoever comes first is served first."""

    def __init__(
        self, engine: AsyncEngine, size: int, connect_timeout_s: float, closing: set[asyncio.Task[None]]
    ) -> None:
        self._engine = engine
        self._connect_timeout_s = connect_timeout_s
        self._closing = closing
        self._turns = asyncio.Semaphore(size)
        self._idle: deque[_Session] = deque()  # the one that was used last is at the end, and goes first
        self._closed = False

    @asynccontextmanager
    async def session(self, *, fresh: bool = False) -> AsyncIterator[_Session]:
        """A connection, for one transaction. One that is not as it was before the transaction is given up."""
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable("no connection to the database became free in time") from None
        try:
            session = await self._take(fresh=fresh)
            is_sound = False
            try:
                yield session
                is_sound = True
            except DatabaseError as error:
                is_sound = not isinstance(error, Unavailable)
                raise
            except Exception:
                is_sound = True  # of the work, and rolled back
                raise
            finally:
                if is_sound and not self._closed and not session.driver.closed:
                    session.is_fresh, session.used_s = False, time.monotonic()
                    self._idle.append(session)
                else:
                    self.give_up(session)
        finally:
            self._turns.release()

    async def _take(self, *, fresh: bool) -> _Session:
        while self._idle and not fresh:
            session = self._idle.pop()
            if not session.is_lost and await self._answers(session):
                return session
            self.give_up(session)
        return await self._connect()

    async def _answers(self, session: _Session) -> bool:
        if time.monotonic() - session.used_s < PING_AFTER_IDLE_S:
            return True
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await session.driver.ping(reconnect=False)
        except (pymysql.err.Error, OSError):
            return False
        except BaseException:
            self.give_up(session)
            raise
        return True

    async def _connect(self) -> _Session:
        connection = self._engine.connect()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await connection.start()
                raw = await connection.get_raw_connection()
        except TimeoutError:
            raise Unavailable("the database did not answer in time") from None
        except Exception as error:
            raise_translated(error)
        return _Session(connection, raw.driver_connection)

    def give_up(self, session: _Session) -> None:
        """Closes the socket at once: the server rolls back. SQLAlchemy's side is tidied up by a task."""
        session.driver.close()
        task = asyncio.get_running_loop().create_task(_forget(session.connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self, size: int) -> None:
        """Waits for who is at work; nobody may come any more."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                for _ in range(size):
                    await self._turns.acquire()
        while self._idle:
            session = self._idle.pop()
            with suppress(pymysql.err.Error, OSError):
                await session.driver.ensure_closed()
            self.give_up(session)


async def _forget(connection: AsyncConnection) -> None:
    with suppress(exc.SQLAlchemyError, pymysql.err.Error, OSError):
        await connection.invalidate()
        await connection.close()


class MySqlDatabase:
    """`xinyu.storage.database.Database` on a server. For one event loop."""

    dialect = MYSQL

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._closing: set[asyncio.Task[None]] = set()
        # A row lock that is not given in time is told as Retry, well before the transaction's own deadline.
        lock_wait = f"SET SESSION innodb_lock_wait_timeout = {max(1, int(settings.statement_timeout_s / 2))}"
        self._writing_engine = self._engine((*SESSION, WRITER, lock_wait))
        self._reading_engine = self._engine((*SESSION, READER, lock_wait))
        self._writers = self._pool(self._writing_engine, settings.connections)
        self._readers = self._pool(self._reading_engine, settings.connections)
        self._lanes = [self._pool(self._writing_engine, 1) for _ in range(settings.lanes)]
        self._closed = False

    def _engine(self, session: tuple[str, ...]) -> AsyncEngine:
        engine = create_async_engine(
            driver_url(self._settings.url, "aiomysql"),
            poolclass=NullPool,
            pool_reset_on_return=None,
            connect_args={"async_creator_fn": _connect_driver},
        )
        _set_up(engine.sync_engine, session)
        return engine

    def _pool(self, engine: AsyncEngine, size: int) -> _Pool:
        return _Pool(engine, size, self._settings.connect_timeout_s, self._closing)

    async def open(self) -> None:
        """Connects once. Raises Unavailable: nobody there, not let in, a server that is too old."""
        async with self._readers.session() as session:
            check_version(session.driver.get_server_info())

    async def read(self, work: Work[T]) -> T:
        return await self._run(self._readers, work, statements_only=False)

    async def write(
        self,
        work: Work[T],
        *,
        lane: int | None = None,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> T:
        pool = self._writers if lane is None else self._lanes[lane % len(self._lanes)]
        return await self._run(pool, work, statements_only=statements_only)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the database is closed")

    async def _run(self, pool: _Pool, work: Work[T], *, statements_only: bool) -> T:
        self._check_open()
        timeout_s = self._settings.statement_timeout_s
        transaction: _Transaction | None = None
        try:
            async with pool.session() as session:
                transaction = _Transaction(session, statements_only, timeout_s)
                return await transaction.run(work)
        except Unavailable:
            if self._closed or transaction is None or not transaction.may_run_again:
                raise
        async with pool.session(fresh=True) as session:
            return await _Transaction(session, statements_only, timeout_s).run(work)

    async def close(self) -> None:
        """Waits for what is running, at most ten seconds; later work is refused. Idempotent."""
        if self._closed:
            return
        self._closed = True
        settings = self._settings
        await asyncio.gather(
            self._writers.close(settings.connections),
            self._readers.close(settings.connections),
            *(lane.close(1) for lane in self._lanes),
        )
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._writing_engine.dispose()
        await self._reading_engine.dispose()


class _Transaction:
    """One try."""

    def __init__(self, session: _Session, statements_only: bool, timeout_s: float) -> None:
        self._session = session
        self._was_idle = not session.is_fresh
        self._statements = StatementTransaction(session.driver) if statements_only else None
        self._timeout_s = timeout_s
        self._is_decided = False  # COMMIT was sent, or time ran out

    @property
    def may_run_again(self) -> bool:
        """The connection, which had been idle before, was lost before anything could have been written."""
        is_committing = self._statements is not None and self._statements.is_committing
        return self._was_idle and self._session.driver.closed and not self._is_decided and not is_committing

    async def run(self, work: Work[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                if self._statements is not None:
                    return await self._statements.run(work)
                return await self._session.connection.run_sync(self._in_core, work)
        except TimeoutError:
            self._is_decided = True
            raise Unavailable("the database did not answer in time") from None
        except Exception as error:
            raise_translated(error)

    def _in_core(self, connection: Connection, work: Work[T]) -> T:
        transaction = connection.begin()
        try:
            result = work(connection)
            self._is_decided = True
            transaction.commit()
        except Exception:  # after a cancellation the connection is given up: there is nothing to roll back
            with suppress(exc.SQLAlchemyError, pymysql.err.Error, OSError):
                transaction.rollback()
            raise
        return result
