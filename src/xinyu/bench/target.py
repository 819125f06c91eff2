"""The server under load: its URL, its address, and the opening handshakes that it gets (RFC 6455 section 4.1)."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from xinyu.bench.error import BenchError, require

_ACCEPT_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS: Final = frozenset({"host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"})
_MAX_REQUEST_BYTES: Final = 16384


@dataclass(frozen=True, slots=True)
class Target:
    """`host` is numeric. `requests` are used in turn; each carries the one key that `accept_key` answers."""

    url: str
    family: int
    host: str
    port: int
    requests: tuple[bytes, ...]
    accept_key: bytes

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback


def resolve(
    url: str, *, headers: Sequence[str] = (), subprotocol: str | None = None, tokens: Sequence[str] = ()
) -> Target:
    """`headers`: lines `Name: value` for every handshake. `tokens`: bearer tokens, one a connection in turn.

    BenchError: not a ws:// URL, a host that is not known, or text that may not stand in a header.
    """
    try:
        parts = urlsplit(url)
        port = parts.port if parts.port is not None else 80
        name = parts.hostname
    except ValueError as error:
        raise BenchError(f"{url!r} is no URL: {error}") from None
    require(parts.scheme != "wss", "wss:// is not supported: point the load at what stands behind the TLS proxy")
    require(parts.scheme == "ws" and bool(name), f"{url!r} is not of the form ws://host:port/path")
    require(parts.username is None and not parts.fragment, f"{url!r} must have neither a user nor a fragment")
    require(1 <= port <= 65535, f"port {port} lies outside of 1 to 65535")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    require(all(" " < each <= "~" for each in resource), f"the path of {url!r} has characters that must be escaped")
    family, host = _resolve_host(name or "", port)
    key = base64.b64encode(os.urandom(16))
    lines = [
        f"GET {resource} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
        *([f"Sec-WebSocket-Protocol: {_one_token(subprotocol)}"] if subprotocol else []),
        *(_header(line) for line in headers),
    ]
    heads = [[*lines, f"Authorization: Bearer {_one_line(token)}"] for token in tokens] or [lines]
    requests = tuple("\r\n".join([*each, "", ""]).encode("latin-1") for each in heads)
    require(max(map(len, requests)) <= _MAX_REQUEST_BYTES, f"a handshake is longer than {_MAX_REQUEST_BYTES} bytes")
    accept_key = base64.b64encode(hashlib.sha1(key + _ACCEPT_GUID, usedforsecurity=False).digest())
    return Target(url, family, host, port, requests, accept_key)


def _resolve_host(name: str, port: int) -> tuple[int, str]:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BenchError(f"the host {name!r} is not known: {getattr(error, 'strerror', None) or error}") from None
    # A name with both kinds of address (localhost) is taken by the older one, where one host has many addresses.
    family, *_, address = min(found, key=lambda each: each[0])
    return int(family), str(address[0]).partition("%")[0]


def _header(line: str) -> str:
    name, colon, value = line.partition(":")
    require(bool(colon and _TOKEN.fullmatch(name)), f"{line!r} is not of the form Name: value")
    require(name.lower() not in _OURS, f"the header {name} belongs to the handshake itself")
    return f"{name}: {_one_line(value.strip())}"


def _one_token(text: str) -> str:
    require(all(_TOKEN.fullmatch(each.strip()) for each in text.split(",")), f"{text!r} is no subprotocol")
    return text


def _one_line(text: str) -> str:
    require(text.isascii() and text.isprintable(), "a header or token has characters that may not stand in one")
    return text
