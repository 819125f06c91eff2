"""`xinyu run ROLE`: one role as a process of its own."""

from __future__ import annotations

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
        _serve_echo(host, port, in_python=echo_python, max_fragments=max_fragments)


def _serve_echo(host: str, port: int, *, in_python: bool, max_fragments: int | None) -> None:
    from xinyu.base.config import LogSettings
    from xinyu.base.logging import configure_logging
    from xinyu.gateway.listener import bound_port, listen, reachable_host
    from xinyu.gateway.ws.echo import DEFAULT_MAX_FRAGMENTS, EchoGateway
    from xinyu_services.cli.process import run_until_signal

    async def main(stop: asyncio.Event) -> None:
        gateway = EchoGateway(in_python=in_python, max_fragments=max_fragments or DEFAULT_MAX_FRAGMENTS)
        gateway.start(listening)
        typer.echo(f"echo on ws://{reachable_host(host)}:{bound_port(listening)}/")
        await stop.wait()
        await gateway.stop()

    configure_logging(LogSettings())
    listening = listen(host, port)
    run_until_signal(main)
