"""Redis for tests, single and Cluster: links whose names nobody else uses."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.local_servers import local_server
from xinyu.base.clock import SystemClock
from xinyu.base.config import RedisSettings
from xinyu.storage.redis_link import RedisLink
from xinyu_services.cli.local_servers.redis import RedisServer
from xinyu_services.cli.local_servers.server import free_port


class RedisClusterServer(RedisServer):
    """A Cluster of one node, which has all slots."""

    def __init__(self, directory: Path, *, port: int) -> None:
        super().__init__(directory, port=port)
        # Unless told, it is the other plus 10,000: a number that the system gives to connections.
        self.bus_port = free_port()

    def command(self) -> Sequence[str]:
        options = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
        return [*super().command(), *options, "--cluster-port", str(self.bus_port)]

    def start(self, timeout_s: float = 60.0) -> None:
        super().start(timeout_s)
        ask(self, "cluster", "addslotsrange", "0", "16383")
        deadline_s = time.monotonic() + timeout_s
        while "cluster_state:ok" not in ask(self, "cluster", "info"):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def ask(server: RedisServer, *command: str) -> str:
    """One command by redis-cli."""
    done = subprocess.run(
        ["redis-cli", "-p", str(server.port), *command], check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisClusterServer]:
    with local_server(RedisClusterServer) as server:
        yield server


@asynccontextmanager
async def redis_link(server: RedisServer, **settings: object) -> AsyncIterator[RedisLink]:
    """`settings` are those of RedisSettings."""
    values = {
        "url": server.url,
        "cluster": isinstance(server, RedisClusterServer),
        "prefix": f"test-{secrets.token_hex(6)}:",
        "timeout_s": 5.0,
        **settings,
    }
    link = RedisLink(RedisSettings.model_validate(values), SystemClock())
    try:
        yield link
    finally:
        await link.close()
