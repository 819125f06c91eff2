"""user: logins that were ended before their tokens expire"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    create_table(
        "ended_login",
        sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("expires_until_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger, nullable=False),
        sa.Index("ended_login_ended", "ended_at_ms"),
        sa.Index("ended_login_expires", "expires_until_ms"),
    )
