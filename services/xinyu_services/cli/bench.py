"""`xinyu bench`: load for a WebSocket echo server, ours or another's, for a XinYu server and for a Rock server.

The result goes to standard output, the progress to standard error. Exit code 1: not run, or run with losses.

A command is a function with its own options that answers a Report. What many commands let one choose is a part: a
function whose parameters are options, too, and whose answer is the command's first argument. `_scenario` puts both, and
the options of the output, into one command.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xinyu_services.cli.failure import CommandError, one_line_failures

if TYPE_CHECKING:
    from xinyu.bench.clients import ClientOptions
    from xinyu.bench.drive import DriveOptions
    from xinyu.bench.report import Report

app = typer.Typer(
    help="Load for a WebSocket echo server, by URL, ours or another's; for a XinYu server (send); for Rock (rpc).",
    no_args_is_help=True,
)

Connections = Annotated[int, typer.Option("--connections", "-n", help="Connections.")]
Seconds = Annotated[float, typer.Option("--seconds", "-t", help="How long it is measured.")]
Warmup = Annotated[float, typer.Option(help="Seconds before it is measured.")]
Rate = Annotated[float, typer.Option(help="Messages a second over all, 0 = as fast as answers come.")]
Messages = Annotated[int | None, typer.Option(help="So many in all instead of a time.", show_default=False)]
Pid = Annotated[
    list[int] | None,
    typer.Option("--pid", help="Process of the server, to meter its CPU and memory; may be given several times."),
]
Cpu = Annotated[int | None, typer.Option("--cpu", help="The core that the client keeps to.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


@app.callback()
def _group() -> None:
    pass


def _draw_latencies(report: "Report") -> str:
    from xinyu.bench.svg import percentile_chart

    return percentile_chart(f"{report.scenario} on {report.url}", report.latencies)


def _draw_memory(report: "Report") -> str:
    from xinyu.bench.idle import memory_chart

    return memory_chart(report)


def _scenario(
    part: Callable[..., Any], *, draw: Callable[["Report"], str] = _draw_latencies
) -> Callable[[Callable[..., "Report"]], None]:
    """Makes a command of the decorated function. Its first parameter takes the answer of `part`; the command has the
    arguments of `part`, the other options of the function, the options of `part`, and those of `_show`. `draw` makes
    the plot's SVG."""

    def register(function: Callable[..., "Report"]) -> None:
        own = _options(function)[1:]  # without the part's answer
        shared, output = _options(part), _options(_show)[2:]

        @functools.wraps(function)
        def command(**given: Any) -> None:
            def take(options: list[inspect.Parameter]) -> dict[str, Any]:
                return {each.name: given[each.name] for each in options}

            with one_line_failures():
                _check_output(**take(output))
                report = function(part(**take(shared)), **take(own))
                _show(report, draw, **take(output))
            if report.problems:
                raise typer.Exit(1)

        parameters = [
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (shared[0], *own, *shared[1:], *output)
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command()(command)

    return register


def _options(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


# ---- parts


def _client(
    url: Annotated[str, typer.Argument(help="ws://host:port/path of the server.")],
    pid: Pid = None,
    cpu: Cpu = None,
    header: Annotated[list[str] | None, typer.Option(help="A line 'Name: value' for each handshake.")] = None,
    subprotocol: Annotated[str | None, typer.Option(help="Sec-WebSocket-Protocol.", show_default=False)] = None,
    tokens: Annotated[
        Path | None, typer.Option(help="File of bearer tokens, one a connection in turn.", show_default=False)
    ] = None,
    at_once: Annotated[int, typer.Option(help="Handshakes under way at a time.")] = 64,
    connect_rate: Annotated[float, typer.Option(help="Connections opened a second, 0 = no limit.")] = 0.0,
    quiet: Quiet = False,
) -> "ClientOptions":
    """Connections to any WebSocket server."""
    from xinyu.bench.clients import ClientOptions

    return ClientOptions(
        url=url,
        headers=tuple(header or ()),
        subprotocol=subprotocol,
        tokens_file=tokens,
        server_pids=tuple(pid or ()),
        cpu=cpu,
        at_once=at_once,
        connect_per_s=connect_rate,
        progress=None if quiet else sys.stderr,
    )


def _server(
    url: Annotated[str, typer.Argument(help="http://host:port of the XinYu server.")],
    patience: Annotated[float, typer.Option(help="Seconds without any advance until what is missing is lost.")] = 15.0,
    pid: Pid = None,
    cpu: Cpu = None,
    quiet: Quiet = False,
) -> "tuple[str, DriveOptions]":
    """A XinYu server, by the URL of its HTTP gateway."""
    from xinyu.bench.drive import DriveOptions

    return url, DriveOptions(
        server_pids=tuple(pid or ()), cpu=cpu, patience_s=patience, progress=None if quiet else sys.stderr
    )


def _rpc_server(
    address: Annotated[str, typer.Argument(help="host:port of a Rock server, say of `xinyu run rpc-echo`.")],
    patience: Annotated[float, typer.Option(help="Seconds without any advance until the run is given up.")] = 15.0,
    pid: Pid = None,
    cpu: Cpu = None,
    quiet: Quiet = False,
) -> "tuple[str, DriveOptions]":
    """A Rock server, by its address."""
    return _server(address, patience, pid, cpu, quiet)


def _check_output(json: bool, markdown: bool, plot: Path | None) -> None:
    if json and markdown:
        raise CommandError("give either --json or --markdown")
    if plot is not None and not plot.parent.is_dir():
        raise CommandError(f"the directory of {plot} does not exist")


def _show(
    report: "Report",
    draw: Callable[["Report"], str],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a plot to this SVG file.", show_default=False)] = None,
) -> None:
    from xinyu.bench import report as reports

    write = reports.as_json if json else reports.as_markdown if markdown else reports.as_text
    typer.echo(write(report))
    if plot is not None:
        try:
            plot.write_text(draw(report))
        except OSError as error:
            raise CommandError(f"the plot {plot} cannot be written: {error.strerror}") from None


# ---- commands


@_scenario(_client)
def echo(
    client: "ClientOptions",
    connections: Connections = 100,
    seconds: Seconds = 10.0,
    warmup: Warmup = 1.0,
    size: Annotated[int, typer.Option(help="Bytes a message.")] = 32,
    depth: Annotated[int, typer.Option(help="Messages in flight a connection.")] = 1,
    binary: Annotated[bool, typer.Option("--binary", help="Binary messages instead of text.")] = False,
    rate: Rate = 0.0,
    messages: Messages = None,
) -> "Report":
    """Messages to and fro: how many a second, how long each takes, what one costs the server."""
    from xinyu.bench import echo as scenario

    return scenario.run(
        client,
        scenario.EchoOptions(
            connections=connections,
            seconds=seconds,
            warmup_s=warmup,
            size_bytes=size,
            depth=depth,
            binary=binary,
            per_s=rate,
            messages=messages,
        ),
    )


@_scenario(_client, draw=_draw_memory)
def idle(
    client: "ClientOptions",
    connections: Connections = 1000,
    first: Annotated[
        int | None,
        typer.Option(help="The smaller of the two counts compared (default: a fifteenth).", show_default=False),
    ] = None,
    readings: Annotated[
        int, typer.Option(help="Counts at which memory is read, from the smaller one to all: the plot's points.")
    ] = 10,
    seconds: Annotated[float, typer.Option("--seconds", "-t", help="How long all are held.")] = 10.0,
) -> "Report":
    """Connections that only answer pings: are all kept, and how much memory does one take?"""
    from xinyu.bench import idle as scenario

    return scenario.run(
        client, scenario.IdleOptions(connections=connections, first=first, readings=readings, seconds=seconds)
    )


@_scenario(_client)
def fanout(
    client: "ClientOptions",
    connections: Connections = 1000,
    rounds: Annotated[int, typer.Option(help="Rounds, one after the other.")] = 20,
    burst: Annotated[int, typer.Option(help="Frames to each connection a round.")] = 1,
) -> "Report":
    """One frame of 128 bytes to everybody, asked for by the text 'go R' as XinYu's echo mode understands it."""
    from xinyu.bench import fanout as scenario

    return scenario.run(client, scenario.FanoutOptions(connections=connections, rounds=rounds, burst=burst))


@_scenario(_client)
def connect(client: "ClientOptions", connections: Connections = 1000) -> "Report":
    """Opening handshakes: how many a second, and how long each takes."""
    from xinyu.bench import connect as scenario

    return scenario.run(client, scenario.ConnectOptions(connections=connections))


@_scenario(_client)
def churn(
    client: "ClientOptions",
    connections: Connections = 1000,
    seconds: Seconds = 10.0,
    rate: Annotated[float, typer.Option(help="Connections replaced a second, 0 = as fast as it goes.")] = 0.0,
    messages: Annotated[int, typer.Option(help="Messages echoed to each new connection.")] = 1,
) -> "Report":
    """Connections that come and go while their number stays."""
    from xinyu.bench import churn as scenario

    return scenario.run(
        client, scenario.ChurnOptions(connections=connections, seconds=seconds, per_s=rate, messages=messages)
    )


@_scenario(_server)
def send(
    server: "tuple[str, DriveOptions]",
    users: Annotated[int, typer.Option(help="Test users, all connected; in pairs, if no --group is given.")] = 100,
    group: Annotated[
        int | None, typer.Option(help="Groups of so many users: one message to all.", show_default=False)
    ] = None,
    senders: Annotated[int, typer.Option(help="Users of each pair or group that send.")] = 1,
    in_flight: Annotated[int, typer.Option(help="Messages in flight a sender.")] = 1,
    seconds: Seconds = 10.0,
    warmup: Warmup = 1.0,
    size: Annotated[int, typer.Option(help="Bytes a text.")] = 32,
    rate: Rate = 0.0,
    messages: Messages = None,
    accounts: Annotated[
        Path | None,
        typer.Option(help="File that keeps the test users, and their passwords, between runs.", show_default=False),
    ] = None,
) -> "Report":
    """Messages between users of a XinYu server: stored a second, time to the acknowledgement and to the recipient.

    Each acknowledged message must arrive once, in order, at every member's connection; if one does not, the exit code
    is 1. The users are made over REST ("bench ...", mobile 100xxxxxxxx): use a server that may have them. It lets an
    address register limits.entries_per_minute (120) users a minute, which is waited for, and a user send
    limits.sends_per_s (100) messages a second: refused ones are counted by reason, so take many --users.
    """
    from xinyu.bench import send as scenario

    url, drive = server
    return scenario.run(
        drive,
        url,
        scenario.SendOptions(
            users=users,
            members=group,
            senders=senders,
            in_flight=in_flight,
            seconds=seconds,
            warmup_s=warmup,
            size_bytes=size,
            per_s=rate,
            messages=messages,
            accounts_file=accounts,
        ),
    )


@_scenario(_rpc_server)
def rpc(
    server: "tuple[str, DriveOptions]",
    in_flight: Annotated[int, typer.Option(help="Calls in flight, all on one connection.")] = 64,
    seconds: Seconds = 10.0,
    warmup: Warmup = 1.0,
    size: Annotated[int, typer.Option(help="Bytes a payload, there and back.")] = 100,
    rate: Annotated[float, typer.Option(help="Calls a second, 0 = as fast as answers come.")] = 0.0,
    calls: Annotated[int | None, typer.Option(help="So many in all instead of a time.", show_default=False)] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="File that holds the cluster's secret.", show_default=False)
    ] = None,
) -> "Report":
    """Rock calls that are answered with what they carry: how many a second, how long each takes, what one costs."""
    from xinyu.bench import rpc as scenario

    address, drive = server
    return scenario.run(
        drive,
        address,
        scenario.RpcOptions(
            in_flight=in_flight,
            seconds=seconds,
            warmup_s=warmup,
            size_bytes=size,
            per_s=rate,
            calls=calls,
            secret_file=secret_file,
        ),
    )
