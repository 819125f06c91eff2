"""Ranges, and names in heads: what a client may ask for and what a browser is told."""

from __future__ import annotations

import pytest

from xinyu.gateway.http.download import disposition, parse_range


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=99-99", (99, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        (" bytes = 1 - 2 ", (1, 3)),
    ],
)
def test_one_range(value: str, found: tuple[int, int]) -> None:
    assert parse_range(value, 100) == found


@pytest.mark.parametrize(
    "value",
    ["bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "chapters=1-2", "bytes=a-b", "bytes=0x1-2", "bytes=--1",
     "bytes=" + "1" * 30 + "-", "bytes=1", "1-2", "bytes=٢-٣"],
)  # fmt: skip
def test_what_is_no_range_is_ignored(value: str) -> None:
    assert parse_range(value, 100) is None


@pytest.mark.parametrize(("value", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-0", 0), ("bytes=-5", 0)])
def test_a_range_beyond_the_end(value: str, size: int) -> None:
    with pytest.raises(ValueError, match="nothing of the range"):
        parse_range(value, size)


def test_names_in_heads() -> None:
    assert disposition("", is_inline=True) == "inline"
    assert disposition("a b.txt", is_inline=False) == 'attachment; filename="a b.txt"'
    name = '年"\r\nX: y\\/;报.pdf'
    head = disposition(name, is_inline=False)
    assert head.isascii()
    assert "\r" not in head
    assert "\n" not in head
    assert head.startswith('attachment; filename="____X_ y____.pdf"; filename*=UTF-8\'\'%E5%B9%B4%22%0D%0AX%3A%20y')
