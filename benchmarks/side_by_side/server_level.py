"""The servers under load, each as a process on one core, measured from the other with the scenarios of `xinyu bench`.

Every round starts each server afresh: memory of idle connections, handshakes, echo, fan-out. CPU is the server's user
and system time from the moment when all connections are up (for handshakes: from the first to the last).

A further scenario is a function that gives values and a `Metric` for each of them: inside `measure` when any server can
run it, or a `Contestant` of an existing name when it needs a server of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.side_by_side import logins
from benchmarks.side_by_side.comparison import Comparison, Metric, Plot
from benchmarks.side_by_side.processes import placed, wait_until_quiet
from benchmarks.side_by_side.rounds import Contestant, Values
from benchmarks.side_by_side.servers import OURS, REFERENCE_NAME, Server, running
from xinyu.bench import connect, echo, fanout, idle
from xinyu.bench.clients import ClientOptions
from xinyu.bench.error import BenchError
from xinyu.bench.report import Report


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

EXPLANATION: Final = """\
The first column is a server in C (`benchmarks/reference/epoll_server.c`, an epoll loop without limits, deadlines or checks). CPU is the
server's user and system time, counted from the moment when all connections are up. Memory is the slope of private pages between
{first:,} and {all:,} connections. A client near 100 % of its core is the limit of the messages a second; messages a CPU second of the
server do not depend on it. A login is a handshake with the real server, token verified, user routed, first event sent; the C server asks
for nothing. One scenario alone, on any echo server: `xinyu bench echo|idle|fanout|connect|churn URL --pid PID`."""  # noqa: E501


def metrics_of(plan: Plan) -> tuple[Metric, ...]:
    return (
        Metric("echo_per_cpu_s", f"{plan.echo_bytes} B echoed to {plan.echo_connections}: messages a CPU second"),
        Metric("echo_per_s", "the same: messages a second"),
        Metric("echo_client_percent", "the same: client's CPU, %"),
        *(Metric(f"fanout_{count}_us", f"fan-out to {count:,}: CPU a frame, us", 2) for count in plan.fanouts),
        Metric("burst_per_s", f"{plan.burst} frames in a burst to {plan.burst_connections:,}: frames a second"),
        Metric("handshakes_per_cpu_s", "handshakes a CPU second"),
        Metric("handshakes_per_s", "handshakes a second"),
        Metric("first_per_s", "users' first logins a second", of_reference="handshakes_per_s"),
        Metric("first_per_cpu_s", "the same: a CPU second", of_reference="handshakes_per_cpu_s"),
        Metric("back_per_s", "logins a second of users coming back", of_reference="handshakes_per_s"),
        Metric("back_per_cpu_s", "the same: a CPU second", of_reference="handshakes_per_cpu_s"),
        Metric("user_bytes", "private memory an idle connection, bytes"),
        Metric("kernel_bytes", "kernel memory a connection, both ends, bytes"),
    )


def comparison(compared: Sequence[Server], plan: Plan, server_cpu: int | None) -> Comparison:
    """Of these servers, to be run; the C reference should be among them."""

    def describe(values: Values) -> str:
        if "back_per_s" in values:
            return f"{values['first_per_s']:,.0f} first logins a second, {values['back_per_s']:,.0f} coming back"
        return (
            f"{values['echo_per_cpu_s']:,.0f} messages and {values['handshakes_per_cpu_s']:,.0f} handshakes a CPU "
            f"second, {values[f'fanout_{plan.fanouts[0]}_us']:.2f} us a frame"
        )

    return Comparison(
        title="Servers",
        explanation=EXPLANATION.format(first=plan.idle_first, all=plan.idle_all),
        contestants=(
            *(
                Contestant(each.name, partial(measure_fresh, each, plan, server_cpu), each.version, each.missing)
                for each in compared
            ),
            Contestant(OURS[0], partial(logins.measure, plan.handshakes, server_cpu)),
        ),
        reference=REFERENCE_NAME,
        ours=OURS,
        metrics=metrics_of(plan),
        plots=(
            Plot("echo", "echo_per_cpu_s", "Echo: messages a CPU second of the server (more is better)"),
            Plot("fanout", f"fanout_{plan.fanouts[0]}_us", "Fan-out: CPU a delivered frame, us (less is better)"),
            Plot("memory", "user_bytes", "Private memory an idle connection, bytes (less is better)"),
            Plot("handshakes", "handshakes_per_cpu_s", "Handshakes a CPU second of the server (more is better)"),
        ),
        describe=describe,
        notes=(placed(server_cpu), f"memory in the first {min(plan.rounds, plan.idle_rounds)} of the rounds"),
    )


def measure_fresh(server: Server, plan: Plan, server_cpu: int | None, round_number: int) -> Values:
    """All scenarios on one fresh server. BenchError: one could not be run, or lost something."""
    with running(server, server_cpu) as (pid, url):
        client = ClientOptions(url=url, server_pids=(pid,), patience_s=20.0)
        return measure(client, plan, with_idle=round_number < plan.idle_rounds)


def measure(client: ClientOptions, plan: Plan, with_idle: bool) -> Values:
    found: dict[str, float] = {}
    (pid,) = client.server_pids

    def checked(report: Report) -> Report:
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
