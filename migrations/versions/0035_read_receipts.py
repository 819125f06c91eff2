"""user, message: whether others may see what a user has read"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import add_column, create_table

revision = "0035"
down_revision = "0033"


def upgrade() -> None:
    add_column("user_account", sa.Column("read_receipts", sa.String(1), nullable=False, server_default="Y"))
    # What the message room was told of it; who never changed it has no row.
    create_table(
        "reader_choice",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("is_hidden", sa.SmallInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
