"""Steps of a revision that may run again.

SQLite rolls back a revision that was interrupted. MySQL keeps each table and index that it has made, and Alembic begins
the revision anew: so each step looks first whether it has been done. Without a database, when `xinyu migrate plan` only
writes down what would be done, nothing has been.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

# The row's own number. SQLite: an INTEGER key is that number, a BIGINT one a second index.
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# MySQL's own TEXT and BLOB end at 64 KiB.
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
LongBinary = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")


def is_mysql() -> bool:
    return op.get_context().dialect.name in ("mysql", "mariadb")


def create_table(name: str, *items: Any, **options: Any) -> None:
    """A table that may be there already, and its indexes. The same collation everywhere: text is compared by its
    bytes."""
    op.create_table(
        name,
        *(item for item in items if not isinstance(item, sa.Index)),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        **options,
    )
    for item in items:
        if isinstance(item, sa.Index):
            create_index(str(item.name), name, [str(expression) for expression in item.expressions])


def add_column(table: str, column: sa.Column[Any]) -> None:
    """A column that may be there already."""
    if op.get_context().as_sql or column.name not in {
        known["name"] for known in sa.inspect(op.get_bind()).get_columns(table)
    }:
        op.add_column(table, column)


def create_index(name: str, table: str, columns: list[str]) -> None:
    """An index that may be there already. MySQL has no CREATE INDEX IF NOT EXISTS."""
    if op.get_context().as_sql or name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
