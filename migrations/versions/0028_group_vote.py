"""group: votes, their options and answers"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    create_table(
        "group_vote",
        sa.Column("vote_id", big, primary_key=True, autoincrement=False),
        sa.Column("group_id", big, nullable=False),
        sa.Column("creator_id", big, nullable=False),
        sa.Column("title", sa.String(50), nullable=False),
        sa.Column("answer_mode", small, nullable=False),  # 1 one option, 2 several
        sa.Column("is_secret", small, nullable=False),
        sa.Column("state", small, nullable=False),  # 1 running, 2 ended
        sa.Column("answered", sa.Integer, nullable=False),  # who has voted
        sa.Column("members", sa.Integer, nullable=False),  # who could have, when it ended; 0 while it runs
        sa.Column("request_hash", sa.LargeBinary(32), nullable=False),  # of what made it
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("ended_at_ms", big, nullable=False),  # 0 = it runs
        sa.Index("group_vote_group", "group_id", "vote_id"),
        sa.Index("group_vote_creator", "creator_id", "created_at_ms"),
    )
    create_table(
        "group_vote_option",
        sa.Column("vote_id", big, primary_key=True, autoincrement=False),
        sa.Column("position", small, primary_key=True, autoincrement=False),  # 0 = "A"
        sa.Column("value", sa.String(100), nullable=False),
        sa.Column("num", sa.Integer, nullable=False),  # who chose it
        sqlite_with_rowid=False,
    )
    # The key is what keeps anybody from voting twice.
    create_table(
        "group_vote_answer",
        sa.Column("vote_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("chosen", sa.String(8), nullable=False),  # the options' keys, ascending: "AC"
        sa.Column("place", big, nullable=False),  # in the list: by time, in a secret vote by chance
        sa.Column("answered_at_ms", big, nullable=False),
        sa.Index("group_vote_answer_place", "vote_id", "place"),
        sqlite_with_rowid=False,
    )
