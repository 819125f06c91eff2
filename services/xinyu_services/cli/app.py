"""The command `xinyu`: its groups and how it fails.

A command that cannot do its work says why in one line on standard error and exits with 1; usage errors exit with 2. The
commands import what they need when they run, so that `xinyu --version` does not load a server.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import xinyu
from xinyu_services.cli import bench, cluster, config, deploy, discovery, env, keys, migrate, organize, run, serve

app = typer.Typer(
    name="xinyu",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="XinYu: a messaging server with an exact history.",
)
app.command("serve")(serve.serve)
app.add_typer(run.app, name="run")
app.command("services")(discovery.services)
app.add_typer(migrate.app, name="migrate")
app.add_typer(organize.app, name="organize")
app.add_typer(keys.app, name="keys")
app.add_typer(config.app, name="config")
app.add_typer(deploy.app, name="deploy")
app.add_typer(env.app, name="env")
app.add_typer(cluster.app, name="cluster")
app.add_typer(bench.app, name="bench")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"xinyu {xinyu.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
