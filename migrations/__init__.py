"""Alembic's history of the database: append-only, one file a domain and step, the same for SQLite and MySQL."""
