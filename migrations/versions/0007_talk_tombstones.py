"""talk: dead rows are found by their age"""

from __future__ import annotations

from xinyu.migrations.steps import create_index

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    create_index("talk_session_dead", "talk_session", ["state", "changed_at_ms"])
