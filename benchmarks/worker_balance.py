"""How connections spread over the workers of a door, three ways: `python -m benchmarks.worker_balance`.

    reuseport   a listening socket a worker on one port, the kernel chooses by a hash (what `--workers` does)
    shared      one listening socket in every worker's epoll set, whoever wakes first accepts
    handed      one process accepts and hands each connection to the worker whose turn it is (SCM_RIGHTS, `export` and
                `adopt`)

Connections come in a storm (64 handshakes at a time) and then one after another; all stay. Printed: connections of the
fullest and of the emptiest worker by the mean, handshakes a second, CPU of all the server's processes a handshake.
Rounds are interleaved; medians.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psutil
import uvloop

from xinyu._fast import engine as fast
from xinyu.gateway.listener import bound_port, listen, listen_shared

WAYS: Final = ("reuseport", "shared", "handed")
STORM_AT_ONCE: Final = 64
REQUEST: Final = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@dataclass(frozen=True)
class Figures:
    """Of one way and one round."""

    fullest: float
    emptiest: float
    per_s: float
    cpu_us: float


def fork(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def serve(engine: fast.Engine, listening: socket.socket | None, handed: socket.socket | None) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        if listening is not None:
            engine.listen(listening)
        loop.add_reader(engine.fileno(), engine.poll)

        def take() -> None:
            assert handed is not None
            while True:
                try:
                    state, descriptors, _, _ = socket.recv_fds(handed, 65536, 1)
                except BlockingIOError:
                    return
                engine.adopt(descriptors[0], state)

        if handed is not None:
            handed.setblocking(False)
            loop.add_reader(handed.fileno(), take)
        await asyncio.Event().wait()

    uvloop.run(main())


def hand_out(listening: socket.socket, workers: list[socket.socket]) -> None:
    """The accepting process: to each worker in turn, which is the one with fewest where all stay."""
    turn = 0

    def on_upgrade(id: int, *_: object) -> None:
        nonlocal turn
        exported = engine.export(id)
        if exported is not None:
            descriptor, state = exported
            socket.send_fds(workers[turn], [state], [descriptor])
            os.close(descriptor)
            turn = (turn + 1) % len(workers)

    engine = fast.Engine(on_upgrade=on_upgrade)
    serve(engine, listening, None)


def start(way: str, count: int) -> tuple[int, list[int], list[int]]:
    """The port, the workers' process ids, and those of all processes."""
    if way == "reuseport":
        sockets = listen_shared("127.0.0.1", 0, count)
        port = bound_port(sockets[0])
        pids = [fork(lambda sock=sock: serve(fast.Engine(echo=True), sock, None)) for sock in sockets]  # type: ignore[misc]
        for sock in sockets:
            sock.close()
        return port, pids, pids
    listening = listen("127.0.0.1", 0)
    port = bound_port(listening)
    if way == "shared":
        pids = [fork(lambda: serve(fast.Engine(echo=True), listening, None)) for _ in range(count)]
        listening.close()
        return port, pids, pids
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
    pids = [fork(lambda end=end: serve(fast.Engine(echo=True), None, end)) for _, end in pairs]  # type: ignore[misc]
    accepting = fork(lambda: hand_out(listening, [ours for ours, _ in pairs]))
    listening.close()
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
    return port, pids, [*pids, accepting]


async def connect(port: int, count: int, at_once: int, kept: list[socket.socket]) -> None:
    loop, slot = asyncio.get_running_loop(), asyncio.Semaphore(at_once)

    async def one() -> None:
        async with slot:
            client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, REQUEST)
            assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 101 ")
            kept.append(client)

    await asyncio.gather(*(one() for _ in range(count)))


def cpu_s(pids: list[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


async def measure(way: str, workers: int, connections: int, at_once: int) -> Figures:
    port, pids, all_pids = start(way, workers)
    kept: list[socket.socket] = []
    try:
        await asyncio.sleep(0.3)
        before_s, loop = cpu_s(all_pids), asyncio.get_running_loop()
        began_s = loop.time()
        await connect(port, connections, at_once, kept)
        took_s = loop.time() - began_s
        spent_s = cpu_s(all_pids) - before_s
        counts = [
            sum(held.status == psutil.CONN_ESTABLISHED for held in psutil.Process(pid).net_connections("tcp"))
            for pid in pids
        ]
    finally:
        for client in kept:
            client.close()
        for pid in all_pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # noqa: ASYNC222 - it has been killed, and this loop has nothing else to do
    mean = sum(counts) / len(counts)
    return Figures(max(counts) / mean, min(counts) / mean, connections / took_s, spent_s / connections * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found: dict[tuple[str, str], list[Figures]] = {}
    for _ in range(options.rounds):
        for arrival, at_once in (("storm", STORM_AT_ONCE), ("one by one", 1)):
            for way in WAYS:
                figures = uvloop.run(measure(way, options.workers, options.connections, at_once))
                found.setdefault((arrival, way), []).append(figures)
    print(f"{options.workers} workers, {options.connections} connections, median of {options.rounds}")
    print(f"{'':24}{'fullest':>10}{'emptiest':>10}{'a second':>10}{'CPU, us':>10}")
    for (arrival, way), rounds in found.items():
        fullest, emptiest = (statistics.median(getattr(r, name) for r in rounds) for name in ("fullest", "emptiest"))
        per_s, cpu_us = (statistics.median(getattr(r, name) for r in rounds) for name in ("per_s", "cpu_us"))
        print(f"{arrival + ', ' + way:24}{fullest:10.2f}{emptiest:10.2f}{per_s:10.0f}{cpu_us:10.1f}")


if __name__ == "__main__":
    main()
