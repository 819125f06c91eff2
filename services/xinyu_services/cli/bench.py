"""`xinyu bench`: load for a WebSocket echo server, ours or another's.

The result goes to standard output, the progress to standard error. Exit code 1: not run, or run with losses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xinyu_services.cli.failure import CommandError, one_line_failures

if TYPE_CHECKING:
    from xinyu.bench.clients import ClientOptions
    from xinyu.bench.report import Report

PLOTTED_READINGS = 10  # of memory, for a curve

app = typer.Typer(help="Load for a WebSocket echo server, by URL: ours or another's.", no_args_is_help=True)

Url = Annotated[str, typer.Argument(help="ws://host:port/path of the server.")]
Connections = Annotated[int, typer.Option("--connections", "-n", help="Connections.")]
Seconds = Annotated[float, typer.Option("--seconds", "-t", help="How long it is measured.")]
Pid = Annotated[
    list[int] | None,
    typer.Option("--pid", help="Process of the server, to meter its CPU and memory; may be given several times."),
]
Cpu = Annotated[int | None, typer.Option("--cpu", help="The core that the client keeps to.", show_default=False)]
Header = Annotated[list[str] | None, typer.Option("--header", help="A line 'Name: value' for each handshake.")]
Subprotocol = Annotated[str | None, typer.Option("--subprotocol", help="Sec-WebSocket-Protocol.", show_default=False)]
Tokens = Annotated[
    Path | None,
    typer.Option("--tokens", help="File of bearer tokens, one a connection in turn.", show_default=False),
]
AtOnce = Annotated[int, typer.Option("--at-once", help="Handshakes under way at a time.")]
ConnectRate = Annotated[float, typer.Option("--connect-rate", help="Connections opened a second, 0 = no limit.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Write a plot to this SVG file.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


@app.callback()
def _group() -> None:
    pass


@app.command()
def echo(
    url: Url,
    connections: Connections = 100,
    seconds: Seconds = 10.0,
    warmup: Annotated[float, typer.Option(help="Seconds before it is measured.")] = 1.0,
    size: Annotated[int, typer.Option(help="Bytes a message.")] = 32,
    depth: Annotated[int, typer.Option(help="Messages in flight a connection.")] = 1,
    binary: Annotated[bool, typer.Option("--binary", help="Binary messages instead of text.")] = False,
    rate: Annotated[float, typer.Option(help="Messages a second over all, 0 = as fast as answers come.")] = 0.0,
    messages: Annotated[
        int | None, typer.Option(help="So many in all instead of a time.", show_default=False)
    ] = None,
    pid: Pid = None,
    cpu: Cpu = None,
    header: Header = None,
    subprotocol: Subprotocol = None,
    tokens: Tokens = None,
    at_once: AtOnce = 64,
    connect_rate: ConnectRate = 0.0,
    json: Json = False,
    markdown: Markdown = False,
    plot: Plot = None,
    quiet: Quiet = False,
) -> None:
    """Messages to and fro: how many a second, how long each takes, what one costs the server."""

    def run() -> Report:
        from xinyu.bench.echo import EchoOptions
        from xinyu.bench.echo import run as run_echo

        client = _client(url, pid, cpu, header, subprotocol, tokens, at_once, connect_rate, quiet)
        return run_echo(
            client,
            EchoOptions(
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

    _show(run, json, markdown, plot)


@app.command()
def idle(
    url: Url,
    connections: Connections = 1000,
    first: Annotated[
        int | None,
        typer.Option(help="The smaller of the two counts compared (default: a fifteenth).", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", "-t", help="How long all are held.")] = 10.0,
    pid: Pid = None,
    cpu: Cpu = None,
    header: Header = None,
    subprotocol: Subprotocol = None,
    tokens: Tokens = None,
    at_once: AtOnce = 64,
    connect_rate: ConnectRate = 0.0,
    json: Json = False,
    markdown: Markdown = False,
    plot: Plot = None,
    quiet: Quiet = False,
) -> None:
    """Connections that only answer pings: are all kept, and how much memory does one take?"""

    def run() -> Report:
        from xinyu.bench.idle import IdleOptions
        from xinyu.bench.idle import run as run_idle

        client = _client(url, pid, cpu, header, subprotocol, tokens, at_once, connect_rate, quiet)
        readings = 2 if plot is None else PLOTTED_READINGS
        return run_idle(client, IdleOptions(connections=connections, first=first, readings=readings, seconds=seconds))

    def draw(report: Report) -> str:
        from xinyu.bench.idle import memory_chart

        return memory_chart(report)

    _show(run, json, markdown, plot, draw)


@app.command()
def fanout(
    url: Url,
    connections: Connections = 1000,
    rounds: Annotated[int, typer.Option(help="Rounds, one after the other.")] = 20,
    burst: Annotated[int, typer.Option(help="Frames to each connection a round.")] = 1,
    pid: Pid = None,
    cpu: Cpu = None,
    header: Header = None,
    subprotocol: Subprotocol = None,
    tokens: Tokens = None,
    at_once: AtOnce = 64,
    connect_rate: ConnectRate = 0.0,
    json: Json = False,
    markdown: Markdown = False,
    plot: Plot = None,
    quiet: Quiet = False,
) -> None:
    """One frame of 128 bytes to everybody, asked for by the text 'go R' as XinYu's echo mode understands it."""

    def run() -> Report:
        from xinyu.bench.fanout import FanoutOptions
        from xinyu.bench.fanout import run as run_fanout

        client = _client(url, pid, cpu, header, subprotocol, tokens, at_once, connect_rate, quiet)
        return run_fanout(client, FanoutOptions(connections=connections, rounds=rounds, burst=burst))

    _show(run, json, markdown, plot)


@app.command()
def connect(
    url: Url,
    connections: Connections = 1000,
    pid: Pid = None,
    cpu: Cpu = None,
    header: Header = None,
    subprotocol: Subprotocol = None,
    tokens: Tokens = None,
    at_once: AtOnce = 64,
    connect_rate: ConnectRate = 0.0,
    json: Json = False,
    markdown: Markdown = False,
    plot: Plot = None,
    quiet: Quiet = False,
) -> None:
    """Opening handshakes: how many a second, and how long each takes."""

    def run() -> Report:
        from xinyu.bench.connect import ConnectOptions
        from xinyu.bench.connect import run as run_connect

        client = _client(url, pid, cpu, header, subprotocol, tokens, at_once, connect_rate, quiet)
        return run_connect(client, ConnectOptions(connections=connections))

    _show(run, json, markdown, plot)


@app.command()
def churn(
    url: Url,
    connections: Connections = 1000,
    seconds: Seconds = 10.0,
    rate: Annotated[float, typer.Option(help="Connections replaced a second, 0 = as fast as it goes.")] = 0.0,
    messages: Annotated[int, typer.Option(help="Messages echoed to each new connection.")] = 1,
    pid: Pid = None,
    cpu: Cpu = None,
    header: Header = None,
    subprotocol: Subprotocol = None,
    tokens: Tokens = None,
    at_once: AtOnce = 64,
    connect_rate: ConnectRate = 0.0,
    json: Json = False,
    markdown: Markdown = False,
    plot: Plot = None,
    quiet: Quiet = False,
) -> None:
    """Connections that come and go while their number stays."""

    def run() -> Report:
        from xinyu.bench.churn import ChurnOptions
        from xinyu.bench.churn import run as run_churn

        client = _client(url, pid, cpu, header, subprotocol, tokens, at_once, connect_rate, quiet)
        return run_churn(
            client, ChurnOptions(connections=connections, seconds=seconds, per_s=rate, messages=messages)
        )

    _show(run, json, markdown, plot)


def _client(
    url: str,
    pids: list[int] | None,
    cpu: int | None,
    headers: list[str] | None,
    subprotocol: str | None,
    tokens: Path | None,
    at_once: int,
    connect_rate: float,
    quiet: bool,
) -> ClientOptions:
    from xinyu.bench.clients import ClientOptions

    return ClientOptions(
        url=url,
        headers=tuple(headers or ()),
        subprotocol=subprotocol,
        tokens_file=tokens,
        server_pids=tuple(pids or ()),
        cpu=cpu,
        at_once=at_once,
        connect_per_s=connect_rate,
        progress=None if quiet else sys.stderr,
    )


def _draw_latencies(report: Report) -> str:
    from xinyu.bench.svg import percentile_chart

    return percentile_chart(f"{report.scenario} on {report.url}", report.latencies)


def _show(
    run: Callable[[], Report],
    json: bool,
    markdown: bool,
    plot: Path | None,
    draw: Callable[[Report], str] = _draw_latencies,
) -> None:
    with one_line_failures():
        from xinyu.bench import report as reports

        if json and markdown:
            raise CommandError("give either --json or --markdown")
        if plot is not None and not plot.parent.is_dir():
            raise CommandError(f"the directory of {plot} does not exist")
        report = run()
        write = reports.as_json if json else reports.as_markdown if markdown else reports.as_text
        typer.echo(write(report))
        if plot is not None:
            try:
                plot.write_text(draw(report))
            except OSError as error:
                raise CommandError(f"the plot {plot} cannot be written: {error.strerror}") from None
    if report.problems:
        raise typer.Exit(1)
