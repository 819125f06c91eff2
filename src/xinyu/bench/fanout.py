"""One message to everybody: the text `go R` asks the server for R text frames of 128 bytes to every open connection.

XinYu's echo mode understands it, as do the servers under benchmarks/. A round is over when each connection has all of
its frames; the next one begins then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xinyu._fast import histogram
from xinyu.bench.clients import ClientOptions, Clients
from xinyu.bench.error import BenchError, require
from xinyu.bench.report import Report

FRAME_BYTES: Final = 128
_SETTLE_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class FanoutOptions:
    """`burst`: frames to each connection a round. One round more, unmeasured, goes before."""

    connections: int = 1000
    rounds: int = 20
    burst: int = 1


def run(client: ClientOptions, fanout: FanoutOptions) -> Report:
    """BenchError: see Clients, or the server does not understand `go R`."""
    require(1 <= fanout.rounds <= 1_000_000, "rounds must lie between 1 and 1000000")
    require(1 <= fanout.burst <= 1_000_000, "the burst must lie between 1 and 1000000")
    with Clients(client, connections=fanout.connections) as clients:
        clients.open_to(fanout.connections)
        return _broadcast(clients, fanout)


def _one_round(clients: Clients, command: str, received: int) -> None:
    """Asks, and returns when so many frames have come since the beginning."""
    clients.load.send_text(command.encode())
    clients.until(
        "fan-out",
        lambda stats: stats["received"] >= received or stats["lost"] > 0,
        lambda stats: stats["received"],
        received=received,
        stalled=f"not every connection got its frames: does this server understand the text {command!r}?",
    )
    if clients.stats["lost"]:
        raise BenchError(f"a connection was lost during the fan-out: {clients.load.failure()}")


def _broadcast(clients: Clients, fanout: FanoutOptions) -> Report:
    command = f"go {fanout.burst}"
    frames = fanout.connections * fanout.burst
    rounds = histogram.Histogram()
    clients.load.expect_size(FRAME_BYTES)
    begin = clients.read()
    for number in range(fanout.rounds + 1):
        if number == 1:
            clients.latency.reset()
            begin = clients.read()
        started_s = clients.read().time_s
        _one_round(clients, command, frames * (number + 1))
        if number:
            rounds.record(int((clients.read().time_s - started_s) * 1e9))
    end = clients.read()
    clients.run("settling", _SETTLE_S)  # what should not come would come now

    count, elapsed_s = fanout.rounds * frames, end.time_s - begin.time_s
    report = Report("fanout", clients.target.url, latencies={"frame": clients.latency.copy(), "round": rounds})
    least, most = clients.load.messages_range()
    report.add("connections", "connections", fanout.connections)
    report.add("rounds", "rounds", fanout.rounds)
    report.add("burst", "frames to a connection a round", fanout.burst)
    report.add("frames", "frames measured", count)
    report.add("frames_per_s", "frames a second", count / elapsed_s)
    report.add("least_per_connection", "frames of the connection with the fewest", least)
    report.add("most_per_connection", "frames of the connection with the most", most)
    clients.describe_use(report, begin, end, count, "frame")
    clients.describe_losses(report)
    each = (fanout.rounds + 1) * fanout.burst
    if (least, most) != (each, each):
        report.problems.append(f"each connection should have got {each} frames, and got {least} to {most}")
    return report
