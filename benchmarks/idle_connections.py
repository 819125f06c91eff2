"""Many idle, authenticated connections to one embedded server: are all kept, and what does one cost?

    python -m benchmarks.idle_connections [--connections 10000] [--seconds 60] [--heartbeat 10] [--json]

One `xinyu serve` with a data directory of its own; as many users as connections, each connected once over the
`xinyu.v1.json` dialect with a token that the benchmark minted. The server pings each connection that has been silent
for the heartbeat's time; the client answers, and counts it. The client is one process with raw sockets, an epoll
instance and nothing per connection but its descriptor; it binds to 127.0.0.x so that ports do not run out.

Memory is what belongs to the server's user space: private pages of /proc/PID/smaps_rollup (USS; the kernel's socket
buffers are not in it), and per connection the slope between a tenth of the connections and all of them, so that what a
server needs anyway is not divided among them. CPU is the server's user and system time from the moment all are up.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.population import create_data_directory
from benchmarks.raw_websocket import PING, PONG, masked_frame, upgrade_request
from tests.server_process import ServerProcess

CONNECT_DEADLINE_S = 180.0
CONNECTING_AT_ONCE = 200
PORTS_AN_ADDRESS = 5_000
SETTLE_S = 1.0
PING_FRAME_BYTES = 2  # an empty ping: 0x89 0x00


@dataclass(frozen=True, slots=True)
class Report:
    """`dropped`: connections that the server closed, or whose upgrade failed. `server_cpu_percent`: of one core."""

    connections: int
    dropped: int
    seconds: float
    pings_answered: int
    connected_per_s: float
    uss_before_bytes: int
    uss_bytes: int
    bytes_per_connection: float
    server_cpu_percent: float


class IdleClient:
    """All sockets of the load."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._opening: dict[int, bytes] = {}  # what has come so far of answer and session.ready
        self.dropped = 0
        self.pings_answered = 0

    @property
    def open_count(self) -> int:
        return len(self._sockets) - len(self._opening)

    def connect(self, tokens: Iterable[str]) -> None:
        """Opens one connection a token; returns when each has its `session.ready`."""
        deadline_s = time.monotonic() + CONNECT_DEADLINE_S
        waiting = iter(tokens)
        more = True
        while more or self._opening:
            while more and len(self._opening) < CONNECTING_AT_ONCE:
                token = next(waiting, None)
                if token is None:
                    more = False
                else:
                    self._open(token)
            if time.monotonic() > deadline_s:
                raise AssertionError(f"{len(self._opening)} connections are not up after {CONNECT_DEADLINE_S:g} s")
            self.serve(0.05)

    def _open(self, token: str) -> None:
        number = len(self._sockets)
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.bind((f"127.0.0.{2 + number // PORTS_AN_ADDRESS}", 0))
        sock.connect(("127.0.0.1", self._port))
        sock.send(upgrade_request(token, f"idle-{number}"))
        sock.setblocking(False)
        self._sockets[sock.fileno()] = sock
        self._opening[sock.fileno()] = b""
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def serve(self, seconds: float) -> None:
        """Answers pings, and notices what is closed, until something has been quiet for `seconds` or they are over."""
        ends_s = time.monotonic() + seconds
        while (left_s := ends_s - time.monotonic()) > 0:
            ready = self._poll.poll(left_s)
            for descriptor, _ in ready:
                self._read(descriptor)
            if self._opening and len(self._opening) < CONNECTING_AT_ONCE:
                return

    def _read(self, descriptor: int) -> None:
        sock = self._sockets[descriptor]
        try:
            data = sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(descriptor)
        elif descriptor in self._opening:
            self._opening[descriptor] = data = self._opening[descriptor] + data
            if not data.startswith(b"HTTP/1.1 101"):
                self._drop(descriptor)
            elif b'"session.ready"' in data and data.endswith(b"}}"):
                del self._opening[descriptor]
        else:
            self._answer(descriptor, sock, data)

    def _answer(self, descriptor: int, sock: socket.socket, data: bytes) -> None:
        """Nothing but pings is sent to an idle connection."""
        at = 0
        while at < len(data):
            if data[at] != 0x80 | PING or data[at + 1] > 125:
                self._drop(descriptor)
                return
            end = at + PING_FRAME_BYTES + data[at + 1]
            sock.send(masked_frame(data[at + PING_FRAME_BYTES : end], PONG))
            self.pings_answered += 1
            at = end

    def _drop(self, descriptor: int) -> None:
        self.dropped += 1
        self._opening.pop(descriptor, None)
        self._poll.unregister(descriptor)
        self._sockets.pop(descriptor).close()

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
        self._poll.close()


def uss_bytes(pid: int) -> int:
    """Private pages of a process, swapped ones included."""
    total_kib = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("Private_Clean", "Private_Dirty", "Swap"):
            total_kib += int(value.split()[0])
    return total_kib * 1024


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(connections: int, seconds: float, heartbeat_s: float) -> Report:
    with tempfile.TemporaryDirectory(prefix="xinyu-bench-") as scratch:
        directory = Path(scratch) / "data"
        tokens = create_data_directory(directory, users=connections)
        environment = {"XINYU_WEBSOCKET__HEARTBEAT_S": str(heartbeat_s)}
        with ServerProcess(directory, environment=environment) as server:
            client = IdleClient(server.websocket_port)
            try:
                # Signing is not what is measured.
                minted = [tokens.mint(user, "pc") for user in range(1, connections + 1)]
                first = max(1, connections // 10)
                client.connect(minted[:first])
                client.serve(SETTLE_S)
                uss_before = uss_bytes(server.pid)
                began_s = time.monotonic()
                client.connect(minted[first:])
                connected_per_s = (connections - first) / (time.monotonic() - began_s)
                began_s, began_cpu_s, pings_before = time.monotonic(), cpu_s(server.pid), client.pings_answered
                client.serve(seconds)
                elapsed_s, used_s = time.monotonic() - began_s, cpu_s(server.pid) - began_cpu_s
                uss = uss_bytes(server.pid)
                return Report(
                    connections=client.open_count,
                    dropped=client.dropped,
                    seconds=elapsed_s,
                    pings_answered=client.pings_answered - pings_before,
                    connected_per_s=connected_per_s,
                    uss_before_bytes=uss_before,
                    uss_bytes=uss,
                    bytes_per_connection=(uss - uss_before) / (connections - first),
                    server_cpu_percent=100 * used_s / elapsed_s,
                )
            finally:
                client.close()


def print_table(report: Report) -> None:
    mib = 1024 * 1024
    print(f"connections open at the end   {report.connections:10,}")
    print(f"dropped                       {report.dropped:10,}")
    print(f"held for, s                   {report.seconds:10.0f}")
    print(f"pings answered meanwhile      {report.pings_answered:10,}")
    print(f"opened a second               {report.connected_per_s:10,.0f}")
    print(f"server's private memory, MiB  {report.uss_bytes / mib:10.1f}")
    print(f"  with a tenth of them        {report.uss_before_bytes / mib:10.1f}")
    print(f"bytes a connection            {report.bytes_per_connection:10,.0f}")
    print(f"server's CPU, % of one core   {report.server_cpu_percent:10.1f}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_connections", description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--heartbeat", type=float, default=10.0, help="seconds of silence after which the server pings")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args(arguments)
    report = measure(options.connections, options.seconds, options.heartbeat)
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        print_table(report)
    return 1 if report.dropped else 0


if __name__ == "__main__":
    sys.exit(main())
