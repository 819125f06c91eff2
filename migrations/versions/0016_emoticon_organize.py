"""emoticon, organize: users' own collections; departments, positions, people"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    big = sa.BigInteger
    create_table(
        "emoticon",
        sa.Column("emoticon_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, nullable=False),
        sa.Column("media_id", sa.String(32), nullable=False),
        sa.Column("url", sa.String(1024), nullable=False),
        sa.Column("width", big, nullable=False),
        sa.Column("height", big, nullable=False),
        sa.Column("size_bytes", big, nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        # Each picture once.
        sa.UniqueConstraint("user_id", "media_id", name="emoticon_of_user"),
    )
    create_table(
        "org_department",
        sa.Column("dept_id", big, primary_key=True, autoincrement=False),
        sa.Column("parent_id", big, nullable=False),  # 0 = none
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("sort", big, nullable=False),
    )
    create_table(
        "org_position",
        sa.Column("code", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("sort", big, nullable=False),
    )
    create_table(
        "org_member",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("dept_id", big, nullable=False),
    )
    create_table(
        "org_member_position",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("code", sa.String(64), primary_key=True),
    )
