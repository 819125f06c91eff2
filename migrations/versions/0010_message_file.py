"""message: file messages by their msg_id alone, which is all that a download names"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    create_table(
        "message_file",
        sa.Column("msg_id", sa.String(64), primary_key=True),
        sa.Column("talk_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
