"""media: files, uploads in parts"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import create_table

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    big, small = sa.BigInteger, sa.SmallInteger
    create_table(
        "media_file",
        sa.Column("media_id", sa.String(32), primary_key=True),
        sa.Column("user_id", big, nullable=False),
        sa.Column("kind", small, nullable=False),  # 1 picture, 2 audio, 3 video, 4 any file
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size_bytes", big, nullable=False),
        sa.Column("blob_key", sa.String(255), nullable=False),
        sa.Column("url", sa.String(1024), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
    )
    create_table(
        "media_upload",
        sa.Column("upload_id", sa.String(32), primary_key=True),
        sa.Column("media_id", sa.String(32), nullable=False),
        sa.Column("user_id", big, nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("size_bytes", big, nullable=False),
        sa.Column("shard_bytes", sa.Integer, nullable=False),
        sa.Column("created_at_ms", big, nullable=False),
        sa.Column("is_finished", small, nullable=False),
        sa.Index("media_upload_user", "user_id", "is_finished", "created_at_ms"),
        sa.Index("media_upload_unfinished", "is_finished", "created_at_ms"),
    )
    create_table(
        "media_part",
        sa.Column("upload_id", sa.String(32), primary_key=True),
        sa.Column("split_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size_bytes", big, nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("blob_key", sa.String(255), nullable=False),
        sqlite_with_rowid=False,
    )
