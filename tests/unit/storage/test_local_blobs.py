"""Blobs in a directory: whole or not there, whatever happens to the one who writes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from xinyu.storage.blobs import BlobsUnavailable, BlobTooLarge, NoSuchBlob
from xinyu.storage.local_blobs import HOP_BYTES, READ_BYTES, LocalBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[LocalBlobs]:
    blobs = LocalBlobs(tmp_path)
    yield blobs
    blobs.close()


async def pieces(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def content(blobs: LocalBlobs, key: str, start: int = 0, end: int = 1 << 40) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key, start, end)])


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [0, 1, 9_999, HOP_BYTES, 2 * HOP_BYTES + 1])
async def test_what_was_put_is_read(blobs: LocalBlobs, size: int) -> None:
    data = os.urandom(size)
    stored = await blobs.put("2026/11/28/a_1x1.png", pieces(data), size)
    assert (stored.size_bytes, stored.sha256) == (size, hashlib.sha256(data).digest())
    assert (await blobs.stat("2026/11/28/a_1x1.png")).size_bytes == size
    assert await content(blobs, "2026/11/28/a_1x1.png") == data


async def test_ranges(blobs: LocalBlobs) -> None:
    data = os.urandom(3 * READ_BYTES)
    await blobs.put("a", pieces(data), len(data))
    for start, end in ((0, 1), (1, READ_BYTES + 5), (len(data) - 1, len(data)), (5, 5), (len(data), len(data) + 9)):
        assert await content(blobs, "a", start, end) == data[start:end]


async def test_what_is_too_large_is_not_there(blobs: LocalBlobs, tmp_path: Path) -> None:
    with pytest.raises(BlobTooLarge):
        await blobs.put("a", pieces(bytes(HOP_BYTES * 2)), HOP_BYTES * 2 - 1)
    await settled(blobs)
    assert files(tmp_path) == []


async def test_a_source_that_fails_leaves_nothing(blobs: LocalBlobs, tmp_path: Path) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield bytes(HOP_BYTES)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.put("a", source(), 1 << 30)
    await settled(blobs)
    assert files(tmp_path) == []


async def test_a_cancelled_write_leaves_nothing(blobs: LocalBlobs, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield bytes(HOP_BYTES)
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(blobs.put("a", source(), 1 << 30))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled(blobs)
    assert files(tmp_path) == []


async def test_a_write_that_is_cancelled_at_once_leaves_nothing(blobs: LocalBlobs, tmp_path: Path) -> None:
    for turns in range(5):
        task = asyncio.create_task(blobs.put("a", pieces(b"1"), 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await settled(blobs)
    assert [name for name in files(tmp_path) if name != "a"] == []


async def test_writers_of_one_key_do_not_mix(blobs: LocalBlobs, tmp_path: Path) -> None:
    texts = [bytes([n]) * (HOP_BYTES + n) for n in range(8)]
    await asyncio.gather(*(blobs.put("a", pieces(text), 1 << 30) for text in texts))
    assert await content(blobs, "a") in texts
    assert files(tmp_path) == ["a"]


async def test_concatenate_and_move(blobs: LocalBlobs, tmp_path: Path) -> None:
    for number in range(3):
        await blobs.put(f"parts/{number}", pieces(bytes([number]) * 1000), 1000)
    assert await blobs.concatenate(["parts/2", "parts/0", "parts/1"], "x/y.bin") == 3000
    assert await content(blobs, "x/y.bin") == b"\2" * 1000 + b"\0" * 1000 + b"\1" * 1000
    with pytest.raises(NoSuchBlob):
        await blobs.concatenate(["parts/0", "parts/3"], "z")
    await blobs.move("x/y.bin", "p/q/r.bin")
    with pytest.raises(NoSuchBlob):
        await blobs.move("x/y.bin", "p/q/s.bin")
    assert files(tmp_path) == ["p/q/r.bin", "parts/0", "parts/1", "parts/2"]


async def test_what_is_not_there(blobs: LocalBlobs) -> None:
    with pytest.raises(NoSuchBlob):
        await blobs.stat("a/b")
    with pytest.raises(NoSuchBlob):
        await content(blobs, "a/b")
    with pytest.raises(NoSuchBlob):
        await blobs.examine("a/b", lambda file: file.read())
    await blobs.put("b", pieces(b"1"), 1)
    await blobs.delete(["a/b", "b", "b"])
    with pytest.raises(NoSuchBlob):
        await blobs.stat("b")


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a/", ".a", "a/.b", "A", "a b", "a\n", "a\x00", "ä",
        "incoming/a", "incoming", "a.b.c", "a" * 300, "a.b/c", "-a",
    ],
)  # fmt: skip
async def test_no_key_leaves_the_directory(blobs: LocalBlobs, tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        await blobs.put(key, pieces(b"1"), 1)
    with pytest.raises(ValueError, match="is no key"):
        await blobs.stat(key)
    with pytest.raises(ValueError, match="is no key"):
        await content(blobs, key)
    with pytest.raises(ValueError, match="is no key"):
        await blobs.delete([key])
    assert files(tmp_path) == []


async def test_examine_runs_beside_the_loop_and_raises_what_the_work_raises(blobs: LocalBlobs) -> None:
    await blobs.put("a", pieces(b"12345"), 5)
    assert await blobs.examine("a", lambda file: file.read(2)) == b"12"
    with pytest.raises(ZeroDivisionError):
        await blobs.examine("a", lambda file: 1 // (file.tell()))


async def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for directory in (tmp_path / "file", tmp_path / "gone"):
        blobs = LocalBlobs(directory)
        with pytest.raises(BlobsUnavailable):
            await blobs.put("a", pieces(b"1"), 1)
        blobs.close()
    assert files(tmp_path) == ["file"]


async def test_purge_takes_what_is_old_below_its_prefix_and_what_died_half_written(
    blobs: LocalBlobs, tmp_path: Path
) -> None:
    for key in ("parts/old", "parts/new", "2026/old"):
        await blobs.put(key, pieces(b"1"), 1)
    now_s = time.time()
    (tmp_path / "incoming" / "dead").write_bytes(b"1")
    (tmp_path / "incoming" / "alive").write_bytes(b"1")
    for path in ("parts/old", "2026/old", "incoming/dead"):
        os.utime(tmp_path / path, (now_s - 200_000, now_s - 200_000))
    os.utime(tmp_path / "incoming/alive", (now_s - 3_000, now_s - 3_000))
    assert await blobs.purge("parts", now_s - 1_000) == 1
    assert files(tmp_path) == ["2026/old", "incoming/alive", "parts/new"]


async def settled(blobs: LocalBlobs) -> None:
    """Everything that was handed to the threads is done."""
    await asyncio.to_thread(blobs.close)
