"""`xinyu migrate`: the schema of the database in the data directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from xinyu_services.cli.failure import one_line_failures
from xinyu_services.cli.settings import ConfigFile, DataDirectoryOption, load

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")

app = typer.Typer(help="The database's schema.", no_args_is_help=True)


def _in_transaction(config: Path | None, data_directory: Path | None, work: Callable[[Connection], T]) -> T:
    """Runs `work` in one transaction, with the data directory locked: no server may be running on it."""
    from xinyu.storage.sqlite import create_sqlite_engine, run_transaction
    from xinyu_services.cli.data_directory import DataDirectory

    settings = load(config, data_directory)
    with DataDirectory(settings.data_directory) as directory:
        engine = create_sqlite_engine(directory.database, writer=True)
        try:
            with engine.connect() as connection:
                return run_transaction(connection, work)
        finally:
            engine.dispose()


@app.command("apply")
def apply(config: ConfigFile = None, data_directory: DataDirectoryOption = None) -> None:
    """Bring the schema to what this version needs. `xinyu serve` does it by itself."""
    with one_line_failures():
        from xinyu.storage import schema

        done = _in_transaction(config, data_directory, schema.apply)
        for revision, description in done:
            typer.echo(f"applied {revision}  {description}")
        if not done:
            typer.echo("nothing to apply")


@app.command("status")
def status(config: ConfigFile = None, data_directory: DataDirectoryOption = None) -> None:
    """Say where the schema stands and what `apply` would do."""
    with one_line_failures():
        from xinyu.storage import schema

        found = _in_transaction(config, data_directory, schema.status)
        typer.echo(f"schema {found.current or 'none'}, this version needs {found.head}")
        for revision, description in found.pending:
            typer.echo(f"pending {revision}  {description}")


@app.command("plan", hidden=True)
def plan(config: ConfigFile = None, data_directory: DataDirectoryOption = None) -> None:
    """The same as status."""
    status(config, data_directory)


@app.command("new-epoch")
def new_epoch(config: ConfigFile = None, data_directory: DataDirectoryOption = None) -> None:
    """After a restore: numbers may be given out twice, so every device starts anew. With all servers stopped."""
    with one_line_failures():
        from xinyu.storage import meta, schema
        from xinyu.storage.dialect import SQLITE

        def work(connection: Connection) -> str:
            schema.apply(connection)
            return meta.begin_epoch(connection, SQLITE)

        typer.echo(f"epoch {_in_transaction(config, data_directory, work)}")
