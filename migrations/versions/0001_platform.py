"""platform: meta, id blocks, leases"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("key_", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "id_block",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("next", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "lease",
        sa.Column("incarnation", sa.String(64), primary_key=True),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    meta = sa.table("meta", sa.column("key_"), sa.column("value"))
    connection = op.get_bind()
    if connection.execute(sa.select(meta.c.value).where(meta.c.key_ == "epoch")).first() is None:
        connection.execute(sa.insert(meta).values(key_="epoch", value=secrets.token_hex(8)))
