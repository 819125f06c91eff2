"""message: what a merged forward shows to whom it reaches, and the tokens by which a repeated forward is known"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    big = sa.BigInteger
    # (talk_id, sequence) is the forward, the rest a message in it, at any depth.
    create_table(
        "message_forward",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("source_talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("source_sequence", big, primary_key=True, autoincrement=False),
        sa.Column("msg_id", sa.String(64), nullable=False),  # of the source, which is all that a reader names
        sa.Index("message_forward_msg_id", "msg_id"),
        sqlite_with_rowid=False,
    )
    create_table(
        "message_forward_token",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("content_hash", sa.String(64), primary_key=True),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("until_ms", big, nullable=False),
        sqlite_with_rowid=False,
    )
