"""group: requests to join, and finding members by their role"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0026"
down_revision = "0024"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    # One row a person and group, so that who asks again and again fills nothing.
    create_table(
        "group_apply",
        sa.Column("group_id", big, primary_key=True, autoincrement=False),
        sa.Column("applicant_id", big, primary_key=True, autoincrement=False),
        sa.Column("apply_id", big, nullable=False),  # of his newest request
        sa.Column("state", small, nullable=False),  # 1 pending, 2 agreed, 3 declined, 4 withdrawn
        sa.Column("remark", sa.String(255), nullable=False),
        sa.Column("handler_id", big, nullable=False),  # who answered; 0 = nobody
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("changed_at_ms", big, nullable=False),
        sa.Index("group_apply_id", "apply_id"),
        sa.Index("group_apply_pending", "group_id", "state", "apply_id"),
        sa.Index("group_apply_applicant", "applicant_id", "state"),
        sqlite_with_rowid=False,
    )
