"""docs/protocol.md tells of every error, close code, route and client event that the code has, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xinyu.base.close_codes import CLOSE_CODES
from xinyu.base.config import Config
from xinyu.base.errors import ERRORS
from xinyu.rpc.in_process import InProcessNetwork
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


@pytest.fixture
def config() -> Config:
    return Config()


def test_every_route_is_told_of(config: Config) -> None:
    told: set[str] = set()
    for row in table("REST"):
        prefix = ""
        for name in re.findall(r"`([a-z-]+(?:/[a-z-]+)*)`", row[0]):
            # `group/create`, `detail`: a name without a slash goes on in the same folder, but for `sync`.
            if "/" in name:
                prefix = name.rsplit("/", 1)[0]
            told.add(name if "/" in name or not prefix else f"{prefix}/{name}")
    channel = InProcessNetwork().channel("test")
    assert {route.path for route in http_routes(channel, config)} | {"auth/ticket"} == told


def test_every_client_event_is_told_of(config: Config) -> None:
    told = {name for row in table("WebSocket") for name in re.findall(r"`([a-z_.]+)`", row[0])}
    channel = InProcessNetwork().channel("test")
    assert {event.name for event in client_events(channel, config)} <= told
