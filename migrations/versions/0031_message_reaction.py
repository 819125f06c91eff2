"""message: reactions, counted beside the message, and who reacted"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import add_column, create_table

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    big = sa.BigInteger
    # JSON [[emoji, count], ...] in the order in which they came, "" = none.
    add_column("message_change", sa.Column("reactions", sa.String(2048), nullable=False, server_default=""))
    create_table(
        "message_reaction",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("emoji", sa.String(32), primary_key=True),
        sa.Column("change", big, nullable=False),  # that it came with: one a talk, so it is a place in the list
        sa.Column("reacted_at_ms", big, nullable=False),
        sa.Index("message_reaction_change", "talk_id", "sequence", "change"),
        sa.Index("message_reaction_emoji", "talk_id", "sequence", "emoji", "change"),
        sqlite_with_rowid=False,
    )
