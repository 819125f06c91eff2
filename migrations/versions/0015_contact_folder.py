"""contact: groups of friends"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    big = sa.BigInteger
    create_table(
        "contact_folder",
        sa.Column("folder_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, nullable=False),
        sa.Column("version", big, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),  # 1 alive, 2 deleted
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("sort", big, nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("changed_at_ms", big, nullable=False),
        sa.Index("contact_folder_version_order", "user_id", "version"),
    )
