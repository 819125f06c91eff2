"""What a web page says of itself in its head: title, description, picture, name of its site.

A page is anybody's: it is scanned, not parsed. Each element is found by its first characters and read for a bounded
stretch, so the work is a small multiple of the page's length whatever stands in it, and nothing nests. What comes out
is plain text, one line, of bounded length.

Open Graph (ogp.me) says it for the purpose; `title` and `meta name=description` are what there is otherwise.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

TITLE_CHARACTERS: Final = 200
DESCRIPTION_CHARACTERS: Final = 500
SITE_CHARACTERS: Final = 100
IMAGE_CHARACTERS: Final = 2_048
_META_CHARACTERS: Final = 8_192
_TITLE_CHARACTERS: Final = 4_096
_METAS: Final = 200
_CHARSET_BYTES: Final = 1_024

# WHATWG labels that pages carry, to Python's decoders. Nothing else is looked up: there are decoders of other things.
_DECODERS: Final = {
    "utf-8": "utf-8", "utf8": "utf-8", "ascii": "cp1252", "us-ascii": "cp1252", "iso-8859-1": "cp1252",
    "latin1": "cp1252", "windows-1252": "cp1252", "iso-8859-2": "iso8859_2", "iso-8859-15": "iso8859_15",
    "windows-1250": "cp1250", "windows-1251": "cp1251", "koi8-r": "koi8_r", "koi8-u": "koi8_u", "gb2312": "gb18030",
    "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5hkscs", "euc-jp": "euc_jp", "shift_jis": "cp932",
    "shift-jis": "cp932", "iso-2022-jp": "iso2022_jp", "euc-kr": "cp949", "utf-16": "utf-16-le",
    "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
}  # fmt: skip
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_HEADER_CHARSET: Final = re.compile(r"charset\s{0,8}=\s{0,8}[\"']?([0-9A-Za-z_-]{1,32})", re.IGNORECASE)
_META_CHARSET: Final = re.compile(rb"charset\s{0,8}=\s{0,8}[\"']?([0-9A-Za-z_-]{1,32})", re.IGNORECASE)
_OPENING: Final = re.compile(r"<(meta|title|body|/head)(?=[\s/>])", re.IGNORECASE)
# Of one tag, whose text is short: a name, and its value in quotes or without.
_ATTRIBUTE: Final = re.compile(r"([a-zA-Z:-]{1,32})\s{0,8}=\s{0,8}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")


@dataclass(frozen=True, slots=True)
class PageHead:
    """Each "" where the page says nothing. `image` is as the page writes it: relative, or nonsense, too."""

    title: str
    description: str
    image: str
    site_name: str


def read_head(content: bytes, content_type: str) -> PageHead:
    """Of a page, or of its beginning."""
    text = content.decode(_decoder(content, content_type), "replace")
    said, title = _said(text)
    return PageHead(
        _line(said.get("og:title", "") or title, TITLE_CHARACTERS),
        _line(said.get("og:description", "") or said.get("description", ""), DESCRIPTION_CHARACTERS),
        said.get("og:image", "").strip()[:IMAGE_CHARACTERS],
        _line(said.get("og:site_name", ""), SITE_CHARACTERS),
    )


def _decoder(content: bytes, content_type: str) -> str:
    """As the page's first bytes say, or its Content-Type, or itself; UTF-8 otherwise."""
    for bom, name in _BOMS:
        if content.startswith(bom):
            return name
    if (found := _HEADER_CHARSET.search(content_type[:256])) and found[1].lower() in _DECODERS:
        return _DECODERS[found[1].lower()]
    if written := _META_CHARSET.search(content[:_CHARSET_BYTES]):
        name = _DECODERS.get(written[1].decode().lower(), "utf-8")
        # It can be read as ASCII, so it is not UTF-16, whatever it says (WHATWG HTML, 13.2.3.3).
        return "utf-8" if name.startswith("utf-16") else name
    return "utf-8"


def _said(text: str) -> tuple[dict[str, str], str]:
    """(properties of its metas, the first of each; its title), of the head alone."""
    said: dict[str, str] = {}
    title, place, metas = "", 0, 0
    while metas < _METAS and (found := _OPENING.search(text, place)):
        place, name = found.end(), found[1].lower()
        if name in ("body", "/head"):
            break
        if name == "title":
            start = text.find(">", place, place + 256) + 1
            end = text.find("</", start, start + _TITLE_CHARACTERS) if start else -1
            if end >= 0:
                title, place = title or text[start:end], end
            continue
        metas += 1
        tag = text[place : place + _META_CHARACTERS]
        if (end_of := _tag_end(tag)) < 0:
            continue
        attributes = _attributes(tag[:end_of])
        key = (attributes.get("property") or attributes.get("name") or "").lower()
        if key and "content" in attributes:
            said.setdefault(key, attributes["content"])
        place += end_of
    return said, html.unescape(title)


def _tag_end(tag: str) -> int:
    """Where a tag ends whose attributes these are, quotes minded; -1 = not here."""
    quote = ""
    for place, character in enumerate(tag):
        if quote:
            if character == quote:
                quote = ""
        elif character in "\"'":
            quote = character
        elif character == ">":
            return place
    return -1


def _attributes(tag: str) -> dict[str, str]:
    return {
        found[1].lower(): html.unescape(next(value for value in found.groups()[1:] if value is not None))
        for found in _ATTRIBUTE.finditer(tag)
    }


def _line(text: str, characters: int) -> str:
    """One line of what shows, cut where it is too long."""
    shown = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(shown.split())
    return line if len(line) <= characters else line[: characters - 1].rstrip() + "\u2026"
