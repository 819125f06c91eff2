"""group: groups, who belongs to them, creations that may be repeated, outbox"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongBinary, RowId, create_table

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    create_table(
        "group_info",
        sa.Column("group_id", big, primary_key=True, autoincrement=False),
        sa.Column("creator_id", big, nullable=False),
        sa.Column("state", small, nullable=False),  # 1 alive, 2 dismissed
        sa.Column("revision", big, nullable=False),  # of the newest change of roster or profile
        sa.Column("profile_revision", big, nullable=False),  # of the newest change of the profile
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("profile", sa.String(255), nullable=False, server_default=""),
        sa.Column("avatar", sa.String(255), nullable=False, server_default=""),
        sa.Column("mute_all", small, nullable=False, server_default="0"),
        sa.Column("is_overt", small, nullable=False, server_default="0"),
        sa.Column("max_members", sa.Integer, nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("changed_at_ms", big, nullable=False),
    )
    create_table(
        "group_member",
        sa.Column("group_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("state", small, nullable=False),  # 1 in, 2 left, 3 removed
        sa.Column("role", small, nullable=False),  # 1 owner, 2 admin, 3 member
        sa.Column("revision", big, nullable=False),  # group_info.revision of the row's newest change
        sa.Column("visit_card", sa.String(64), nullable=False, server_default=""),
        sa.Column("muted_until_ms", big, nullable=False, server_default="0"),
        sa.Column("invited_by", big, nullable=False),
        sa.Column("joined_at_ms", big, nullable=False),
        sa.Column("changed_at_ms", big, nullable=False),
        sa.Index("group_member_user", "user_id", "state"),
        sqlite_with_rowid=False,
    )
    create_table(
        "group_creation",
        sa.Column("creator_id", big, primary_key=True, autoincrement=False),
        sa.Column("request_hash", sa.String(64), primary_key=True),
        sa.Column("group_id", big, nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
    )
    create_table(
        "group_outbox",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("incarnation", sa.String(64), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("events", LongBinary, nullable=False),
        sqlite_autoincrement=True,
    )
