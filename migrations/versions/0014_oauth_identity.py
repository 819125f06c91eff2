"""user: who somebody is at an OpenID provider"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    create_table(
        "oauth_identity",
        sa.Column("issuer", sa.String(255), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Index("oauth_identity_user", "user_id"),
    )
