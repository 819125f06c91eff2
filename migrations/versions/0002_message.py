"""message: talks, members, messages, their changes, outbox"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from xinyu.migrations.steps import LongBinary, LongText, RowId, create_table, is_mysql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    # Led by the talk, what is inserted together lies together, and on one shard. (SQLite files began the other way.)
    msg_id_key = ("talk_id", "msg_id", "sender_id") if is_mysql() else ("msg_id", "talk_id", "sender_id")
    create_table(
        "talk",
        sa.Column("talk_id", RowId, primary_key=True, autoincrement=False),
        sa.Column("talk_mode", small, nullable=False),
        sa.Column("peer_low", big),
        sa.Column("peer_high", big),
        sa.Column("group_id", big),
        sa.Column("state", small, nullable=False, server_default="1"),  # 1 alive, 2 dismissed
        sa.Column("mute_all", small, nullable=False, server_default="0"),
        sa.Column("last_sequence", big, nullable=False, server_default="0"),
        sa.Column("last_change", big, nullable=False, server_default="0"),
        sa.Column("first_sequence", big, nullable=False, server_default="1"),
        sa.Column("last_sender_id", big, nullable=False, server_default="0"),
        sa.Column("last_msg_type", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_digest", sa.String(255), nullable=False, server_default=""),
        sa.Column("last_at_ms", big, nullable=False, server_default="0"),
        sa.Column("profile_change", big, nullable=False, server_default="0"),
        sa.Column("profile_revision", big, nullable=False, server_default="0"),
        sa.Column("pair_revision", big, nullable=False, server_default="0"),
        sa.UniqueConstraint("peer_low", "peer_high", name="talk_pair"),
        sa.UniqueConstraint("group_id", name="talk_group"),
    )
    create_table(
        "talk_member",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("role", small, nullable=False),
        sa.Column("state", small, nullable=False),  # 1 in, 2 left, 3 removed
        sa.Column("may_send", small, nullable=False, server_default="0"),
        sa.Column("muted_until_ms", big, nullable=False, server_default="0"),
        sa.Column("joined_sequence", big, nullable=False),
        sa.Column("left_sequence", big),
        sa.Column("sent_sequence", big, nullable=False, server_default="0"),
        sa.Column("read_sequence", big, nullable=False, server_default="0"),
        sa.Column("cleared_sequence", big, nullable=False, server_default="0"),
        sa.Column("own", big, nullable=False, server_default="0"),
        sa.Column("change", big, nullable=False, server_default="0"),
        sa.Column("revision", big, nullable=False, server_default="0"),
        sa.Index("talk_member_change", "talk_id", "change"),
        sqlite_with_rowid=False,
    )
    create_table(
        "message",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("msg_id", sa.String(64), nullable=False),
        sa.Column("sender_id", big, nullable=False),
        sa.Column("msg_type", sa.Integer, nullable=False),
        sa.Column("body", LongText, nullable=False),
        sa.Column("quote", LongText, nullable=False),
        sa.Column("request_hash", sa.LargeBinary(32).with_variant(mysql.VARBINARY(32), "mysql"), nullable=False),
        sa.Column("sent_at_ms", big, nullable=False),
        sa.UniqueConstraint(*msg_id_key, name="message_msg_id"),
        sqlite_with_rowid=False,
    )
    create_table(
        "message_change",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("change", big, nullable=False),
        sa.Column("recalled_by", big, nullable=False, server_default="0"),  # 0 = not recalled
        sa.Column("expired", small, nullable=False, server_default="0"),
        sa.Column("body", LongText),  # after an edit
        sa.Index("message_change_change", "talk_id", "change"),
        sqlite_with_rowid=False,
    )
    create_table(
        "message_hidden",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("own", big, nullable=False),
        sqlite_with_rowid=False,
    )
    create_table(
        "message_outbox",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("incarnation", sa.String(64), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("events", LongBinary, nullable=False),
        sqlite_autoincrement=True,
    )
