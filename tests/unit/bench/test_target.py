"""From a URL to the bytes of a handshake."""

from __future__ import annotations

import socket

import pytest

from xinyu.bench.error import BenchError
from xinyu.bench.target import resolve


def test_the_request_is_an_opening_handshake() -> None:
    target = resolve("ws://127.0.0.1:8081/a/b?c=d", headers=["X-Trace: 1"], subprotocol="xinyu.v1.json")
    (request,) = target.requests
    head, _, rest = request.decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    assert rest == ""
    assert lines[0] == "GET /a/b?c=d HTTP/1.1"
    headers = dict(line.split(": ") for line in lines[1:])
    key = headers.pop("Sec-WebSocket-Key")
    assert len(key) == 24
    assert headers == {
        "Host": "127.0.0.1:8081",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "xinyu.v1.json",
        "X-Trace": "1",
    }
    assert len(target.accept_key) == 28
    assert (target.family, target.host, target.port, target.is_loopback) == (socket.AF_INET, "127.0.0.1", 8081, True)


def test_the_path_and_port_have_defaults() -> None:
    target = resolve("ws://127.0.0.1")
    assert target.port == 80
    assert target.requests[0].startswith(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")


def test_each_token_makes_a_request_of_its_own() -> None:
    target = resolve("ws://[::1]:1/", tokens=["aa", "bb"])
    assert target.family == socket.AF_INET6
    assert [request.split(b"Bearer ")[1] for request in target.requests] == [b"aa\r\n\r\n", b"bb\r\n\r\n"]
    assert len({request.split(b"Sec-WebSocket-Key: ")[1][:24] for request in target.requests}) == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "not of the form"),
        ("127.0.0.1:80", "not of the form"),
        ("http://127.0.0.1/", "not of the form"),
        ("ws:///path", "not of the form"),
        ("wss://127.0.0.1/", "wss:// is not supported"),
        ("ws://127.0.0.1:0/", "port 0"),
        ("ws://127.0.0.1:70000/", "no URL"),
        ("ws://127.0.0.1:x/", "no URL"),
        ("ws://[::1/", "no URL"),
        ("ws://a:b@127.0.0.1/", "neither a user"),
        ("ws://127.0.0.1/#f", "nor a fragment"),
        ("ws://127.0.0.1/a b", "must be escaped"),
        ("ws://127.0.0.1/é", "must be escaped"),
        ("ws://no-such-host.invalid/", "not known"),
    ],
)
def test_what_is_no_target_is_refused_in_one_line(url: str, reason: str) -> None:
    with pytest.raises(BenchError, match=reason) as refused:
        resolve(url)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("line", ["", "no colon", "a b: c", ": c", "X: a\rb", "X: é", "Host: x", "upgrade: h2c"])
def test_a_header_cannot_break_the_request(line: str) -> None:
    with pytest.raises(BenchError):
        resolve("ws://127.0.0.1/", headers=[line])


def test_a_token_or_subprotocol_cannot_either() -> None:
    with pytest.raises(BenchError):
        resolve("ws://127.0.0.1/", tokens=["a\r\nX: y"])
    with pytest.raises(BenchError):
        resolve("ws://127.0.0.1/", subprotocol="a\r\nX: y")
    with pytest.raises(BenchError, match="longer than"):
        resolve("ws://127.0.0.1/", tokens=["x" * 20_000])
