"""What a client may put into a message."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from xinyu.base.errors import XinYuError
from xinyu_services.message.bodies import edited_type, parse_body


def parsed(type_name: str, body: Any) -> tuple[int, Any]:
    raw = msgspec.Raw(body if isinstance(body, bytes) else json.dumps(body).encode())
    msg_type, extra = parse_body(type_name, raw, 20)
    return int(msg_type), json.loads(extra)


@pytest.mark.parametrize(
    ("type_name", "body", "expected"),
    [
        ("text", {"content": "hi"}, (1, {"content": "hi"})),
        ("text", {"text": "hi"}, (1, {"content": "hi"})),
        ("text", {"content": "hi", "text": "hi", "unknown": 1}, (1, {"content": "hi"})),
        ("text", {"content": "界" * 20, "mentions": [0, 7]}, (1, {"content": "界" * 20, "mentions": [0, 7]})),
        ("code", {"lang": "go", "code": "<x>"}, (2, {"lang": "go", "code": "<x>"})),
        ("location", {"longitude": "116.39", "latitude": -39.5},
                     (7, {"longitude": "116.39", "latitude": "-39.5", "description": ""})),
        ("card", {"user_id": 7, "nickname": "believed by nobody"}, (8, {"user_id": 7})),
    ],
)  # fmt: skip
def test_bodies_become_extras(type_name: str, body: Any, expected: tuple[int, Any]) -> None:
    assert parsed(type_name, body) == expected


@pytest.mark.parametrize(
    ("type_name", "body"),
    [
        ("text", {}), ("text", {"content": ""}), ("text", {"content": " \n"}), ("text", {"content": 7}),
        ("text", {"content": "a", "text": "b"}), ("text", {"content": "x" * 21}), ("text", []), ("text", b"null"),
        ("text", {"content": "x", "mentions": [-1]}), ("text", {"content": "x", "mentions": [2**53]}),
        ("text", {"content": "x", "mentions": [1] * 501}), ("text", b'{"content":"\\ud800"}'), ("text", b"{"),
        ("text", b'{"content":"\xff"}'), ("text", b'{"x":' + b"[" * 100_000),
        ("code", {"lang": "", "code": "x"}), ("code", {"lang": "go", "code": "x" * 65_537}),
        ("location", {"longitude": 181, "latitude": 0}), ("location", {"longitude": "1_0", "latitude": "0"}),
        ("location", {"longitude": "nan", "latitude": "0"}), ("location", {"longitude": "0" * 9999, "latitude": 1}),
        ("location", {"longitude": True, "latitude": 1}), ("location", {"longitude": 1}),
        ("image", {"url": "x"}), ("system", {"content": "x"}), ("", {}), ("vote", {}),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_sentence(type_name: str, body: Any) -> None:
    with pytest.raises(XinYuError) as caught:
        parsed(type_name, body)
    assert caught.value.reason == "invalid"
    assert caught.value.message.strip()


@pytest.mark.parametrize(
    ("body", "type_name"),
    [('{"content": "x"}', "text"), ("{}", "text"), ('{"lang": "c", "code": ""}', "code"), ('{"items": 1}', "mixed")],
)
def test_the_body_of_an_edit_says_what_it_is_of(body: str, type_name: str) -> None:
    assert edited_type(msgspec.Raw(body.encode())) == type_name


@pytest.mark.parametrize("body", ["[]", "1", "{", '"x"', "\udcff", "[" * 5_000])
def test_what_is_no_object_is_no_edit(body: str) -> None:
    with pytest.raises(XinYuError) as caught:
        edited_type(msgspec.Raw(body.encode(errors="surrogateescape")))
    assert caught.value.reason == "invalid"
