"""XinYu beside others, in one run: its servers under load, and at the micro level its parts.

    python -m benchmarks.side_by_side [--quick] [--rounds 5] [--level NAME ...] [--output docs] [--only NAME ...]
                                      [--json FILE]

Contestants take turns; a ratio is that of two in one round, and what is printed is the median over the rounds. A level
writes its section of `performance.md` and leaves the other's as it is. Who is not installed is left out, with a line
that says how to get it. Only processes that were started here are ended, by their id.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.side_by_side import calls, framing, page, server_level, timers
from benchmarks.side_by_side.comparison import Comparison, markdown_table
from benchmarks.side_by_side.processes import ROOT, cores
from benchmarks.side_by_side.servers import REFERENCE_NAME, servers


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small counts, two rounds, under two minutes")
    parser.add_argument("--rounds", type=int, help="instead of 5, or 2")
    parser.add_argument("--level", action="append", choices=page.LEVELS, help="only this one (default: all)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="where performance.md goes")
    parser.add_argument("--only", action="append", help="a server by name (the C reference always runs)")
    parser.add_argument("--json", type=Path, help="write every value to this file, too")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if unknown := set(options.only or ()) - {each.name for each in servers()}:
        parser.error(f"no server is called {', '.join(sorted(unknown))}")
    return options


def level(name: str, options: argparse.Namespace, server_cpu: int | None) -> list[Comparison]:
    """What belongs to it, to be run."""
    if name == "servers":
        plan = server_level.QUICK if options.quick else server_level.FULL
        plan = replace(plan, rounds=options.rounds or plan.rounds)
        wanted = [each for each in servers() if not options.only or each.name in (REFERENCE_NAME, *options.only)]
        return [server_level.comparison(wanted, plan, server_cpu)]
    budget_s, call_s = (0.02, 0.6) if options.quick else (0.1, 1.5)
    return [framing.comparison(budget_s), timers.comparison(budget_s), calls.comparison(call_s, server_cpu)]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    rounds = options.rounds or (server_level.QUICK if options.quick else server_level.FULL).rounds
    load_before = os.getloadavg()[0]
    server_cpu, client_cpu = cores()
    if client_cpu is not None:
        os.sched_setaffinity(0, {client_cpu})

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.side_by_side", *given])
    values, is_complete, written = {}, True, Path()
    for name in options.level or page.LEVELS:
        done = [each.run(rounds, say) for each in level(name, options, server_cpu)]
        notes = [page.machine(load_before), *page.conditions(done)]
        written = page.write_page(options.output, name, done, notes, command)
        for each in done:
            print(f"\n{each.title}\n\n{markdown_table(each)}")
            ours = {each.reference, *each.ours} & {contestant.name for contestant in each.contestants}
            is_complete = is_complete and ours <= set(each.names)
        values[name] = {"conditions": notes, **{each.title: each.rounds for each in done}}
    if options.json:
        options.json.write_text(json.dumps(values, indent=2))
    print(f"\nwritten: {written}")
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
