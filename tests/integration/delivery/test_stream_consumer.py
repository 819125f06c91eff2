"""The example of docs/streams.md on what real rooms relay: shared by a group, each batch counted once."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.database_storage import SqliteStorage
from tests.integration.services.embedded_platform import eventually
from tests.integration.services.rooms import Rooms
from tests.redis_links import redis_link
from xinyu.base.clock import SystemClock
from xinyu.delivery.stream_relay import StreamRelay
from xinyu.storage.redis_link import RedisLink
from xinyu_services.cli.local_servers.redis import RedisServer

EXAMPLE = Path(__file__).parents[3] / "docs/examples/stream_consumer.py"
GROUP = "counts"
STREAMS = tuple(f"events:{room}" for room in ("user", "contact", "group", "message", "talk"))


@pytest.fixture
async def link(redis: RedisServer) -> AsyncIterator[RedisLink]:
    async with redis_link(redis) as link:
        yield link


@pytest.fixture
async def rooms(tmp_path: Path, link: RedisLink) -> AsyncIterator[Rooms]:
    database = await SqliteStorage(tmp_path / "x.db").open()
    rooms = Rooms(database, relay=lambda room: StreamRelay(room, link, SystemClock(), 10_000))
    await rooms.start()
    yield rooms
    await rooms.stop()
    await database.close()


class Members:
    """Processes of the example with one database of counts."""

    def __init__(self, redis_url: str, prefix: str, database: Path) -> None:
        self._redis_url = redis_url
        self._prefix = prefix
        self._database = database
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str, *, take_over_after_s: float = 60) -> None:
        options = ("--prefix", self._prefix, "--name", name, "--take-over-after-s", str(take_over_after_s))
        self._running[name] = subprocess.Popen(
            [sys.executable, "-W", "error", str(EXAMPLE), self._redis_url, str(self._database), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.communicate()

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        process = self._running.pop(name)
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
        return process.returncode, output, errors

    def close(self) -> None:
        for name in list(self._running):
            self.kill(name)

    def counts(self) -> dict[str, int]:
        """How many events of each kind ("message m") were counted."""
        try:
            with self._reading() as database:
                return {f"{room} {kind}": number for room, kind, number in database.execute("SELECT * FROM counts")}
        except sqlite3.OperationalError:  # none of them has begun yet
            return {}

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=30)
        try:
            yield database
        finally:
            database.close()


@pytest.fixture
def members(redis: RedisServer, link: RedisLink, tmp_path: Path) -> Iterator[Members]:
    members = Members(redis.url, link.prefix, tmp_path / "counts.db")
    yield members
    members.close()


async def unacknowledged(link: RedisLink) -> int:
    return sum([(await link.execute("XPENDING", f"{link.prefix}{stream}", GROUP))["pending"] for stream in STREAMS])


async def talk(rooms: Rooms, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await rooms.send(1, 1, 2, f"text {number}")
    await rooms.settle()


async def test_a_group_counts_every_batch_once_and_stops_when_told(
    rooms: Rooms, link: RedisLink, members: Members
) -> None:
    rooms.neighbours.users = {1: "Ann", 2: "Ben"}
    await rooms.befriend(1, 2)
    await talk(rooms, 1, 20)
    for name in ("first", "second"):
        members.start(name)
    await eventually(lambda: members.counts().get("message m") == 20)
    # What the relay would do whose call's answer was lost.
    [(_, first), *_] = await link.execute("XRANGE", f"{link.prefix}events:message", "-", "+")
    fields = [each for pair in first.items() for each in pair] if isinstance(first, dict) else list(first)
    await link.execute("XADD", f"{link.prefix}events:message", "*", *fields)
    await talk(rooms, 21, 40)
    await eventually(lambda: members.counts().get("message m") == 40)
    ended = [
        await asyncio.to_thread(members.stop, "first"),
        await asyncio.to_thread(members.stop, "second", signal.SIGINT),
    ]
    assert ended == [(0, "", "")] * 2
    assert await unacknowledged(link) == 0
    counts = members.counts()
    assert counts["message m"] == 40 and counts["message s"] == 1
    assert counts["talk v"] >= 2


async def test_what_a_member_left_is_taken_over(rooms: Rooms, link: RedisLink, members: Members) -> None:
    rooms.neighbours.users = {1: "Ann", 2: "Ben"}
    await rooms.befriend(1, 2)
    await talk(rooms, 1, 5)
    for stream in STREAMS:  # somebody who was given all of it, and died
        name = f"{link.prefix}{stream}"
        await link.execute("XGROUP", "CREATE", name, GROUP, "0", "MKSTREAM")
        await link.execute("XREADGROUP", "GROUP", GROUP, "dead", "COUNT", 100, "STREAMS", name, ">")
    assert await unacknowledged(link) > 0
    members.start("heir", take_over_after_s=0.1)
    await eventually(lambda: members.counts().get("message m") == 5)
    assert await asyncio.to_thread(members.stop, "heir") == (0, "", "")
    assert await unacknowledged(link) == 0


async def test_a_member_outlives_the_loss_of_all_streams(rooms: Rooms, link: RedisLink, members: Members) -> None:
    rooms.neighbours.users = {1: "Ann", 2: "Ben"}
    await rooms.befriend(1, 2)
    members.start("only")
    await talk(rooms, 1, 3)
    await eventually(lambda: members.counts().get("message m") == 3)
    for stream in STREAMS:
        await link.execute("DEL", f"{link.prefix}{stream}")
    await talk(rooms, 4, 6)
    await eventually(lambda: members.counts().get("message m") == 6)
    code, output, errors = await asyncio.to_thread(members.stop, "only")
    assert (code, output) == (0, "") and "Traceback" not in errors


async def test_events_name_numbers_and_no_words_of_anybody(rooms: Rooms, link: RedisLink) -> None:
    rooms.neighbours.users = {1: "Ann", 2: "Ben"}
    await rooms.befriend(1, 2)
    await rooms.send(1, 1, 2, "a secret")
    await rooms.settle()
    text = json.dumps([str(await link.execute("XRANGE", f"{link.prefix}{stream}", "-", "+")) for stream in STREAMS])
    assert '\\"m\\",' in text.replace("\\\\", "\\")
    assert "secret" not in text and "Ann" not in text
