"""The rooms that the tests of this folder run against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.services.rooms import Rooms
from tests.integration.services.traced_database import TracedDatabase, open_traced_database


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[TracedDatabase]:
    database = await open_traced_database(tmp_path / "xinyu.db")
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
