"""Connections that do nothing but answer pings: are all kept, and what does one cost?

Memory a connection is the slope between two counts, so that what a server needs anyway is not divided among them. Read
at more counts, memory becomes a curve that shows where a table grows or a limit is met.
"""

from __future__ import annotations

from dataclasses import dataclass

from xinyu.bench import meter, svg
from xinyu.bench.clients import ClientOptions, Clients
from xinyu.bench.error import require
from xinyu.bench.report import Report

SETTLE_S = 1.0
FIRST_SHARE = 15  # 1,000 of 15,000
MAX_READINGS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleOptions:
    """`first`: the smaller of the two counts, None = a fifteenth. `readings`: counts at which memory is read, evenly
    spaced from the first to all. `seconds`: how long all are held."""

    connections: int = 1000
    first: int | None = None
    readings: int = 2
    seconds: float = 10.0


def run(client: ClientOptions, idle: IdleOptions, *, settle_s: float = SETTLE_S) -> Report:
    """What was opened settles for `settle_s` before memory is read.

    The curves "user_bytes" (if the server is metered) and "kernel_bytes" are what memory has grown by since there
    was no connection, over the number of connections. BenchError: see Clients.
    """
    first = max(1, idle.connections // FIRST_SHARE) if idle.first is None else idle.first
    require(idle.connections >= 2, "two counts of connections are compared: ask for at least 2")
    require(1 <= first < idle.connections, f"the first count must lie between 1 and {idle.connections - 1}")
    require(2 <= idle.readings <= MAX_READINGS, f"memory is read at 2 to {MAX_READINGS} counts")
    require(0 <= idle.seconds <= 86_400 * 7, "seconds must lie between 0 and a week")
    more = idle.connections - first
    counts = [0, *sorted({first + more * step // (idle.readings - 1) for step in range(idle.readings)})]
    with Clients(client, connections=idle.connections) as clients:
        user_bytes, kernel_bytes = [], []
        for count in counts:
            if count:
                clients.open_to(count)
                # The slope is that of the first and the last: between, a glance is enough.
                clients.run("settling", settle_s if count in (first, idle.connections) else settle_s / 4)
            user_bytes.append(clients.private_bytes() if clients.meters_server else 0)
            kernel_bytes.append(meter.kernel_bytes())
        pings_before, begin = clients.stats["pings"], clients.read()
        clients.run("idle", idle.seconds)
        end, stats = clients.read(), clients.stats

        report = Report("idle", clients.target.url)
        report.add("connections", "connections", idle.connections)
        report.add("open", "open at the end", stats["open"])
        report.add("seconds", "held for, s", end.time_s - begin.time_s, 1)
        report.add("pings", "pings answered meanwhile", stats["pings"] - pings_before)
        report.add("first", "connections at the first reading", first)
        if clients.meters_server:
            report.add("user_bytes_first", "server's private memory then, bytes", user_bytes[1])
            report.add("user_bytes_all", "server's private memory with all, bytes", user_bytes[-1])
            slope = (user_bytes[-1] - user_bytes[1]) / more
            report.add("user_bytes_per_connection", "private memory a connection, bytes", slope)
            report.curves["user_bytes"] = _growth(counts, user_bytes)
        ends = "both ends" if clients.target.is_loopback else "this end"
        report.add(
            "kernel_bytes_per_connection",
            f"kernel memory a connection, {ends}, bytes",
            (kernel_bytes[-1] - kernel_bytes[1]) / more,
        )
        report.curves["kernel_bytes"] = _growth(counts, kernel_bytes)
        if end.time_s > begin.time_s:
            clients.describe_use(report, begin, end, 0, "message")
        clients.describe_losses(report)
        return report


def memory_chart(report: Report) -> str:
    """SVG: the curves of an idle report, in MiB, each with its slope."""
    names = {"user_bytes": "server's private memory", "kernel_bytes": "the kernel's sockets and buffers"}
    panels = {}
    for key, points in report.curves.items():
        slope = report.value(f"{key}_per_connection")
        name = f"{names[key]}, MiB more than with no connection ({slope:,.0f} bytes a connection)"
        panels[name] = [(count, grown / 1024**2) for count, grown in points]
    return svg.line_panels(f"idle on {report.url}", "connections", panels)


def _growth(counts: list[int], values: list[int]) -> list[tuple[float, float]]:
    return [(count, value - values[0]) for count, value in zip(counts, values, strict=True)]
