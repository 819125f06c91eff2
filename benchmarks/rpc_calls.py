"""Calls a second of Rock beside grpc.aio and a bare length prefix: the same servicer, 100 bytes, 64 in flight, one run.

    python -m benchmarks.rpc_calls [--rounds 5] [--seconds 1.5]

The contestants take turns (`benchmarks/side_by_side/calls.py`, whose explanation holds here). A ratio is that of two in
one round; printed is the median over the rounds, of calls a second and of calls a CPU second: other work on the machine
takes from the first and hardly from the second.
"""

from __future__ import annotations

import argparse
import os
import sys

from benchmarks.side_by_side import calls, page
from benchmarks.side_by_side.processes import cores
from benchmarks.side_by_side.rounds import median_ratio, medians


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rpc_calls", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    server_cpu, client_cpu = cores()
    if client_cpu is not None:
        os.sched_setaffinity(0, {client_cpu})
    done = calls.comparison(options.seconds, server_cpu).run(
        options.rounds, lambda line: print(line, file=sys.stderr, flush=True)
    )
    print(page.machine(load_before))
    print("| | calls/s | p50, ms | p99, ms | server, client: us of CPU a call |\n|---|---:|---:|---:|---:|")
    for name in done.names:
        found = medians(done.rounds, name)
        cpu = f"{found['server_us']:.1f}, {found['client_us']:.1f}"
        print(f"| {name} | {found['per_s']:,.0f} | {found['p50_ms']:.2f} | {found['p99_ms']:.2f} | {cpu} |")
    for other in (calls.REFERENCE, calls.GRPC_AIO):
        by_time = median_ratio(done.rounds, calls.ROCK, "per_s", other, "per_s")
        by_cpu = median_ratio(done.rounds, calls.ROCK, "per_cpu_s", other, "per_cpu_s")
        if by_time is not None and by_cpu is not None:
            print(f"{calls.ROCK} by {other}: {by_time:.2f} calls a second, {by_cpu:.2f} a CPU second")
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
