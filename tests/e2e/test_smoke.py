"""`make smoke` works against a running server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.forms import FORMS, EitherServer, running
from tests.smoke import main

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=FORMS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EitherServer]:
    with running(request.param, request, tmp_path_factory.mktemp("server") / "data") as process:
        yield process


def test_the_core_flow(server: EitherServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([server.http_url]) == 0
    assert capsys.readouterr().out.count("ok  ") == 7


def test_a_server_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http://127.0.0.1:9"]) == 1
    assert "FAILED" in capsys.readouterr().err
