"""Remote calls: XinYu's RPC beside grpcio and a bare length prefix, each with a server and a client process of its own.

grpcio gives no access to its codec alone, so what is compared is a call: the same protobuf message there and back over
TCP on loopback (`benchmarks/rpc_echo`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import xinyu
from benchmarks.side_by_side.comparison import Comparison, Metric, Plot
from benchmarks.side_by_side.processes import ROOT, listening, placed
from benchmarks.side_by_side.rounds import Contestant, Values
from benchmarks.side_by_side.servers import installed
from xinyu.bench.error import BenchError

REFERENCE: Final = "protobuf, length prefix"
ROCK: Final = "XinYu, Rock RPC"
GRPC_AIO: Final = "grpc.aio"
IN_FLIGHT: Final = 64
OURS: Final = (ROCK, "XinYu, Rock frames", "XinYu, gRPC")
COMMAND: Final = (sys.executable, "-m", "benchmarks.rpc_echo")
CLIENT_DEADLINE_S: Final = 60.0

EXPLANATION: Final = """\
`Probe.Echo` with a request of 100 bytes over TCP on loopback, {in_flight} calls in flight on one connection, one servicer, a task a call, all on
uvloop, server and client in processes of their own. The length prefix is the least that one would write by hand
(`benchmarks/rpc_echo/protobuf_frames.py`): no command, deadline, trace id or bound. Rock frames is that with our codec in place of the prefix.
Rock RPC and XinYu's gRPC are what rooms use: deadline, caller, trace id, a secret, bounds, call times; grpc.aio alone has a deadline. Latencies are
the client's, {in_flight} in flight. A CPU second is one of client and server together."""  # noqa: E501


def comparison(seconds: float, server_cpu: int | None) -> Comparison:
    """`seconds`: of calls, a contestant and a round; the client runs where this process does."""

    def contestant(name: str, kind: str, version: str = "", missing: str = "") -> Contestant:
        return Contestant(name, lambda _: measure(name, kind, seconds, server_cpu), version, missing)

    return Comparison(
        title="Remote calls",
        explanation=EXPLANATION.format(in_flight=IN_FLIGHT),
        contestants=(
            contestant(ROCK, "rock_rpc", xinyu.__version__),
            contestant("XinYu, Rock frames", "rock_frames", xinyu.__version__),
            contestant(REFERENCE, "protobuf_frames", *installed("protobuf")),
            contestant(GRPC_AIO, "grpc_aio", *installed("grpcio")),
            contestant("XinYu, gRPC", "grpc_rpc", xinyu.__version__),
        ),
        reference=REFERENCE,
        ours=OURS,
        metrics=(
            Metric("per_cpu_s", "calls a CPU second"),
            Metric("per_s", "calls a second"),
            Metric("p50_ms", "latency, ms, p50", 2),
            Metric("p99_ms", "p99", 2),
            Metric("server_us", "server's CPU a call, us", 1),
            Metric("client_us", "client's CPU a call, us", 1),
            Metric("alone_per_s", "one call at a time: calls a second"),
        ),
        plots=(Plot("calls", "per_cpu_s", f"{IN_FLIGHT} calls in flight: calls a CPU second (more is better)"),),
        describe=lambda values: f"{values['per_s']:,.0f} calls a second",
        notes=(f"remote calls: {placed(server_cpu)}",),
    )


def measure(name: str, kind: str, seconds: float, server_cpu: int | None) -> Values:
    """BenchError: one of the processes did not do its part."""
    with listening(name, (*COMMAND, "serve", kind, "{port}"), server_cpu) as (pid, port):
        command = (*COMMAND, "call", kind, str(port), "--server-pid", str(pid), "--in-flight", str(IN_FLIGHT))
        try:
            done = subprocess.run(
                [*command, "--seconds", str(seconds)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=CLIENT_DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"the client did not end within {CLIENT_DEADLINE_S:g} s") from None
        if done.returncode:
            raise BenchError(f"the client ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        values: dict[str, float] = json.loads(done.stdout)
        return values
