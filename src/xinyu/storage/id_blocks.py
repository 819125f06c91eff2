"""Numbered ids (users, groups, talks, ...): one series a kind, handed out of blocks that are taken from the database.

A block is taken in a transaction of its own and never given back, so a crash or a rollback leaves a hole, never a
number twice. Numbers stay below 2^53 (JavaScript).
"""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection

from xinyu.storage.database import Database, cursor
from xinyu.storage.dialect import Dialect
from xinyu.storage.transact import transact

BLOCK_SIZE = 64


class IdBlocks:
    """Hands out ids of one kind. The first is 1, or what `id_block.next` says."""

    def __init__(self, kind: str, database: Database, dialect: Dialect, block_size: int = BLOCK_SIZE) -> None:
        self._kind = kind
        self._database = database
        self._dialect = dialect
        self._block_size = block_size
        self._next = self._end = 0
        self._refill = asyncio.Lock()

    async def take(self) -> int:
        """The next id of the series. Raises OVERLOADED or UNAVAILABLE."""
        async with self._refill:
            if self._next == self._end:
                first = await transact(self._database, self._take_block)
                self._next, self._end = first, first + self._block_size
            value = self._next
            self._next += 1
            return value

    def _take_block(self, connection: Connection) -> int:
        sql, c = self._dialect.sql, cursor(connection)
        c.execute(sql("SELECT next FROM id_block WHERE kind = ?" + self._dialect.for_update), (self._kind,))
        row = c.fetchone()
        if row is None:
            c.execute(sql("INSERT INTO id_block (kind, next) VALUES (?, ?)"), (self._kind, 1 + self._block_size))
            return 1
        c.execute(sql("UPDATE id_block SET next = ? WHERE kind = ?"), (row[0] + self._block_size, self._kind))
        return int(row[0])
