"""`xinyu keys`: the server's own keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xinyu_services.cli.failure import CommandError, one_line_failures
from xinyu_services.cli.settings import ConfigFile, DataDirectoryOption, load

if TYPE_CHECKING:
    from xinyu_services.user.keys import ServerKeys

app = typer.Typer(help="The server's own keys.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("public")
def public(config: ConfigFile = None, data_directory: DataDirectoryOption = None) -> None:
    """Print the public key for passwords: a client is built with it. Keys that are missing are made."""
    with one_line_failures():
        typer.echo(_keys(config, data_directory)[1].public_pem, nl=False)


@app.command("create")
def create(config: ConfigFile = None, data_directory: DataDirectoryOption = None) -> None:
    """Make the keys that are missing: every process of a cluster needs the same ones."""
    with one_line_failures():
        typer.echo(f"keys in {_keys(config, data_directory)[0]}")


def _keys(config: Path | None, data_directory: Path | None) -> tuple[Path, ServerKeys]:
    from xinyu_services.user.keys import load_or_create_keys

    directory = load(config, data_directory).keys_directory.absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"the directory of the keys, {directory}, cannot be used: {error.strerror}") from None
    return directory, load_or_create_keys(directory)
