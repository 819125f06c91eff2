"""Which database a command works on: that in the data directory, or the cluster's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.settings import load

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from xinyu.base.config import Config, DatabaseSettings
    from xinyu.storage.dialect import Dialect

T = TypeVar("T")

ClusterOption = Annotated[
    bool, typer.Option("--cluster", help="The database of the cluster (database.url), not that in the data directory.")
]
DatabaseUrlOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="The same, at this address: mysql://user:password@host:port/name.",
        show_default=False,
        metavar="URL",
    ),
]


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """Which database a command works on."""

    config: Config
    is_cluster: bool

    @classmethod
    def of(
        cls, config: Path | None, data_directory: Path | None, cluster: bool, database_url: str | None
    ) -> DatabaseTarget:
        is_cluster = cluster or database_url is not None
        if is_cluster and data_directory is not None:
            raise CommandError("--data-directory names another database than --cluster")
        database: dict[str, Any] = {"url": database_url}
        return cls(load(config, data_directory, database=database), is_cluster)

    @property
    def dialect(self) -> Dialect:
        from xinyu.storage.dialect import MYSQL, SQLITE

        return MYSQL if self.is_cluster else SQLITE

    def run(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in one transaction; on the data directory, with its lock: no server may be running on it."""
        if self.is_cluster:
            return _on_server(self.config.database, work)
        return _in_data_directory(self.config.data_directory, work)


def _on_server(settings: DatabaseSettings, work: Callable[[Connection], T]) -> T:
    from xinyu.storage.mysql import create_mysql_engine, raise_translated, run_transaction

    engine = create_mysql_engine(settings)
    try:
        connection = engine.connect()
    except Exception as error:
        raise_translated(error)
    try:
        with connection:
            return run_transaction(connection, work)
    finally:
        engine.dispose()


def _in_data_directory(path: Path, work: Callable[[Connection], T]) -> T:
    from xinyu.storage.sqlite import create_sqlite_engine, run_transaction
    from xinyu_services.cli.data_directory import DataDirectory

    with DataDirectory(path) as directory:
        engine = create_sqlite_engine(directory.database, writer=True)
        try:
            with engine.connect() as connection:
                return run_transaction(connection, work)
        finally:
            engine.dispose()
