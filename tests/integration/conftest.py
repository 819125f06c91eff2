"""What holds for every test that stores something: it runs on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.database_storage import MariaDbStorage, SqliteStorage, Storage


@pytest.fixture(params=["sqlite", "mariadb"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty database with all tables."""
    if request.param == "mariadb":
        return MariaDbStorage(request.getfixturevalue("mariadb"))
    return SqliteStorage(tmp_path / "xinyu.db")
