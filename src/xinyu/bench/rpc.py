"""Rock calls to and fro: so many in flight on one connection, or a fixed rate; each answer must be what was sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xinyu._fast import histogram
from xinyu.bench.drive import DriveOptions, Driver, prepare
from xinyu.bench.error import BenchError, require
from xinyu.bench.report import Report
from xinyu.bench.rock_load import RockLoad
from xinyu.wire.v1 import probe_pb2
from xinyu.wire.v1.probe_rpc import ECHO

MAX_IN_FLIGHT: Final = 65_536
MAX_PAYLOAD_BYTES: Final = 16 * 1024 * 1024
MAX_IN_FLIGHT_BYTES: Final = 256 * 1024 * 1024
CALL_TIMEOUT_S: Final = 10.0
_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:/@\s]+)):([0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcOptions:
    """`calls`: so many in all, instead of `seconds` after `warmup_s`. `per_s`: 0 = as fast as answers come.
    `secret_file`: holds the cluster's secret; None = there is none."""

    in_flight: int = 64
    seconds: float = 10.0
    warmup_s: float = 1.0
    size_bytes: int = 100
    per_s: float = 0.0
    calls: int | None = None
    secret_file: Path | None = None


class _Caller(Driver):
    def __init__(self, options: DriveOptions, address: str, load: RockLoad) -> None:
        super().__init__(options, address, load)
        self.load = load

    def _require_health(self, stats: dict[str, int]) -> None:
        if self.load.failure() is not None:
            raise BenchError(f"{self.url}: {self.load.failure()}")

    def _progress(self, now: dict[str, int], before: dict[str, int], elapsed_s: float) -> str:
        return f"{(now['received'] - before['received']) / elapsed_s:,.0f} calls/s, {now['refused']:,} refused"


def run(drive: DriveOptions, address: str, rpc: RpcOptions) -> Report:
    """`address`: host:port of a Rock server that serves Probe. BenchError: numbers out of range, or it cannot be
    called."""
    require(1 <= rpc.in_flight <= MAX_IN_FLIGHT, f"calls in flight must lie between 1 and {MAX_IN_FLIGHT}")
    require(0 <= rpc.size_bytes <= MAX_PAYLOAD_BYTES, f"a payload has 0 to {MAX_PAYLOAD_BYTES} bytes")
    require(rpc.in_flight * rpc.size_bytes <= MAX_IN_FLIGHT_BYTES, "no more than 256 MiB may be in flight")
    require(0 < rpc.seconds <= 86_400, "seconds must lie above 0 and not above 86400")
    require(0 <= rpc.warmup_s <= 3600, "the warm-up must lie between 0 and 3600 s")
    require(0 <= rpc.per_s < 1e9, "a rate is not negative and below 1e9")
    require(rpc.calls is None or 1 <= rpc.calls < 1 << 53, "the number of calls must be positive")
    host, port = _resolve(address)
    prepare(drive, 2)
    latency = histogram.Histogram()
    payload = (b"0123456789abcdefghijklmnopqrstuvwxyz" * (rpc.size_bytes // 36 + 1))[: rpc.size_bytes]
    load = RockLoad(
        host,
        port,
        secret=_secret(rpc.secret_file),
        command=ECHO.command,
        body=probe_pb2.EchoRequest(payload=payload).SerializeToString(),
        expected=probe_pb2.EchoResponse(payload=payload).SerializeToString(),
        in_flight=rpc.in_flight,
        latency=latency,
        timeout_s=CALL_TIMEOUT_S,
    )
    with _Caller(drive, address, load) as caller:
        return _exchange(caller, rpc, latency)


def _exchange(caller: _Caller, rpc: RpcOptions, latency: histogram.Histogram) -> Report:
    if rpc.calls is None:
        caller.load.start(rpc.per_s)
        caller.run("warming up", rpc.warmup_s)
        latency.reset()
        begin = caller.read()
        caller.run("rpc", rpc.seconds)
    else:
        begin = caller.read()
        caller.load.start(rpc.per_s, rpc.calls)
        caller.until(
            "rpc",
            lambda stats: stats["received"] >= (rpc.calls or 0),
            lambda stats: stats["received"],
            received=rpc.calls,
        )
    end = caller.read()
    measured = latency.copy()
    caller.load.stop()
    caller.until("the last answers", lambda stats: stats["in_flight"] == 0, lambda stats: stats["received"])
    stats = caller.stats

    elapsed_s, count = end.time_s - begin.time_s, end.stats["received"] - begin.stats["received"]
    report = Report("rpc", caller.url, latencies={"call": measured})
    report.add("in_flight", "calls in flight", rpc.in_flight)
    report.add("size_bytes", "bytes a payload, there and back", rpc.size_bytes)
    report.add("seconds", "measured for, s", elapsed_s, 1)
    report.add("calls", "calls measured", count)
    report.add("calls_per_s", "calls a second", count / elapsed_s)
    report.add("sent", "sent in all", stats["sent"])
    report.add("refused", "refused or wrong in all", stats["refused"])
    if rpc.per_s:
        report.add("asked_per_s", "calls a second asked for", rpc.per_s)
        if count / elapsed_s < 0.99 * rpc.per_s:
            report.warnings.append("the rate that was asked for was not reached")
    caller.describe_use(report, begin, end, count, "call")
    if stats["refused"]:
        report.problems.append(f"{stats['refused']} calls failed; the last: {caller.load.refusal()}")
    return report


def _resolve(address: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(address)
    require(match is not None and 1 <= int(match[3]) <= 65535, f"{address!r} is not of the form host:port")
    assert match is not None
    return match[1] or match[2], int(match[3])


def _secret(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise BenchError(f"the secret in {path} cannot be read: {error.strerror}") from None
    require(bool(secret), f"{path} holds no secret")
    return secret
