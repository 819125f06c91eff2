"""What the emoticon room needs of other rooms."""

from __future__ import annotations

from typing import Protocol

from xinyu_services.emoticon.model import Picture


class Pictures(Protocol):
    """The media room."""

    async def find(self, url: str) -> Picture | None:
        """The picture that was given out under exactly this URL; None for anything else."""
        ...


class Ids(Protocol):
    """A series of numbers (`xinyu.storage.id_blocks`)."""

    async def take(self) -> int: ...
