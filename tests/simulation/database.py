"""The Database contract on SQLite in memory, inside the event loop: work runs whole in one step of the loop.

Before and after each piece of work the caller gives way a random number of times, so that other tasks come in between;
commits are atomic, as they are behind a real writer thread. Faults are drawn: a write may be refused before it began,
deadlock, or commit with its answer lost. `after_commit` sees the store after each commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any, TypeVar

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.storage import schema
from xinyu.storage.database import Retry, Unavailable, Work
from xinyu.storage.dialect import SQLITE
from xinyu.storage.sqlite import create_sqlite_engine, run_transaction

T = TypeVar("T")

# The database's clock is the world's.
SIMULATED = replace(SQLITE, now_ms="simulated_now_ms()")


@cache
def _migrated() -> bytes:
    """An empty database with the whole schema."""
    connection = create_sqlite_engine(":memory:", writer=True).connect()
    run_transaction(connection, schema.apply)
    image = _raw(connection).serialize()
    connection.close()
    return bytes(image)


def _raw(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


class SimulatedDatabase:
    """`fault_rate` 0 = none. The chances are of a write; reads fail a third as often."""

    dialect = SIMULATED

    def __init__(self, random: Random, clock: Clock, *, fault_rate: float = 0.0) -> None:
        self._random = random
        self.fault_rate = fault_rate
        self.after_commit: Callable[[Connection], None] | None = None
        self.lose_next_answer = False  # of the next write that commits
        self.refuse_next = False  # the next write
        self._answers = asyncio.Lock()
        self._connection = create_sqlite_engine(":memory:", writer=True).connect()
        _raw(self._connection).create_function("simulated_now_ms", 0, clock.now_ms)
        self.load(_migrated())

    # ------------------------------------------------------------------ the contract

    async def read(self, work: Work[T]) -> T:
        await self._give_way()
        if self._random.random() < self.fault_rate / 3:
            raise Unavailable("simulated: the read failed")
        return self.run(work)

    async def write(
        self,
        work: Work[T],
        *,
        lane: int | None = None,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> T:
        await self._give_way()
        fault = self._random.random()
        if fault < self.fault_rate / 3 or self.refuse_next:
            self.refuse_next = False
            raise Unavailable("simulated: refused before it began")
        if fault < self.fault_rate * 2 / 3:
            raise Retry("simulated: deadlock")
        result = self.run(work)
        if self.after_commit is not None:
            self.run(self.after_commit)
        is_lost = fault < self.fault_rate or self.lose_next_answer
        self.lose_next_answer = False
        async with self._answers:  # they come in the order of the commits
            if committing is not None:
                committing()
            await self._give_way()
            if is_lost:
                raise Unavailable("simulated: committed, but its answer was lost")
        return result

    async def close(self) -> None:
        self._connection.close()

    # ------------------------------------------------------------------ for the simulation

    def run(self, work: Work[T]) -> T:
        """In one transaction, at once, without faults."""
        return run_transaction(self._connection, work)

    def dump(self) -> bytes:
        """A backup: the whole database at this moment."""
        return bytes(_raw(self._connection).serialize())

    def load(self, image: bytes) -> None:
        """Everything as it was in `image`."""
        _raw(self._connection).deserialize(image)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """A query of a test's own."""
        return self.run(lambda connection: list(_raw(connection).execute(sql, values).fetchall()))

    async def _give_way(self) -> None:
        for _ in range(self._random.randint(0, 2)):
            await asyncio.sleep(0)
        if self._random.random() < 0.1:
            await asyncio.sleep(self._random.random() * 0.05)
