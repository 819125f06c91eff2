"""The two engines under the rooms: for each test an empty database with all tables, on SQLite and on MariaDB."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol

from sqlalchemy import text

from tests.local_servers import MariaDbServer, new_database
from xinyu.base.config import DatabaseSettings
from xinyu.storage import mysql, schema, sqlite
from xinyu.storage.database import Database
from xinyu.storage.dialect import MYSQL, SQLITE, Dialect
from xinyu.storage.mysql import MySqlDatabase
from xinyu.storage.sqlite import SqliteDatabase


class Storage(Protocol):
    """One test's database. Who opens it closes it; opened twice, it is the database of two processes (on MariaDB)."""

    dialect: Dialect

    async def open(self) -> Database: ...


class SqliteStorage:
    dialect = SQLITE

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_bytes(_migrated_file())

    async def open(self) -> SqliteDatabase:
        return SqliteDatabase(self._path)


@cache
def _migrated_file() -> bytes:
    engine = sqlite.create_sqlite_engine(":memory:", writer=True)
    with engine.connect() as connection:
        sqlite.run_transaction(connection, schema.apply)
        raw = connection.connection.dbapi_connection
        assert raw is not None
        return bytes(raw.serialize())  # type: ignore[attr-defined]


class MariaDbStorage:
    dialect = MYSQL

    def __init__(self, server: MariaDbServer) -> None:
        self.settings = DatabaseSettings(url=_migrated_database(server), statement_timeout_s=30)
        engine = mysql.create_mysql_engine(self.settings)
        with engine.begin() as connection:
            for (table,) in connection.execute(text("SHOW TABLES")).all():
                if table not in ("alembic_version", "meta"):
                    connection.execute(text(f"DELETE FROM {table}"))
        engine.dispose()

    async def open(self) -> MySqlDatabase:
        return MySqlDatabase(self.settings)


@cache
def _migrated_database(server: MariaDbServer) -> str:
    """The URL; migrated once a test run, since that takes seconds there."""
    url = new_database(server)
    engine = mysql.create_mysql_engine(DatabaseSettings(url=url))
    with engine.connect() as connection:
        mysql.run_transaction(connection, schema.apply)
    engine.dispose()
    return url
