"""note: notes with their texts, classes, tags and attachments"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import LongText, create_table

revision = "0022"
down_revision = "0016"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    # One a user who has notes: what changes of his lock.
    create_table(
        "note_owner",
        sa.Column("user_id", big, primary_key=True, autoincrement=False),
        sa.Column("default_class_id", big, nullable=False),
        sqlite_with_rowid=False,
    )
    create_table(
        "note_class",
        sa.Column("class_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Index("note_class_user", "user_id", "position"),
    )
    create_table(
        "note",
        sa.Column("note_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, nullable=False),
        sa.Column("class_id", big, nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("abstract", sa.String(500), nullable=False),
        sa.Column("image", sa.String(1024), nullable=False),
        sa.Column("is_starred", small, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),  # of its text in UTF-8
        sa.Column("request_hash", sa.LargeBinary(32), nullable=False),  # of what made it
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("updated_at_ms", big, nullable=False),
        sa.Column("deleted_at_ms", big, nullable=False),  # 0 = not deleted
        sa.Index("note_user", "user_id", "deleted_at_ms", "updated_at_ms"),
        sa.Index("note_user_class", "user_id", "class_id"),
        sa.Index("note_deleted", "deleted_at_ms"),
    )
    # Apart, so that lists read no texts.
    create_table(
        "note_text",
        sa.Column("note_id", big, primary_key=True, autoincrement=False),
        sa.Column("md_content", LongText, nullable=False),
        sa.Column("search_text", LongText, nullable=False),
    )
    create_table(
        "note_tag",
        sa.Column("tag_id", big, primary_key=True, autoincrement=False),
        sa.Column("user_id", big, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Index("note_tag_user", "user_id"),
    )
    create_table(
        "note_tag_link",
        sa.Column("note_id", big, primary_key=True, autoincrement=False),
        sa.Column("tag_id", big, primary_key=True, autoincrement=False),
        sa.Index("note_tag_link_tag", "tag_id"),
        sqlite_with_rowid=False,
    )
    create_table(
        "note_annex",
        sa.Column("annex_id", big, primary_key=True, autoincrement=False),
        sa.Column("note_id", big, nullable=False),
        sa.Column("user_id", big, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size_bytes", big, nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("blob_key", sa.String(255), nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("deleted_at_ms", big, nullable=False),  # 0 = not deleted
        sa.Index("note_annex_note", "note_id", "deleted_at_ms"),
        sa.Index("note_annex_user", "user_id", "deleted_at_ms"),
        sa.Index("note_annex_deleted", "deleted_at_ms"),
    )
