"""What is made of a note's text, and how the recycle bin counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu_services.note.model import (
    ABSTRACT_CHARACTERS,
    DAY_MS,
    abstract_of,
    days_left,
    first_picture,
    folded,
    name_problem,
    plain_text,
    search_text,
    sorted_first,
    text_problem,
)


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("", ""),
        ("# Title\n\nOne *word* and **two** more.", "Title One word and two more."),
        ("- one\n- two\n1. three", "one two three"),
        ("> said\n> again", "said again"),
        ("[words](https://example.org/a) after", "words after"),
        ("before ![picture](https://example.org/a.png) after", "before after"),
        ("```python\nx = 1\n```", "x = 1"),
        ("a &lt;b&gt; <b>c</b>", "a <b> c"),
        ("snake_case_name and _this_", "snake_case_name and this"),
        ("你好，**世界**", "你好，世界"),
    ],
)
def test_plain_text(markdown: str, text: str) -> None:
    assert plain_text(markdown) == text


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=500))
def test_an_abstract_is_one_bounded_line(markdown: str) -> None:
    abstract = abstract_of(markdown)
    assert len(abstract) <= ABSTRACT_CHARACTERS
    assert "\n" not in abstract and abstract == abstract.strip()


@pytest.mark.parametrize("piece", ["[", "![", "](", "<", "<img ", "**", "_", "`", "> ", "# ", "- - - ", "&lt;"])
def test_no_text_is_too_hard(piece: str) -> None:
    """A pattern that backtracks would take years, and the suite's time limit end it."""
    hostile = piece * (512 * 1024 // len(piece))
    assert len(abstract_of(hostile)) <= ABSTRACT_CHARACTERS
    assert first_picture(hostile) == ""


@pytest.mark.parametrize(
    ("markdown", "address"),
    [
        ("no picture", ""),
        ("![a](https://example.org/a.png) ![b](https://example.org/b.png)", "https://example.org/a.png"),
        ('<p><img class="x" src="/media/a.png"></p>', "/media/a.png"),
        ("![a](javascript:alert(1))", ""),
        ("![a](//evil.example/a.png)", ""),
        ("![a](data:image/png;base64,AAAA) ![b](/media/b.png)", "/media/b.png"),
    ],
)
def test_the_first_picture_that_a_page_may_show(markdown: str, address: str) -> None:
    assert first_picture(markdown) == address


def test_a_keyword_is_found_whatever_its_case_and_composition() -> None:
    text = search_text("Straße", "Cafe\u0301 MENÜ 会议")
    for keyword in ("STRASSE", "café", "menü", "会议"):
        assert folded(keyword) in text
    assert folded("tea") not in text


def test_what_cannot_be_stored_is_named() -> None:
    assert text_problem("plain") == text_problem("你好 🙂") == ""
    assert text_problem("a\ud800b") != ""
    assert name_problem("a" * 64) == "" and name_problem("a" * 65) != ""
    assert name_problem("a\x00b") != "" and name_problem("a\ud800") != ""


def test_days_left_begin_with_all_and_end_with_one() -> None:
    deleted_at_ms = 1_790_000_000_000
    assert days_left(deleted_at_ms, deleted_at_ms, 30) == 30
    assert days_left(deleted_at_ms, deleted_at_ms + 1, 30) == 30
    assert days_left(deleted_at_ms, deleted_at_ms + DAY_MS, 30) == 29
    assert days_left(deleted_at_ms, deleted_at_ms + 30 * DAY_MS - 1, 30) == 1
    assert days_left(deleted_at_ms, deleted_at_ms + 31 * DAY_MS, 30) == 0


@given(st.lists(st.integers(1, 20), unique=True).flatmap(lambda all_: st.tuples(st.just(all_), st.permutations(all_))))
def test_sorted_classes_are_the_same_classes(case: tuple[list[int], list[int]]) -> None:
    all_, shuffled = case
    wanted = shuffled[: len(shuffled) // 2]
    order = sorted_first(all_, wanted)
    assert sorted(order) == sorted(all_)
    assert order[: len(wanted)] == wanted
    assert [each for each in all_ if each not in wanted] == order[len(wanted) :]
