"""A blank page in Chromium that can import the modules of the chat page; no server is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route

from tests.chromium import open_profile, playwright_driver

ORIGIN = "http://page.invalid"
PLACES = (Path(__file__).resolve().parents[3] / "web", Path(__file__).resolve().parent)
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


async def serve(route: Route) -> None:
    name = route.request.url.removeprefix(ORIGIN + "/").split("?")[0]
    if not name:
        await route.fulfill(body="<!doctype html><title>test</title>", content_type="text/html")
        return
    for place in PLACES:
        path = place / name
        if path.is_file():
            await route.fulfill(body=path.read_bytes(), content_type=TYPES[path.suffix])
            return
    await route.fulfill(status=404)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    directory = tmp_path_factory.mktemp("profile")
    async with playwright_driver() as driver:
        context = await open_profile(driver, directory)
        page = await context.new_page()
        await page.route("**/*", serve)
        await page.goto(ORIGIN + "/")
        yield page
        await context.close()
