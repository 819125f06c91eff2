"""user, message: webhooks of bots, how far each has told its talks, and which talks have one"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongText, add_column, create_table

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    # The user room's: what the owner has set. The revision counts that, and names the secret; no secret is stored.
    add_column("bot", sa.Column("webhook_url", sa.String(2048), nullable=False, server_default=""))
    add_column("bot", sa.Column("webhook_revision", big, nullable=False, server_default="0"))
    # The message room's. A bot that ever had a webhook keeps its row.
    create_table(
        "bot_webhook",
        sa.Column("bot_id", big, primary_key=True, autoincrement=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("revision", big, nullable=False),
        sa.Column("state", small, nullable=False),  # 0 off, 1 on, 2 suspended
        sa.Column("has_begun", small, nullable=False),  # each of its talks has its cursor
        sa.Column("due_at_ms", big, nullable=False),  # 0 = there is nothing to do
        sa.Column("waiting_since_ms", big, nullable=False),  # 0 = nothing waits
        sa.Column("claim", big, nullable=False),  # counts those who began to deliver
        sa.Column("claimed_until_ms", big, nullable=False),  # 0 = nobody delivers
        sa.Column("delivery", big, nullable=False),  # counts batches
        sa.Column("batch", LongText, nullable=False),  # JSON: what the one under way is made of
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since_ms", big, nullable=False),
        sa.Column("failure", sa.String(255), nullable=False),
        sa.Index("bot_webhook_due", "due_at_ms"),
        sa.Index("bot_webhook_waiting", "state", "waiting_since_ms"),
        sqlite_with_rowid=False,
    )
    create_table(
        "bot_webhook_talk",
        sa.Column("bot_id", big, primary_key=True, autoincrement=False),
        sa.Column("talk_id", big, primary_key=True, autoincrement=False),
        sa.Column("sequence", big, nullable=False),  # up to which the webhook has been told
        sa.Column("waiting_since_ms", big, nullable=False),  # its place in the line; 0 = nothing waits
        sa.Index("bot_webhook_talk_talk", "talk_id"),
        sa.Index("bot_webhook_talk_waiting", "bot_id", "waiting_since_ms"),
        sqlite_with_rowid=False,
    )
    add_column("talk", sa.Column("has_webhooks", small, nullable=False, server_default="0"))
