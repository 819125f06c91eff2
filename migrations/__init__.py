"""Alembic's revisions, shipped as xinyu.migrations."""
