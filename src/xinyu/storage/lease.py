"""The lease of one process's life (incarnation): while it is alive, what the process left in outboxes is its own.

A row of `lease` says until when. The embedded form holds the lock on the data directory, so whoever else has a lease is
dead: `take_over` ends all of them at once, and their outbox rows can be claimed without waiting. A lease that is not
renewed in time may be declared dead by others and must not be used again (the outbox's claim is fenced by it).
"""

from __future__ import annotations

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect

LEASE_MS = 15_000
RENEW_EVERY_S = 5.0


def take_over(connection: Connection, dialect: Dialect, incarnation: str, now_ms: int) -> None:
    """Ends every other lease and begins this one. Only for who knows that all others are dead."""
    c = cursor(connection)
    c.execute(dialect.sql("DELETE FROM lease WHERE incarnation <> ?"), (incarnation,))
    c.execute(
        dialect.upsert("lease", ("incarnation", "until_ms"), ("incarnation",), ("until_ms",), 1),
        (incarnation, now_ms + LEASE_MS),
    )


def renew(connection: Connection, dialect: Dialect, incarnation: str, now_ms: int) -> bool:
    """False: the lease has been ended by somebody, for good."""
    c = cursor(connection)
    c.execute(dialect.sql("UPDATE lease SET until_ms = ? WHERE incarnation = ?"), (now_ms + LEASE_MS, incarnation))
    return bool(c.rowcount)


def end(connection: Connection, dialect: Dialect, incarnation: str) -> None:
    """Gives the lease back: what is left in the outboxes is for the next process."""
    cursor(connection).execute(dialect.sql("DELETE FROM lease WHERE incarnation = ?"), (incarnation,))
