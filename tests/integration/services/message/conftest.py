"""The rooms that the tests of this folder run against."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.database_storage import Storage
from tests.integration.services.rooms import Rooms
from tests.integration.services.traced_database import TracedDatabase


@pytest.fixture
async def traced(storage: Storage) -> AsyncIterator[TracedDatabase]:
    database = TracedDatabase(await storage.open())
    yield database
    await database.close()


@pytest.fixture
async def rooms(traced: TracedDatabase) -> AsyncIterator[Rooms]:
    """Users 1 Ann, 2 Bob, 3 Cid, 4 Dan and the name of group 7; nobody is anybody's friend yet."""
    rooms = Rooms(traced)
    rooms.neighbours.users = {1: "Ann", 2: "Bob", 3: "Cid", 4: "Dan"}
    rooms.neighbours.groups = {7: "Team"}
    await rooms.start()
    yield rooms
    await rooms.stop()
