"""group: slow mode, who may mention everybody, how many are in, public groups by name, members by role"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xinyu.migrations.steps import add_column, create_index

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    whole = sa.Integer
    add_column("group_info", sa.Column("slow_mode_s", whole, nullable=False, server_default="0"))
    add_column("group_info", sa.Column("mention_all", sa.SmallInteger, nullable=False, server_default="1"))
    add_column("group_info", sa.Column("member_count", whole, nullable=False, server_default="0"))
    # The name as it is looked for. Written when a group is made public: none is, so far.
    add_column("group_info", sa.Column("search_name", sa.String(192), nullable=False, server_default=""))
    create_index("group_info_public", "group_info", ["is_overt", "state", "group_id"])
    create_index("group_member_role", "group_member", ["group_id", "state", "role", "joined_at_ms", "user_id"])
    op.execute(
        "UPDATE group_info SET member_count = (SELECT COUNT(*) FROM group_member m "
        "WHERE m.group_id = group_info.group_id AND m.state = 1)"
    )
