"""message: which terms its texts have, and up to where each talk is indexed"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    big = sa.BigInteger
    # One a message and term (a character, or two that stand side by side). Led by the talk, as all of a message is.
    create_table(
        "message_term",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("term", big, primary_key=True, autoincrement=False),
        sa.Column("place", big, primary_key=True, autoincrement=False),  # orders messages by time
        sa.Column("sequence", big, nullable=False),
        sqlite_with_rowid=False,
    )
    create_table(
        "message_indexed",
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, nullable=False),  # this and all below have their terms
        sqlite_with_rowid=False,
    )
