"""The server and the browsers of the page's tests."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Playwright, expect

from tests.browser.person import DESKTOP, Person
from tests.chromium import open_browser, open_profile, playwright_driver
from tests.forms import FORMS, EitherServer, running

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
async def browser(driver: Playwright) -> AsyncIterator[Browser]:
    browser = await open_browser(driver)
    yield browser
    await browser.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The page says the same to both forms, and the contract tests ask both: here the cluster is only for what a page
    hears and misses when others are far away."""
    if "server" in metafunc.fixturenames:
        is_on_both = metafunc.module.__name__.rpartition(".")[2] in ("test_chat", "test_reconnect")
        metafunc.parametrize("server", FORMS if is_on_both else FORMS[:1], indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EitherServer]:
    environment = {"XINYU_WEBSOCKET__HEARTBEAT_S": "2"}
    with running(request.param, request, tmp_path_factory.mktemp("server") / "data", environment) as process:
        yield process


@pytest_asyncio.fixture(loop_scope="module")
async def arrive(
    driver: Playwright, browser: Browser, server: EitherServer, tmp_path: Path
) -> AsyncIterator[Arrive]:
    """`await arrive("Alice")` opens the page in a context of its own, and with `own_browser` in a browser with a
    profile of its own; `register=False` leaves her at the form."""
    people: list[Person] = []
    numbers = itertools.count()

    async def arrive(
        name: str, *, register: bool = True, own_browser: bool = False, websocket_url: str = "", **options: Any
    ) -> Person:
        origin = options.pop("origin", server.http_url)
        options.setdefault("viewport", DESKTOP)
        if own_browser:
            context = await open_profile(driver, tmp_path / f"profile-{next(numbers)}", **options)
        else:
            context = await browser.new_context(**options)
        person = await Person.arrive(context, origin, name, websocket_url=websocket_url)
        people.append(person)
        if register:
            await person.register()
        return person

    yield arrive
    for person in people:
        await person.leave()
