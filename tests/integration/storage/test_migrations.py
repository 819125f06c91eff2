"""The schema on both engines: applied at once by two processes, interrupted in the middle, refused when it does not
fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import op
from sqlalchemy import Connection, Engine, inspect, text

from tests.local_servers import MariaDbServer, new_database
from xinyu.base.config import DatabaseSettings
from xinyu.storage import lease, mysql, schema, sqlite
from xinyu.storage.dialect import MYSQL

APPLY = (sys.executable, "-m", "xinyu_services", "migrate", "apply", "--database-url")


@pytest.fixture
def url(mariadb: MariaDbServer) -> str:
    return new_database(mariadb)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = mysql.create_mysql_engine(DatabaseSettings(url=url))
    yield engine
    engine.dispose()


def transact(engine: Engine, work: Any) -> Any:
    with engine.connect() as connection:
        return mysql.run_transaction(connection, work)


def shape(connection: Connection) -> dict[str, Any]:
    """Tables with columns (nullable or not), keys and indexes."""
    inspector = inspect(connection)
    return {
        table: (
            [(column["name"], column["nullable"]) for column in inspector.get_columns(table)],
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted(
                (key["name"], key["column_names"])
                for key in [*inspector.get_indexes(table), *inspector.get_unique_constraints(table)]
            ),
        )
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def test_two_processes_that_apply_at_once_do_it_once(url: str, engine: Engine) -> None:
    running = [
        subprocess.Popen([*APPLY, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    told = [process.communicate(timeout=100) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], told
    assert sorted(out.startswith("applied 0001") for out, _ in told) == [False, False, True]
    assert [out.strip() for out, _ in told].count("nothing to apply") == 2
    transact(engine, schema.check)
    assert transact(engine, lambda c: c.execute(text("SELECT COUNT(*) FROM meta WHERE key_ = 'epoch'")).scalar()) == 1


def test_defect_45_both_engines_have_the_same_tables_keys_and_indexes(engine: Engine, tmp_path: Path) -> None:
    transact(engine, schema.apply)
    on_mysql = transact(engine, shape)
    other = sqlite.create_sqlite_engine(tmp_path / "x.db", writer=True)
    with other.connect() as connection:
        sqlite.run_transaction(connection, schema.apply)
        on_sqlite = sqlite.run_transaction(connection, shape)
    other.dispose()
    assert set(on_mysql) == set(on_sqlite)
    for table, (columns, key, _) in on_mysql.items():
        assert (columns, key) == on_sqlite[table][:2], table
    for table, (_, _, keys) in on_sqlite.items():
        # MariaDB tells a unique constraint as an index, too; on SQLite the key of msg_ids begins the other way.
        assert {(name, frozenset(names)) for name, names in keys} == {
            (name, frozenset(names)) for name, names in on_mysql[table][2]
        }, table


def test_every_table_compares_text_by_its_bytes_and_is_transactional(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_swedish_ci"))
    transact(engine, schema.apply)
    query = "SELECT table_name, engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
    tables = transact(engine, lambda c: c.execute(text(query)).all())
    ours = {tuple(row[1:]) for row in tables if row[0] != "alembic_version"}
    assert ours == {("InnoDB", "utf8mb4_bin")}


@pytest.mark.parametrize("dies_at", range(1, 60, 4))
def test_a_revision_that_was_interrupted_is_done_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Interrupted after each step in turn: MariaDB keeps what was made until then."""
    steps = 0

    def counted(step: Any) -> Any:
        def run(*arguments: Any, **keywords: Any) -> Any:
            nonlocal steps
            result = step(*arguments, **keywords)
            steps += 1
            if steps == dies_at:
                raise KeyboardInterrupt
            return result

        return run

    with monkeypatch.context() as patched:
        for name in ("create_table", "create_index", "execute"):
            patched.setattr(op, name, counted(getattr(op, name)))
        try:
            transact(engine, schema.apply)
        except KeyboardInterrupt:
            assert steps == dies_at
        else:
            assert steps < dies_at
    engine.dispose()
    transact(engine, schema.apply)
    transact(engine, schema.check)
    assert transact(engine, schema.apply) == ()
    assert transact(engine, lambda c: c.execute(text("SELECT COUNT(*) FROM meta")).scalar()) == 1


def test_a_plan_is_the_sql_of_what_is_pending_and_changes_nothing(engine: Engine) -> None:
    planned = transact(engine, schema.plan)
    for words in ("CREATE TABLE IF NOT EXISTS message (", "MEDIUMTEXT", "CREATE INDEX talk_session_dead", "epoch"):
        assert words in planned
    assert transact(engine, shape) == {}
    # What is planned is what is done: run by hand it gives the same tables.
    with engine.begin() as connection:
        for statement in planned.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.replace("%", "%%"))
    transact(engine, schema.check)
    by_hand = transact(engine, shape)
    with engine.begin() as connection:
        for table in [*by_hand, "alembic_version"]:
            connection.execute(text(f"DROP TABLE {table}"))
    transact(engine, schema.apply)
    assert transact(engine, shape) == by_hand
    assert transact(engine, schema.plan) == ""


def test_a_schema_that_is_not_ours_is_refused_in_one_line(engine: Engine) -> None:
    with pytest.raises(schema.SchemaError, match="no schema yet: run `xinyu migrate apply`"):
        transact(engine, schema.check)
    transact(engine, schema.apply)
    for version, words in (("0003", "has schema 0003, this version needs"), ("9999", "does not know")):
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
        with pytest.raises(schema.SchemaError, match=words) as caught:
            transact(engine, schema.check)
        assert "\n" not in str(caught.value)
    with pytest.raises(schema.SchemaError, match="does not know"):
        transact(engine, schema.apply)


def test_the_command_tells_each_step_and_its_failures_in_one_line(url: str, engine: Engine) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "xinyu_services", "migrate", *arguments],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    at = ("--database-url", url)
    assert "pending 0001" in run("status", *at)[1]
    assert "CREATE TABLE" in run("plan", *at)[1]
    assert "applied 0007" in run("apply", *at)[1]
    assert run("plan", *at) == (0, "-- nothing to apply\n")
    with engine.begin() as connection:
        lease.begin(connection, MYSQL, "somebody")
    code, said = run("new-epoch", *at)
    assert code == 1 and "1 processes of the cluster are running" in said and said.count("\n") == 1
    with engine.begin() as connection:
        lease.end(connection, MYSQL, "somebody")
    assert run("new-epoch", *at)[1].startswith("epoch ")
    code, said = run("apply", "--database-url", "mysql://nobody@127.0.0.1:1/x")
    assert code == 1 and said.startswith("xinyu: the database cannot be used: Can't connect") and said.count("\n") == 1
    code, said = run("apply", "--cluster", "--data-directory", "x")
    assert code == 1 and "--data-directory" in said
