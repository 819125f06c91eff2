"""Brings a database's tables to what this version needs, by the Alembic history in `xinyu.migrations`.

One history for both engines. A process refuses a schema that it does not know (newer than itself), in one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config as AlembicConfig
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import xinyu.migrations


class SchemaError(Exception):
    """The database's schema and this version do not fit; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`current`: revision of the database, None when empty. `pending`: (revision, description) still to apply."""

    current: str | None
    head: str
    pending: tuple[tuple[str, str], ...]


def _script() -> ScriptDirectory:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(xinyu.migrations.__file__).parent))
    return ScriptDirectory.from_config(config)


def status(connection: Connection) -> SchemaStatus:
    """Where the database stands. Raises SchemaError when it is ahead of this version."""
    script = _script()
    head = script.get_current_head() or ""
    current = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision: revision.doc or "" for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaError(f"the database has schema {current}, which this version does not know (its own: {head})")
    pending = []
    for revision in script.walk_revisions():
        if revision.revision == current:
            break
        pending.append((revision.revision, revision.doc or ""))
    return SchemaStatus(current, head, tuple(reversed(pending)))


def apply(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Applies what is pending inside the connection's transaction; answers what was done."""
    before = status(connection)
    if before.pending:
        script = _script()
        with EnvironmentContext(
            AlembicConfig(), script, fn=lambda revision, _context: script._upgrade_revs("head", revision)
        ) as environment:
            environment.configure(connection=connection, transactional_ddl=True)
            # The transaction is ours; Alembic only runs the steps in it.
            environment.run_migrations()
    return before.pending
