"""The server and the browsers of the page's tests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Playwright, expect

from tests.browser.person import Person
from tests.chromium import playwright_driver
from tests.server_process import ServerProcess

expect.set_options(timeout=30_000)  # a slow moment of the machine is no failure

Arrive = Callable[..., Awaitable[Person]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")
            item.add_marker("e2e")
            item.add_marker(pytest.mark.timeout(400))  # several browsers and a server on a busy machine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driver() -> AsyncIterator[Playwright]:
    async with playwright_driver() as driver:
        yield driver


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    process = ServerProcess(
        tmp_path_factory.mktemp("server") / "data", environment={"XINYU_WEBSOCKET__HEARTBEAT_S": "2"}
    )
    await asyncio.to_thread(process.__enter__)
    yield process
    await asyncio.to_thread(process.__exit__, None, None, None)


@pytest_asyncio.fixture(loop_scope="module")
async def arrive(driver: Playwright, server: ServerProcess, tmp_path: Path) -> AsyncIterator[Arrive]:
    """`await arrive("Alice")` opens the page in a profile of its own; `register=False` leaves her at the form."""
    people: list[Person] = []
    numbers = itertools.count()

    async def arrive(name: str, *, register: bool = True, **options: Any) -> Person:
        profile = tmp_path / f"profile-{next(numbers)}"
        origin = options.pop("origin", server.http_url)
        person = await Person.arrive(driver, profile, origin, name, **options)
        people.append(person)
        if register:
            await person.register()
        return person

    yield arrive
    for person in people:
        await person.leave()
