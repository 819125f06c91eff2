"""`xinyu keys`: the server's own keys."""

from __future__ import annotations

import typer

from xinyu_services.cli.failure import CommandError, one_line_failures
from xinyu_services.cli.settings import ConfigFile, DataDirectoryOption, load

app = typer.Typer(help="The server's own keys.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command("public")
def public(config: ConfigFile = None, data_directory: DataDirectoryOption = None) -> None:
    """Print the public key for passwords: a client is built with it. Keys that are missing are made."""
    with one_line_failures():
        from xinyu_services.user.keys import load_or_create_keys

        directory = load(config, data_directory).data_directory.absolute()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"the data directory {directory} cannot be used: {error.strerror}") from None
        typer.echo(load_or_create_keys(directory).public_pem, nl=False)
