"""Which page origins may call us: the allow-list that CORS and the WebSocket upgrade share (contract: http-api, CORS).

An entry is an origin (RFC 6454) in which `*` stands for any port (`http://localhost:*`, the scheme's own port included)
or for one or more labels of a name (`https://*.example.org`). The entry `*` alone allows every origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

# No real origin is longer; a longer one is refused unread.
MAX_ORIGIN_CHARACTERS: Final = 512


class AllowedOrigins:
    """`allows` costs one regular expression match."""

    def __init__(self, entries: Iterable[str]) -> None:
        patterns = ["[^\\s]*" if entry.strip() == "*" else _pattern(entry.strip().lower()) for entry in entries]
        self._match = re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)").fullmatch

    def allows(self, origin: str) -> bool:
        """False for "" and for "null" (a page without an origin), unless every origin is allowed."""
        return 0 < len(origin) <= MAX_ORIGIN_CHARACTERS and self._match(origin.lower()) is not None


def _pattern(entry: str) -> str:
    text, port = entry.removesuffix(":*"), entry.endswith(":*")
    labels = "[0-9a-z-]+(?:\\.[0-9a-z-]+)*".join(re.escape(part) for part in text.split("*"))
    return labels + ("(?::[0-9]{1,5})?" if port else "")
