"""user: accounts, verification codes, login log, outbox"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongBinary, RowId, create_table

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    create_table(
        "user_account",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("version", big, nullable=False),
        sa.Column("mobile", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("nickname", sa.String(64), nullable=False),
        sa.Column("avatar", sa.String(255), nullable=False, server_default=""),
        sa.Column("gender", small, nullable=False, server_default="0"),  # 0 unknown, 1 male, 2 female
        sa.Column("motto", sa.String(500), nullable=False, server_default=""),
        sa.Column("email", sa.String(100), nullable=False, server_default=""),
        sa.Column("birthday", sa.String(10), nullable=False, server_default=""),  # YYYY-MM-DD
        sa.Column("is_robot", small, nullable=False, server_default="0"),
        sa.Column("is_qiye", small, nullable=False, server_default="0"),
        sa.Column("is_disabled", small, nullable=False, server_default="0"),
        sa.Column("theme_mode", sa.String(16), nullable=False),
        sa.Column("theme_bag_img", sa.String(255), nullable=False, server_default=""),
        sa.Column("theme_color", sa.String(32), nullable=False, server_default=""),
        sa.Column("notify_cue_tone", sa.String(1), nullable=False),
        sa.Column("keyboard_event_notify", sa.String(1), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("changed_at_ms", big, nullable=False),
        sa.UniqueConstraint("mobile", name="user_account_mobile"),
    )
    create_table(
        "user_version",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("version", big, nullable=False),
        sa.Column("floor", big, nullable=False, server_default="0"),
    )
    create_table(
        "verify_code",
        sa.Column("mobile", sa.String(20), primary_key=True),
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("code", sa.String(12), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("expires_at_ms", big, nullable=False),
        sa.Index("verify_code_expires", "expires_at_ms"),
    )
    create_table(
        "login_log",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("user_id", big),  # NULL: no account has this number
        sa.Column("mobile", sa.String(20), nullable=False),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(255), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),  # "" = success, else the refusal's word
        sa.Column("created_at_ms", big, nullable=False),
        sa.Index("login_log_user", "user_id", "created_at_ms"),
        sa.Index("login_log_created", "created_at_ms"),
    )
    create_table(
        "user_outbox",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("incarnation", sa.String(64), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("events", LongBinary, nullable=False),
        sqlite_autoincrement=True,
    )
