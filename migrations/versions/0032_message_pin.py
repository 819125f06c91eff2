"""message: what is pinned in a talk"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import add_column, create_table

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    add_column("message_change", sa.Column("is_pinned", small, nullable=False, server_default="0"))
    create_table(
        "message_pin",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("change", big, nullable=False),  # that it came with: the newest pin has the highest
        sa.Column("user_id", big, nullable=False),  # who pinned it
        sa.Column("pinned_at_ms", big, nullable=False),
        sa.Index("message_pin_change", "talk_id", "change"),
        sqlite_with_rowid=False,
    )
