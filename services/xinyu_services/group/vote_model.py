"""Votes in a group: what one is, and what counts as an answer."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from xinyu_services.group.model import Person

TITLE_CHARACTERS: Final = 50
OPTION_CHARACTERS: Final = 100
MIN_OPTIONS: Final = 2
MAX_OPTIONS: Final = 6
KEYS: Final = "ABCDEF"
# Votes of one user in one group that are made within a day.
MAX_A_DAY: Final = 50
DAY_MS: Final = 86_400_000


class VoteState(IntEnum):
    """Contract: http-api, `group-vote/list`."""

    RUNNING = 1
    ENDED = 2


class AnswerMode(IntEnum):
    ONE = 1
    SEVERAL = 2


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a vote. `num`: who chose it."""

    key: str
    value: str
    num: int = 0


@dataclass(frozen=True, slots=True)
class Vote:
    """One row of group_vote. `answered`: who has voted; `members`: who could have when it ended, 0 while it runs."""

    vote_id: int
    group_id: int
    creator_id: int
    title: str
    answer_mode: AnswerMode
    is_secret: bool
    state: VoteState
    answered: int
    members: int
    created_at_ms: int
    ended_at_ms: int

    def electorate(self, members: int) -> int:
        """Who may vote, `members` being in the group now. Who has voted and left still counts."""
        return max(self.members or members, self.answered)


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of group_vote_answer. `chosen`: keys, ascending; `place`: its place in the list."""

    user_id: int
    chosen: str
    place: int
    answered_at_ms: int


@dataclass(frozen=True, slots=True)
class VoteDetail:
    """A vote as one member sees it. `electorate`: who may vote; `own`: the keys that he chose, "" = he has not voted;
    `cursor`: of the next page of answers, "" = there are no more."""

    vote: Vote
    options: list[Option]
    electorate: int
    own: str
    answers: list[tuple[Answer, Person]]
    cursor: str


def _line_problem(name: str, text: str, longest: int) -> str:
    if not text.strip():
        return f"{name} is empty."
    if len(text) > longest:
        return f"{name} has more than {longest} characters."
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        return f"{name} may not have control characters."
    return ""


def vote_problem(title: str, options: Sequence[str]) -> str:
    """Why that cannot be voted on, "" when it can. All of it is plain text on every surface."""
    if problem := _line_problem("The title", title, TITLE_CHARACTERS):
        return problem
    if not MIN_OPTIONS <= len(options) <= MAX_OPTIONS:
        return f"A vote has {MIN_OPTIONS} to {MAX_OPTIONS} options."
    if problem := next((p for each in options if (p := _line_problem("An option", each, OPTION_CHARACTERS))), ""):
        return problem
    return "Two options are the same." if len({each.strip() for each in options}) < len(options) else ""


def chosen_keys(keys: Sequence[str], mode: AnswerMode, option_count: int) -> str:
    """The keys of an answer as they are stored, "AC"; "" = they are no answer to this vote."""
    known = set(KEYS[:option_count])
    if not keys or len(keys) > option_count or not set(keys) <= known or len(set(keys)) < len(keys):
        return ""
    if mode is AnswerMode.ONE and len(keys) > 1:
        return ""
    return "".join(sorted(keys))


def vote_hash(group_id: int, title: str, mode: int, is_secret: bool, options: Sequence[str]) -> bytes:
    """What makes two requests to create a vote the same one. No text holds the separator."""
    asked = f"{group_id}\0{title}\0{mode}\0{int(is_secret)}\0" + "\0".join(options)
    return hashlib.sha256(asked.encode("utf-8")).digest()


def place_after(text: str) -> int | None:
    """The place in the list of answers that `text`, a page's cursor, names; "" is before the first. None: it is no
    cursor."""
    if not text:
        return -1
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else None
