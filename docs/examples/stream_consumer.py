"""Counts what happens in a cluster, by room and kind, from its streams of events (docs/streams.md).

    python docs/examples/stream_consumer.py redis://127.0.0.1:6379/0 counts.db

Run it as often as there is work for: all that have one group share the entries. Each entry counts once, though it may
come twice: what it does is written in one transaction with a note that it was done, and only then is it acknowledged.
SIGTERM and Ctrl-C let it finish what it holds.
"""

import argparse
import json
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable

from redis import Redis
from redis.exceptions import RedisError, ResponseError

ROOMS = ("user", "contact", "group", "message", "talk")
TAKEN_KEPT_MS = 7 * 86_400_000  # longer than the same batch may come again
Entry = tuple[bytes, dict[bytes, bytes] | None]


class Counts:
    """The effect, and the notes of what had it. Of your own program, this is its database."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, timeout=30)
        with self._database as transaction:
            transaction.execute("CREATE TABLE IF NOT EXISTS taken (room, row, at_ms, PRIMARY KEY (room, row))")
            transaction.execute("CREATE TABLE IF NOT EXISTS counts (room, kind, number, PRIMARY KEY (room, kind))")

    def add(self, entries: Iterable[Entry]) -> None:
        with self._database as transaction:
            for _, fields in entries:
                if not fields:
                    continue  # the stream has let go of it before anybody read it
                room, row, at_ms = fields[b"room"].decode(), int(fields[b"row"]), int(fields[b"at_ms"])
                if not transaction.execute("INSERT OR IGNORE INTO taken VALUES (?, ?, ?)", (room, row, at_ms)).rowcount:
                    continue
                for kind, *_values in json.loads(fields[b"events"]):
                    transaction.execute(
                        "INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET number = number + 1",
                        (room, kind),
                    )

    def forget(self) -> None:
        with self._database as transaction:
            transaction.execute("DELETE FROM taken WHERE at_ms < ?", (time.time() * 1000 - TAKEN_KEPT_MS,))

    def close(self) -> None:
        self._database.close()


class Consumer:
    """One member of a group."""

    def __init__(self, redis: Redis, streams: list[str], group: str, name: str, counts: Counts) -> None:
        self._redis = redis
        self._streams = streams
        self._group = group
        self._name = name
        self._counts = counts

    def join(self) -> None:
        """Makes the group where it is missing, at the beginning of what there is ("$" = at its end)."""
        for stream in self._streams:
            try:
                self._redis.xgroup_create(stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def read(self, wait_ms: int) -> None:
        """What nobody of the group has been given yet."""
        new = dict.fromkeys(self._streams, ">")
        for stream, entries in self._redis.xreadgroup(self._group, self._name, new, count=100, block=wait_ms):
            self._take(stream, entries)

    def take_over(self, idle_ms: int) -> None:
        """What some member was given that long ago, and never acknowledged: it died, or failed."""
        for stream in self._streams:
            start = b"0-0"
            while True:
                start, entries, *_ = self._redis.xautoclaim(stream, self._group, self._name, idle_ms, start, count=100)
                self._take(stream, entries)
                if start == b"0-0":
                    break

    def _take(self, stream: str | bytes, entries: list[Entry]) -> None:
        if entries:
            self._counts.add(entries)
            self._redis.xack(stream, self._group, *(entry_id for entry_id, _ in entries))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("redis_url")
    options.add_argument("database", help="an SQLite file")
    options.add_argument("--prefix", default="xinyu:", help="redis.prefix of the cluster")
    options.add_argument("--group", default="counts")
    options.add_argument("--name", default=socket.gethostname(), help="of this member, the same in each life")
    options.add_argument("--take-over-after-s", type=float, default=60.0)
    chosen = options.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    redis = Redis.from_url(chosen.redis_url, socket_timeout=5, socket_connect_timeout=5, protocol=2)
    counts = Counts(chosen.database)
    streams = [f"{chosen.prefix}events:{room}" for room in ROOMS]
    consumer = Consumer(redis, streams, chosen.group, chosen.name, counts)
    is_member, take_over_at_s = False, 0.0
    while not stop.is_set():
        try:
            if not is_member:
                consumer.join()
                is_member = True
            if time.monotonic() >= take_over_at_s:
                consumer.take_over(int(chosen.take_over_after_s * 1000))
                counts.forget()
                take_over_at_s = time.monotonic() + chosen.take_over_after_s
            consumer.read(wait_ms=1000)
        except RedisError as error:  # away, or emptied: then the group is gone, too
            print(f"again in a second: {error}", file=sys.stderr)
            is_member = False
            stop.wait(1)
    counts.close()
    redis.close()


if __name__ == "__main__":
    main()
