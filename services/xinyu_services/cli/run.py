"""`xinyu run ROLE`: one role as a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xinyu_services.cli.failure import CommandError, one_line_failures

if TYPE_CHECKING:
    import asyncio

app = typer.Typer(help="Run one role as a process of its own.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("gateway-ws")
def gateway_ws(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on, 0 = a free one.")] = 8081,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the port.")] = 1,
    echo: Annotated[bool, typer.Option("--echo", help="Send every message back, in C. No login, any path.")] = False,
    echo_python: Annotated[
        bool, typer.Option("--echo-python", help="The same with a Python callback and a Python send a message.")
    ] = False,
    max_fragments: Annotated[
        int | None, typer.Option("--max-fragments", min=1, help="Frames that one message may have.")
    ] = None,
) -> None:
    """The WebSocket gateway in echo mode, for load and conformance tools."""
    with one_line_failures():
        if echo == echo_python:
            raise CommandError("gateway-ws runs with either --echo or --echo-python")
        _serve_echo(host, port, workers, in_python=echo_python, max_fragments=max_fragments)


@app.command("rpc-echo")
def rpc_echo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on, 0 = a free one.")] = 8060,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="File that holds the cluster's secret; needed beyond loopback.", show_default=False),
    ] = None,
) -> None:
    """A Rock server that sends back what it gets, for load tools (xinyu bench rpc)."""
    with one_line_failures():
        try:
            secret = b"" if secret_file is None else secret_file.read_bytes().strip()
        except OSError as error:
            raise CommandError(f"the secret in {secret_file} cannot be read: {error.strerror}") from None
        if secret_file is not None and not secret:
            raise CommandError(f"{secret_file} holds no secret")
        _serve_rpc_echo(host, port, secret)


def _serve_rpc_echo(host: str, port: int, secret: bytes) -> None:
    from xinyu.base.config import LogSettings
    from xinyu.base.logging import configure_logging
    from xinyu.gateway.listener import listen, reachable_host
    from xinyu.rpc.probe import ProbeServicer
    from xinyu.rpc.rock_server import RockServer
    from xinyu.rpc.servicers import Servicers
    from xinyu.wire.v1 import probe_rpc
    from xinyu_services.cli.process import run_until_signal, settle_memory

    async def main(stop: asyncio.Event) -> None:
        servicers = Servicers()
        servicers.serve(probe_rpc.METHODS, ProbeServicer())
        server = RockServer(servicers, secret=secret)
        try:
            await server.start(listening)
        except ValueError as error:
            raise CommandError(str(error)) from None
        settle_memory()
        typer.echo(f"rock on {reachable_host(host)}:{server.port}")
        await stop.wait()
        await servicers.drain(1.0)
        await server.stop()

    configure_logging(LogSettings())
    listening = listen(host, port)
    run_until_signal(main)


def _serve_echo(host: str, port: int, workers: int, *, in_python: bool, max_fragments: int | None) -> None:
    from xinyu.base.config import LogSettings
    from xinyu.base.logging import configure_logging
    from xinyu.gateway.listener import bound_port, listen, listen_shared, reachable_host
    from xinyu.gateway.ws.echo import DEFAULT_MAX_FRAGMENTS, EchoGateway
    from xinyu_services.cli.process import run_until_signal
    from xinyu_services.cli.worker_pool import WorkerPool
    from xinyu_services.cli.worker_process import EchoOrders

    max_fragments = max_fragments or DEFAULT_MAX_FRAGMENTS

    async def main(stop: asyncio.Event) -> None:
        gateway = EchoGateway(in_python=in_python, max_fragments=max_fragments)
        gateway.start(listening[0])
        typer.echo(f"echo on ws://{reachable_host(host)}:{bound_port(listening[0])}/")
        await stop.wait()
        await gateway.stop()

    async def main_of_workers(stop: asyncio.Event) -> None:
        pool = WorkerPool(listening, lambda _number: EchoOrders(in_python, max_fragments), LogSettings())
        await pool.start()
        pids = " ".join(str(pid) for pid in pool.pids())
        typer.echo(f"echo on ws://{reachable_host(host)}:{bound_port(listening[0])}/, workers {pids}")
        await stop.wait()
        await pool.stop()

    configure_logging(LogSettings())
    listening = [listen(host, port)] if workers == 1 else listen_shared(host, port, workers)
    run_until_signal(main if workers == 1 else main_of_workers)
