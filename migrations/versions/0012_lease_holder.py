"""platform: who can have but one life at a time"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import add_column

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    add_column("lease", sa.Column("holder", sa.String(255), nullable=False, server_default=""))
