"""message: slow mode and mentions of everybody in a group's talk"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import add_column

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    big = sa.BigInteger
    add_column("talk", sa.Column("slow_mode_s", sa.Integer, nullable=False, server_default="0"))
    add_column("talk", sa.Column("mention_all", sa.SmallInteger, nullable=False, server_default="1"))
    # The newest message that mentions everybody: what a device that was away is told of it.
    add_column("talk", sa.Column("mention_all_sequence", big, nullable=False, server_default="0"))
    # When the member sent his newest message; slow mode counts from it.
    add_column("talk_member", sa.Column("sent_at_ms", big, nullable=False, server_default="0"))
