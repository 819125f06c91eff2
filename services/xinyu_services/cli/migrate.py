"""`xinyu migrate`: the schema of the database in the data directory, or of the cluster's (`--cluster`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from xinyu_services.cli.database_target import ClusterOption, DatabaseTarget, DatabaseUrlOption
from xinyu_services.cli.failure import CommandError, one_line_failures
from xinyu_services.cli.settings import ConfigFile, DataDirectoryOption

if TYPE_CHECKING:
    from sqlalchemy import Connection

app = typer.Typer(help="The database's schema.", no_args_is_help=True)


@app.command("apply")
def apply(
    config: ConfigFile = None,
    data_directory: DataDirectoryOption = None,
    cluster: ClusterOption = False,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Bring the schema to what this version needs. `xinyu serve` does it by itself."""
    with one_line_failures():
        from xinyu.storage import schema

        done = DatabaseTarget.of(config, data_directory, cluster, database_url).run(schema.apply)
        for revision, description in done:
            typer.echo(f"applied {revision}  {description}")
        if not done:
            typer.echo("nothing to apply")


@app.command("status")
def status(
    config: ConfigFile = None,
    data_directory: DataDirectoryOption = None,
    cluster: ClusterOption = False,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Say where the schema stands and what `apply` would do."""
    with one_line_failures():
        from xinyu.storage import schema

        found = DatabaseTarget.of(config, data_directory, cluster, database_url).run(schema.status)
        typer.echo(f"schema {found.current or 'none'}, this version needs {found.head}")
        for revision, description in found.pending:
            typer.echo(f"pending {revision}  {description}")


@app.command("plan")
def plan(
    config: ConfigFile = None,
    data_directory: DataDirectoryOption = None,
    cluster: ClusterOption = False,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Print the SQL that `apply` would run, and change nothing."""
    with one_line_failures():
        from xinyu.storage import schema

        planned = DatabaseTarget.of(config, data_directory, cluster, database_url).run(schema.plan)
        typer.echo(planned.rstrip() if planned else "-- nothing to apply")


@app.command("new-epoch")
def new_epoch(
    config: ConfigFile = None,
    data_directory: DataDirectoryOption = None,
    cluster: ClusterOption = False,
    database_url: DatabaseUrlOption = None,
) -> None:
    """After a restore: numbers may be given out twice, so every device starts anew. With all servers stopped."""
    with one_line_failures():
        from xinyu.storage import lease, meta, schema

        target = DatabaseTarget.of(config, data_directory, cluster, database_url)

        def work(connection: Connection) -> str:
            schema.apply(connection)
            # Of a data directory, the lock says it better: what a killed server left there is dead.
            if target.is_cluster and (alive := lease.alive(connection, target.dialect)):
                raise CommandError(f"{len(alive)} processes of the cluster are running, or ended less than 15 s ago")
            return meta.begin_epoch(connection, target.dialect)

        typer.echo(f"epoch {target.run(work)}")
