"""`xinyu services` against a real ZooKeeper, with a process that answers and one that is gone."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from kazoo.client import KazooClient

from xinyu.discovery import node
from xinyu.discovery.registry import Instance
from xinyu.rpc.probe import ProbeServicer
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import probe_rpc
from xinyu_services.cli.local_servers.server import free_port
from xinyu_services.cli.local_servers.zookeeper import ZooKeeperServer

SECRET = "one secret of this cluster, long"


@contextmanager
def process() -> Iterator[int]:
    """Something that answers Probe, on a thread of its own; its port."""
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    loop = asyncio.new_event_loop()
    servicers = Servicers()
    servicers.serve(probe_rpc.METHODS, ProbeServicer(servicers, version="1.2.3"))

    async def serve() -> RockServer:
        server = RockServer(servicers, secret=SECRET.encode())
        await server.start(sock)
        return server

    server = loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.port
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def hand(zookeeper: ZooKeeperServer) -> Iterator[KazooClient]:
    client = KazooClient(hosts=zookeeper.hosts)
    client.start()
    yield client
    client.stop()
    client.close()


@pytest.fixture
def config(tmp_path: Path, zookeeper: ZooKeeperServer) -> Path:
    file = tmp_path / "xinyu.yaml"
    discovery = {"zookeeper": zookeeper.hosts, "root": f"test-{secrets.token_hex(4)}"}
    file.write_text(yaml.safe_dump({"discovery": discovery, "rpc": {"secret": SECRET}}))
    return file


def run(config: Path, *options: str) -> tuple[int, str, str]:
    # A process of its own: the command sets up logging, which holds for a whole process.
    command = [sys.executable, "-m", "xinyu_services", "services", "--config", str(config), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def register(hand: KazooClient, config: Path, *instances: Instance) -> None:
    root = yaml.safe_load(config.read_text())["discovery"]["root"]
    for instance in instances:
        path = f"{node.providers_path(root, 'im', instance.service)}/{instance.address}"
        hand.create(path, node.encode(instance), makepath=True)


def test_who_is_there_and_how_each_fares(hand: KazooClient, config: Path) -> None:
    gone = free_port()
    with process() as port:
        register(
            hand,
            config,
            Instance("message", f"127.0.0.1:{port}", "rock", 70, "1.2.2", "2026-11-01T00:00:00+00:00", "message-1"),
            Instance("user", f"127.0.0.1:{gone}", "rock", version="1.2.2", instance_id="user-1", state="draining"),
            Instance("ws", "127.0.0.1:8081", "ws", started_at="2020-01-01T00:00:00+00:00", instance_id="ws-1"),
        )
        code, out, _ = run(config, "--json")
        assert code == 0
        ws, message, user = json.loads(out)
        assert (message["in_flight"], message["version"], message["weight"], message["problem"]) == (0, "1.2.3", 70, "")
        assert 0 <= message["uptime_ms"] < 120_000  # its own word, not the node's
        assert (user["in_flight"], user["state"], user["problem"]) == (None, "draining", "unavailable")
        assert ws["uptime_ms"] > 86_400_000 and ws["in_flight"] is None and ws["problem"] == ""
        code, out, _ = run(config)
    assert code == 0
    titles, *rows = out.splitlines()
    assert titles.split() == ["service", "address", "kind", "version", "weight", "state", "uptime", "in", "flight",
                              "instance"]  # fmt: skip
    assert [row.split()[0] for row in rows] == ["ws", "message", "user"]
    assert rows[1].split()[1:6] == [f"127.0.0.1:{port}", "rock", "1.2.3", "70", "up"]
    assert rows[1].split()[-2:] == ["0", "message-1"] and "unavailable" in rows[2]


def test_nobody(config: Path) -> None:
    assert run(config) == (0, "nobody is there\n", "")
    assert json.loads(run(config, "--json")[1]) == []


def test_failures_are_one_line(tmp_path: Path) -> None:
    port = free_port()
    file = tmp_path / "xinyu.yaml"
    for settings, told in (
        ({}, "there is nowhere to look: neither discovery.zookeeper nor discovery.addresses is set"),
        ({"zookeeper": f"127.0.0.1:{port}"}, f"ZooKeeper at 127.0.0.1:{port} does not answer"),
        ({"addresses": {"user": ["nowhere"]}}, "discovery.addresses: 'nowhere' is no host:port"),
    ):
        file.write_text(yaml.safe_dump({"discovery": settings}))
        code, out, error = run(file)
        assert (code, out, error) == (1, "", f"xinyu: {told}\n")
    file.write_text(yaml.safe_dump({"discovery": {"zookeeper": "127.0.0.1:port"}}))
    code, out, error = run(file)
    assert (code, out) == (1, "") and error.startswith("xinyu: discovery.zookeeper: ") and error.count("\n") == 1


def test_fixed_addresses_need_no_zookeeper(tmp_path: Path) -> None:
    file = tmp_path / "xinyu.yaml"
    with process() as port:
        settings = {"addresses": {"user": [f"127.0.0.1:{port}"]}}
        file.write_text(yaml.safe_dump({"discovery": settings, "rpc": {"secret": SECRET}}))
        (line,) = json.loads(run(file, "--json")[1])
    assert (line["service"], line["version"], line["in_flight"]) == ("user", "1.2.3", 0)
