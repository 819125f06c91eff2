"""What of a message can be searched, and what a keyword finds in it. Pure.

A text is folded (compatibility forms to plain ones, case away) and cut into words at white space. Its terms are the
characters of its words and the pairs that stand side by side: Chinese needs no dictionary, and any part of a word of
any language is found. Terms only choose candidates; whether a keyword is there is looked up in the text itself.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from xinyu_services.message.model import MsgType, StoredMessage

# What lies behind them is neither indexed nor found.
MAX_SEARCHED_CHARACTERS: Final = 4_096
MAX_HIGHLIGHTS: Final = 20
# Terms by which candidates are chosen: more hardly make them fewer.
MAX_TERMS_ASKED: Final = 6
_MAX_KNOWN_FOLDS: Final = 65_536
# Characters are below 2 ** 21.
_CHARACTER_BITS: Final = 21
_PLACE_BITS: Final = 20

# Of each type with a text, the field of `extra` that has it.
_FIELDS: Final[dict[int, str]] = {
    MsgType.TEXT: "content",
    MsgType.CODE: "code",
    MsgType.FILE: "name",
    MsgType.LOCATION: "description",
    MsgType.NOTICE: "content",
}


def place_of(sent_at_ms: int, sequence: int = 0) -> int:
    """A number that orders the messages of all talks by time, and those of one talk and millisecond by sequence (unless
    a million of others lie between). Below 2 ** 63 until the year 2248."""
    at_ms = min(max(0, sent_at_ms), (1 << (63 - _PLACE_BITS)) - 1)
    return (at_ms << _PLACE_BITS) | (sequence & ((1 << _PLACE_BITS) - 1))


def searched_text(message: StoredMessage) -> str:
    """The text of a message as it is shown; "" where there is none. The texts of a mixed message stand on lines of
    their own."""
    if message.recalled_by or message.expired:
        return ""
    field = _FIELDS.get(message.msg_type)
    if field is None and message.msg_type != MsgType.MIXED:
        return ""
    body = json.loads(message.body)
    if not isinstance(body, dict):
        return ""
    if field is not None:
        return _text(body.get(field))
    items = body.get("items")
    parts = [item for item in items if isinstance(item, dict) and item.get("type") == 1] if items else []
    return "\n".join(_text(part.get("content")) for part in parts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


class _Folds(dict[str, str]):
    """Character -> what it is folded to; may be forgotten at any time."""

    def __missing__(self, character: str) -> str:
        if len(self) >= _MAX_KNOWN_FOLDS:
            self.clear()
        folded = self[character] = unicodedata.normalize("NFKC", character).casefold()
        return folded


_folds: Final = _Folds()


def _fold(text: str) -> list[str]:
    """What each of the searched characters is folded to: itself, most often."""
    return [_folds[character] for character in text[:MAX_SEARCHED_CHARACTERS]]


def terms_of(text: str) -> set[int]:
    """All terms of a text, by which it is found."""
    return _terms("".join(_fold(text))[:MAX_SEARCHED_CHARACTERS].split())


def _terms(words: Iterable[str]) -> set[int]:
    found: set[int] = set()
    for word in words:
        codes = [ord(character) for character in word]
        found.update(code << _CHARACTER_BITS for code in codes)
        found.update(first << _CHARACTER_BITS | second for first, second in pairwise(codes))
    return found


@dataclass(frozen=True, slots=True)
class Keyword:
    """What is looked for: all of `words`, wherever they stand."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Keyword:
        """Without words where there is only white space."""
        return cls(tuple(dict.fromkeys("".join(_fold(text)).split())))

    @property
    def terms(self) -> list[int]:
        """Terms that every text with these words has, at most MAX_TERMS_ASKED, from all over the keyword: the pairs of
        longer words, single characters as they are."""
        every: list[int] = []
        for word in self.words:
            if len(word) == 1:
                every.append(ord(word) << _CHARACTER_BITS)
            else:
                every += [ord(a) << _CHARACTER_BITS | ord(b) for a, b in pairwise(word)]
        distinct = list(dict.fromkeys(every))
        step = -(-len(distinct) // MAX_TERMS_ASKED)
        return distinct[:: step or 1]

    def highlights(self, text: str) -> list[list[int]] | None:
        """Where the words stand in `text`, as [from, to) in its characters, ascending and apart; the first
        MAX_HIGHLIGHTS. None: one of them is not there."""
        parts = _fold(text)
        folded = "".join(parts)
        found: list[tuple[int, int]] = []
        for word in self.words:
            at = folded.find(word)
            if at < 0:
                return None
            for _ in range(MAX_HIGHLIGHTS):
                found.append((at, at + len(word)))
                at = folded.find(word, at + len(word))
                if at < 0:
                    break
        if len(folded) != len(parts):
            # Which character each folded one came from.
            origins = [number for number, part in enumerate(parts) for _ in part]
            found = [(origins[begin], origins[end - 1] + 1) for begin, end in found]
        return _joined(found)[:MAX_HIGHLIGHTS]


def _joined(spans: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Spans that touch or overlap as one."""
    joined: list[list[int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end])
    return joined
