"""One server for a module's tests: each test brings people of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """On default settings but for cheap passwords. It must have written no traceback at the end."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        yield process
        assert "Traceback" not in process.log


_numbers = itertools.count(1)


@pytest.fixture
def mobile() -> Callable[[], str]:
    """A mobile number that no other test uses."""
    return lambda: f"136{next(_numbers):08d}"
