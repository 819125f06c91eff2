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
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.", show_default=False, metavar="LEVEL")
    ] = None,
) -> None:
    """Run the whole server in this process until SIGTERM or Ctrl-C."""
    with one_line_failures():
        settings = load(
            config,
            data_directory,
            http={"host": http_host, "port": http_port},
            websocket={"host": ws_host, "port": ws_port},
            log={"level": log_level},
        )
        from xinyu.base.logging import configure_logging
        from xinyu_services.cli.process import run_until_signal

        configure_logging(settings.log)
        run_until_signal(lambda stop: _serve(settings, stop))


async def _serve(settings: Config, stop: asyncio.Event) -> None:
    import gc

    import xinyu
    from xinyu_services.cli.embedded import EmbeddedServer

    server = EmbeddedServer(settings)
    await server.start()
    try:
        # What lives from now on lives as long as the process: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        # A message in flight is some hundred objects that the next moment frees by itself. With the default of 700 the
        # collector would look at them again and again, and find nothing.
        gc.set_threshold(50_000, 20, 50)
        typer.echo(f"XinYu {xinyu.__version__}")
        typer.echo(f"  page and API  {server.http_url}/")
        typer.echo(f"  WebSocket     {server.websocket_url}")
        typer.echo(f"  data          {server.data_directory}")
        await stop.wait()
    finally:
        await server.stop()
