"""Alembic's own command line is not used: `xinyu migrate` runs the history inside one transaction of ours
(`xinyu.storage.schema`), and this file only says so to whoever tries."""

raise SystemExit("use: xinyu migrate apply")
