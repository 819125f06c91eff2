"""message: messages that disappear: a talk's setting, when each goes, and which are due"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import add_column, create_table

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    big = sa.BigInteger
    add_column("talk", sa.Column("expire_after_s", sa.Integer, nullable=False, server_default="0"))
    # Of the last message: what the head shows of it is not to be shown any more from then on. 0 = never.
    add_column("talk", sa.Column("last_expires_at_ms", big, nullable=False, server_default="0"))
    add_column("message", sa.Column("expires_at_ms", big, nullable=False, server_default="0"))
    create_table(
        "message_due",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("expires_at_ms", big, nullable=False),
        sa.Index("message_due_at", "expires_at_ms"),
        sqlite_with_rowid=False,
    )
