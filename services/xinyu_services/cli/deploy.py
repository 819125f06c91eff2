"""`xinyu deploy`: configurations of other programs, made of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xinyu_services.cli.failure import one_line_failures
from xinyu_services.cli.settings import ConfigFile, load

app = typer.Typer(help="Configurations of other programs, made of ours.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("nginx")
def nginx(
    config: ConfigFile = None,
    topology: Annotated[
        Path | None, typer.Option(help="Take the gateways from this topology file.", show_default=False)
    ] = None,
    http: Annotated[
        list[str] | None,
        typer.Option(help="An HTTP gateway, host:port; may be repeated.", show_default=False),
    ] = None,
    websocket: Annotated[
        list[str] | None,
        typer.Option(help="A WebSocket gateway, host:port; may be repeated.", show_default=False),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(help="Where nginx listens, host:port; may be repeated. Default: 0.0.0.0:80, or 443 with TLS."),
    ] = None,
    server_name: Annotated[str, typer.Option(help="Names of the site.")] = "_",
    certificate: Annotated[Path | None, typer.Option(help="TLS: the certificate's file.", show_default=False)] = None,
    key: Annotated[Path | None, typer.Option(help="TLS: its key's file.", show_default=False)] = None,
    access_log: Annotated[str, typer.Option(help="A path, or off.")] = "/var/log/nginx/xinyu.log",
    error_log: Annotated[str, typer.Option(help="A path.")] = "/var/log/nginx/error.log",
    output: Annotated[
        Path | None, typer.Option(help="The file to write, instead of standard output.", show_default=False)
    ] = None,
) -> None:
    """Print nginx's configuration for the gateways, to be included in its http context (say, conf.d/xinyu.conf).

    Tell the gateways that they may believe nginx: trusted_proxies: [its address]."""
    with one_line_failures():
        from xinyu.gateway.listener import reachable_host
        from xinyu_services.cli.failure import CommandError
        from xinyu_services.cli.nginx_site import Site, render
        from xinyu_services.cli.topology import HTTP_GATEWAY, WEBSOCKET_GATEWAY, load_topology

        settings = load(config, None)
        if topology is not None:
            processes = load_topology(topology)
            http = http or [process.address for process in processes.processes(HTTP_GATEWAY)]
            websocket = websocket or [process.address for process in processes.processes(WEBSOCKET_GATEWAY)]
        text = render(
            Site(
                http=http or [f"{reachable_host(settings.http.host)}:{settings.http.port}"],
                websocket=websocket or [f"{reachable_host(settings.websocket.host)}:{settings.websocket.port}"],
                listen=listen or ["0.0.0.0:443" if certificate else "0.0.0.0:80"],
                server_name=server_name,
                certificate=certificate,
                key=key,
                access_log=access_log,
                error_log=error_log,
            ),
            settings,
        )
        if output is None:
            typer.echo(text, nl=False)
            return
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"cannot write {output}: {error.strerror}") from None
