"""Brings a database's tables to what this version needs, by the Alembic history in `xinyu.migrations`.

One history for both engines, forward only. A process refuses a schema that is not its own (`check`), in one line.

On SQLite all that is applied is one transaction. MySQL commits each table by itself, so a revision that was interrupted
begins anew, and each of its steps looks first whether it has been done (migrations/steps.py). A lock of the server's
lets one process after another apply; the later one finds nothing to do.

A process that starts on the right schema sees that by one row and never loads Alembic (150 ms). """

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import Connection, inspect, text

import xinyu.migrations

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

# How long one process waits for another that applies.
LOCK_TIMEOUT_S: Final = 60


class SchemaError(Exception):
    """The database's schema and this version do not fit; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`current`: revision of the database, None when empty. `pending`: (revision, description) still to apply."""

    current: str | None
    head: str
    pending: tuple[tuple[str, str], ...]


def _script() -> ScriptDirectory:
    from alembic.config import Config as AlembicConfig
    from alembic.script import ScriptDirectory

    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(xinyu.migrations.__file__).parent))
    return ScriptDirectory.from_config(config)


def status(connection: Connection) -> SchemaStatus:
    """Where the database stands. Raises SchemaError when it is ahead of this version."""
    from alembic.runtime.migration import MigrationContext

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


def check(connection: Connection) -> None:
    """Raises SchemaError unless the database has the very schema that this version needs."""
    if inspect(connection).has_table("alembic_version"):
        applied = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        if applied == [newest_revision()]:
            return
    found = status(connection)
    if found.current is None:
        raise SchemaError("the database has no schema yet: run `xinyu migrate apply`")
    if found.pending:
        raise SchemaError(
            f"the database has schema {found.current}, this version needs {found.head}: run `xinyu migrate apply`"
        )


def newest_revision() -> str:
    """The number that the newest file of the history begins with, which is its revision."""
    files = (Path(xinyu.migrations.__file__).parent / "versions").glob("[0-9]*_*.py")
    return max(file.name.partition("_")[0] for file in files)


def apply(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Applies what is pending inside the connection's transaction; answers what was done. Raises SchemaError."""
    with _alone(connection):
        before = status(connection)
        if before.pending:
            _upgrade(connection)
    return before.pending


def plan(connection: Connection) -> str:
    """The statements that `apply` would run, as SQL; "" when there is nothing to do."""
    before = status(connection)
    if not before.pending:
        return ""
    written = io.StringIO()
    _upgrade(connection, plan_to=written)
    return written.getvalue()


def _upgrade(connection: Connection, plan_to: io.StringIO | None = None) -> None:
    from alembic.config import Config as AlembicConfig
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

    script = _script()
    current = MigrationContext.configure(connection).get_current_revision()
    with EnvironmentContext(
        AlembicConfig(),
        script,
        # An empty database has no revision, which Alembic takes and does not say.
        fn=lambda revision, _context: script._upgrade_revs(
            "head", cast(str, current if plan_to is not None else revision)
        ),
        starting_rev=current if plan_to is not None else None,
    ) as environment:
        if plan_to is not None:
            environment.configure(
                dialect_name=connection.dialect.name, as_sql=True, literal_binds=True, output_buffer=plan_to
            )
        else:
            environment.configure(connection=connection, transactional_ddl=True)
        # The transaction is ours; Alembic only runs the steps in it.
        environment.run_migrations()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Nobody else applies meanwhile. SQLite's writer is alone anyway."""
    if connection.dialect.name == "sqlite":
        yield
        return
    values = {"name": f"xinyu-migrate-{connection.engine.url.database}"[:64], "seconds": LOCK_TIMEOUT_S}
    if connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), values).scalar() != 1:
        raise SchemaError(f"another process has been applying migrations for {LOCK_TIMEOUT_S} s")
    # What was read before the lock came must not decide.
    connection.execute(text("COMMIT"))
    try:
        yield
    finally:
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": values["name"]})
