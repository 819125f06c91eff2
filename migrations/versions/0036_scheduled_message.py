"""message, talk: messages that are sent later, and how many of them a talk has"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongText, add_column, create_table

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    create_table(
        "scheduled_message",
        sa.Column("scheduled_id", sa.String(32), primary_key=True),
        sa.Column("user_id", big, nullable=False),
        sa.Column("talk_id", big, nullable=False),
        sa.Column("talk_mode", small, nullable=False),
        sa.Column("to_from_id", big, nullable=False),
        sa.Column("type_name", sa.String(32), nullable=False),
        sa.Column("msg_type", sa.Integer, nullable=False),
        sa.Column("body", LongText, nullable=False),
        sa.Column("quote_id", sa.String(64), nullable=False),
        sa.Column("send_at_ms", big, nullable=False),
        sa.Column("state", small, nullable=False),  # 1 waits, 2 failed
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("claimed_until_ms", big, nullable=False),  # a process is sending it until then
        sa.Index("scheduled_message_due", "state", "send_at_ms"),
        sa.Index("scheduled_message_user", "user_id", "send_at_ms"),
    )
    # One a user who has scheduled something: what changes it locks it, and takes its number.
    create_table(
        "scheduled_owner",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("revision", big, nullable=False),
        sqlite_with_rowid=False,
    )
    for name, kind in (("scheduled_count", sa.Integer), ("scheduled_failed", sa.Integer), ("scheduled_revision", big)):
        add_column("talk_session", sa.Column(name, kind, nullable=False, server_default="0"))
