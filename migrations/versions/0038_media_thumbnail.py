"""media: thumbnails of pictures and their BlurHashes"""

from __future__ import annotations

import sqlalchemy as sa

from xinyu.migrations.steps import add_column

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    # Older pictures have neither.
    add_column("media_file", sa.Column("thumbnail", sa.String(1024), nullable=False, server_default=""))
    add_column("media_file", sa.Column("blur", sa.String(64), nullable=False, server_default=""))
