"""`xinyu env` as its user has it: four servers of others, started, found again, and ended."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from xinyu_services.cli.local_servers.server import free_port, is_port_taken
from xinyu_services.cli.topology import Servers, default_topology, save_topology

pytestmark = pytest.mark.e2e

NAMES = ("mariadb", "redis", "zookeeper", "nginx")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path: sockets lie in it."""
    directory = Path(tempfile.mkdtemp(prefix="xinyu-e-"))
    directory.chmod(0o755)  # MariaDB does not run as root
    ports = {name: free_port() for name in NAMES}
    save_topology(default_topology().model_copy(update={"servers": Servers(**ports)}), directory / "topology.yaml")
    yield directory
    xinyu(directory, "stop")
    shutil.rmtree(directory, ignore_errors=True)


def xinyu(directory: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xinyu_services", "env", command, "--directory", str(directory)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def pids(directory: Path) -> dict[str, str]:
    """By server, of those that are up."""
    lines = [line.split() for line in xinyu(directory, "status").stdout.splitlines()[1:]]
    return {name: pid for name, state, pid, _port in lines if state == "up"}


def test_servers_are_started_found_and_ended(directory: Path) -> None:
    started = xinyu(directory, "start")
    assert started.returncode == 0, started.stderr
    assert [line.split()[0] for line in started.stdout.splitlines()] == list(NAMES)
    before = pids(directory)
    assert set(before) == set(NAMES)
    settings = yaml.safe_load((directory / "xinyu.yaml").read_text())
    assert (directory / "xinyu.yaml").stat().st_mode & 0o077 == 0
    assert len(settings["rpc"]["secret"]) == 64

    again = xinyu(directory, "start")
    assert again.returncode == 0 and again.stdout.count("is up") == 4
    assert pids(directory) == before
    assert yaml.safe_load((directory / "xinyu.yaml").read_text()) == settings

    # nginx stands in front of gateways that do not run yet.
    port = yaml.safe_load((directory / "topology.yaml").read_text())["servers"]["nginx"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20)
    caught.value.close()
    assert caught.value.code in (502, 503)

    stopped = xinyu(directory, "stop")
    assert stopped.returncode == 0
    assert [line.split()[0] for line in stopped.stdout.splitlines()] == list(reversed(NAMES))
    assert xinyu(directory, "status").returncode == 1
    assert not is_port_taken(port)


def test_a_failed_start_tells_the_last_words_of_the_server(directory: Path) -> None:
    (directory / "servers" / "redis").mkdir(parents=True)
    (directory / "servers" / "mariadb" / "data" / "mysql").mkdir(parents=True)  # looks prepared, and is not
    failed = xinyu(directory, "start")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1 and "mariadb ended at its start" in failed.stderr
    assert "mariadb.log says:" in failed.stderr
