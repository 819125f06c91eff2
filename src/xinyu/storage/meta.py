"""Facts about the database itself, in the table `meta`: above all the epoch, which names one life of the numbers.

After a restore numbers may be given out twice, so `xinyu migrate new-epoch` makes a new one, moves every id series up
by 10^9, and each device that shows another epoch starts from nothing (data.md, "Catching up").
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect

RESTORE_ID_GAP = 10**9


def load_epoch(connection: Connection, dialect: Dialect) -> str:
    """The epoch; migrations have made the first one."""
    c = cursor(connection)
    c.execute(dialect.sql("SELECT value FROM meta WHERE key_ = ?"), ("epoch",))
    row = c.fetchone()
    if row is None:
        raise LookupError("the database has no epoch: xinyu migrate apply")
    return str(row[0])


def begin_epoch(connection: Connection, dialect: Dialect) -> str:
    """A new epoch; run with all processes stopped."""
    epoch = secrets.token_hex(8)
    c = cursor(connection)
    c.execute(dialect.sql("UPDATE meta SET value = ? WHERE key_ = ?"), (epoch, "epoch"))
    if c.rowcount == 0:
        c.execute(dialect.sql("INSERT INTO meta (key_, value) VALUES (?, ?)"), ("epoch", epoch))
    c.execute(dialect.sql("UPDATE id_block SET next = next + ?"), (RESTORE_ID_GAP,))
    return epoch
