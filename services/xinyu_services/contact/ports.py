"""What the contact room needs of other rooms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from xinyu_services.contact.model import MaySend, Person


class People(Protocol):
    """The user room."""

    async def load(self, user_ids: Iterable[int]) -> dict[int, Person]:
        """Names and faces; unknown ids are left out."""
        ...

    async def detail(self, user_id: int) -> Person:
        """With mobile and e-mail. Raises UNKNOWN_USER."""
        ...

    async def find_by_mobile(self, mobile: str) -> Person:
        """With mobile and e-mail. Raises UNKNOWN_USER."""
        ...


class Talks(Protocol):
    """The message and talk rooms."""

    async def change_pair(
        self,
        *,
        user_low: int,
        user_high: int,
        low_may_send: MaySend,
        high_may_send: MaySend,
        revision: int,
        greeting_id: str,
        greeting_sender: int,
        greeting: str,
        keeps_sessions: bool,
    ) -> None:
        """Who may write to whom, by the friendship's revision; idempotent. A greeting ("" = none) is stored once.
        `keeps_sessions`: the two conversation lists stay as they are, else both show the talk."""
        ...

    async def session(self, user_id: int, peer_id: int, codec: int) -> tuple[int, bytes]:
        """(talk_id, the user's Session of his talk with the peer)."""
        ...


class Colleagues(Protocol):
    """The organize room."""

    async def are(self, user_id: int, other_id: int) -> bool:
        """Whether both are in the organisation."""
        ...


class Presence(Protocol):
    """The presence room."""

    async def is_online(self, user_id: int) -> bool: ...


class Ids(Protocol):
    """A series of numbers (`xinyu.storage.id_blocks`)."""

    async def take(self) -> int: ...
