"""Transactions whose statements run on a C thread, beside the event loop (xinyu._fast.sqlite).

Design. Work runs on the loop's thread as a greenlet, as SQLAlchemy's `AsyncConnection.run_sync` runs it for an async
driver. `execute` hands its statement to the thread and returns; the greenlet gives way to the loop when it asks for
something that is not there yet: rows, `rowcount`, `lastrowid`. The thread makes an eventfd readable when it has caught
up; the loop's reader of it finishes the statements and wakes who waits. BEGIN goes ahead of the work, COMMIT follows
it; the thread skips what follows an error and makes it the error of the COMMIT.

Invariants: one transaction at a time, which the caller sees to, but the next may begin while the thread commits the one
before; `run` returns or raises only when the thread is through with its transaction, whoever was cancelled meanwhile.
Only a coroutine that is closed (its loop has gone) leaves without waiting, and the thread rolls back before it begins
the next one's.

Cost: a greenlet, and a turn of the loop for each time that the work waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.util.concurrency import await_, greenlet_spawn

from xinyu._fast import sqlite
from xinyu.storage.database import Work
from xinyu.storage.statement_cursor import Parameters, StatementConnection

T = TypeVar("T")

CLOSE_TIMEOUT_S: Final = 10.0


class StatementWriter:
    """The writing connection of statements-only work. For one event loop after another, not for two at a time."""

    def __init__(self, path: str, pragmas: Iterable[str], cached_statements: int) -> None:
        self._writer = sqlite.Writer(path, pragmas, cached_statements)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[asyncio.Future[None]] = set()

    async def run(self, work: Work[T], committing: Callable[[], None]) -> T:
        """Runs `work` in one transaction. Raises what it raises, or sqlite3's errors. `committing` is called when only
        the thread has anything left to do: the next may begin, and begins behind it."""
        loop = asyncio.get_running_loop()
        self._attach(loop)
        ended: asyncio.Future[None] = loop.create_future()
        self._running.add(ended)
        try:
            return await self._transaction(work, committing)
        finally:
            self._running.discard(ended)
            if not loop.is_closed():
                ended.set_result(None)

    async def drained(self) -> None:
        """Waits until no transaction is under way. Nobody may begin one meanwhile."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def _transaction(self, work: Work[T], committing: Callable[[], None]) -> T:
        self._writer.begin()
        try:
            result = await greenlet_spawn(work, cast(Connection, StatementConnection(_Transaction(self))))
        except GeneratorExit:
            self._writer.rollback()
            raise
        except BaseException:
            await self._through(self._writer.rollback())
            raise
        commit = self._writer.commit()
        committing()
        await self._through(commit)
        if commit.error is not None:
            raise commit.error
        return result

    async def close(self) -> None:
        """Waits until the thread has ended. Not while `run` runs."""
        self._attach(None)
        await asyncio.get_running_loop().run_in_executor(None, self._writer.close, CLOSE_TIMEOUT_S)

    def _attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._writer.fileno())
        if loop is not None:
            loop.add_reader(self._writer.fileno(), self._writer.poll)
        self._loop = loop

    async def _through(self, statement: sqlite.Statement) -> None:
        """Waits until the thread is through with `statement`; a cancellation is raised only then."""
        cancelled: asyncio.CancelledError | None = None
        while not statement.done:
            try:
                await self._waiter(statement)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _waiter(self, statement: sqlite.Statement) -> asyncio.Future[None]:
        """A future that is done when `statement` is. One at a time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer.poll()
        if statement.done:
            future.set_result(None)
        else:
            statement.waiter = future
        return future

    # ---------------------------------------------------------------- from inside the greenlet

    def execute(self, sql: str, parameters: Parameters, previous: sqlite.Statement | None) -> sqlite.Statement:
        """Hands a statement over; when too many wait, once `previous` is through."""
        try:
            return self._writer.execute(sql, parameters)
        except sqlite.QueueFull:
            if previous is None or previous.done:
                raise
            self.wait(previous)
            return self._writer.execute(sql, parameters)

    def wait(self, statement: sqlite.Statement) -> sqlite.Statement:
        """`statement`, done. Raises its error."""
        if not statement.done:
            self._writer.poll()
        while not statement.done:
            await_(self._waiter(statement))
        if statement.error is not None:
            raise statement.error
        return statement


class _Transaction:
    """The statements of one transaction, in order."""

    __slots__ = ("_last", "_writer")

    def __init__(self, writer: StatementWriter) -> None:
        self._writer = writer
        self._last: sqlite.Statement | None = None

    def execute(self, sql: str, parameters: Parameters) -> sqlite.Statement:
        self._last = self._writer.execute(sql, parameters, self._last)
        return self._last

    def wait(self, statement: sqlite.Statement) -> sqlite.Statement:
        return self._writer.wait(statement)
