"""message: when a message was edited, and each text that it got"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongText, add_column, create_table

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    big = sa.BigInteger
    add_column("message_change", sa.Column("edited_at_ms", big, nullable=False, server_default="0"))
    # What it was sent with stays in `message`.
    create_table(
        "message_edit",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 ...
        sa.Column("body", LongText, nullable=False),
        sa.Column("edited_at_ms", big, nullable=False),
        sqlite_with_rowid=False,
    )
