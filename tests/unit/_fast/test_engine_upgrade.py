"""The opening handshake on real sockets, and its parser beside a plain-Python oracle."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.loopback import has_ipv6
from tests.unit._fast.engine_harness import Harness, request
from xinyu._fast import upgrade
from xinyu._fast.frames import build_frame

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


def oracle(head: bytes) -> int | tuple[bytes, bytes, bytes]:
    """The status of a refusal, or (path, query, key): RFC 6455 section 4.2.1 in plain Python."""
    lines = head[:-4].split(b"\r\n")
    if any(b"\r" in line for line in lines):
        return 400
    parts = lines[0].split(b" ")
    if len(parts) != 3 or not TOKEN.match(parts[0]) or parts[2] != b"HTTP/1.1":
        return 400
    method, target, _ = parts
    if not target or any(c <= 0x20 or c >= 0x7F or c == 0x23 for c in target):
        return 400
    if not target.startswith(b"/"):
        found = re.match(rb"(?i)https?://[^/]*(/.*)\Z", target)
        if not found:
            return 400
        target = found[1]
    fields: list[tuple[bytes, bytes]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.match(name):
            return 400
        if len(fields) == 100:
            return 431
        value = value.strip(b" \t")
        if any((c < 0x20 and c != 9) or c == 0x7F for c in value):
            return 400
        fields.append((name.lower(), value))
        if name.lower() == b"transfer-encoding" or (name.lower() == b"content-length" and value != b"0"):
            return 400

    def all_of(name: bytes) -> list[bytes]:
        return [value for key, value in fields if key == name]

    def lists(name: bytes, token: bytes) -> bool:
        return any(token == item.strip(b" \t").lower() for value in all_of(name) for item in value.split(b","))

    if len(all_of(b"host")) != 1:
        return 400
    if not lists(b"upgrade", b"websocket"):
        return 426
    if method != b"GET" or not lists(b"connection", b"upgrade"):
        return 400
    if len(all_of(b"sec-websocket-version")) > 1:
        return 400
    if all_of(b"sec-websocket-version") != [b"13"]:
        return 426
    keys = all_of(b"sec-websocket-key")
    if len(keys) != 1 or not re.fullmatch(rb"[A-Za-z0-9+/]{22}==", keys[0]):
        return 400
    path, _, query = target.partition(b"?")
    return path, query, keys[0]


def parsed(head: bytes) -> Any:
    result = upgrade.parse_request(head)
    return result[0] if len(result) == 2 else result[1:4]


pieces = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b"#", b"?", b"\x00", b"\x7f", b"\xff", b"GET", b"POST",
     b"HTTP/1.0",
     b"Host: a", b"Transfer-Encoding: chunked", b"Content-Length: 5", b"Content-Length: 0", b"Upgrade: h2c",
     b"Sec-WebSocket-Version: 8", b"http://h", b"A: b\r\n"]
)  # fmt: skip
edits = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 12), pieces), max_size=3)


@given(edits=edits)
@settings(max_examples=600)
def test_the_parser_agrees_with_the_oracle(edits: list[tuple[int, int, bytes]]) -> None:
    head = request("/a/b?token=x&platform=web", "Origin: http://x")
    for place, removed, inserted in edits:
        place %= len(head)
        head = head[:place] + inserted + head[place + removed :]
    end = head.find(b"\r\n\r\n")
    head = head[: end + 4] if end >= 0 else head + b"\r\n\r\n"
    head = head[: head.find(b"\r\n\r\n") + 4]
    if head == b"\r\n\r\n":
        return
    assert parsed(head) == oracle(head), head


GOOD: list[bytes] = [
    request(),
    request("http://localhost:80/x?y"),
    request().replace(b"Upgrade: websocket", b"UPGRADE:h2c , WebSocket"),
    request().replace(b"Connection: Upgrade", b"connection: keep-alive, upgrade"),
    request("/", "Content-Length: 0"),
    request("/", *(f"x-{i}: {i}" for i in range(95))),
]
BAD: list[tuple[bytes, int]] = [
    (request().replace(b"GET", b"POST"), 400),
    (request().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    (request().replace(b"HTTP/1.1", b"HTTP/2"), 400),
    (request("*"), 400),
    (request("/a b"), 400),
    (request("/#x"), 400),
    (request("/\x80"), 400),
    (request().replace(b"Host: localhost\r\n", b""), 400),
    (request("/", "Host: again"), 400),
    (request().replace(b"Upgrade: websocket\r\n", b""), 426),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
    (b"POST /x HTTP/1.1\r\nHost: x\r\n\r\n", 426),
    (request().replace(b"Connection: Upgrade\r\n", b""), 400),
    (request().replace(b"Version: 13", b"Version: 12"), 426),
    (request().replace(b"Sec-WebSocket-Version: 13\r\n", b""), 426),
    (request("/", "Sec-WebSocket-Version: 13"), 400),
    (request(key="short"), 400),
    (request(key="dGhlIHNhbXBsZSBub25jZQ="), 400),
    (request(key="dGhlIHNhbXBsZSBub25j!Q=="), 400),
    (request("/", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400),
    (request("/", "no colon here"), 400),
    (request("/", " folded: yes"), 400),
    (request("/", "space : before"), 400),
    (request("/", "nul: a\x00b"), 400),
    (request("/", "Content-Length: 3"), 400),
    (request("/", "Transfer-Encoding: chunked"), 400),
    (request("/", *(f"x-{i}: {i}" for i in range(96))), 431),
    (b"\r\n\r\n", 400),
    (b"GET\r\n\r\n", 400),
]


@pytest.mark.parametrize("head", GOOD)
def test_requests_that_may_be_accepted(head: bytes) -> None:
    assert isinstance(oracle(head), tuple)
    assert parsed(head) == oracle(head)


@pytest.mark.parametrize(("head", "status"), BAD)
def test_requests_that_are_refused(head: bytes, status: int) -> None:
    assert parsed(head) == status
    with Harness() as h:
        client = h.connect()
        client.send(head)
        answered, headers, body = client.read_answer()
        assert answered == status
        assert json.loads(body)["code"] == status
        if status == 426:
            assert headers["sec-websocket-version"] == "13"
            assert headers["upgrade"] == "websocket"
        h.until(lambda: h.engine.stats()["connections"] == 1 and client.socket.close() is None)
        h.until(lambda: h.engine.stats()["connections"] == 0)
        assert (h.upgrades, h.closes) == ([], [])


def test_an_incomplete_head_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="blank line"):
        upgrade.parse_request(b"GET / HTTP/1.1\r\n")


@given(data=st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\r\n"]), max_size=20).map(b"".join), cut=st.integers(0, 20))
def test_the_end_of_a_head_is_found_wherever_the_reading_stopped(data: bytes, cut: int) -> None:
    found = data.find(b"\r\n\r\n")
    expected = found + 4 if found >= 0 else 0
    assert upgrade.head_length(data) == expected
    if not expected or expected > cut:
        assert upgrade.head_length(data, min(cut, len(data))) == expected


def test_what_the_gateway_is_asked() -> None:
    wanted = ["Authorization", "origin", "sec-websocket-protocol"]
    with Harness(decide=True, headers=wanted) as h:
        client = h.connect()
        lines = ("Authorization: Bearer x", "Sec-WebSocket-Protocol: a", "sec-websocket-protocol: b", "Cookie: secret")
        client.send(request("/wss/default.io?token=a%20b&platform=web", *lines))
        h.until(lambda: h.upgrades)
        (id_, path, query, headers) = h.upgrades[0]
        assert (path, query) == ("/wss/default.io", "token=a%20b&platform=web")
        assert headers == {"authorization": "Bearer x", "sec-websocket-protocol": "a, b"}
        assert h.engine.peer_of(id_) == f"127.0.0.1:{client.socket.getsockname()[1]}"
        assert h.engine.accept(id_, "b", headers=[("X-Trace-Id", "t1")])
        head = client.read_head()
        assert "sec-websocket-protocol: b\r\n" in head.lower()
        assert "X-Trace-Id: t1" in head
        assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        assert "permessage-deflate" not in head
        assert not h.engine.accept(id_)
        assert not h.engine.refuse(id_, 401)


def test_the_peer_over_ipv6() -> None:
    """Where the machine has no IPv6 loopback the name of the other family's peer is looked at, from the same engine."""
    family, host = (socket.AF_INET6, "::1") if has_ipv6() else (socket.AF_INET, "127.0.0.1")
    with Harness() as h:
        listener = socket.create_server((host, 0), family=family)
        h.engine.listen(listener)
        h.family, h.address = family, listener.getsockname()
        client = h.open()
        port = client.socket.getsockname()[1]
        peer = f"[::1]:{port}" if family == socket.AF_INET6 else f"127.0.0.1:{port}"
        assert h.engine.peer_of(client.id) == peer
        client.text("hello")
        assert h.until(lambda: h.messages) == [(client.id, "hello")]
        h.engine.send(client.id, "world")
        assert client.read_frame() == (1, b"world")
        client.frame(8, b"\x03\xe8")
        assert client.read_close() == (1000, "")
        client.read_end()


def test_a_refusal_carries_what_the_gateway_says() -> None:
    with Harness(decide=True) as h:
        client = h.connect()
        client.send(request())
        h.until(lambda: h.upgrades)
        assert h.engine.refuse(h.upgrades[0][0], 401, b'{"code":401}', [("WWW-Authenticate", "Bearer")])
        status, headers, body = client.read_answer()
        assert (status, headers["www-authenticate"], body) == (401, "bearer", b'{"code":401}')
        assert not h.engine.accept(h.upgrades[0][0])
        client.socket.close()
        h.until(lambda: h.engine.stats()["connections"] == 0)
        assert h.closes == []
        assert h.engine.stats()["refused"] == 1


@pytest.mark.parametrize("pause", range(0, 170, 13))
def test_a_head_may_come_in_pieces(pause: int) -> None:
    with Harness() as h:
        client = h.connect()
        data = request() + build_frame(1, b"early", mask=b"abcd")
        client.send(data[:pause])
        h.settle()
        client.send(data[pause:])
        h.until(lambda: h.messages)
        assert h.messages == [(h.upgrades[0][0], "early")]


def test_bytes_behind_an_undecided_request_wait_for_the_decision() -> None:
    with Harness(decide=True) as h:
        client = h.connect()
        early = build_frame(1, b"one", mask=b"abcd") + build_frame(1, b"two", mask=b"abcd")
        client.send(request() + early[:-2])
        h.until(lambda: h.upgrades)
        client.send(early[-2:] + build_frame(1, b"three", mask=b"abcd"))
        assert h.run_for(0.1) < 30  # ticks only: what waits in the socket does not wake the loop
        assert h.messages == []
        assert h.engine.accept(h.upgrades[0][0])
        h.until(lambda: len(h.messages) == 3)
        assert [data for _, data in h.messages] == ["one", "two", "three"]


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_peer_that_leaves_before_the_decision(way: str) -> None:
    with Harness(decide=True) as h:
        client = h.connect()
        client.send(request())
        h.until(lambda: h.upgrades)
        client.socket.close() if way == "close" else client.reset_connection()
        h.until(lambda: h.engine.stats()["connections"] == 0)
        assert not h.engine.accept(h.upgrades[0][0])
        assert h.closes == []


def test_a_head_that_is_too_long() -> None:
    with Harness(max_head_bytes=1000) as h:
        client = h.connect()
        client.send(request("/", "x: " + "y" * 1000))
        assert client.read_answer()[0] == 431


def test_the_longest_head_that_fits() -> None:
    with Harness(max_head_bytes=1000) as h:
        client = h.connect()
        head = request("/", "x: " + "y" * (1000 - len(request("/", "x: "))))
        assert len(head) == 1000
        client.send(head)
        assert client.read_head().startswith("HTTP/1.1 101")


def test_what_is_not_http_is_refused_at_once() -> None:
    with Harness() as h:
        client = h.connect()
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")  # a TLS client that came to the wrong port
        assert client.read_answer()[0] == 400


def test_slow_headers_are_closed() -> None:
    with Harness(handshake_s=0.1) as h:
        client = h.connect()
        client.send(b"GET / HTTP/1.1\r\nHost:")
        client.read_end()
        assert h.engine.stats()["handshake_timeouts"] == 1


def test_dripping_headers_do_not_renew_the_deadline() -> None:
    with Harness(handshake_s=0.2) as h:
        client = h.connect()
        sent = 0
        while not client.ended and sent < 150:
            client.send(request()[sent : sent + 1])
            sent += 1
            h.run_for(0.01)
            client.pull()
        assert client.ended
        assert sent < 100


def test_a_gateway_that_does_not_decide() -> None:
    with Harness(decide=True, upgrade_s=0.1) as h:
        client = h.connect()
        client.send(request())
        assert client.read_answer()[0] == 503
        assert not h.engine.accept(h.upgrades[0][0])
        assert h.engine.stats()["upgrade_timeouts"] == 1


def test_a_connection_opens_bound_and_with_its_first_message_in_one_write() -> None:
    with Harness(decide=True, login_s=0.05) as h:
        for number, first in enumerate(("", "erste Nachricht: äöü", b"x" * 200, "y" * 70_000), 1):
            client = h.connect()
            client.send(request() + build_frame(1, b"early", mask=b"abcd"))
            h.until(lambda number=number: len(h.upgrades) == number)
            id_ = h.upgrades[-1][0]
            before = h.engine.stats()["messages_out"]
            assert h.engine.accept(
                id_, "b", codec=1, login_deadline=True, user_id=7, session_id=number, expires_at_ms=2**51, first=first
            )
            assert h.engine.stats()["messages_out"] - before == bool(first)
            assert (h.engine.user_of(id_), h.engine.session_of(id_), h.engine.codec_of(id_)) == (7, number, 1)
            assert h.engine.connections_of(7)[0] == id_
            assert client.read_head().startswith("HTTP/1.1 101")
            if first:
                assert client.read_frame() == (1, first.encode() if isinstance(first, str) else first)
            h.until(lambda number=number: len(h.messages) == number)
        h.run_for(0.15)  # longer than the login deadline
        assert h.engine.stats()["open"] == 4
        assert h.engine.user_connection_count(7) == 4
        h.clients[0].socket.close()
        h.until(lambda: h.closes)
        assert h.closes[0][1:3] == (7, 1)


@pytest.mark.whole_io  # the first write must meet the reset
def test_whoever_is_gone_before_it_opens_is_bound_to_nobody() -> None:
    with Harness(decide=True) as h:
        client = h.connect()
        client.send(request())
        h.until(lambda: h.upgrades)
        client.reset_connection()  # and the engine has not looked since
        assert not h.engine.accept(h.upgrades[0][0], user_id=7, session_id=1, first="hello")
        assert h.engine.user_connection_count(7) == 0
        h.until(lambda: h.engine.stats()["connections"] == 0)
        assert h.closes == []
        assert not h.engine.accept(h.upgrades[0][0], user_id=7, first="hello")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda e, i: e.accept(i, "two words"), ValueError),
        (lambda e, i: e.accept(i, "a\r\nEvil: 1"), ValueError),
        (lambda e, i: e.accept(i, headers=[("a\r\n", "b")]), ValueError),
        (lambda e, i: e.accept(i, headers=[("a", "b\r\nEvil: 1")]), ValueError),
        (lambda e, i: e.accept(i, headers=[("a", "漢")]), ValueError),
        (lambda e, i: e.accept(i, headers=[("a", 1)]), TypeError),
        (lambda e, i: e.accept(i, codec=3), ValueError),
        (lambda e, i: e.accept(i, 3), TypeError),
        (lambda e, i: e.accept(i, user_id=-1), ValueError),
        (lambda e, i: e.accept(i, user_id="7"), TypeError),
        (lambda e, i: e.accept(i, user_id=7, session_id=-1), ValueError),
        (lambda e, i: e.accept(i, user_id=7, expires_at_ms=2**53), ValueError),
        (lambda e, i: e.accept(i, first=b"\xff"), ValueError),
        (lambda e, i: e.accept(i, first="\ud800"), ValueError),
        (lambda e, i: e.accept(i, first=7), TypeError),
        (lambda e, i: e.accept("1"), TypeError),
        (lambda e, i: e.refuse(i, 200), ValueError),
        (lambda e, i: e.refuse(i, 401, "text"), TypeError),
        (lambda e, i: e.refuse(i, 401, b"", [("a", "\n")]), ValueError),
    ],
)
def test_wrong_arguments_leave_the_upgrade_undecided(call: Any, error: type[Exception]) -> None:
    with Harness(decide=True) as h:
        client = h.connect()
        client.send(request())
        h.until(lambda: h.upgrades)
        with pytest.raises(error):
            call(h.engine, h.upgrades[0][0])
        assert h.engine.accept(h.upgrades[0][0])


def test_without_a_callback_everybody_comes_in() -> None:
    with Harness(on_upgrade=None) as h:
        client = h.connect()
        client.send(request())
        assert client.read_head().startswith("HTTP/1.1 101")
