"""platform: meta, id blocks, leases"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

from xinyu.migrations.steps import create_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_table(
        "meta",
        sa.Column("key_", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
    )
    create_table(
        "id_block",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("next", sa.BigInteger, nullable=False),
    )
    create_table(
        "lease",
        sa.Column("incarnation", sa.String(64), primary_key=True),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
    )
    meta = sa.table("meta", sa.column("key_", sa.String), sa.column("value", sa.String))
    known = sa.select(meta.c.value).where(meta.c.key_ == "epoch")
    if op.get_context().as_sql or op.get_bind().execute(known).first() is None:
        op.execute(sa.insert(meta).values(key_="epoch", value=secrets.token_hex(8)))
