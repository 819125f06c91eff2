"""Fetching from real servers on this machine: what is allowed, what is refused, and what a hostile server can do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from xinyu.outward.fetch import MAX_REDIRECTS, Fetched, FetchError, Outward, RefusedUrl
from xinyu.outward.public_address import Address, parse_address

HTML = ("text/html", "application/xhtml+xml")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def anywhere(_address: Address) -> bool:
    return True


@asynccontextmanager
async def serving(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[str]:
    server = web.Server(handler)
    runner = web.ServerRunner(server)
    await runner.setup()
    listening = socket.create_server((host, 0))
    await web.SockSite(runner, listening).start()
    yield f"http://{host}:{listening.getsockname()[1]}"
    await runner.cleanup()


@asynccontextmanager
async def outward(**rules: object) -> AsyncIterator[Outward]:
    made = Outward("XinYu test", **({"is_allowed": anywhere, "any_port": True} | rules))  # type: ignore[arg-type]
    yield made
    await made.close()


async def get(web_: Outward, url: str, max_bytes: int = 1_000, timeout_s: float = 20.0) -> Fetched:
    return await web_.get(url, accept="text/html", content_types=HTML, max_bytes=max_bytes, timeout_s=timeout_s)


async def test_a_page_and_what_the_server_is_told() -> None:
    heads = []

    async def page(request: web.BaseRequest) -> web.StreamResponse:
        heads.append(dict(request.headers))
        return web.Response(text="<title>x</title>", content_type="text/html", headers={"Set-Cookie": "a=b"})

    async with serving(page) as url, outward() as web_:
        found = await get(web_, url + "/a?b=c")
        assert (found.url, found.content) == (url + "/a?b=c", b"<title>x</title>")
        assert found.content_type == "text/html; charset=utf-8"
        await get(web_, url)
    assert heads[0]["User-Agent"] == "XinYu test"
    assert heads[0]["Accept-Encoding"] == "identity"
    assert {"Cookie", "Referer", "Authorization"}.isdisjoint(heads[1])


async def test_a_long_page_is_cut_and_the_rest_is_not_read() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * 10_000)
        return response

    async with serving(endless) as url, outward() as web_:
        assert (await get(web_, url, max_bytes=50_000)).content == b"x" * 50_000


async def test_what_is_no_page() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return {
            "/missing": web.Response(status=404, content_type="text/html"),
            "/image": web.Response(body=b"GIF89a", content_type="image/gif"),
            "/packed": web.Response(body=b"x", content_type="text/html", headers={"Content-Encoding": "gzip"}),
            "/nowhere": web.Response(status=302, content_type="text/html"),
        }[request.path]

    async with serving(answer) as url, outward() as web_:
        for path in ("/missing", "/image", "/packed", "/nowhere"):
            with pytest.raises(FetchError):
                await get(web_, url + path)
        with pytest.raises(FetchError):
            await get(web_, "http://127.0.0.1:1/")


async def test_a_server_that_says_nothing_has_a_deadline() -> None:
    gone = asyncio.Event()

    async def silent(_request: web.BaseRequest) -> web.StreamResponse:
        await gone.wait()
        return web.Response()

    async with serving(silent) as url, outward() as web_:
        with pytest.raises(FetchError, match="TimeoutError"):
            await get(web_, url, timeout_s=0.05)
        with pytest.raises(FetchError, match="TimeoutError"):
            await web_.post(url, b"{}", {}, timeout_s=0.05)
        gone.set()


async def test_redirects_are_followed_so_far_and_relative_ones_too() -> None:
    async def hops(request: web.BaseRequest) -> web.StreamResponse:
        left = int(request.path.rpartition("/")[2])
        if left == 0:
            return web.Response(text="there", content_type="text/html")
        return web.Response(status=302, headers={"Location": f"../x/{left - 1}"})

    async with serving(hops) as url, outward() as web_:
        found = await get(web_, f"{url}/x/{MAX_REDIRECTS}")
        assert (found.url, found.content) == (f"{url}/x/0", b"there")
        with pytest.raises(FetchError, match="too many redirects"):
            await get(web_, f"{url}/x/{MAX_REDIRECTS + 1}")


async def test_a_redirect_is_looked_at_as_the_first_url_was() -> None:
    """One server may be asked, the other one may not: it hears nothing."""
    asked = []

    async def secret(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(text="secret", content_type="text/html")

    async with serving(secret, "127.0.0.2") as inside:

        async def door(request: web.BaseRequest) -> web.StreamResponse:
            port = inside.rpartition(":")[2]
            location = {
                "/plain": inside,
                "/name": f"http://inside.example:{port}/",
                "/decimal": f"http://2130706434:{port}/",
                "/mapped": f"http://[::ffff:127.0.0.2]:{port}/",
                "/file": "file:///etc/passwd",
                "/login": inside.replace("http://", "http://a:b@"),
            }[request.path]
            return web.Response(status=302, headers={"Location": location})

        def only_the_door(address: Address) -> bool:
            return address == parse_address("127.0.0.1")

        async def resolve(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.2"]

        async with serving(door) as url, outward(is_allowed=only_the_door, resolve_host=resolve) as web_:
            for path in ("/plain", "/name", "/decimal", "/mapped", "/file", "/login"):
                with pytest.raises(FetchError):
                    await get(web_, url + path)
    assert asked == []


async def test_a_name_is_resolved_once_and_connected_to_that_very_address() -> None:
    """A resolver that answers something else the second time (DNS rebinding) is not asked a second time."""
    asked = []

    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="x", content_type="text/html")

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.3"]

    def only_one(address: Address) -> bool:
        return address == parse_address("127.0.0.1")

    async with serving(answer) as url, outward(is_allowed=only_one, resolve_host=resolve) as web_:
        port = url.rpartition(":")[2]
        assert (await get(web_, f"http://site.example:{port}/")).content == b"x"
        assert asked == ["site.example"]
        with pytest.raises(RefusedUrl):
            await get(web_, f"http://site.example:{port}/")
        assert len(asked) == 2


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "[::1]",
        "[::]", "[fc00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "2130706433",
        "0x7f000001", "0177.0.0.1", "0177.1", "127.1", "0", "localhost", "localhost.", "127.0.0.1.",
        "１２７.０.０.１", "[fe80::1%25lo]", "%31%32%37.0.0.1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_rule_of_the_product_refuses_what_is_not_public(host: str, scheme: str) -> None:
    web_ = Outward("XinYu test")
    with pytest.raises(FetchError) as refused:
        await get(web_, f"{scheme}://{host}/")
    assert str(refused.value) not in ("ClientConnectorError", "TimeoutError"), "refused, not tried"
    with pytest.raises(FetchError):
        await web_.post(f"{scheme}://{host}/", b"", {}, timeout_s=5)
    assert not await web_.is_reachable(f"{scheme}://{host}/")
    await web_.close()


@pytest.mark.parametrize(
    ("answers", "is_refused"),
    [
        (["10.0.0.1"], True),
        (["93.184.216.34", "127.0.0.1"], True),
        (["fd00::1"], True),
        (["::ffff:127.0.0.1"], True),
        (["fe80::1%2"], True),
        (["nonsense"], True),
        ([], True),
        (["93.184.216.34", "2606:2800:220:1::1"], False),
    ],
)
async def test_a_name_is_as_public_as_all_of_its_addresses(answers: list[str], is_refused: bool) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers

    web_ = Outward("XinYu test", resolve_host=resolve)
    assert await web_.is_reachable("https://site.example/a.png") is not is_refused
    if is_refused:
        with pytest.raises(FetchError):
            await get(web_, "http://site.example/")
    await web_.close()


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "gopher://a/",
        "data:text/html,x", "http://", "http:///x", "http://a:b@example.com/", "http://a@example.com/",
        "http://example.com:22/", "http://example.com:443/", "https://example.com:80/", "http://example.com:0/",
        "http://example.com:99999/", "http://exa mple.com/", "http://example.com/\n", "http://example.com\\@127.0.0.1/",
        "http://[::1", "http://[1]/", "https://example.com/" + "a" * 2_100, "\u0000http://example.com/",
    ],
)  # fmt: skip
async def test_what_is_no_url_of_a_page(url: str) -> None:
    web_ = Outward("XinYu test")
    with pytest.raises(RefusedUrl):
        web_.check(url)
    assert not await web_.is_reachable(url)


@pytest.mark.parametrize(
    "url", ["http://example.com", "https://example.com:443/a?b#c", "HTTPS://例え.jp/", "https://1.1.1.1/", "http://a.b:80"]
)
def test_what_is_one(url: str) -> None:
    assert Outward("XinYu test").check(url).raw_host


async def test_posting_answers_the_status_and_follows_nothing() -> None:
    heard = []

    async def hook(request: web.BaseRequest) -> web.StreamResponse:
        heard.append((request.path, await request.read(), request.headers.get("X-Sign")))
        return web.Response(status=307 if request.path == "/moved" else 204, headers={"Location": "/other"})

    async with serving(hook) as url, outward() as web_:
        assert await web_.post(url + "/here", b"{}", {"X-Sign": "s"}, timeout_s=20) == 204
        assert await web_.post(url + "/moved", b"{}", {}, timeout_s=20) == 307
    assert [path for path, _, _ in heard] == ["/here", "/moved"]
    assert heard[0][1:] == (b"{}", "s")
