"""Notes: what one is, what is made of its text, and how long the recycle bin keeps it.

A note is markdown. Of its text are made, whenever it is saved, an abstract (plain text, the first 200 characters), its
first picture, and what a search looks into: title and text in one case, so that both engines find the same.

What was deleted says when; 30 days later it is gone for everybody, whether or not its rows have been purged. What its
owner wants gone at once is dated far back, and so is never a special case.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

TITLE_CHARACTERS: Final = 200
NAME_CHARACTERS: Final = 64
KEYWORD_CHARACTERS: Final = 64
ABSTRACT_CHARACTERS: Final = 200
IMAGE_CHARACTERS: Final = 1_024
# A new note, or an attachment, that comes again within it is the same one.
REPEAT_MS: Final = 30_000
DAY_MS: Final = 86_400_000
ALIVE: Final = 0
# When something was deleted that is to be gone now.
LONG_AGO_MS: Final = 1
DEFAULT_CLASS_NAME: Final = "My notes"
PAGE_SIZE: Final = 100
# What an abstract is made of: markup may be much longer than the text between it.
ABSTRACT_SOURCE_CHARACTERS: Final = 8_192
# Where the first picture is looked for: half a megabyte of `![` would take more than a second.
PICTURE_SOURCE_CHARACTERS: Final = 65_536

_FENCE: Final = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_LINE_MARKS: Final = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]|>[ \t]?|[-*+][ \t]|\d{1,9}[.)][ \t]|[-*_=|: \t]{3,}$)+", re.MULTILINE
)
_PICTURE: Final = re.compile(r"!\[[^\]\n]{0,500}\]\([^()\s]{0,2000}(?:[ \t][^()\n]{0,500})?\)")
_LINK: Final = re.compile(r"\[([^\[\]\n]{0,500})\]\([^()\s]{0,2000}(?:[ \t][^()\n]{0,500})?\)")
_TAG: Final = re.compile(r"<[/!a-zA-Z][^<>]{0,2000}>")
_INLINE_MARKS: Final = re.compile(r"\*{1,3}|~~|`+|(?<!\w)_{1,3}|_{1,3}(?!\w)")
_SPACE: Final = re.compile(r"\s+")
_FIRST_PICTURE: Final = re.compile(
    r"!\[[^\]\n]{0,500}\]\(\s?<?([^()\s<>]{1,2000})|<img\s[^<>]{0,500}?src\s?=\s?[\"']([^\"'<>\s]{1,2000})[\"']",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NoteClass:
    """A user's folder of notes. `count`: of the notes in it that are not deleted."""

    class_id: int
    name: str
    position: int
    count: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A note without its text. `deleted_at_ms` ALIVE = it is not in the recycle bin."""

    note_id: int
    class_id: int
    class_name: str
    title: str
    abstract: str
    image: str
    is_starred: bool
    created_at_ms: int
    updated_at_ms: int
    deleted_at_ms: int = ALIVE
    tag_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Annex:
    """A file that hangs on a note. Its bytes lie in the blob store under `key`, which is told to nobody."""

    annex_id: int
    note_id: int
    name: str
    size_bytes: int
    sha256: bytes
    key: str
    created_at_ms: int
    deleted_at_ms: int = ALIVE
    note_title: str = ""


@dataclass(frozen=True, slots=True)
class NoteDetail:
    """A note as its page shows it."""

    note: Note
    md_content: str
    annexes: tuple[Annex, ...]


@dataclass(frozen=True, slots=True)
class Tag:
    tag_id: int
    name: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """Which of one's notes: all fields must fit; empty ones fit all."""

    keyword: str = ""
    only_starred: bool = False
    class_id: int = 0
    tag_id: int = 0


def plain_text(markdown: str) -> str:
    """What a reader sees of it, in one line: no marks, links as their words, pictures left out."""
    text = _FENCE.sub(" ", markdown)
    text = _PICTURE.sub(" ", text)
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = _LINE_MARKS.sub("", text)
    text = _INLINE_MARKS.sub("", text)
    text = "".join(c for c in html.unescape(text) if unicodedata.category(c) != "Cc" or c.isspace())
    return _SPACE.sub(" ", text).strip()


def abstract_of(markdown: str) -> str:
    """The first 200 characters of its plain text."""
    return plain_text(markdown[:ABSTRACT_SOURCE_CHARACTERS])[:ABSTRACT_CHARACTERS]


def first_picture(markdown: str) -> str:
    """The address of its first picture, where a page may show it: http, https or a path; "" = none near its start."""
    for match in _FIRST_PICTURE.finditer(markdown[:PICTURE_SOURCE_CHARACTERS]):
        address = match[1] or match[2]
        is_shown = address.lower().startswith(("http://", "https://")) or (address[0] == "/" and address[:2] != "//")
        if is_shown and len(address) <= IMAGE_CHARACTERS:
            return address
    return ""


def search_text(title: str, markdown: str) -> str:
    """What a keyword, given to `folded`, is looked for in."""
    return folded(f"{title}\n{markdown}")


def folded(text: str) -> str:
    """In one case and one composition."""
    return unicodedata.normalize("NFC", text.casefold())


def request_hash(class_id: int, title: str, markdown: str) -> bytes:
    """What a new note was asked for, so that a repeat is known."""
    return sha256(b"\0".join((str(class_id).encode(), title.encode(), markdown.encode()))).digest()


def text_problem(text: str) -> str:
    """Why a text cannot be stored, "" when it can: lone surrogates are no characters."""
    return "" if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text) else "The text is not Unicode."


def name_problem(name: str, longest: int = NAME_CHARACTERS) -> str:
    """Why this cannot be what a class, tag or note is called, "" when it can. Notes alone may have no name."""
    if len(name) > longest:
        return f"The name has more than {longest} characters."
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        return "The name may not have control characters."
    return ""


def days_left(deleted_at_ms: int, now_ms: int, bin_days: int) -> int:
    """Begun days until it is gone: the bin's whole length at first, 1 on the last day."""
    return max(0, -(-(deleted_at_ms + bin_days * DAY_MS - now_ms) // DAY_MS))


def sorted_first(class_ids: list[int], wanted: list[int]) -> list[int]:
    """All `class_ids`, `wanted` leading in that order, the others as they were."""
    listed = set(wanted)
    return [*wanted, *(class_id for class_id in class_ids if class_id not in listed)]
