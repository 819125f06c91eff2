"""Blobs as files below one directory.

Design. Bytes go to a file of a random name in `incoming/`, which is synced and then renamed to the place that the key
names; the directories on the way are synced, too. So a key's file is whole, and survives a power cut, or is not there.
A key that is no key (`blobs.KEY`) is refused before it touches a path, and nothing that a client sends is ever one.

Everything that may wait for the disk runs on a few threads of the store's own. One hop carries up to `HOP_BYTES` of a
write, and `READ_BYTES` of a read: that times the number of readers and writers is the memory that they hold.

A cancelled write leaves its file to `_discard`, on the same threads: the file object's own lock keeps it from closing a
descriptor that a write still uses. One that is cancelled while its file is being opened gives it up when it is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, Protocol, TypeVar

import structlog

from xinyu.storage.blobs import KEY, BlobStat, BlobsUnavailable, BlobTooLarge, NoSuchBlob, StoredBlob

T = TypeVar("T")
P = ParamSpec("P")
log = structlog.get_logger(__name__)

THREADS: Final = 4
HOP_BYTES: Final = 256 * 1024
READ_BYTES: Final = 64 * 1024
_INCOMING: Final = "incoming"


class LocalBlobs:
    """`Blobs` below `directory`, which must exist. Several processes may share it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._threads = ThreadPoolExecutor(THREADS, "xinyu-blobs")

    def close(self) -> None:
        """Waits for what is under way."""
        self._threads.shutdown()

    async def put(self, key: str, chunks: AsyncIterable[bytes], max_bytes: int) -> StoredBlob:
        path, digest, size = self._path(key), hashlib.sha256(), 0
        file = await self._opened(_discard, self._begin)
        try:
            waiting = bytearray()
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise BlobTooLarge(f"more than {max_bytes} bytes")
                waiting += chunk
                if len(waiting) >= HOP_BYTES:
                    await self._run(_write, file, digest, waiting)
                    waiting = bytearray()
            await self._run(self._finish, file, digest, waiting, path)
        except asyncio.CancelledError:
            self._threads.submit(_discard, file)
            raise
        except BaseException:
            await self._run(_discard, file)
            raise
        return StoredBlob(size, digest.digest())

    async def concatenate(self, keys: Sequence[str], key: str) -> int:
        return await self._run(self._concatenate, [self._path(each) for each in keys], self._path(key))

    async def move(self, key: str, to: str) -> None:
        await self._run(self._settle, self._path(key), self._path(to))

    async def stat(self, key: str) -> BlobStat:
        found = await self._run(os.stat, self._path(key))
        return BlobStat(found.st_size, found.st_mtime)

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes]:
        file = await self._opened(_close, _open_at, self._path(key), start)
        try:
            while start < end:
                chunk = await self._run(file.read, min(READ_BYTES, end - start))
                if not chunk:
                    return
                start += len(chunk)
                yield chunk
        finally:
            self._threads.submit(file.close)

    async def examine(self, key: str, work: Callable[[BinaryIO], T]) -> T:
        file = await self._opened(_close, _open_at, self._path(key), 0)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work, file)
        finally:
            self._threads.submit(file.close)

    async def delete(self, keys: Sequence[str]) -> None:
        await self._run(_delete, [self._path(key) for key in keys])

    async def purge(self, prefix: str, before_s: float) -> int:
        await self._run(_purge, self._directory / _INCOMING, min(before_s, time.time() - 86_400.0))
        return await self._run(_purge, self._path(prefix), before_s)

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key) or len(key) > 255 or key.split("/", 1)[0] == _INCOMING:
            raise ValueError(f"{key!r} is no key")
        return self._directory / key

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._done(self._threads.submit(work, *args, **kwargs))

    async def _opened(
        self, give_up: Callable[[BinaryIO], None], work: Callable[P, BinaryIO], *args: P.args, **kwargs: P.kwargs
    ) -> BinaryIO:
        opening = self._threads.submit(work, *args, **kwargs)
        try:
            return await self._done(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(
                lambda done: None if done.cancelled() or done.exception() else give_up(done.result())
            )
            raise

    async def _done(self, running: Future[T]) -> T:
        try:
            return await asyncio.wrap_future(running)
        except FileNotFoundError as error:
            raise NoSuchBlob(str(error.filename)) from None
        except OSError as error:
            log.error("blobs_unavailable", problem=error.strerror, path=str(error.filename or self._directory))
            raise BlobsUnavailable(error.strerror or str(error)) from error

    # ---------------------------------------------------------------- on the threads

    def _begin(self) -> BinaryIO:
        incoming = self._directory / _INCOMING
        try:
            incoming.mkdir(exist_ok=True)
        except FileNotFoundError as error:
            raise OSError(errno.EIO, "The directory of the blobs is gone", str(self._directory)) from error
        return (incoming / secrets.token_hex(16)).open("xb")

    def _finish(self, file: BinaryIO, digest: _Digest, rest: bytearray, path: Path) -> None:
        _write(file, digest, rest)
        self._close_as(file, path)

    def _close_as(self, file: BinaryIO, path: Path) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self._settle(Path(file.name), path)

    def _settle(self, source: Path, path: Path) -> None:
        self._make_directory(path.parent)
        source.rename(path)
        _sync_directory(path.parent)

    def _make_directory(self, directory: Path) -> None:
        if directory.is_dir() or directory == self._directory:
            return
        self._make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        _sync_directory(directory.parent)

    def _concatenate(self, sources: Sequence[Path], path: Path) -> int:
        file = self._begin()
        try:
            for source in sources:
                with source.open("rb") as part:
                    shutil.copyfileobj(part, file, HOP_BYTES)
            size = file.tell()
            self._close_as(file, path)
        except BaseException:
            _discard(file)
            raise
        return size


class _Digest(Protocol):
    """What a write needs of hashlib's objects, whose type has no public name."""

    def update(self, data: bytes | bytearray, /) -> None: ...


def _write(file: BinaryIO, digest: _Digest, data: bytearray) -> None:
    digest.update(data)
    file.write(data)


def _close(file: BinaryIO) -> None:
    file.close()


def _open_at(path: Path, start: int) -> BinaryIO:
    file = path.open("rb")
    file.seek(start)
    return file


def _discard(file: BinaryIO) -> None:
    with contextlib.suppress(OSError):  # a full disk fails the flush of what is thrown away, too
        file.close()
    with contextlib.suppress(OSError):
        os.unlink(file.name)


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _purge(directory: Path, before_s: float) -> int:
    gone = 0
    for place, _, names in os.walk(directory):
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(FileNotFoundError):  # another process purges, too
                if path.stat().st_mtime < before_s:
                    path.unlink()
                    gone += 1
    return gone


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
