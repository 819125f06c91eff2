"""talk: dead rows are found by their age"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

INDEX = "talk_session_dead"


def upgrade() -> None:
    known = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("talk_session")}
    if INDEX not in known:
        op.create_index(INDEX, "talk_session", ["state", "changed_at_ms"])
