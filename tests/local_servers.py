"""MariaDB, Redis and ZooKeeper for tests: real ones, one of each a test run, on free ports, ended by pid.

What a test stores stands under names of its own: `new_database` makes an empty database in the common server. A test
that stops or kills a server starts one for itself with `local_server`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from xinyu_services.cli.local_servers.mariadb import MariaDbServer
from xinyu_services.cli.local_servers.redis import RedisServer
from xinyu_services.cli.local_servers.server import LocalServer, find_program, free_port
from xinyu_services.cli.local_servers.zookeeper import ZooKeeperServer

Kind = TypeVar("Kind", bound=LocalServer)


@contextmanager
def local_server(kind: type[Kind]) -> Iterator[Kind]:
    """One server, started; it and its files are gone afterwards."""
    scratch = Path(tempfile.mkdtemp(prefix="xinyu-test-"))
    # MariaDB does not run as root, and its own user must reach its files.
    os.chmod(scratch, 0o755)
    server = kind(scratch / kind.name, port=free_port())
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDbServer]:
    with local_server(MariaDbServer) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with local_server(RedisServer) as server:
        yield server


@pytest.fixture(scope="session")
def zookeeper() -> Iterator[ZooKeeperServer]:
    with local_server(ZooKeeperServer) as server:
        yield server


def new_database(server: MariaDbServer) -> str:
    """The URL of a database that nobody else uses, and that holds nothing yet."""
    name = f"test_{secrets.token_hex(6)}"
    subprocess.run(
        [
            find_program("mariadb") or "mariadb",
            *("--no-defaults", f"--socket={server.socket}", "--user=root"),
            *("-e", f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        ],
        check=True,
        timeout=20,
    )
    return server.database_url(name)
