"""`xinyu cluster run` as its user has it: everything up, scaled, healed, and all of it gone at SIGTERM."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.server_process import CHEAP_ENVIRONMENT
from xinyu_services.cli.cluster_directory import ClusterDirectory
from xinyu_services.cli.local_cluster import LocalCluster
from xinyu_services.cli.local_servers.server import free_port
from xinyu_services.cli.topology import (
    OPS_ABOVE,
    ROLES,
    Role,
    Servers,
    Topology,
    default_topology,
    load_topology,
    save_topology,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

WAIT_S = 200.0


def on_free_ports(topology: Topology) -> Topology:
    """The same roles where nobody else is: a further instance has the next port."""

    def moved(role: Role) -> Role:
        port = free_port(1, 2, OPS_ABOVE, OPS_ABOVE + 1, OPS_ABOVE + 2)
        rpc_port = role.rpc_port and free_port(1, 2)
        return role.model_copy(update={"port": port, "step": 1, "rpc_port": rpc_port})

    return topology.model_copy(
        update={
            "servers": Servers(**{name: free_port() for name in Servers.model_fields}),
            "roles": {name: moved(role) for name, role in topology.roles.items()},
        }
    )


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path: sockets lie in it."""
    directory = Path(tempfile.mkdtemp(prefix="xinyu-c-"))
    directory.chmod(0o755)  # MariaDB does not run as root
    save_topology(on_free_ports(default_topology()), directory / "topology.yaml")
    yield directory
    for group in ("cluster", "env"):
        xinyu(group, "stop", directory=directory)
    shutil.rmtree(directory, ignore_errors=True)


def xinyu(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xinyu_services", *arguments, "--directory", str(directory)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes], output: Path) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline_s, output.read_text()
        time.sleep(0.1)


def test_from_nothing_to_everything_and_back(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CHEAP_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    output = directory / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "xinyu_services", "cluster", "run", "--directory", str(directory)],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: "WebSocket" in output.read_text(), process, output)
        opened = ClusterDirectory(directory)
        cluster, nginx = LocalCluster(opened), opened.nginx
        with urllib.request.urlopen(nginx.url + "/config.json", timeout=20) as answer:
            assert f"ws://127.0.0.1:{nginx.port}/ws" in answer.read().decode()
        pids = {each.process.name: each.pid for each in cluster.status()}
        assert len(pids) == len(ROLES) + 1 and all(pids.values())

        psutil.Process(pids["svc-user-1"]).kill()
        until(lambda: {each.pid for each in cluster.status()}.isdisjoint({0, pids["svc-user-1"]}), process, output)
        until(lambda: not any(each.not_ready for each in cluster.status()), process, output)

        scaled = xinyu("cluster", "scale", "gateway-ws", "3", directory=directory)
        assert scaled.returncode == 0, scaled.stderr
        added = load_topology(directory / "topology.yaml").processes("gateway-ws")[-1]
        assert f"server {added.address} " in nginx.site.read_text()
        status = xinyu("cluster", "status", directory=directory)
        assert status.returncode == 0, status.stdout
        assert "gateway-ws-3" in status.stdout
        again = {each.process.name: each.pid for each in LocalCluster(ClusterDirectory(directory)).status()}
        assert {name: again[name] for name in pids if name != "svc-user-1"} == {
            name: pid for name, pid in pids.items() if name != "svc-user-1"
        }  # no other was touched

        children = [*psutil.Process(process.pid).children(recursive=True), *map(psutil.Process, again.values())]
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0, output.read_text()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert alive == []
        assert not any(server.pid for server in opened.servers)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_role_that_cannot_start_is_told_with_its_last_words(directory: Path) -> None:
    started = xinyu("env", "start", directory=directory)
    assert started.returncode == 0, started.stderr
    refused = xinyu("cluster", "restart", directory=directory)
    assert refused.returncode == 1 and "does not run" in refused.stderr
    # A port that somebody has: the role says so, and ends.
    role = next(iter(load_topology(directory / "topology.yaml").processes("svc-presence")))
    with socket.create_server(("127.0.0.1", role.port)):
        failed = xinyu("cluster", "start", directory=directory)
    assert failed.returncode == 1
    assert "svc-presence-1 ended at its start" in failed.stderr and str(role.port) in failed.stderr
    assert failed.stderr.count("\n") == 1
