"""What the talk room needs of other rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xinyu_services.talk.model import Cursor, Head


@dataclass(frozen=True, slots=True)
class OpenedTalk:
    """A talk that was found or made. `is_member` speaks of the asker."""

    talk_id: int
    last_sequence: int
    is_member: bool
    dismissed: bool


@dataclass(frozen=True, slots=True)
class TalkPage:
    """Encoded answers about talks. `cut_at_talk_id`: the first unnamed talk that found no room, 0 = none."""

    talks: list[bytes]
    more: bool
    cut_at_talk_id: int


@dataclass(frozen=True, slots=True)
class RowPage:
    """A room's rows above the version asked for, encoded. `version` and `floor` are the user's in that room;
    `last_version` is that of the page's last row."""

    version: int
    floor: int
    rows: list[bytes]
    last_version: int
    more: bool


class Messages(Protocol):
    """The message room."""

    async def heads(self, user_id: int, talk_ids: Sequence[int], codec: int) -> dict[int, Head]:
        """Of those talks in which the user has a row."""
        ...

    async def head(self, user_id: int, mode: int, to_from_id: int, codec: int) -> Head | None:
        """The same, of one talk by its target."""
        ...

    async def open(self, user_id: int, mode: int, to_from_id: int) -> OpenedTalk:
        """Raises SELF, UNKNOWN_USER, UNKNOWN_GROUP."""
        ...

    async def sync(
        self, user_id: int, cursors: Sequence[Cursor], talk_limit: int, record_limit: int, codec: int
    ) -> TalkPage: ...


class Rows(Protocol):
    """A room with rows of the user's own."""

    async def newer(self, user_id: int, version: int, limit: int, codec: int) -> RowPage: ...


class Remarks(Protocol):
    """The contact room."""

    async def of(self, user_id: int, peers: Sequence[int]) -> dict[int, str]:
        """What the user calls his friends; those without are left out."""
        ...


class Online(Protocol):
    """The presence room."""

    async def among(self, user_ids: Sequence[int]) -> set[int]:
        """A hint: nobody is online when that room is away."""
        ...
