"""Opening handshakes: N connections as fast as the server takes them, all kept until the end."""

from __future__ import annotations

from dataclasses import dataclass

from xinyu.bench.clients import ClientOptions, Clients
from xinyu.bench.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    connections: int = 1000


def run(client: ClientOptions, connect: ConnectOptions) -> Report:
    """BenchError: see Clients."""
    with Clients(client, connections=connect.connections) as clients:
        begin = clients.read()
        clients.open_to(connect.connections)
        end = clients.read()
        elapsed_s = end.time_s - begin.time_s
        report = Report("connect", clients.target.url, latencies={"handshake": clients.handshake.copy()})
        report.add("connections", "connections", connect.connections)
        report.add("open", "open at the end", clients.stats["open"])
        report.add("seconds", "opened within, s", elapsed_s, 3)
        report.add("handshakes_per_s", "handshakes a second", connect.connections / elapsed_s)
        clients.describe_use(report, begin, end, connect.connections, "handshake")
        clients.describe_losses(report)
        return report
