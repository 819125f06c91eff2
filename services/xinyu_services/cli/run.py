"""`xinyu run ROLE`: one role as a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import xinyu
from xinyu_services.cli.failure import CommandError, one_line_failures
from xinyu_services.cli.settings import ConfigFile, load

if TYPE_CHECKING:
    import asyncio

app = typer.Typer(help="Run one role as a process of its own.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


Host = Annotated[str, typer.Option(help="Address to listen on.")]
RolePort = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on, 0 = a free one.", show_default=False)
]
GrpcPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port for the same calls over gRPC.", show_default=False)
]
OpsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port of /healthz, /readyz and /metrics, on ops.host.", show_default=False),
]


def _add_room(room: str) -> None:
    @app.command(f"svc-{room}")
    def command(
        config: ConfigFile = None,
        host: Host = "127.0.0.1",
        port: RolePort = None,
        grpc_port: GrpcPort = None,
        ops_port: OpsPort = None,
    ) -> None:
        with one_line_failures():
            _run_role(f"svc-{room}", config, host, port, grpc_port=grpc_port, ops_port=ops_port)

    command.__doc__ = f"The {room} room."


for _room in ("presence", "message", "contact", "user", "group", "talk", "media", "emoticon", "organize", "note"):
    _add_room(_room)


@app.command("gateway-http")
def gateway_http(
    config: ConfigFile = None, host: Host = "127.0.0.1", port: RolePort = None, ops_port: OpsPort = None
) -> None:
    """The HTTP gateway: page, API and media."""
    with one_line_failures():
        _run_role("gateway-http", config, host, port, ops_port=ops_port)


@app.command("gateway-ws")
def gateway_ws(
    config: ConfigFile = None,
    host: Host = "127.0.0.1",
    port: RolePort = None,
    rpc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port where rooms reach it.", show_default=False)
    ] = None,
    ops_port: OpsPort = None,
    workers: Annotated[
        int,
        typer.Option(min=1, max=256, help="Processes that share the port; each a gateway with its own further ports."),
    ] = 1,
    echo: Annotated[bool, typer.Option("--echo", help="Send every message back, in C. No login, any path.")] = False,
    echo_python: Annotated[
        bool, typer.Option("--echo-python", help="The same with a Python callback and a Python send a message.")
    ] = False,
    max_fragments: Annotated[
        int | None, typer.Option("--max-fragments", min=1, help="Frames that one message may have (echo).")
    ] = None,
) -> None:
    """The WebSocket gateway; or an echo server on its engine, for load and conformance tools."""
    with one_line_failures():
        if echo and echo_python:
            raise CommandError("gateway-ws runs with either --echo or --echo-python")
        if echo or echo_python:
            port = 8081 if port is None else port
            _serve_echo(host, port, workers, in_python=echo_python, max_fragments=max_fragments)
        else:
            _run_role("gateway-ws", config, host, port, rpc_port=rpc_port, ops_port=ops_port, workers=workers)


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


def _run_role(
    role: str,
    config_file: Path | None,
    host: str,
    port: int | None,
    *,
    rpc_port: int | None = None,
    grpc_port: int | None = None,
    ops_port: int | None = None,
    workers: int = 1,
) -> None:
    from xinyu.base.logging import configure_logging
    from xinyu_services.cli.process import run_until_signal
    from xinyu_services.cli.role_process import Ports
    from xinyu_services.cli.roles import DEFAULT_GATEWAY_RPC_PORT, DEFAULT_PORTS, run_role, run_workers

    settings = load(config_file, None)
    configure_logging(settings.log, role=role)
    if role == "gateway-ws" and rpc_port is None:
        rpc_port = DEFAULT_GATEWAY_RPC_PORT
    ports = Ports(host, DEFAULT_PORTS[role] if port is None else port, rpc_port, grpc_port, ops_port)
    if workers > 1:
        run_until_signal(lambda stop: run_workers(settings, ports, workers, stop))
    else:
        run_until_signal(lambda stop: run_role(role, settings, ports, stop))


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
        servicers.serve(probe_rpc.METHODS, ProbeServicer(servicers, version=xinyu.__version__))
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
