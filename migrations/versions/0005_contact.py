"""contact: friendships, contact rows, requests, their versions, outbox"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongBinary, RowId, create_table

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    create_table(
        "friendship",
        sa.Column("user_low", big, primary_key=True, autoincrement=False),
        sa.Column("user_high", big, primary_key=True, autoincrement=False),
        sa.Column("revision", big, nullable=False, server_default="0"),  # grows with what its talk must know
        sqlite_with_rowid=False,
    )
    create_table(
        "contact",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("friend_id", big, primary_key=True, autoincrement=False),
        sa.Column("version", big, nullable=False),
        sa.Column("state", small, nullable=False),  # 1 alive, 2 deleted
        sa.Column("remark", sa.String(64), nullable=False, server_default=""),
        sa.Column("folder_id", big, nullable=False, server_default="0"),
        sa.Column("is_block", small, nullable=False, server_default="0"),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("changed_at_ms", big, nullable=False),
        sa.Index("contact_version_order", "user_id", "version"),
        sa.Index("contact_friend", "friend_id", "user_id"),
        sqlite_with_rowid=False,
    )
    create_table(
        "contact_apply",
        sa.Column("apply_id", big, primary_key=True, autoincrement=False),
        sa.Column("target_id", big, nullable=False),
        sa.Column("applicant_id", big, nullable=False),
        sa.Column("version", big, nullable=False),  # of the target's rows: only he lists requests
        sa.Column("state", small, nullable=False),  # 1 pending, 2 agreed, 3 declined, 4 withdrawn
        sa.Column("remark", sa.String(255), nullable=False, server_default=""),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("changed_at_ms", big, nullable=False),
        sa.Index("contact_apply_target", "target_id", "version"),
        sa.Index("contact_apply_pair", "applicant_id", "state", "target_id"),
    )
    create_table(
        "contact_version",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("version", big, nullable=False),
        sa.Column("floor", big, nullable=False, server_default="0"),
    )
    create_table(
        "contact_outbox",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("incarnation", sa.String(64), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("events", LongBinary, nullable=False),
        sqlite_autoincrement=True,
    )
