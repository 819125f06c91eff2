"""The two forms of the product under one test: `xinyu serve`, and a cluster behind nginx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.cluster_process import ClusterProcess
from tests.server_process import ServerProcess

FORMS: Final = ("embedded", "cluster")
EitherServer = ServerProcess | ClusterProcess


@contextmanager
def running(
    form: str, request: pytest.FixtureRequest, directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator[EitherServer]:
    """A server of that form: an embedded one of the caller's own, in `directory` with `environment`, or the cluster
    that all tests share."""
    if form == "cluster":
        yield request.getfixturevalue("cluster")
        return
    with ServerProcess(directory, environment=environment) as server:
        yield server
        assert "Traceback" not in server.log, server.log
