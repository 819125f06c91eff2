"""What of a message is searched, and where a keyword's words stand in it."""

from __future__ import annotations

import json

import pytest

from xinyu_services.message.model import MsgType, StoredMessage
from xinyu_services.message.search_text import (
    MAX_HIGHLIGHTS,
    MAX_SEARCHED_CHARACTERS,
    MAX_TERMS_ASKED,
    Keyword,
    place_of,
    searched_text,
    terms_of,
)


def message(msg_type: int, body: object, **fields: int) -> StoredMessage:
    return StoredMessage(1, 1, "m", 1, msg_type, json.dumps(body), "{}", 0, **fields)


@pytest.mark.parametrize(
    ("msg_type", "body", "text"),
    [
        (MsgType.TEXT, {"content": "你好"}, "你好"),
        (MsgType.CODE, {"lang": "c", "code": "int x;"}, "int x;"),
        (MsgType.FILE, {"name": "报告.pdf", "path": "secret/key"}, "报告.pdf"),
        (MsgType.LOCATION, {"longitude": "1", "latitude": "2", "description": "Pier 7"}, "Pier 7"),
        (
            MsgType.MIXED,
            {
                "items": [
                    {"type": 1, "content": "one"},
                    {"type": 3, "content": "http://a"},
                    {"type": 1, "content": "two"},
                ]
            },
            "one\ntwo",
        ),
        (MsgType.IMAGE, {"url": "http://a/b.png"}, ""),
        (MsgType.RECALLED_BY_ADMIN, {"owner_name": "Ann"}, ""),
        (MsgType.TEXT, {"content": 7}, ""),
        (MsgType.MIXED, {"items": ["x", {"type": 1}]}, ""),
        (MsgType.MIXED, {}, ""),
        (MsgType.TEXT, ["content"], ""),
    ],
)
def test_the_text_that_is_shown_is_what_is_searched(msg_type: int, body: object, text: str) -> None:
    assert searched_text(message(msg_type, body)) == text


def test_a_recalled_or_expired_message_has_no_text() -> None:
    assert searched_text(message(MsgType.TEXT, {"content": "gone"}, recalled_by=1)) == ""
    expired = message(MsgType.TEXT, {"content": "gone"})
    expired.expired = True
    assert searched_text(expired) == ""


@pytest.mark.parametrize(
    ("keyword", "text", "highlights"),
    [
        ("好", "你好,好人", [[1, 2], [3, 4]]),
        ("你好", "说:你好!", [[2, 4]]),
        ("你人", "你好人", None),
        ("HELLO", "say hello, Hello", [[4, 9], [11, 16]]),
        ("ell", "hello", [[1, 4]]),
        ("two one", "one and two", [[0, 3], [8, 11]]),
        ("one three", "one and two", None),
        ("ab bc", "abc", [[0, 3]]),
        ("aa", "aaa", [[0, 2]]),
        ("abc", "ＡＢＣ wide", [[0, 3]]),
        ("strasse", "die Straße!", [[4, 10]]),
        ("fi", "ein ﬁn", [[4, 5]]),
        ("😀", "x😀y", [[1, 2]]),
        ("% _ ' \"", "100% of '_' \"x\"", [[3, 4], [8, 11], [12, 13], [14, 15]]),
        ("x", "", None),
    ],
)
def test_words_are_found_in_any_case_and_form(keyword: str, text: str, highlights: list[list[int]] | None) -> None:
    assert Keyword.of(keyword).highlights(text) == highlights
    if highlights is not None:
        # What is found must be among the candidates.
        assert terms_of(text).issuperset(Keyword.of(keyword).terms)


def test_white_space_alone_is_no_keyword() -> None:
    assert Keyword.of(" \t\u3000\n").words == ()


def test_a_long_keyword_asks_for_a_few_terms_from_all_over_it() -> None:
    keyword = Keyword.of("abcdefghijklmnopqrstuvwxyz0123456789")
    assert 1 < len(keyword.terms) <= MAX_TERMS_ASKED
    assert terms_of("abcdefghijklmnopqrstuvwxyz0123456789").issuperset(keyword.terms)


def test_what_lies_behind_the_bound_is_neither_indexed_nor_found() -> None:
    text = "a" * MAX_SEARCHED_CHARACTERS + "needle"
    assert Keyword.of("needle").highlights(text) is None
    assert not terms_of(text) & set(Keyword.of("dl").terms)
    assert len(terms_of("".join(map(chr, range(0x4E00, 0x8E00))))) < 2 * MAX_SEARCHED_CHARACTERS
    # One character that becomes eighteen.
    assert len("".join(chr(0xFDFA) * 5_000)) == 5_000
    assert Keyword.of("x").highlights(chr(0xFDFA) * 5_000) is None


def test_there_are_only_so_many_highlights() -> None:
    assert Keyword.of("a").highlights("a " * 100) == [[n, n + 1] for n in range(0, 2 * MAX_HIGHLIGHTS, 2)]


def test_places_order_by_time_then_by_sequence_and_stay_in_64_bits() -> None:
    assert place_of(5, 1) < place_of(5, 2) < place_of(6) < place_of(6, 1)
    assert place_of(-1) == 0
    assert place_of(1 << 60, 1) < 1 << 63
