"""Previews of links: pages on a real server of the test, kept, counted and refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.database_storage import Storage
from tests.e2e.contract.shape import check
from tests.e2e.contract.table import ROUTES
from tests.integration.outward.test_fetch import serving
from tests.integration.services.embedded_platform import EmbeddedPlatform
from tests.integration.services.house import refused
from tests.integration.services.media.media_room import MediaRoom
from tests.integration.services.media.test_uploads import open_room
from xinyu.base.config import PreviewSettings
from xinyu.base.errors import NO_PREVIEW, NOT_FOUND, OVERLOADED, TOO_MANY
from xinyu.gateway.http.route import HttpCall, Route
from xinyu.outward.fetch import Outward
from xinyu.wire.v1 import media_pb2
from xinyu_services.media import http as media_http
from xinyu_services.media import previews
from xinyu_services.media.previews import KEPT_S, NOTHING_KEPT_S, Previews

ANN, BEN = 1, 2
PAGE = (
    "<title>Plain</title><meta property=og:title content='A &lt;b&gt;'><meta name=description content=words>"
    "<meta property=og:image content='https://127.0.0.1/a.png'><meta property=og:site_name content=Site>"
)


class Pages:
    """What the server of a test has; `asked` are the paths that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""
        self.texts = {"/": PAGE}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        if request.path == "/moved":
            return web.Response(status=301, headers={"Location": "/"})
        text = self.texts.get(request.path)
        return web.Response(text=text, status=200 if text is not None else 404, content_type="text/html")


@asynccontextmanager
async def open_pages(storage: Storage, tmp_path: Path) -> AsyncIterator[tuple[EmbeddedPlatform, MediaRoom, Pages]]:
    pages = Pages()
    async with open_room(storage, tmp_path) as (platform, room), serving(pages.answer) as pages.url:
        yield platform, room, pages
        await room.outward.close()


async def ask(room: MediaRoom, url: str, user_id: int = ANN) -> media_pb2.LinkPreview:
    return await room.stub.load_preview(media_pb2.PreviewRequest(user_id=user_id, url=url))


async def test_a_page_by_the_route(storage: Storage, tmp_path: Path) -> None:
    async with open_pages(storage, tmp_path) as (_, room, pages):
        routes = {route.path: route for route in media_http.routes(room.stub)}
        route = routes["message/preview"]
        assert isinstance(route, Route)

        async def answer(url: str) -> dict[str, Any]:
            body = route.request_type(url=url)  # type: ignore[call-arg]
            found: dict[str, Any] = await route.handler(HttpCall(ANN, 1, "", "", True), body)
            shape = ROUTES["message/preview"].answer
            assert shape is not None
            check(found, shape)
            return found

        assert await answer(pages.url + "/moved") == {
            "url": pages.url + "/",
            "title": "A <b>",
            "description": "words",
            "image": "https://127.0.0.1/a.png",
            "site_name": "Site",
        }
        for image in ("http://127.0.0.1/a.png", "/a.png", "javascript:x", "data:image/png;base64,x", "https://[", ""):
            path = f"/{len(pages.texts)}"
            pages.texts[path] = f"<title>x</title><meta property=og:image content='{image}'>"
            assert "image" not in await answer(pages.url + path), image


async def test_a_page_is_asked_for_once_an_hour_whoever_wants_it(storage: Storage, tmp_path: Path) -> None:
    async with open_pages(storage, tmp_path) as (platform, room, pages):
        url = pages.url + "/"
        first = await ask(room, url)
        pages.texts["/"] = "<title>New</title>"
        assert await ask(room, url, BEN) == first
        assert pages.asked == ["/"]
        platform.clock.advance_s(KEPT_S)
        assert (await ask(room, url)).title == "New"


async def test_where_there_is_nothing_is_remembered_for_a_minute(storage: Storage, tmp_path: Path) -> None:
    async with open_pages(storage, tmp_path) as (platform, room, pages):
        pages.texts["/empty"] = "no title"
        for path in ("/missing", "/empty"):
            for _ in range(2):
                await refused(ask(room, pages.url + path), NO_PREVIEW)
        assert pages.asked == ["/missing", "/empty"]
        pages.texts["/missing"] = PAGE
        platform.clock.advance_s(NOTHING_KEPT_S)
        assert (await ask(room, pages.url + "/missing")).site_name == "Site"
        for nonsense in ("x", "file:///etc/passwd", "http://127.0.0.1:1/"):
            await refused(ask(room, nonsense), NO_PREVIEW)


async def test_so_many_a_minute_and_user(storage: Storage, tmp_path: Path) -> None:
    async with open_pages(storage, tmp_path) as (platform, room, pages):
        for _ in range(room.previews.per_minute):
            await ask(room, pages.url + "/")
        refusal = await refused(ask(room, pages.url + "/"), TOO_MANY)
        assert refusal.retry_after_ms is not None and 0 < refusal.retry_after_ms <= 60_000
        await ask(room, pages.url + "/", BEN)
        platform.clock.advance_s(60)
        await ask(room, pages.url + "/")


async def test_who_finds_no_turn_in_time_is_told_to_come_again(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "AT_ONCE", 0)
    async with open_pages(storage, tmp_path) as (platform, room, pages):
        settings = PreviewSettings(enabled=True, timeout_s=0.01)
        busy = Previews(room.outward, room.cache, platform.clock, settings)
        await refused(busy.load(ANN, pages.url + "/"), OVERLOADED)
        assert pages.asked == []


async def test_the_rule_of_the_product_and_its_switch(storage: Storage, tmp_path: Path) -> None:
    async with open_pages(storage, tmp_path) as (platform, room, pages):
        outward = Outward("XinYu test")
        real = Previews(outward, room.cache, platform.clock, PreviewSettings(enabled=True))
        await refused(real.load(ANN, pages.url + "/"), NO_PREVIEW)
        off = Previews(room.outward, room.cache, platform.clock, PreviewSettings())
        await refused(off.load(ANN, pages.url + "/"), NOT_FOUND)
        assert pages.asked == []
        await outward.close()
