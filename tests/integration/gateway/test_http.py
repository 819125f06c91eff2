"""The HTTP gateway on real sockets (contract: http-api, "Rules for all routes")."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.gateway.small_rooms import HttpDoor, World, http_door
from xinyu.gateway.http import gateway as gateway_module
from xinyu.gateway.http import head_deadline

ORIGIN = "http://localhost:5173"
FOREIGN = "https://elsewhere.example"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[HttpDoor]:
    (tmp_path / "index.html").write_text("<!doctype html><title>page</title>")
    (tmp_path / "app.js").write_text("export {};")
    (tmp_path / "style.css").write_text("a{}")
    (tmp_path / "mark.svg").write_text("<svg/>")
    (tmp_path / "__init__.py").write_text("secret = 1")
    (tmp_path / ".hidden.js").write_text("secret")
    async with http_door(World(), tmp_path) as opened:
        yield opened


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(
    client: aiohttp.ClientSession, door: HttpDoor, path: str, body: Any = b"{}", **headers: str
) -> tuple[int, Any, aiohttp.ClientResponse]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(f"{door.url}/api/v1/{path}", data=data, headers=sent) as response:
        return response.status, json.loads(await response.read()), response


def assert_refused(answer: tuple[int, Any, aiohttp.ClientResponse], status: int, reason: str) -> None:
    got_status, body, response = answer
    assert (got_status, response.headers.get("X-XinYu-Reason")) == (status, reason)
    assert set(body) == {"code", "message", "data"}
    assert body["code"] == status
    assert body["message"]
    assert response.content_type == "application/json"
    assert len(response.headers["X-Trace-Id"]) == 32


async def test_success_is_200_and_the_data_itself(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    status, body, response = await post(
        client, door, "test/add", {"a": 1, "b": 2, "unknown": True}, Authorization=f"Bearer {door.world.token(7)}"
    )
    assert (status, body) == (200, {"sum": 3})
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    call, _ = door.world.calls[0]
    assert (call.user_id, call.codec, call.address, call.secure) == (7, 0, "127.0.0.1", True)


async def test_a_bare_token_and_plain_texts(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    status, _, _ = await post(
        client, door, "test/add", {"a": 1}, Authorization=door.world.token(9), X_XinYu_Text="plain"
    )
    call, _ = door.world.calls[0]
    assert (status, call.user_id, call.codec) == (200, 9, 1)


async def test_raw_and_nothing(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    assert (await post(client, door, "test/raw"))[1] == {"raw": True}
    assert (await post(client, door, "test/nothing"))[1] == {}


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "garbage", "Basic dTpw", "Bearer a.b.c", "expired"]
)
async def test_401_only_for_the_token(client: aiohttp.ClientSession, door: HttpDoor, authorization: str | None) -> None:
    headers: dict[str, str] = {}
    reason = "unauthenticated"
    if authorization == "expired":
        headers["Authorization"] = f"Bearer {door.world.expired_token()}"
        reason = "token_expired"
    elif authorization is not None:
        headers["Authorization"] = authorization
    assert_refused(await post(client, door, "test/add", {"a": 1}, **headers), 401, reason)
    assert door.world.calls == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"nonsense", "bad_json"),
        (b"[1]", "bad_json"),
        (b"null", "bad_json"),
        (b'"text"', "bad_json"),
        (b"a=1&b=2", "bad_json"),
        (b'{"a":1}{"a":1}', "bad_json"),
        (b'{"a":1,"note":"\xff"}', "bad_json"),
        (b'{"a":1,"note":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "bad_json"),
        (b"{}", "invalid"),
        (b'{"a":"1"}', "invalid"),
        (b'{"a":1.5}', "invalid"),
        (b'{"a":true}', "invalid"),
        (b'{"a":null}', "invalid"),
        (b'{"a":1e400}', "invalid"),
        (b'{"a":99999999999999999999999999}', "invalid"),
    ],
)
async def test_bad_bodies(client: aiohttp.ClientSession, door: HttpDoor, body: bytes, reason: str) -> None:
    answer = await post(client, door, "test/add", body, Authorization=door.world.token())
    assert_refused(answer, 400, reason)
    assert door.world.calls == []


async def test_the_field_that_is_wrong_is_named(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    _, body, _ = await post(client, door, "test/add", {"a": "x"}, Authorization=door.world.token())
    assert body["message"] == "A field of the request is missing or not valid: a."


async def test_a_refusal_of_a_room(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    answer = await post(client, door, "test/refuse", Authorization=door.world.token())
    assert_refused(answer, 403, "muted")
    assert answer[1]["data"] is None


async def test_a_mistake_of_a_room_is_500_and_tells_nothing(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    answer = await post(client, door, "test/fail", Authorization=door.world.token())
    assert_refused(answer, 500, "internal")
    assert "secret" not in json.dumps(answer[1])


async def test_404_and_405_are_json(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    assert_refused(await post(client, door, "no/such"), 404, "not_found")
    assert_refused(await post(client, door, "test/add/"), 404, "not_found")
    for method, path, allowed in [
        ("GET", "/api/v1/test/add", "POST, OPTIONS"),
        ("PUT", "/api/v1/test/raw", "POST, OPTIONS"),
        ("DELETE", "/", "GET, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
    ]:
        async with client.request(method, door.url + path) as response:
            assert_refused((response.status, json.loads(await response.read()), response), 405, "method_not_allowed")
            assert response.headers["Allow"] == allowed


async def test_413_by_length_and_by_counting(client: aiohttp.ClientSession) -> None:
    async with http_door(World(), max_body_bytes=1024) as door:
        assert_refused(await post(client, door, "test/raw", b"x" * 1025), 413, "too_large")

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b" " * 512

        async with client.post(f"{door.url}/api/v1/test/raw", data=chunks()) as response:
            assert_refused((response.status, json.loads(await response.read()), response), 413, "too_large")
        assert (await post(client, door, "test/raw", b"{}" + b" " * 1022))[0] == 200


async def test_compressed_bodies_are_not_taken(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    assert_refused(await post(client, door, "test/raw", b"{}", Content_Encoding="deflate"), 400, "bad_json")


# ---------------------------------------------------------------- rates


async def test_429_by_user_names_the_wait(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    world = door.world
    answers = [await post(client, door, "test/send", Authorization=world.token(1)) for _ in range(12)]
    refused = [answer for answer in answers if answer[0] != 200]
    assert [answer[0] for answer in answers[:3]] == [200, 200, 200]
    for answer in refused:
        assert_refused(answer, 429, "too_many")
        assert set(answer[1]["data"]) == {"retry_after_ms"}
        assert answer[1]["data"]["retry_after_ms"] >= 1
    assert (await post(client, door, "test/send", Authorization=world.token(2)))[0] == 200


async def test_429_by_address(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    statuses = [(await post(client, door, "test/entry"))[0] for _ in range(8)]
    assert statuses[:3] == [200, 200, 200]
    assert 429 in statuses


# ---------------------------------------------------------------- CORS


async def test_preflight(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    for path in ("/api/v1/test/add", "/api/v1/no/such"):
        async with client.options(door.url + path, headers=headers) as response:
            assert response.status == 204
            assert await response.read() == b""
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
            assert (
                response.headers["Access-Control-Allow-Headers"]
                == "content-type, authorization, x-xinyu-text, x-trace-id, traceparent"
            )
            assert int(response.headers["Access-Control-Max-Age"]) > 0


async def test_real_answers_and_errors_carry_allow_origin(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    token = door.world.token()
    for path, body, authorization, status in [
        ("test/add", b'{"a":1}', token, 200),
        ("test/add", b"{", token, 400),
        ("test/add", b"{}", "", 401),
        ("test/refuse", b"{}", token, 403),
        ("no/such", b"{}", token, 404),
        ("test/fail", b"{}", token, 500),
    ]:
        answer = await post(client, door, path, body, Authorization=authorization, Origin=ORIGIN)
        assert answer[0] == status
        assert answer[2].headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer[2].headers["Access-Control-Expose-Headers"] == "x-xinyu-reason, x-trace-id"
        assert answer[2].headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", "http://localhost.evil.example", "http://127.0.0.1:1@evil.example", ""]
)
async def test_foreign_origins_get_no_allow_origin(client: aiohttp.ClientSession, door: HttpDoor, origin: str) -> None:
    answer = await post(client, door, "test/raw", Origin=origin)
    assert answer[0] == 200
    assert "Access-Control-Allow-Origin" not in answer[2].headers
    async with client.options(f"{door.url}/api/v1/test/raw", headers={"Origin": origin}) as response:
        assert response.status == 204
        assert not [name for name in response.headers if name.startswith("Access-Control")]


# ---------------------------------------------------------------- trace ids


async def test_trace_ids_come_back(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = await post(client, door, "test/raw", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert answer[2].headers["X-Trace-Id"] == trace
    answer = await post(client, door, "test/raw", X_Trace_Id=trace.upper())
    assert answer[2].headers["X-Trace-Id"] == trace
    answer = await post(client, door, "test/raw", X_Trace_Id="a\tb")
    assert answer[2].headers["X-Trace-Id"] not in ("", "a\tb")


# ---------------------------------------------------------------- tickets


async def test_a_ticket_is_good_once(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    assert_refused(await post(client, door, "auth/ticket"), 401, "unauthenticated")
    status, body, _ = await post(client, door, "auth/ticket", Authorization=door.world.token(5))
    assert (status, set(body)) == (200, {"ticket"})
    assert (await door.world.tickets.spend(body["ticket"])).user_id == 5
    with pytest.raises(Exception, match="unauthenticated"):
        await door.world.tickets.spend(body["ticket"])


# ---------------------------------------------------------------- pages


async def test_the_page(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    for path, content_type in [
        ("/", "text/html"),
        ("/index.html", "text/html"),
        ("/app.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/mark.svg", "image/svg+xml"),
    ]:
        async with client.get(door.url + path) as response:
            assert (response.status, response.content_type) == (200, content_type)
            assert response.headers["Cache-Control"] == "no-cache"
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            tag = response.headers["ETag"]
        async with client.get(door.url + path, headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
    async with client.head(door.url + "/") as response:
        assert (response.status, await response.read()) == (200, b"")
        assert int(response.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/__init__.py",
        "/.hidden.js",
        "/../pyproject.toml",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/index.html",
        "//etc/passwd",
        "/app.js%00",
        "/nope.html",
    ],
)
async def test_nothing_but_the_page_files(door: HttpDoor, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.split(b" ")[1] in (b"404", b"400")
    assert b'"code"' in answer
    assert b"secret" not in answer


async def test_status_health_and_config(client: aiohttp.ClientSession, door: HttpDoor) -> None:
    for path, keys in [("/_/status", {"status", "version"}), ("/healthz", {"status"}), ("/readyz", {"status"})]:
        async with client.get(door.url + path) as response:
            assert (response.status, set(json.loads(await response.read()))) == (200, keys)
    for host, url in [
        ("chat.example:8080", "ws://chat.example:8081/ws"),
        ("[::1]:8080", "ws://[::1]:8081/ws"),
        ("localhost", "ws://localhost:8081/ws"),
        ('"><script>', "ws://127.0.0.1:8081/ws"),
    ]:
        async with client.get(f"{door.url}/config.json", headers={"Host": host}) as response:
            assert json.loads(await response.read())["websocket_url"] == url
    async with client.get(f"{door.url}/_/config") as response:
        assert response.status == 404


# ---------------------------------------------------------------- slow and broken clients


async def exchange(port: int, *parts: bytes) -> bytes:
    """Sends the parts and reads to the end of the stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    finally:
        writer.close()


async def test_slow_head(door: HttpDoor) -> None:
    async with http_door(World(), header_timeout_s=0.3) as door:
        assert await exchange(door.port) == b""
        answer = await exchange(door.port, b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\n")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":408' in answer


async def test_dripping_bytes_do_not_hold_the_clock() -> None:
    async with http_door(World(), header_timeout_s=0.3) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        started = time.monotonic()
        answer = b""
        for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 10_000:
            writer.write(bytes([byte]))
            try:
                answer = await asyncio.wait_for(reader.read(1), 0.02)
                break
            except TimeoutError:
                continue
        assert answer
        assert time.monotonic() - started < 30
        writer.close()


async def test_slow_second_head_on_a_kept_connection() -> None:
    async with http_door(World(), header_timeout_s=0.3) as door:
        request = b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(request)
        assert b'{"raw":true}' in await reader.readuntil(b"}")
        writer.write(b"POST /api/v1/te")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_a_head_begun_behind_a_request_ends_with_keep_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "KEEPALIVE_TIMEOUT_S", 0.5)
    async with http_door(World()) as door:
        request = b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        answer = await exchange(door.port, request + b"POST /api/v1/te")
        assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_kept_connection_may_be_silent_longer_than_a_head() -> None:
    async with http_door(World(), header_timeout_s=0.2) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        request = b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        for _ in range(2):
            writer.write(request)
            assert b'{"raw":true}' in await reader.readuntil(b"}")
            await asyncio.sleep(0.5)
        writer.close()


async def test_slow_body() -> None:
    async with http_door(World(), body_timeout_s=0.3) as door:
        answer = await exchange(door.port, b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"x-xinyu-reason: request_timeout" in answer.lower()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    ],
)
async def test_what_is_not_http_is_answered_in_json(door: HttpDoor, request_bytes: bytes) -> None:
    answer = await exchange(door.port, request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"application/json" in head
    assert json.loads(body)["code"] == 400


async def test_bad_chunks(door: HttpDoor) -> None:
    answer = await exchange(
        door.port,
        b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    )
    assert answer.split(b" ")[1] == b"400"
    assert b'"code":400' in answer


async def test_expect_100_continue(door: HttpDoor) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(
        b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert b'{"raw":true}' in await reader.read()
    writer.close()


async def test_a_websocket_upgrade_here_ends_the_connection(door: HttpDoor) -> None:
    answer = await exchange(
        door.port, b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nrest"
    )
    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_deadline, "MAX_CONNECTIONS", 2)
    async with http_door(World()) as door:
        kept = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await exchange(door.port) == b""
        for reader, writer in kept:
            writer.write(b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            assert b'{"raw":true}' in await reader.readuntil(b"}")
            writer.close()


# ---------------------------------------------------------------- stopping


async def test_stop_lets_a_request_end(client: aiohttp.ClientSession) -> None:
    world = World()
    async with http_door(world) as door:
        asking = asyncio.create_task(post(client, door, "test/slow", Authorization=world.token()))
        await world.entered.wait()
        stopping = asyncio.create_task(door.gateway.stop(5.0))
        await asyncio.sleep(0.05)
        world.gate.set()
        assert (await asking)[:2] == (200, {})
        await stopping
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(client, door, "test/raw")


async def test_many_pipelined_requests_are_answered_in_order(door: HttpDoor) -> None:
    bodies = [b'{"a":%d}' % number for number in range(30)]
    head = f"Authorization: {door.world.token()}\r\n".encode()
    requests = b"".join(
        b"POST /api/v1/test/add HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        for body in bodies
    )
    last = b"POST /api/v1/test/raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    answer = await exchange(door.port, requests + last)
    sums = [int(part.split(b"}")[0]) for part in answer.split(b'{"sum":')[1:]]
    assert sums == [number + 1 for number in range(30)]
