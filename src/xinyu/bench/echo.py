"""Messages to and fro: N connections, each with `depth` messages in flight, or a fixed rate over all of them.

Without a rate each answer starts the next message, and the figure is how many a second that makes. With a rate,
messages are sent when they are due, and a latency counts from that moment even if the client or the server was late: a
pause of the server shows in every message that it held up.
"""

from __future__ import annotations

from dataclasses import dataclass

from xinyu.bench.clients import MAX_PAYLOAD_BYTES, ClientOptions, Clients
from xinyu.bench.error import require
from xinyu.bench.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoOptions:
    """`messages`: so many in all, instead of `seconds` after `warmup_s`. `per_s`: 0 = as fast as answers come."""

    connections: int = 100
    seconds: float = 10.0
    warmup_s: float = 1.0
    size_bytes: int = 32
    depth: int = 1
    binary: bool = False
    per_s: float = 0.0
    messages: int | None = None


def run(client: ClientOptions, echo: EchoOptions) -> Report:
    """BenchError: see Clients, or the server is no echo server."""
    require(0 <= echo.size_bytes <= MAX_PAYLOAD_BYTES, f"a message has 0 to {MAX_PAYLOAD_BYTES} bytes")
    require(0 < echo.seconds <= 86_400, "seconds must lie above 0 and not above 86400")
    require(0 <= echo.warmup_s <= 3600, "the warm-up must lie between 0 and 3600 s")
    require(0 <= echo.per_s < 1e9, "a rate is not negative and below 1e9")
    require(echo.messages is None or 1 <= echo.messages < 1 << 53, "the number of messages must be positive")
    payload = (b"0123456789abcdefghijklmnopqrstuvwxyz" * (echo.size_bytes // 36 + 1))[: echo.size_bytes]
    with Clients(
        client, connections=echo.connections, depth=echo.depth, payload=payload, is_text=not echo.binary
    ) as clients:
        clients.open_to(echo.connections)
        return _exchange(clients, echo)


def _exchange(clients: Clients, echo: EchoOptions) -> Report:
    if echo.messages is None:
        clients.load.start_echo(echo.per_s)
        clients.run("warming up", echo.warmup_s)
        clients.latency.reset()
        begin = clients.read()
        clients.run("echo", echo.seconds)
    else:
        begin = clients.read()
        clients.load.start_echo(echo.per_s, echo.messages)
        clients.until(
            "echo",
            lambda stats: stats["received"] + stats["lost"] >= (echo.messages or 0),
            lambda stats: stats["received"],
            received=echo.messages,
        )
    end = clients.read()
    latency = clients.latency.copy()
    clients.load.stop_echo()
    clients.until("the last answers", lambda stats: stats["in_flight"] == 0, lambda stats: stats["received"])
    stats = clients.stats

    elapsed_s, count = end.time_s - begin.time_s, end.stats["received"] - begin.stats["received"]
    report = Report("echo", clients.target.url, latencies={"message": latency})
    report.add("connections", "connections", echo.connections)
    report.add("size_bytes", "bytes a message", echo.size_bytes)
    report.add("depth", "messages in flight a connection", echo.depth)
    report.add("seconds", "measured for, s", elapsed_s, 1)
    report.add("messages", "messages measured", count)
    report.add("messages_per_s", "messages a second", count / elapsed_s)
    report.add("sent", "sent in all", stats["sent"])
    report.add("received", "came back in all", stats["received"])
    if echo.per_s:
        report.add("asked_per_s", "messages a second asked for", echo.per_s)
        if count / elapsed_s < 0.99 * echo.per_s:
            report.warnings.append("the rate that was asked for was not reached")
    clients.describe_use(report, begin, end, count, "message")
    clients.describe_losses(report)
    if stats["sent"] != stats["received"]:
        report.problems.append(f"{stats['sent'] - stats['received']} messages did not come back")
    return report
