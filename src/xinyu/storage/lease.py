"""The lease of one process's life (incarnation): while it is alive, what the process left in outboxes is its own.

A row of `lease` says until when, by the database's own clock, so that no process trusts another machine's. A life
begins once (`begin`, before its first outbox row), is prolonged (`renew`, every five seconds), and ends when it says so
(`end`) or when its time has passed and somebody has deleted its row (`end_expired`). A life whose row is gone is dead
for good: `renew` answers False, and the process must not go on under this incarnation. So the row is also the fence:
who takes over what others left holds his own row locked meanwhile (`hold`).

A process that was killed and begins again need not wait for its earlier life's time to pass: it says who it is
(`holder`), and the earlier life ends with that. The embedded form holds the lock on the data directory, so whoever else
has a lease is dead: `take_over` ends all of them at once, and their outbox rows can be claimed without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect

LEASE_MS = 15_000
RENEW_EVERY_S = 5.0


def begin(connection: Connection, dialect: Dialect, incarnation: str, holder: str = "") -> None:
    """A new life. May run again when its answer was lost; never later than that. `holder`: who has but one life at a
    time, say by the port that he listens on; an earlier one of his is ended."""
    end(connection, dialect, incarnation)
    if holder:
        cursor(connection).execute(dialect.sql("DELETE FROM lease WHERE holder = ?"), (holder,))
    cursor(connection).execute(
        dialect.sql(f"INSERT INTO lease (incarnation, until_ms, holder) VALUES (?, {dialect.now_ms} + ?, ?)"),
        (incarnation, LEASE_MS, holder),
    )


def take_over(connection: Connection, dialect: Dialect, incarnation: str) -> None:
    """Ends every other lease and begins this one. Only for who knows that all others are dead."""
    cursor(connection).execute("DELETE FROM lease")
    begin(connection, dialect, incarnation)


def renew(connection: Connection, dialect: Dialect, incarnation: str) -> bool:
    """False: the lease has been ended by somebody, for good."""
    c = cursor(connection)
    c.execute(
        dialect.sql(f"UPDATE lease SET until_ms = {dialect.now_ms} + ? WHERE incarnation = ?"), (LEASE_MS, incarnation)
    )
    return bool(c.rowcount)


def end(connection: Connection, dialect: Dialect, incarnation: str) -> None:
    """Gives the lease back: what is left in the outboxes is for the next process."""
    cursor(connection).execute(dialect.sql("DELETE FROM lease WHERE incarnation = ?"), (incarnation,))


def hold(connection: Connection, dialect: Dialect, incarnation: str) -> bool:
    """Whether the lease is alive; its row then stays locked to the end of the transaction: nobody can end it."""
    c = cursor(connection)
    c.execute(
        dialect.sql(f"SELECT until_ms >= {dialect.now_ms} FROM lease WHERE incarnation = ?" + dialect.for_update),
        (incarnation,),
    )
    row = c.fetchone()
    return row is not None and bool(row[0])


def alive(connection: Connection, dialect: Dialect) -> list[str]:
    """Incarnations whose time has not passed."""
    c = cursor(connection)
    c.execute(f"SELECT incarnation FROM lease WHERE until_ms >= {dialect.now_ms} ORDER BY incarnation")
    return [str(row[0]) for row in c.fetchall()]


def end_expired(connection: Connection, dialect: Dialect, incarnations: Sequence[str]) -> list[str]:
    """Ends those of the leases whose time has passed; answers which of `incarnations` are dead now. One that was
    renewed meanwhile is not."""
    if not incarnations:
        return []
    c, marks = cursor(connection), dialect.marks(len(incarnations))
    c.execute(f"DELETE FROM lease WHERE incarnation IN ({marks}) AND until_ms < {dialect.now_ms}", tuple(incarnations))
    c.execute(f"SELECT incarnation FROM lease WHERE incarnation IN ({marks})", tuple(incarnations))
    living = {row[0] for row in c.fetchall()}
    return [incarnation for incarnation in incarnations if incarnation not in living]
