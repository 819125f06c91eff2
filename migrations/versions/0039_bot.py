"""bot: accounts of programs, and whose they are"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    big = sa.BigInteger
    create_table(
        "bot",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("owner_id", big, nullable=False),
        sa.Column("token_expires_at_ms", big, nullable=False),  # of the one that is good; no token is stored
        sa.Column("created_at_ms", big, nullable=False),
        sa.Index("bot_owner", "owner_id"),
    )
