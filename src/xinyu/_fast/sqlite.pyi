"""SQLite statements on a thread that never takes the interpreter's lock."""

import asyncio
import sqlite3
from collections.abc import Iterable
from typing import Any, Final, Self, final

MAX_WAITING: Final[int]
MAX_WAITING_BYTES: Final[int]
MAX_RESULT_BYTES: Final[int]

class QueueFull(sqlite3.OperationalError):
    """MAX_WAITING statements or MAX_WAITING_BYTES wait for the thread: nothing was taken."""

def available() -> bool:
    """True where the interpreter's own SQLite can be called from here: its functions are found in the library of the
    sqlite3 module (not in an interpreter that is linked with everything), and it is built for threads."""

@final
class Statement:
    """One statement on its way, and its answer. What is not `done` has no other attribute that means anything."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """TypeError: only a Writer makes them."""
    @property
    def done(self) -> bool: ...
    @property
    def error(self) -> Exception | None: ...
    @property
    def rows(self) -> list[tuple[Any, ...]]: ...
    @property
    def lastrowid(self) -> int: ...
    @property
    def rowcount(self) -> int: ...
    waiter: asyncio.Future[None] | None

@final
class Writer:
    """A connection to `path` and the thread that runs its statements. All methods from one thread.

    `pragmas`: statements run on a new connection, such as "PRAGMA synchronous=FULL". The connection is opened by the
    first statement; one that cannot be opened is that statement's error, and the next tries again. Of
    `cached_statements` texts the prepared statement is kept, the latest used.

    Raises OSError when there is neither memory nor thread for it, RuntimeError where `available` says no.
    """

    def __new__(cls, path: str, pragmas: Iterable[str], cached_statements: int) -> Self: ...
    def fileno(self) -> int:
        """A descriptor that becomes readable when `poll` has something to do. It lives until `close`."""
    def execute(self, sql: str, parameters: list[Any] | tuple[Any, ...] = ()) -> Statement:
        """Hands over one statement, values bound by position, and returns at once.

        Values are None, int (64 bits, or OverflowError), float, str, bytes; others are a TypeError, and `parameters`
        is a list or a tuple. Raises QueueFull, sqlite3.DataError when the values alone are too many for the queue,
        sqlite3.ProgrammingError when closed; nothing was taken then. What SQLite says comes with the Statement.
        """
    def begin(self) -> Statement:
        """Hands over BEGIN IMMEDIATE; it is run when something follows. A transaction that somebody left open is rolled
        back first."""
    def commit(self) -> Statement:
        """Hands over COMMIT. If a statement of the transaction failed, or COMMIT does, it is rolled back, and the first
        error is this one's too."""
    def rollback(self) -> Statement:
        """Hands over ROLLBACK; without a transaction it does nothing."""
    def poll(self) -> None:
        """Finishes the statements that are through: their attributes get their values, their waiters wake up."""
    def close(self, timeout_s: float = 10.0) -> bool:
        """Interrupts what runs, fails what waits, rolls back, closes the connection; waits at most `timeout_s` for that
        and returns whether it came to its end in time. Statements are all done afterwards. Idempotent."""
