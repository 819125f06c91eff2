"""talk: conversation list rows, their versions, outbox"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    op.create_table(
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
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    # SQLite: an INTEGER key is the row's own number, a BIGINT one a second index.
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "talk_version",
        sa.Column("user_id", row_id, primary_key=True, autoincrement=False),
        sa.Column("version", big, nullable=False),
        sa.Column("floor", big, nullable=False, server_default="0"),
        if_not_exists=True,
    )
    op.create_table(
        "talk_outbox",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("incarnation", sa.String(64), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("events", sa.LargeBinary, nullable=False),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
