"""Rules of votes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from xinyu_services.group.vote_model import (
    AnswerMode,
    Vote,
    VoteState,
    chosen_keys,
    place_after,
    vote_hash,
    vote_problem,
)


@pytest.mark.parametrize(
    ("title", "options", "is_wrong"),
    [
        ("?", ["a", "b"], False),
        ("x" * 50, list("abcdef"), False),
        ("<b>", ["y" * 100, "n"], False),
        (" ", ["a", "b"], True),
        ("x" * 51, ["a", "b"], True),
        ("a\nb", ["a", "b"], True),
        ("?", ["a"], True),
        ("?", list("abcdefg"), True),
        ("?", ["a", ""], True),
        ("?", ["a", "a"], True),
        ("?", ["a", " a"], True),
        ("?", ["a", "y" * 101], True),
        ("?", ["a", "\x00"], True),
    ],
)
def test_what_can_be_voted_on(title: str, options: list[str], is_wrong: bool) -> None:
    assert bool(vote_problem(title, options)) is is_wrong


@pytest.mark.parametrize(
    ("keys", "mode", "chosen"),
    [
        (["A"], AnswerMode.ONE, "A"),
        (["C", "A"], AnswerMode.SEVERAL, "AC"),
        (["A", "B", "C"], AnswerMode.SEVERAL, "ABC"),
        (["A", "B"], AnswerMode.ONE, ""),
        ([], AnswerMode.SEVERAL, ""),
        (["D"], AnswerMode.ONE, ""),
        (["a"], AnswerMode.ONE, ""),
        (["A", "A"], AnswerMode.SEVERAL, ""),
        (["AB"], AnswerMode.SEVERAL, ""),
        (["A"] * 1000, AnswerMode.SEVERAL, ""),
    ],
)
def test_what_counts_as_an_answer_to_three_options(keys: Sequence[str], mode: AnswerMode, chosen: str) -> None:
    assert chosen_keys(keys, mode, 3) == chosen


def test_the_same_request() -> None:
    asked = vote_hash(1, "?", 1, False, ["a", "b"])
    assert asked == vote_hash(1, "?", 1, False, ["a", "b"])
    others = {
        vote_hash(2, "?", 1, False, ["a", "b"]),
        vote_hash(1, "!", 1, False, ["a", "b"]),
        vote_hash(1, "?", 2, False, ["a", "b"]),
        vote_hash(1, "?", 1, True, ["a", "b"]),
        vote_hash(1, "?", 1, False, ["b", "a"]),
    }
    assert len(others | {asked}) == 6


@pytest.mark.parametrize(
    ("text", "place"), [("", -1), ("0", 0), ("12", 12), ("-1", None), ("x", None), ("١", None), ("9" * 17, None)]
)
def test_cursors(text: str, place: int | None) -> None:
    assert place_after(text) == place


@pytest.mark.parametrize(
    ("answered", "at_the_end", "now", "electorate"),
    [(0, 0, 5, 5), (3, 0, 5, 5), (3, 0, 2, 3), (3, 4, 9, 4)],
)
def test_who_may_vote(answered: int, at_the_end: int, now: int, electorate: int) -> None:
    vote = Vote(1, 1, 1, "?", AnswerMode.ONE, False, VoteState.RUNNING, answered, at_the_end, 0, 0)
    assert vote.electorate(now) == electorate
