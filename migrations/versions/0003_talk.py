"""talk: conversation list rows, their versions, outbox"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongBinary, RowId, create_table

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    create_table(
        "talk_session",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("version", big, nullable=False),
        sa.Column("talk_mode", small, nullable=False),
        sa.Column("to_from_id", big, nullable=False),
        sa.Column("state", small, nullable=False),  # 1 alive, 2 deleted
        sa.Column("revision", big, nullable=False, server_default="0"),
        sa.Column("pinned_at_ms", big, nullable=False, server_default="0"),
        sa.Column("is_disturb", small, nullable=False, server_default="2"),
        sa.Column("hidden_sequence", big, nullable=False, server_default="-1"),
        sa.Column("draft", sa.String(1000), nullable=False, server_default=""),
        sa.Column("remark", sa.String(64), nullable=False, server_default=""),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("changed_at_ms", big, nullable=False),
        sa.Index("talk_session_version", "user_id", "version"),
        sqlite_with_rowid=False,
    )
    create_table(
        "talk_version",
        sa.Column("user_id", RowId, primary_key=True, autoincrement=False),
        sa.Column("version", big, nullable=False),
        sa.Column("floor", big, nullable=False, server_default="0"),
    )
    create_table(
        "talk_outbox",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("incarnation", sa.String(64), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("events", LongBinary, nullable=False),
        sqlite_autoincrement=True,
    )
