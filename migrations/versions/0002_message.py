"""message: talks, members, messages, their changes, outbox"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    big, small, text = sa.BigInteger, sa.SmallInteger, sa.Text
    # SQLite: an INTEGER key is the row's own number, a BIGINT one a second index.
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "talk",
        sa.Column("talk_id", row_id, primary_key=True, autoincrement=False),
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
        if_not_exists=True,
    )
    op.create_table(
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
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("msg_id", sa.String(64), nullable=False),
        sa.Column("sender_id", big, nullable=False),
        sa.Column("msg_type", sa.Integer, nullable=False),
        sa.Column("body", text, nullable=False),
        sa.Column("quote", text, nullable=False),
        sa.Column("request_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("sent_at_ms", big, nullable=False),
        sa.UniqueConstraint("msg_id", "talk_id", "sender_id", name="message_msg_id"),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_change",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("change", big, nullable=False),
        sa.Column("recalled_by", big, nullable=False, server_default="0"),  # 0 = not recalled
        sa.Column("expired", small, nullable=False, server_default="0"),
        sa.Column("body", text),  # after an edit
        sa.Index("message_change_change", "talk_id", "change"),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_hidden",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, primary_key=True, autoincrement=False),
        sa.Column("own", big, nullable=False),
        if_not_exists=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_outbox",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("incarnation", sa.String(64), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("events", sa.LargeBinary, nullable=False),
        if_not_exists=True,
        sqlite_autoincrement=True,
    )
