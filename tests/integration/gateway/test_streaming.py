"""Answers that are made while they are sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.integration.gateway.small_rooms import HttpDoor, World, http_door
from xinyu.gateway.http import late_body


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[HttpDoor]:
    async with http_door(World(), tmp_path) as opened:
        yield opened


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def url(door: HttpDoor, query: str) -> str:
    return f"{door.url}/api/v1/test/stream?token={door.world.token(7)}&{query}"


async def test_all_pieces_come_as_a_file(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    async with client.get(url(door, "count=10000")) as response:
        assert response.status == 200
        assert (await response.read()).split() == [b"%d" % n for n in range(10_000)]
        assert response.content_type == "application/x-ndjson"
        assert "numbers.jsonl" in response.headers["Content-Disposition"]
        assert response.headers["Cache-Control"] == "private, no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    async with client.get(url(door, "count=0")) as response:
        assert (response.status, await response.read()) == (200, b"")
    async with client.head(url(door, "count=5")) as response:
        assert (response.status, await response.read()) == (200, b"")
    assert door.world.streams_ended == 2  # what was only asked for its head never began


async def test_a_refusal_before_the_first_piece_is_an_answer(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    for query, status, reason in [("count=5&fails_at=0", 403, "muted"), ("count=x", 400, "invalid")]:
        async with client.get(url(door, query)) as response:
            assert (response.status, response.headers["X-XinYu-Reason"]) == (status, reason)
            assert json.loads(await response.read())["code"] == status
    async with client.get(f"{door.url}/api/v1/test/stream?count=1") as response:
        assert response.status == 401
    async with client.post(url(door, "count=1")) as response:
        assert response.status == 405


async def test_a_later_failure_ends_the_connection_before_the_body_s_end(
    client: aiohttp.ClientSession, door: HttpDoor
) -> None:
    async with client.get(url(door, "count=5&fails_at=3")) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert door.world.streams_ended == 1


async def test_who_stops_reading_is_cut_off(door: HttpDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_body, "STALL_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1024)
    try:
        path = url(door, "count=100000000").removeprefix(door.url)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(30):
            while not door.world.streams_ended:
                await asyncio.sleep(0.01)
    finally:
        writer.transport.abort()
