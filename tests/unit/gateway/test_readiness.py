"""When a process is ready, and what it says when it is not."""

from __future__ import annotations

import asyncio

import pytest

from xinyu.gateway import readiness as readinesses
from xinyu.gateway.readiness import Readiness


async def test_a_process_that_starts_or_drains_asks_nobody() -> None:
    asked: list[str] = []
    readiness = Readiness()
    readiness.add("database", lambda: asked.append("asked") or "")  # type: ignore[func-returns-value]
    assert await readiness.reasons() == {"process": "starting"}
    readiness.state = "up"
    assert await readiness.reasons() == {}
    readiness.state = "draining"
    assert await readiness.reasons() == {"process": "draining"}
    assert asked == ["asked"]


async def test_what_fails_or_hangs_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readinesses, "CHECK_S", 0.05)
    readiness = Readiness()
    readiness.state = "up"

    async def hang() -> str:
        await asyncio.Event().wait()
        return ""

    async def fail() -> str:
        raise ConnectionError("mysql://user:password@host")

    async def works() -> str:
        return ""

    for name, check in (("redis", hang), ("database", fail), ("rooms", works)):
        readiness.add(name, check)
    readiness.add("discovery", lambda: "no session")
    assert await readiness.reasons() == {
        "redis": "no answer within 0.05 s",
        "database": "cannot be used",
        "discovery": "no session",
    }


async def test_many_who_ask_cost_what_one_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readinesses, "HOLDS_S", 3600.0)
    asked, gate = 0, asyncio.Event()

    async def check() -> str:
        nonlocal asked
        asked += 1
        await gate.wait()
        return "away"

    readiness = Readiness()
    readiness.state = "up"
    readiness.add("database", check)
    waiting = [asyncio.create_task(readiness.reasons()) for _ in range(50)]
    await asyncio.sleep(0)
    gave_up = waiting.pop()
    gave_up.cancel()  # who gives up does not take the answer from the others
    gate.set()
    assert [await task for task in waiting] == [{"database": "away"}] * 49
    assert await readiness.reasons() == {"database": "away"}
    assert asked == 1
