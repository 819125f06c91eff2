"""Coming and going: N connections are held while the oldest are closed, by a closing handshake, and new ones take their
place. Each new one has a message echoed before it may be closed in its turn (`messages` 0: none)."""

from __future__ import annotations

from dataclasses import dataclass

from xinyu.bench.clients import ClientOptions, Clients
from xinyu.bench.error import require
from xinyu.bench.report import Report

_PAYLOAD = b"hello from a new connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnOptions:
    """`per_s`: connections replaced a second, 0 = as fast as it goes."""

    connections: int = 1000
    seconds: float = 10.0
    per_s: float = 0.0
    messages: int = 1


def run(client: ClientOptions, churn: ChurnOptions) -> Report:
    """BenchError: see Clients."""
    require(0 < churn.seconds <= 86_400, "seconds must lie above 0 and not above 86400")
    require(0 <= churn.per_s < 1e9, "a rate is not negative and below 1e9")
    require(0 <= churn.messages <= 1_000_000, "messages a connection must lie between 0 and 1000000")
    with Clients(client, connections=churn.connections, spare=client.at_once, payload=_PAYLOAD) as clients:
        clients.open_to(churn.connections)
        clients.handshake.reset()
        begin = clients.read()
        clients.load.start_turning(churn.messages, churn.per_s)
        clients.run("churn", churn.seconds)
        end = clients.read()
        handshake, latency = clients.handshake.copy(), clients.latency.copy()
        clients.load.stop_turning()
        clients.until(
            "the last ones",
            lambda stats: not (stats["connecting"] or stats["closing"] or stats["in_flight"])
            and stats["open"] + stats["lost"] >= churn.connections,
            lambda stats: stats["received"] + stats["closed"] + stats["opened"],
        )
        stats = clients.stats
        elapsed_s, count = end.time_s - begin.time_s, end.stats["opened"] - begin.stats["opened"]
        report = Report("churn", clients.target.url, latencies={"handshake": handshake})
        if churn.messages:
            report.latencies["first message"] = latency
        report.add("connections", "connections held", churn.connections)
        report.add("seconds", "measured for, s", elapsed_s, 1)
        report.add("replaced_per_s", "connections replaced a second", count / elapsed_s)
        report.add("opened", "opened in all", stats["opened"])
        report.add("closed", "closed in all", stats["closed"])
        report.add("sent", "messages sent", stats["sent"])
        report.add("received", "messages that came back", stats["received"])
        report.add("open", "open at the end", stats["open"])
        clients.describe_use(report, begin, end, count, "connection")
        clients.describe_losses(report)
        if stats["sent"] != stats["received"]:
            report.problems.append(f"{stats['sent'] - stats['received']} messages did not come back")
        return report
