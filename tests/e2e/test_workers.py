"""`xinyu serve --workers N`: gateways in processes of their own behind one port, and what their deaths cost.

What people can do with them is in test_sdk.py, which runs on both.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.server_process import ServerProcess
from xinyu.client import SINGLE, Client

pytestmark = pytest.mark.e2e

WORKERS = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", arguments=["--workers", str(WORKERS)]) as server:
        yield server


def workers(server: ServerProcess) -> list[psutil.Process]:
    return [child for child in psutil.Process(server.pid).children() if "worker_process" in " ".join(child.cmdline())]


def held(worker: psutil.Process, server: ServerProcess) -> int:
    """Its clients' connections."""
    return sum(
        connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == server.websocket_port
        for connection in worker.net_connections("tcp")
    )


async def join(server: ServerProcess, number: int) -> Client:
    client = Client(server.http_url)
    await client.register(f"Person {number}", f"137{number:08}", "a good password")
    await client.start()
    return client


async def test_a_killed_worker_costs_a_reconnect_and_no_message(server: ServerProcess) -> None:
    ada = await join(server, 1)
    people = [ada]
    try:
        for number in range(2, 8):
            people.append(await join(server, number))
        friends = people[1:]
        for friend in friends:
            await ada.apply(friend.user_id, "it is me")
            [application] = await friend.applications()
            await friend.accept(application.id)
        before = workers(server)
        assert len(before) == WORKERS
        sent: list[str] = []

        async def write() -> None:
            for number in range(60):
                friend = friends[number % len(friends)]
                sent.append((await ada.send_text(SINGLE, friend.user_id, f"message {number}")).msg_id)
                await asyncio.sleep(0.02)

        writing = asyncio.create_task(write())
        for worker in before:
            await asyncio.sleep(0.3)
            worker.kill()
        async with asyncio.timeout(60):
            await writing
            for place, friend in enumerate(friends):
                talk = friend.talk(SINGLE, ada.user_id)
                assert talk is not None
                while [r.msg_id for r in friend.replica.records(talk.talk_id) if r.msg_id in sent] != sent[place::6]:
                    await asyncio.sleep(0.02)
            while len(workers(server)) < WORKERS:
                await asyncio.sleep(0.02)
        assert not {worker.pid for worker in before} & {worker.pid for worker in workers(server)}
    finally:
        for client in people:
            await client.close()
    assert "by SIGKILL" in server.log
    assert "Traceback" not in server.log


async def test_connections_are_spread(server: ServerProcess) -> None:
    clients = [await asyncio.open_connection("127.0.0.1", server.websocket_port) for _ in range(300)]
    try:
        async with asyncio.timeout(30):
            while sum(counts := [held(worker, server) for worker in workers(server)]) < len(clients):
                await asyncio.sleep(0.05)
        # By hash: with 300 over 3 the chance of fewer than 40 in one is below one in 10**15.
        assert min(counts) >= 40
    finally:
        for _, writer in clients:
            writer.close()


def test_all_processes_end_with_the_server(server: ServerProcess) -> None:
    before = workers(server)
    assert server.stop() == 0
    _, alive = psutil.wait_procs(before, timeout=10)
    assert alive == []
    server.start()
    before = workers(server)
    server.kill()
    _, alive = psutil.wait_procs(before, timeout=10)
    assert alive == []
    assert "Traceback" not in server.log
    server.start()


def test_a_port_that_is_taken_is_told_at_once(server: ServerProcess, tmp_path: Path) -> None:
    second = subprocess.run(
        [
            *(sys.executable, "-m", "xinyu_services", "serve", "--workers", "2"),
            *("--data-directory", str(tmp_path / "other"), "--http-port", "0"),
            *("--ws-port", str(server.websocket_port)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr == f"xinyu: cannot listen on 127.0.0.1:{server.websocket_port}: Address already in use\n"


def test_echo_workers_share_a_port_and_end_together() -> None:
    process = subprocess.Popen(
        [*(sys.executable, "-m", "xinyu_services", "run", "gateway-ws"), "--echo", "--port", "0", "--workers", "2"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port, pids = int(line.split("/")[2].split(":")[1]), [int(word) for word in line.split("workers ")[1].split()]
        assert len(pids) == 2
        answered = set()
        deadline_s = time.monotonic() + 30
        while len(answered) < 2 and time.monotonic() < deadline_s:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(
                    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                )
                assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
                answered |= {
                    pid
                    for pid in pids
                    if any(
                        connection.raddr and connection.raddr.port == client.getsockname()[1]
                        for connection in psutil.Process(pid).net_connections("tcp")
                    )
                }
        assert answered == set(pids)
        workers = [psutil.Process(pid) for pid in pids]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert alive == []
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
