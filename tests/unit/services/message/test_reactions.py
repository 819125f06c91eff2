"""What is an emoji, and how reactions are counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.base.errors import INVALID, TOO_MANY_REACTIONS, ErrorCode, XinYuError
from xinyu_services.message.reactions import (
    MAX_DIFFERENT,
    Count,
    added,
    check_emoji,
    counts_of,
    removed,
    stored_counts,
)


def refused(code: ErrorCode, call: object, *arguments: object) -> bool:
    with pytest.raises(XinYuError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code is code


ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    "emoji", ["👍", "❤️", "👍🏽", "👨‍👩‍👧‍👦", "🇨🇳", ENGLAND, "+1", "ok", "赞", "1️⃣"]
)
def test_signs_and_short_words_are_taken(emoji: str) -> None:
    assert check_emoji(emoji) == emoji


@pytest.mark.parametrize(
    "emoji",
    ["", " ", "👍 ", "\u200d", "\ufe0f", "\u202e👍", "\0", "a\nb", "<b>", "&", '"', "'", "👍" * 9, "\ud800", "\u200b"],
)
def test_what_cannot_be_seen_or_means_something_to_a_page_is_not(emoji: str) -> None:
    assert refused(INVALID, check_emoji, emoji)


def test_so_many_of_one_person_and_so_many_different_ones() -> None:
    full = [Count(str(n), 1) for n in range(MAX_DIFFERENT)]
    assert refused(TOO_MANY_REACTIONS, added, full, set(), "new")
    assert added(full, {"1", "2"}, "3")[3] == Count("3", 2)
    assert refused(TOO_MANY_REACTIONS, added, full, {"1", "2", "3"}, "4")


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abc")), max_size=40))
def test_the_counts_are_those_of_the_people(steps: list[tuple[int, str]]) -> None:
    own: dict[int, set[str]] = {}
    stored = ""
    for user, emoji in steps:
        mine = own.setdefault(user, set())
        counts = counts_of(stored)
        stored = stored_counts(removed(counts, emoji) if emoji in mine else added(counts, mine, emoji))
        mine ^= {emoji}
    wanted = {emoji: sum(emoji in mine for mine in own.values()) for emoji in "abc"}
    assert dict(counts_of(stored)) == {emoji: count for emoji, count in wanted.items() if count}
