"""group: notices, with who changed them"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongText, create_table

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    big = sa.BigInteger
    # Every edit is a row; the newest of a group is its notice.
    create_table(
        "group_notice",
        sa.Column("group_id", big, primary_key=True, autoincrement=False),
        sa.Column("edit", sa.Integer, primary_key=True, autoincrement=False),  # 1, 2, 3 ... in the group
        sa.Column("content", LongText, nullable=False),  # markdown; "" = removed by this edit
        sa.Column("editor_id", big, nullable=False),
        sa.Column("created_at_ms", big, nullable=False),  # of the first edit since the last removal
        sa.Column("edited_at_ms", big, nullable=False),
    )
