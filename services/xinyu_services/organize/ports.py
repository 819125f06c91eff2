"""What the organize room needs of other rooms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Face:
    """A user as others see him."""

    nickname: str
    avatar: str
    gender: int


class People(Protocol):
    """The user room."""

    async def load(self, user_ids: Iterable[int]) -> dict[int, Face]:
        """Unknown ids are left out."""
        ...
