"""docs/protocol.md tells of every error, close code and client event that the code has, docs/http-api.md of every
route, and of no other."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.contract.table import ROUTES
from xinyu.base.clock import SystemClock
from xinyu.base.close_codes import CLOSE_CODES
from xinyu.base.config import Config
from xinyu.base.errors import ERRORS
from xinyu.rpc import grpc_status
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.storage.local_blobs import LocalBlobs
from xinyu_services.cli.doors import client_events, http_routes

PROTOCOL = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = PROTOCOL.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_errors() -> None:
    told = {row[0].strip("`"): row[1:] for row in table("Errors")}
    assert told == {
        code.reason: [str(code.status), code.message, code.at_fault, "yes" if code.retry else "no"]
        for code in ERRORS.values()
    }


def test_close_codes() -> None:
    told = {int(row[0]): row[1:] for row in table("Close codes")}
    assert told == {
        code.code: [code.meaning, code.at_fault, "yes" if code.reconnect else "no"] for code in CLOSE_CODES.values()
    }


def test_statuses_over_grpc() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|$", PROTOCOL.split("\n### gRPC\n", 1)[1], re.MULTILINE)
    assert {int(status): name for status, name in rows} == {key: code.name for key, code in grpc_status.STATUS.items()}


@pytest.fixture
def config() -> Config:
    return Config()


def test_every_route_is_told_of(config: Config, tmp_path: Path) -> None:
    channel = InProcessNetwork().channel("test")
    with closing(LocalBlobs(tmp_path)) as blobs:
        routes = http_routes(channel, config, blobs, SystemClock())
    assert {route.path for route in routes} | {"auth/ticket"} == set(ROUTES)


def test_every_client_event_is_told_of(config: Config) -> None:
    told = {name for row in table("WebSocket") for name in re.findall(r"`([a-z_.]+)`", row[0])}
    channel = InProcessNetwork().channel("test")
    events = {event.name for event in client_events(channel, config)}
    assert events - set(ROUTES) <= told  # a route's path stands for itself
    assert events.isdisjoint(("user/delete", "auth/login", "message/send", "message/range"))
