"""Servers of others that we start: they answer when `start` returns, are found again by their directory, and end."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.local_servers import local_server, new_database
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.local_servers.mariadb import MariaDbServer
from xinyu_services.cli.local_servers.nginx import NginxServer
from xinyu_services.cli.local_servers.redis import RedisServer
from xinyu_services.cli.local_servers.server import LocalServer, exchange, free_port, is_port_taken
from xinyu_services.cli.local_servers.zookeeper import ZooKeeperServer


@pytest.mark.parametrize("kind", [RedisServer, ZooKeeperServer, MariaDbServer, NginxServer])
def test_answers_is_found_and_ends(kind: type[LocalServer]) -> None:
    with local_server(kind) as server:
        assert server.answers()
        found = kind(server.directory, port=server.port)
        assert found.pid == server.pid
        found.begin()  # runs already: nothing to do
        assert found.pid == server.pid
        found.stop()
        assert server.pid is None
        assert not server.answers()
        server.start()  # again, in the same directory
        assert server.answers()
    assert not is_port_taken(server.port)


def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        with pytest.raises(CommandError, match="it is taken"):
            RedisServer(tmp_path, port=taken.getsockname()[1]).start()


def test_a_failed_start_tells_the_last_words_of_the_log(tmp_path: Path) -> None:
    class Wrong(RedisServer):
        def command(self) -> list[str]:
            return [*super().command(), "--no-such-setting", "1"]

    with pytest.raises(CommandError, match="no-such-setting"):
        Wrong(tmp_path, port=free_port()).start()


def test_a_pid_file_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "redis.pid").write_text("1\n")
    server = RedisServer(tmp_path, port=free_port())
    assert server.pid is None
    server.stop()  # kills nobody


def test_databases_are_apart(mariadb: MariaDbServer) -> None:
    assert new_database(mariadb) != new_database(mariadb)
    assert b"MariaDB" in exchange("127.0.0.1", mariadb.port, b"")
