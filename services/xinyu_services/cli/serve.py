"""`xinyu serve`: the embedded form, everything in one process on one data directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xinyu_services.cli.failure import one_line_failures
from xinyu_services.cli.settings import ConfigFile, DataDirectoryOption, load

if TYPE_CHECKING:
    import asyncio

    from xinyu.base.config import Config


def serve(
    config: ConfigFile = None,
    data_directory: DataDirectoryOption = None,
    http_host: Annotated[str | None, typer.Option(help="Address of page and API.", show_default=False)] = None,
    http_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of page and API, 0 = a free one.", show_default=False)
    ] = None,
    ws_host: Annotated[str | None, typer.Option(help="Address of the WebSocket.", show_default=False)] = None,
    ws_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the WebSocket, 0 = a free one.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=256, help="Processes that hold WebSocket connections; 1 = this one does.", show_default=False
        ),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.", show_default=False, metavar="LEVEL")
    ] = None,
) -> None:
    """Run the whole server until SIGTERM or Ctrl-C: in this process, or with WebSocket workers beside it."""
    with one_line_failures():
        settings = load(
            config,
            data_directory,
            http={"host": http_host, "port": http_port},
            websocket={"host": ws_host, "port": ws_port, "workers": workers},
            log={"level": log_level},
        )
        from xinyu.base.logging import configure_logging
        from xinyu_services.cli.process import run_until_signal

        configure_logging(settings.log, role="serve")
        run_until_signal(lambda stop: _serve(settings, stop))


async def _serve(settings: Config, stop: asyncio.Event) -> None:
    import xinyu
    from xinyu_services.cli.embedded import EmbeddedServer
    from xinyu_services.cli.process import settle_memory

    server = EmbeddedServer(settings)
    await server.start()
    try:
        settle_memory()
        typer.echo(f"XinYu {xinyu.__version__}")
        typer.echo(f"  page and API  {server.http_url}/")
        typer.echo(f"  WebSocket     {server.websocket_url}")
        typer.echo(f"  data          {server.data_directory}")
        await stop.wait()
    finally:
        await server.stop()
