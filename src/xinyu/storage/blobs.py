"""The contract of a blob store: bytes under keys, written once and then only read or deleted.

A key is ours, never a client's: segments of lower-case letters, digits, `_` and `-`, with `/` between them and at most
one extension. Under a key there is either nothing or a whole blob; one that was being written when a process died does
not exist. When `put`, `concatenate` or `move` returns, the blob is durable. Nothing here holds more of a blob in memory
than a chunk.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol, TypeVar

T = TypeVar("T")

KEY: Final = re.compile(r"(?:[0-9a-z][0-9a-z_-]*/)*[0-9a-z][0-9a-z_-]*(?:\.[0-9a-z]+)?")


class BlobError(Exception):
    """Base of what a blob store raises besides programming errors."""


class NoSuchBlob(BlobError):
    """There is nothing under the key."""


class BlobTooLarge(BlobError):
    """More bytes came than were allowed; nothing was stored."""


class BlobsUnavailable(BlobError):
    """The store is away, full or refuses; nothing was stored."""


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """What was stored; `sha256` is the digest of its bytes."""

    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class BlobStat:
    """`stored_at_s`: Unix time."""

    size_bytes: int
    stored_at_s: float


class Blobs(Protocol):
    """All methods raise BlobsUnavailable when the store does not answer, and ValueError for what is no key."""

    async def put(self, key: str, chunks: AsyncIterable[bytes], max_bytes: int) -> StoredBlob:
        """Stores what `chunks` yields. Raises BlobTooLarge past `max_bytes`, and whatever `chunks` raises; then
        nothing is stored."""
        ...

    async def concatenate(self, keys: Sequence[str], key: str) -> int:
        """Stores the blobs `keys`, one after another, as `key`; answers its size. Raises NoSuchBlob."""
        ...

    async def move(self, key: str, to: str) -> None:
        """Raises NoSuchBlob."""
        ...

    async def stat(self, key: str) -> BlobStat:
        """Raises NoSuchBlob."""
        ...

    def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes]:
        """The bytes `start` to before `end`, in chunks. Raises NoSuchBlob."""
        ...

    async def examine(self, key: str, work: Callable[[BinaryIO], T]) -> T:
        """Runs `work` on the blob as a file, beside the event loop. Raises NoSuchBlob, and what `work` raises."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Those that are not there are passed over."""
        ...

    async def purge(self, prefix: str, before_s: float) -> int:
        """Deletes what stands below `prefix` since before that Unix time, and what died half-written before it;
        answers how many blobs went."""
        ...
