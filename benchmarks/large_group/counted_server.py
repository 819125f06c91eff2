"""The embedded server, counting what a message costs it: `python -m benchmarks.large_group.counted_server DIRECTORY
WORKERS [traced]`.

Prints its WebSocket URL. For each line of input it prints, as JSON, what it has counted since the line before: calls of
Deliver, of LoadRoster, and, when it is traced, transactions and statements (of reads and writes, without upkeep).
Tracing slows it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.services.traced_database import TracedDatabase
from xinyu.base.config import Config, load_config
from xinyu.base.logging import configure_logging
from xinyu.storage import schema
from xinyu.storage.database import Work
from xinyu.storage.sqlite import SqliteDatabase
from xinyu.wire.v1 import gateway_rpc
from xinyu.wire.v1.method import Channel, Method
from xinyu_services.cli import embedded
from xinyu_services.cli.embedded_workers import EmbeddedWorkers
from xinyu_services.cli.process import run_until_signal, settle_memory
from xinyu_services.message.rpc import MessageRpc

counts: Counter[str] = Counter()


class CountedChannel:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def call(self, method: Method, request: Any, *, timeout_s: float | None = None, key: str = "") -> Any:
        counts["delivers"] += method is gateway_rpc.DELIVER
        return await self._channel.call(method, request, timeout_s=timeout_s, key=key)


class CountedWorkers(EmbeddedWorkers):
    def channel(self, room: str, instance: str) -> Channel:
        return CountedChannel(super().channel(room, instance))


class CountedMessageRpc(MessageRpc):
    async def load_roster(self, request: Any, context: Any) -> Any:
        counts["rosters"] += 1
        return await super().load_roster(request, context)


class CountedDatabase(TracedDatabase):
    def __init__(self, path: Path) -> None:
        super().__init__(SqliteDatabase(path))

    async def write(self, work: Work[Any], **options: Any) -> Any:
        # Alembic wants a connection of SQLAlchemy's.
        return await (self.inner.write(work) if work is schema.apply else super().write(work, **options))


def is_upkeep(statements: Sequence[str]) -> bool:
    """A transaction that no send waits for: once a second, whatever is sent, outboxes are swept and the lease renewed;
    four times a second, what was sent meanwhile gets into the search index, together."""
    index = any("message_indexed" in each for each in statements)
    return index or all("_outbox" in each or "lease" in each for each in statements)


async def main(config: Config, stop: asyncio.Event) -> None:
    server = embedded.EmbeddedServer(config)
    await server.start()
    settle_memory()
    print(server.websocket_url, flush=True)
    loop = asyncio.get_running_loop()

    def answer() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(0)
            stop.set()
            return
        database = server.database
        if isinstance(database, TracedDatabase):
            of_messages = [each for each in database.transactions if not is_upkeep(each.statements)]
            counts["transactions"] = len(of_messages)
            counts["statements"] = sum(len(each.statements) for each in of_messages)
            database.transactions.clear()
        print(json.dumps(counts), flush=True)
        counts.clear()

    loop.add_reader(0, answer)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    directory, workers, *how = sys.argv[1:]
    embedded.EmbeddedWorkers = CountedWorkers  # type: ignore[misc]
    embedded.build_rooms.__globals__["MessageRpc"] = CountedMessageRpc
    if how:
        embedded.SqliteDatabase = CountedDatabase  # type: ignore[assignment,misc]
    config = load_config(
        None,
        {
            "data_directory": Path(directory),
            "http": {"port": 0},
            "websocket": {"port": 0, "workers": int(workers)},
            "limits": {"sends_per_s": 1e6, "send_burst": 1_000_000},
            "log": {"level": "warning"},
        },
    )
    configure_logging(config.log)
    run_until_signal(lambda stop: main(config, stop))
