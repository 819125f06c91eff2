"""What members.h must do, in plain Python."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from xinyu._fast import members

Row = tuple[int, int, int]


class OracleSet:
    """user -> (joined, left or -1)."""

    def __init__(self, rows: dict[int, tuple[int, int]] | None = None) -> None:
        self.rows = rows or {}

    def updated(self, rows: Iterable[Row], kept_from: int) -> OracleSet:
        merged = self.rows | {user_id: (joined, left) for user_id, joined, left in rows}
        return OracleSet(
            {
                user_id: (joined, left)
                for user_id, (joined, left) in merged.items()
                if left < 0 or (left >= kept_from and joined <= left)
            }
        )

    def among(self, user_ids: Iterable[int], audience: int, sequence: int) -> set[int]:
        return {user_id for user_id in user_ids if user_id in self.rows and self._is_meant(user_id, audience, sequence)}

    def _is_meant(self, user_id: int, audience: int, sequence: int) -> bool:
        joined, left = self.rows[user_id]
        if left >= 0:
            return audience == members.READERS and joined <= sequence <= left
        if audience == members.MEMBERS:
            return True
        return (joined > sequence) == (audience == members.OTHERS)


def packed(rows: Iterable[Row]) -> bytes:
    """As they are told: ascending by user."""
    return b"".join(struct.pack("=3q", *row) for row in sorted(rows))
