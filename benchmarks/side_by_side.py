"""XinYu's connection engine beside other WebSocket servers and beside what C alone can do, in one run.

    python -m benchmarks.side_by_side [--quick] [--rounds 5] [--output docs] [--only NAME ...] [--json FILE]

Every round starts each server afresh, pinned to one core, and measures it from the other with the scenarios of
`xinyu bench`: memory of idle connections, handshakes, echo, fan-out. The order turns round from one round to the next.
A ratio is that of two servers in one round, and what is printed is the median over the rounds, so that a machine that
is slower for a while is slower for all. CPU is the server's user and system time from the moment when all connections
are up (for handshakes: from the first to the last).

A server that is not installed is left out, with a line that says how to get it. Only processes that were started here
are ended, by their id.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import xinyu
from xinyu.bench import connect, echo, fanout, idle, meter, svg
from xinyu.bench.clients import ClientOptions
from xinyu.bench.error import BenchError

ROOT: Final = Path(__file__).resolve().parents[1]
PEERS: Final = ROOT / "benchmarks/peers"
REFERENCE: Final = ROOT / "build/bench/epoll_server"
REFERENCE_NAME: Final = "C reference"
START_DEADLINE_S: Final = 20.0
QUIET_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """`missing`: why it cannot run and what to do about it, "" if it can."""

    name: str
    command: tuple[str, ...]
    version: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each scenario; `fanouts` are counts of connections."""

    rounds: int
    idle_first: int
    idle_all: int
    idle_rounds: int
    handshakes: int
    echo_connections: int
    echo_s: float
    echo_warmup_s: float
    echo_bytes: int
    fanouts: tuple[int, ...]
    fanout_rounds: int
    burst_connections: int
    burst: int
    burst_rounds: int


FULL: Final = Plan(5, 1000, 15_000, 3, 5000, 100, 2.0, 0.5, 32, (5000, 15_000), 10, 5000, 40, 1)
QUICK: Final = Plan(2, 200, 2000, 1, 1000, 100, 0.5, 0.2, 32, (1000,), 10, 1000, 40, 1)


@dataclass(frozen=True, slots=True)
class Metric:
    """`more_is_better` tells how to read a ratio; the ratio is always this server's value by the reference's."""

    key: str
    title: str
    digits: int = 0
    more_is_better: bool = True


def metrics_of(plan: Plan) -> list[Metric]:
    return [
        Metric("echo_per_cpu_s", f"{plan.echo_bytes} B echoed to {plan.echo_connections}: messages a CPU second"),
        Metric("echo_per_s", "the same: messages a second"),
        Metric("echo_client_percent", "the same: client's CPU, %"),
        *(
            Metric(f"fanout_{count}_us", f"fan-out to {count:,}: CPU a frame, us", 2, more_is_better=False)
            for count in plan.fanouts
        ),
        Metric("burst_per_s", f"{plan.burst} frames in a burst to {plan.burst_connections:,}: frames a second"),
        Metric("handshakes_per_cpu_s", "handshakes a CPU second"),
        Metric("handshakes_per_s", "handshakes a second"),
        Metric("user_bytes", "private memory an idle connection, bytes", more_is_better=False),
        Metric("kernel_bytes", "kernel memory a connection, both ends, bytes", more_is_better=False),
    ]


# ---- servers


def servers() -> list[Server]:
    python = sys.executable
    gateway = (python, "-m", "xinyu_services", "run", "gateway-ws", "--port", "{port}")
    return [
        Server(REFERENCE_NAME, (str(REFERENCE), "{port}"), "gcc -O2", _reference_missing()),
        Server("XinYu", (*gateway, "--echo"), xinyu.__version__),
        Server("XinYu, Python callback", (*gateway, "--echo-python"), xinyu.__version__),
        *(_python_peer(name) for name in ("picows", "websockets", "aiohttp", "socketify")),
        _node_peer(),
    ]


def _python_peer(name: str) -> Server:
    try:
        version = importlib.metadata.version(name)
        missing = ""
    except importlib.metadata.PackageNotFoundError:
        version, missing = "", f"pip install -e '.[bench]' in {ROOT.name}"
    label = f"{name} (uWebSockets)" if name == "socketify" else name
    return Server(label, (sys.executable, str(PEERS / f"{name}_server.py"), "{port}"), version, missing)


def _node_peer() -> Server:
    node = shutil.which("node")
    package = PEERS / "node_modules/ws/package.json"
    command = (node or "node", str(PEERS / "ws_server.js"), "{port}")
    if node is None:
        return Server("ws (Node)", command, "", "install Node.js, then npm install --prefix benchmarks/peers")
    if not package.exists():
        return Server("ws (Node)", command, "", "npm install --prefix benchmarks/peers")
    return Server("ws (Node)", command, str(json.loads(package.read_text())["version"]))


def _reference_missing() -> str:
    """Compiles the reference if it is not newer than its sources."""
    sources = [ROOT / "benchmarks/reference/epoll_server.c", ROOT / "src/xinyu/_fast/sha1.h"]
    if REFERENCE.exists() and REFERENCE.stat().st_mtime > max(each.stat().st_mtime for each in sources):
        return ""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return "install a C compiler"
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", f"-I{sources[1].parent}", str(sources[0]), "-o", str(REFERENCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"it does not compile: {done.stderr.strip()}"


@contextmanager
def running(server: Server, cpu: int | None) -> Iterator[tuple[int, str]]:
    """The process id and URL of the server, listening, on its core. BenchError: it does not come up."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    own = os.sched_getaffinity(0)
    with tempfile.TemporaryFile() as log:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})  # a child begins where its parent is
        try:
            command = [each.replace("{port}", str(port)) for each in server.command]
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        finally:
            os.sched_setaffinity(0, own)
        try:
            _wait_for(process, port, server.name)
            yield process.pid, f"ws://127.0.0.1:{port}/"
        except BenchError as error:
            log.seek(0)
            said = " ".join(log.read().decode(errors="replace").split())[-300:]
            raise BenchError(f"{server.name}: {error}" + (f" (it said: {said})" if said else "")) from None
        finally:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise BenchError(f"ended with {process.returncode} instead of listening")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f"does not listen after {START_DEADLINE_S:g} s")


def wait_until_quiet(pid: int) -> None:
    """What was closed is put away before the next scenario: no more than a fifth of the time is used any more."""
    deadline_s = time.monotonic() + QUIET_DEADLINE_S
    before = meter.cpu_s([pid])
    while time.monotonic() < deadline_s:
        time.sleep(0.05)
        now = meter.cpu_s([pid])
        if now - before < 0.01:
            return
        before = now


# ---- measuring


def measure(client: ClientOptions, plan: Plan, with_idle: bool) -> dict[str, float]:
    """All scenarios on one fresh server. BenchError: one could not be run, or lost something."""
    found: dict[str, float] = {}
    (pid,) = client.server_pids

    def checked(report: echo.Report) -> echo.Report:
        if report.problems:
            raise BenchError(report.problems[0])
        wait_until_quiet(pid)
        return report

    if with_idle:
        counts = idle.IdleOptions(connections=plan.idle_all, first=plan.idle_first, seconds=0)
        report = checked(idle.run(client, counts, settle_s=0.5))
        found["user_bytes"] = report.value("user_bytes_per_connection")
        found["kernel_bytes"] = report.value("kernel_bytes_per_connection")
    report = checked(connect.run(client, connect.ConnectOptions(connections=plan.handshakes)))
    found["handshakes_per_s"] = report.value("handshakes_per_s")
    found["handshakes_per_cpu_s"] = report.value("handshakes_per_server_cpu_s")
    messages = echo.EchoOptions(
        connections=plan.echo_connections,
        seconds=plan.echo_s,
        warmup_s=plan.echo_warmup_s,
        size_bytes=plan.echo_bytes,
    )
    report = checked(echo.run(client, messages))
    found["echo_per_s"] = report.value("messages_per_s")
    found["echo_per_cpu_s"] = report.value("messages_per_server_cpu_s")
    found["echo_client_percent"] = report.value("client_cpu_percent")
    for count in plan.fanouts:
        report = checked(fanout.run(client, fanout.FanoutOptions(connections=count, rounds=plan.fanout_rounds)))
        found[f"fanout_{count}_us"] = report.value("server_cpu_us_per_frame")
    bursts = fanout.FanoutOptions(connections=plan.burst_connections, rounds=plan.burst_rounds, burst=plan.burst)
    found["burst_per_s"] = checked(fanout.run(client, bursts)).value("frames_per_s")
    return found


def cores() -> tuple[int | None, int | None]:
    """For the server and for the client; (None, None) if there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def run_all(
    compared: Sequence[Server],
    plan: Plan,
    server_cpu: int | None,
    client_cpu: int | None,
    say: Callable[[str], None],
) -> tuple[list[dict[str, dict[str, float]]], dict[str, str]]:
    """One dictionary a round, server -> metric -> value; and what went wrong, by server. The next round tries again."""
    if client_cpu is not None:
        os.sched_setaffinity(0, {client_cpu})
    rounds: list[dict[str, dict[str, float]]] = []
    failed: dict[str, str] = {}
    for number in range(plan.rounds):
        found: dict[str, dict[str, float]] = {}
        for server in compared if number % 2 == 0 else reversed(compared):
            began_s = time.monotonic()
            try:
                with running(server, server_cpu) as (pid, url):
                    client = ClientOptions(url=url, server_pids=(pid,), patience_s=20.0)
                    found[server.name] = measure(client, plan, with_idle=number < plan.idle_rounds)
            except BenchError as error:
                failed[server.name] = f"round {number + 1}: {error}"
                say(f"round {number + 1} of {plan.rounds}, without {server.name}: {error}")
                continue
            values = found[server.name]
            say(
                f"round {number + 1} of {plan.rounds}, {server.name}: "
                f"{values['echo_per_cpu_s']:,.0f} messages and {values['handshakes_per_cpu_s']:,.0f} handshakes a CPU "
                f"second, {values[f'fanout_{plan.fanouts[0]}_us']:.2f} us a frame "
                f"({time.monotonic() - began_s:.1f} s)"
            )
        rounds.append(found)
    return rounds, failed


def medians(rounds: Sequence[Mapping[str, Mapping[str, float]]], server: str) -> dict[str, float]:
    """Median over the rounds, of each metric that was measured."""
    values: dict[str, list[float]] = {}
    for found in rounds:
        for key, value in found.get(server, {}).items():
            values.setdefault(key, []).append(value)
    return {key: statistics.median(each) for key, each in values.items()}


def ratios(rounds: Sequence[Mapping[str, Mapping[str, float]]], server: str, reference: str) -> dict[str, float]:
    """Median over the rounds of this server's value by the reference's of the same round; none where that is 0."""
    values: dict[str, list[float]] = {}
    for found in rounds:
        for key, value in found.get(server, {}).items():
            base = found.get(reference, {}).get(key)
            if base:
                values.setdefault(key, []).append(value / base)
    return {key: statistics.median(each) for key, each in values.items()}


# ---- writing


def conditions(compared: Sequence[Server], plan: Plan, load_before: float, *, pinned: bool) -> list[str]:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    placed = "server on one core, client on another" if pinned else "not pinned: there is one core"
    versions = ", ".join(f"{each.name} {each.version}" for each in compared if each.version)
    return [
        f"{time.strftime('%Y-%m-%d')}, Linux {platform.release()}, {os.cpu_count()} x {model}, "
        f"Python {platform.python_version()}, load average before the run {load_before:.2f}",
        f"{placed}; {plan.rounds} rounds, interleaved; medians (memory: {min(plan.rounds, plan.idle_rounds)} rounds)",
        versions,
    ]


def markdown_table(
    names: Sequence[str], rounds: Sequence[Mapping[str, Mapping[str, float]]], plan: Plan, reference: str
) -> str:
    """A line a metric, a column a server: median, and the ratio to the reference in brackets."""
    by_server = {name: (medians(rounds, name), ratios(rounds, name, reference)) for name in names}
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for metric in metrics_of(plan):
        cells = []
        for name in names:
            values, by_reference = by_server[name]
            if metric.key not in values:
                cells.append("-")
            elif name == reference or metric.key not in by_reference:
                cells.append(f"{values[metric.key]:,.{metric.digits}f}")
            else:
                cells.append(f"{values[metric.key]:,.{metric.digits}f} ({by_reference[metric.key]:.2f})")
        lines.append(f"| {metric.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


PLOTS: Final = {
    "echo": ("echo_per_cpu_s", "Echo: messages a CPU second of the server (more is better)"),
    "fanout": ("fanout_{fanout}_us", "Fan-out: CPU a delivered frame, us (less is better)"),
    "memory": ("user_bytes", "Private memory an idle connection, bytes (less is better)"),
    "handshakes": ("handshakes_per_cpu_s", "Handshakes a CPU second of the server (more is better)"),
}


EXPLANATION: Final = """\
In brackets: by the C reference of the same round (`benchmarks/reference/epoll_server.c`, an epoll loop without limits, deadlines or
checks). CPU is the server's user and system time, counted from the moment when all connections are up. Memory is the slope of private
pages between {first} and {all} connections. A client near 100 % of its core is the limit of the messages a second; messages a CPU
second of the server do not depend on it."""  # noqa: E501


def write_page(
    directory: Path,
    compared: Sequence[Server],
    rounds: Sequence[Mapping[str, Mapping[str, float]]],
    plan: Plan,
    notes: Sequence[str],
    command: str,
) -> Path:
    """`performance.md` and its plots in images/."""
    names = [each.name for each in compared if any(each.name in found for found in rounds)]
    images = directory / "images"
    images.mkdir(parents=True, exist_ok=True)
    pictures = []
    for stem, (key, title) in PLOTS.items():
        key = key.format(fanout=plan.fanouts[0])
        bars = [(name, value) for name in names if (value := medians(rounds, name).get(key)) is not None]
        digits = next(metric.digits for metric in metrics_of(plan) if metric.key == key)
        chart = svg.bar_chart(title, [(name, max(value, 0.0)) for name, value in bars], digits=digits, marked=OURS)
        (images / f"performance-{stem}.svg").write_text(chart)
        pictures.append(f"![{title}](images/performance-{stem}.svg)")
    page = directory / "performance.md"
    page.write_text(
        "\n\n".join(
            [
                "# The connection engine beside others",
                f"Written by `{command}`; do not edit.",
                EXPLANATION.format(first=f"{plan.idle_first:,}", all=f"{plan.idle_all:,}"),
                markdown_table(names, rounds, plan, REFERENCE_NAME),
                *pictures,
                "Conditions:\n\n" + "\n".join(f"- {note}" for note in notes),
                "One scenario alone, on any echo server: `xinyu bench echo|idle|fanout|connect|churn URL --pid PID`.",
            ]
        )
        + "\n"
    )
    return page


OURS: Final = ("XinYu", "XinYu, Python callback")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small counts, two rounds, under two minutes")
    parser.add_argument("--rounds", type=int, help="instead of 5, or 2")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="where performance.md goes")
    parser.add_argument("--only", action="append", help="a server by name (the C reference always runs)")
    parser.add_argument("--json", type=Path, help="write every value to this file, too")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    plan = QUICK if options.quick else FULL
    if options.rounds is not None:
        plan = replace(plan, rounds=options.rounds, idle_rounds=min(plan.idle_rounds, options.rounds))
    everything = servers()
    if unknown := set(options.only or ()) - {each.name for each in everything}:
        print(f"no server is called {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    wanted = [each for each in everything if not options.only or each.name in (REFERENCE_NAME, *options.only)]
    for each in wanted:
        if each.missing:
            print(f"{each.name} is left out; to have it: {each.missing}", file=sys.stderr)
    compared = [each for each in wanted if not each.missing]
    load_before = os.getloadavg()[0]
    server_cpu, client_cpu = cores()

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    rounds, failed = run_all(compared, plan, server_cpu, client_cpu, say)
    names = [each.name for each in compared if any(each.name in found for found in rounds)]
    notes = [
        *conditions(compared, plan, load_before, pinned=server_cpu is not None),
        *(f"failed in {why}" for why in failed.values()),
        *(f"left out: {each.name}, not installed" for each in wanted if each.missing),
    ]
    command = "make bench-quick" if options.quick else "make bench"
    page = write_page(options.output, compared, rounds, plan, notes, command)
    if options.json:
        options.json.write_text(json.dumps({"rounds": rounds, "conditions": notes}, indent=2))
    print(markdown_table(names, rounds, plan, REFERENCE_NAME))
    print(f"\nwritten: {page}")
    return 0 if {REFERENCE_NAME, *OURS} - set(options.only or names) <= set(names) else 1


if __name__ == "__main__":
    sys.exit(main())
