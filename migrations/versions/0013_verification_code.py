"""user: codes for mail addresses as well as mobiles"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xinyu.migrations.steps import create_table

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    create_table(
        "verification_code",
        sa.Column("target", sa.String(100), primary_key=True),  # a mobile or a mail address
        sa.Column("channel", sa.String(32), primary_key=True),
        sa.Column("code", sa.String(12), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Index("verification_code_expires", "expires_at_ms"),
    )
    # A code lives for five minutes: those in it are asked for once more.
    op.drop_table("verify_code", if_exists=True)
