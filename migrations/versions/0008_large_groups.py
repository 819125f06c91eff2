"""message: how many members a group's talk has, and the change that its roster last went with"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xinyu.migrations.steps import add_column

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for name in ("member_count", "roster_change"):
        add_column("talk", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    # A change that is too high only makes gateways read once more.
    op.execute(
        "UPDATE talk SET roster_change = last_change, member_count = "
        "(SELECT COUNT(*) FROM talk_member m WHERE m.talk_id = talk.talk_id AND m.state = 1) WHERE talk_mode = 2"
    )
