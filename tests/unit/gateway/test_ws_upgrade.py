from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.base.errors import XinYuError
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.ws import upgrade

ORIGINS = AllowedOrigins(("http://localhost:*",))


def read(path: str, query: str = "", protocols: str = "", **headers: str) -> upgrade.Upgrade:
    if protocols:
        headers["sec-websocket-protocol"] = protocols
    return upgrade.read(path, query, headers, ORIGINS)


def test_the_reference_clients_request() -> None:
    found = read("/wss/default.io", "token=a.b.c&platform=web")
    assert found == upgrade.Upgrade(0, None, "a.b.c", "", "", "web")


def test_ours() -> None:
    found = read("/ws", "ticket=t&device_id=d-1&platform=app&token=ignored", "xinyu.v1.json")
    assert found == upgrade.Upgrade(1, "xinyu.v1.json", "", "t", "d-1", "app")
    assert read("/ws", "", "xinyu.v1.json", authorization="Bearer x").token == "x"
    assert read("/wss/a", "", "other, xinyu.v1.protobuf , xinyu.v1.json").codec == 1
    binary = read("/wss/a", "ticket=t", "other, xinyu.v1.protobuf")
    assert (binary.codec, binary.subprotocol, binary.ticket) == (2, "xinyu.v1.protobuf", "t")


def test_percent_escapes() -> None:
    assert read("/wss/x", "token=a%2Eb&platform=").token == "a.b"


@pytest.mark.parametrize(
    ("path", "query", "protocols", "headers", "reason"),
    [
        ("/", "", "", {}, "not_found"),
        ("/wss", "", "", {}, "not_found"),
        ("/wsx", "", "xinyu.v1.json", {}, "not_found"),
        ("/ws", "", "", {}, "invalid"),
        ("/ws", "", "xinyu.v2.json", {}, "invalid"),
        ("/wss/x", "", "xinyu.v1.xml, other", {}, "invalid"),
        ("/ws", "", "xinyu.v1.json", {"origin": "https://elsewhere.example"}, "origin_refused"),
        ("/ws", "", "xinyu.v1.json", {"origin": ""}, "origin_refused"),
        ("/wss/x", "platform=fridge", "", {}, "invalid"),
        ("/wss/x", "device_id=a%20b", "", {}, "invalid"),
        ("/wss/x", "token=%ff", "", {}, "invalid"),
        ("/wss/x", "&".join(["a=1"] * 100), "", {}, "invalid"),
    ],
)
def test_refusals(path: str, query: str, protocols: str, headers: dict[str, str], reason: str) -> None:
    with pytest.raises(XinYuError, match=reason):
        read(path, query, protocols, **headers)


@given(st.text(alphabet="ab=&;%+20c3A9", max_size=40))
def test_queries_are_read_as_the_standard_library_reads_them(query: str) -> None:
    try:
        expected = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=16, errors="strict"))
    except ValueError:
        with pytest.raises(XinYuError, match="invalid"):
            upgrade.query_fields(query)
    else:
        assert upgrade.query_fields(query) == expected
