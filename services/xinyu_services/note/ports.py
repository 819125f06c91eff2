"""What the note room needs of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Ids(Protocol):
    """A series of numbers (`xinyu.storage.id_blocks`)."""

    async def take(self) -> int: ...


class BlobBin(Protocol):
    """Where attachments lie (`xinyu.storage.blobs`)."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Raises BlobError; what is not there is passed over."""
        ...
