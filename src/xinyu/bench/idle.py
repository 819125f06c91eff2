"""Connections that do nothing but answer pings: are all kept, and what does one cost?

Memory a connection is the slope between two counts, so that what a server needs anyway is not divided among them.
"""

from __future__ import annotations

from dataclasses import dataclass

from xinyu.bench import meter
from xinyu.bench.clients import ClientOptions, Clients
from xinyu.bench.error import require
from xinyu.bench.report import Report

SETTLE_S = 1.0
FIRST_SHARE = 15  # 1,000 of 15,000


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleOptions:
    """`first`: the smaller of the two counts, None = a fifteenth. `seconds`: how long all are held."""

    connections: int = 1000
    first: int | None = None
    seconds: float = 10.0


def run(client: ClientOptions, idle: IdleOptions, *, settle_s: float = SETTLE_S) -> Report:
    """BenchError: see Clients."""
    first = max(1, idle.connections // FIRST_SHARE) if idle.first is None else idle.first
    require(idle.connections >= 2, "two counts of connections are compared: ask for at least 2")
    require(1 <= first < idle.connections, f"the first count must lie between 1 and {idle.connections - 1}")
    require(0 <= idle.seconds <= 86_400 * 7, "seconds must lie between 0 and a week")
    with Clients(client, connections=idle.connections) as clients:
        clients.open_to(first)
        clients.run("settling", settle_s)
        user_before = clients.private_bytes() if clients.meters_server else 0
        kernel_before = meter.kernel_bytes()
        clients.open_to(idle.connections)
        clients.run("settling", settle_s)
        user_after = clients.private_bytes() if clients.meters_server else 0
        kernel_after = meter.kernel_bytes()
        pings_before, begin = clients.stats["pings"], clients.read()
        clients.run("idle", idle.seconds)
        end, stats = clients.read(), clients.stats

        report = Report("idle", clients.target.url)
        more = idle.connections - first
        report.add("connections", "connections", idle.connections)
        report.add("open", "open at the end", stats["open"])
        report.add("seconds", "held for, s", end.time_s - begin.time_s, 1)
        report.add("pings", "pings answered meanwhile", stats["pings"] - pings_before)
        report.add("first", "connections at the first reading", first)
        if clients.meters_server:
            report.add("user_bytes_first", "server's private memory then, bytes", user_before)
            report.add("user_bytes_all", "server's private memory with all, bytes", user_after)
            slope = (user_after - user_before) / more
            report.add("user_bytes_per_connection", "private memory a connection, bytes", slope)
        ends = "both ends" if clients.target.is_loopback else "this end"
        report.add(
            "kernel_bytes_per_connection",
            f"kernel memory a connection, {ends}, bytes",
            (kernel_after - kernel_before) / more,
        )
        if end.time_s > begin.time_s:
            clients.describe_use(report, begin, end, 0, "message")
        clients.describe_losses(report)
        return report
