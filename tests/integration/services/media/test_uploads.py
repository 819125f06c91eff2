"""Uploads in parts and whole, at the door and in the room: what is kept, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import EmbeddedPlatform, embedded_platform
from tests.integration.services.house import refused
from tests.integration.services.media.media_room import MediaRoom
from xinyu.base.errors import (
    INVALID,
    OVERLOADED,
    TOO_LARGE,
    TOO_MANY,
    TOO_MANY_UPLOADS,
    UNAVAILABLE,
    UNKNOWN_UPLOAD,
    UNSUPPORTED_MEDIA,
    UPLOAD_CONFLICT,
    XinYuError,
)
from xinyu.wire.v1 import media_pb2, media_rpc
from xinyu_services.media.model import Kind

ANN, EVE = 1, 2
URL = "http://127.0.0.1:8080"
SHOWN = (Kind.PICTURE, Kind.AUDIO, Kind.VIDEO)


class Field:
    """A field of a form, in memory."""

    def __init__(self, name: str, value: bytes, file_name: str = "", gate: asyncio.Event | None = None) -> None:
        self.name = name
        self.file_name = file_name
        self._value = value
        self._gate = gate

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._value), 7_000):
            if self._gate is not None:
                await self._gate.wait()
            yield self._value[start : start + 7_000]

    async def text(self, max_bytes: int = 1024) -> str:
        return self._value.decode()


class Fields:
    def __init__(self, *fields: Field) -> None:
        self._fields = fields

    async def __aiter__(self) -> AsyncIterator[Field]:
        for field in self._fields:
            yield field


def part(upload_id: str, index: object, count: object, data: bytes, gate: asyncio.Event | None = None) -> Fields:
    """As the reference client writes it: the file first."""
    return Fields(
        Field("file", data, "blob", gate),
        Field("upload_id", upload_id.encode()),
        Field("split_index", str(index).encode()),
        Field("split_num", str(count).encode()),
    )


def picture(format_: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(file, format_)
    return file.getvalue()


@asynccontextmanager
async def open_room(
    storage: Storage, tmp_path: Path, **settings: Any
) -> AsyncIterator[tuple[EmbeddedPlatform, MediaRoom]]:
    async with embedded_platform(storage) as platform:
        room = MediaRoom(platform, tmp_path, **settings)
        yield platform, room
        room.close()


@pytest.fixture
async def room(storage: Storage, tmp_path: Path) -> AsyncIterator[MediaRoom]:
    async with open_room(storage, tmp_path, shard_bytes=10_000, max_file_bytes=100_000) as (_, room):
        yield room


async def begin(room: MediaRoom, size: int, user_id: int = ANN, name: str = "report.pdf") -> media_pb2.Upload:
    return await room.stub.begin_upload(
        media_pb2.BeginUploadRequest(user_id=user_id, file_name=name, file_size=size)
    )


async def content(room: MediaRoom, key: str) -> bytes:
    stat = await room.blobs.stat(key)
    return b"".join([chunk async for chunk in room.blobs.read(key, 0, stat.size_bytes)])


# -------------------------------------------------------------------- parts


async def test_defect_09_parts_in_any_order_twice_and_at_once_become_one_file(room: MediaRoom) -> None:
    data = os.urandom(35_000)
    pieces = [data[start : start + 10_000] for start in range(0, 35_000, 10_000)]
    upload = await begin(room, 35_000)
    assert (upload.shard_size, upload.split_num) == (10_000, 4)
    first = await asyncio.gather(
        *(room.door.part(ANN, part(upload.upload_id, i, 4, pieces[i - 1]), URL) for i in (4, 2, 2, 4))
    )
    assert first == [(upload.upload_id, None)] * 4
    there = await room.stub.load_upload(media_pb2.UploadRequest(user_id=ANN, upload_id=upload.upload_id))
    assert list(there.split_indexes) == [2, 4]
    assert len(room.files()) == 2, "the second copy of a part is not kept"
    last = await asyncio.gather(
        *(room.door.part(ANN, part(upload.upload_id, i, 4, pieces[i - 1]), URL) for i in (1, 3, 1, 3))
    )
    files = [file for _, file in last if file is not None]
    assert files
    assert len({file.media_id for file in files}) == 1
    again = await room.door.part(ANN, part(upload.upload_id, 3, 4, pieces[2]), URL)
    assert again == (upload.upload_id, files[0])
    assert (files[0].name, files[0].size_bytes, files[0].kind) == ("report.pdf", 35_000, media_pb2.MEDIA_ANY_FILE)
    assert files[0].url == f"{URL}/media/{files[0].key}"
    assert await content(room, files[0].key) == data
    assert room.files() == [files[0].key]


async def test_defect_26_parts_are_numbered_from_one(room: MediaRoom) -> None:
    upload = await begin(room, 20_000)
    for index in (0, 3, -1, "", "one", "1.0", "٢", "99999999"):
        await refused(room.door.part(ANN, part(upload.upload_id, index, 2, b"x" * 10_000), URL), INVALID)
    for index in (1, 2):
        _, file = await room.door.part(ANN, part(upload.upload_id, index, 2, b"x" * 10_000), URL)
    assert file is not None
    assert file.size_bytes == 20_000


async def test_what_cannot_be_a_part_leaves_nothing(room: MediaRoom) -> None:
    upload, data = await begin(room, 15_000), b"x" * 10_000
    for fields, code in (
        (part(upload.upload_id, 1, 2, data[:-1]), INVALID),
        (part(upload.upload_id, 2, 2, data), INVALID),
        (part(upload.upload_id, 1, 3, data), INVALID),
        (part(upload.upload_id, 1, 2, data + b"x"), TOO_LARGE),
        (part("0" * 32, 1, 2, data), UNKNOWN_UPLOAD),
        (part("../../etc/passwd", 1, 2, data), UNKNOWN_UPLOAD),
        (part("", 1, 2, data), UNKNOWN_UPLOAD),
        (Fields(Field("upload_id", upload.upload_id.encode())), INVALID),
        (Fields(Field("file", data)), INVALID),
        (Fields(), INVALID),
    ):
        await refused(room.door.part(ANN, fields, URL), code)
    assert room.files() == []
    assert not (await room.service.load_upload(ANN, upload.upload_id))[1]


async def test_defect_21_an_upload_belongs_to_who_began_it(room: MediaRoom) -> None:
    upload = await begin(room, 5)
    await refused(room.door.part(EVE, part(upload.upload_id, 1, 1, b"12345"), URL), UNKNOWN_UPLOAD)
    await refused(
        room.stub.load_upload(media_pb2.UploadRequest(user_id=EVE, upload_id=upload.upload_id)), UNKNOWN_UPLOAD
    )
    await refused(
        room.stub.finish_upload(media_pb2.FinishUploadRequest(user_id=EVE, upload_id=upload.upload_id)), UNKNOWN_UPLOAD
    )
    await refused(
        room.stub.finish_upload(media_pb2.FinishUploadRequest(user_id=ANN, upload_id=upload.upload_id)), INVALID
    )
    assert room.files() == []


async def test_another_part_under_the_same_number_is_refused(room: MediaRoom) -> None:
    upload = await begin(room, 15_000)
    await room.door.part(ANN, part(upload.upload_id, 1, 2, b"a" * 10_000), URL)
    await refused(room.door.part(ANN, part(upload.upload_id, 1, 2, b"b" * 10_000), URL), UPLOAD_CONFLICT)
    _, file = await room.door.part(ANN, part(upload.upload_id, 2, 2, b"c" * 5_000), URL)
    assert file is not None
    assert await content(room, file.key) == b"a" * 10_000 + b"c" * 5_000


async def test_a_door_that_died_before_the_file_was_whole_is_made_good_by_the_last_part(room: MediaRoom) -> None:
    upload = await begin(room, 15_000)
    await room.door.part(ANN, part(upload.upload_id, 2, 2, b"c" * 5_000), URL)
    stored = await room.blobs.put("parts/lost", _one(b"a" * 10_000), 10_000)
    answer = await room.stub.put_part(
        media_pb2.PutPartRequest(
            user_id=ANN,
            upload_id=upload.upload_id,
            split_index=1,
            split_num=2,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            key="parts/lost",
        )
    )
    assert len(answer.part_keys) == 2  # whoever was told this is gone
    _, file = await room.door.part(ANN, part(upload.upload_id, 1, 2, b"a" * 10_000), URL)
    assert file is not None
    assert await content(room, file.key) == b"a" * 10_000 + b"c" * 5_000
    assert room.files() == [file.key]


async def test_another_door_made_the_file_meanwhile(room: MediaRoom) -> None:
    upload = await begin(room, 5)
    stored = await room.blobs.put("parts/one", _one(b"12345"), 5)
    request = media_pb2.PutPartRequest(
        user_id=ANN, upload_id=upload.upload_id, split_index=1, split_num=1, size_bytes=5, sha256=stored.sha256,
        key="parts/one",
    )  # fmt: skip
    answer = await room.stub.put_part(request)
    _, file = await room.door.part(ANN, part(upload.upload_id, 1, 1, b"12345"), URL)
    assert await room.door._join(request, answer, URL) == file


async def test_begin(room: MediaRoom) -> None:
    for name, kept in {"../../etc/passwd": "passwd", "a\x00\u202eb\n": "ab", "": "file", "名.pdf": "名.pdf"}.items():
        assert (await begin(room, 1, name=name)).file_name == kept
    await refused(begin(room, 100_001), TOO_LARGE)
    await refused(begin(room, 0), INVALID)
    await refused(begin(room, 1, name="n" * 256), INVALID)


async def test_unfinished_uploads_are_bounded_and_expire_with_their_bytes(storage: Storage, tmp_path: Path) -> None:
    async with open_room(
        storage, tmp_path, shard_bytes=10_000, unfinished_uploads_per_user=3, upload_expires_s=3_600
    ) as (platform, room):
        done = await begin(room, 5)
        _, file = await room.door.part(ANN, part(done.upload_id, 1, 1, b"12345"), URL)
        assert file is not None
        uploads = [await begin(room, 15_000) for _ in range(3)]
        await refused(begin(room, 1), TOO_MANY_UPLOADS)
        await begin(room, 1, user_id=EVE)
        await room.door.part(ANN, part(uploads[0].upload_id, 1, 2, b"x" * 10_000), URL)
        assert len(room.files()) == 2

        room.wall_s = time.time() + 2 * 86_400
        platform.clock.advance_s(3_599)
        fresh = await begin(room, 15_000, user_id=EVE)
        platform.clock.advance_s(1)
        await refused(room.door.part(ANN, part(uploads[0].upload_id, 2, 2, b"x" * 5_000), URL), UNKNOWN_UPLOAD)
        platform.clock.advance_s(1)
        await begin(room, 1)  # there is room again, purged or not
        assert await room.service.purge_uploads() == 4
        assert room.files() == [file.key]
        assert (await room.service.load_upload(EVE, fresh.upload_id))[0].upload_id == fresh.upload_id
        assert (await room.service.load_upload(ANN, done.upload_id))[2] is not None
        assert await room.service.purge_uploads() == 0


async def test_bytes_of_uploads_that_live_are_not_purged(room: MediaRoom) -> None:
    upload = await begin(room, 15_000)
    await room.door.part(ANN, part(upload.upload_id, 1, 2, b"x" * 10_000), URL)
    room.wall_s = time.time() + 86_400
    assert await room.service.purge_uploads() == 0
    assert len(room.files()) == 1


# -------------------------------------------------------------------- whole files


@pytest.mark.parametrize(("format_", "extension"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif")])
async def test_pictures(room: MediaRoom, format_: str, extension: str) -> None:
    data = picture(format_)
    form = Fields(Field("width", b"1"), Field("file", data, "C:\\fake\\me.exe"), Field("height", b"1"))
    file = await room.door.whole(ANN, form, URL, SHOWN)
    assert file.key.endswith(f"{file.media_id}_40x30.{extension}"), "of the decoded picture, not of the form"
    assert (file.width, file.height, file.kind, file.name) == (40, 30, media_pb2.MEDIA_PICTURE, "me.exe")
    assert await content(room, file.key) == data
    small = file.key.removesuffix(f".{extension}") + "_small.webp"
    assert room.files() == sorted([file.key, small])
    assert (await content(room, small))[8:12] == b"WEBP"
    assert file.thumbnail == f"{URL}/media/{small}"
    assert len(file.blur) == 28
    assert list((await room.stub.load_files(media_pb2.LoadFilesRequest(named=[file.url]))).files) == [file]


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (b"\x00\x00\x00\x18ftypmp42", "mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "mov"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm", "webm"),
        (b"OggS\x00\x02", "ogg"),
        (b"ID3\x04", "mp3"),
    ],
)
async def test_defect_27_video_and_audio_are_taken(room: MediaRoom, head: bytes, extension: str) -> None:
    file = await room.door.whole(ANN, Fields(Field("file", head + os.urandom(20_000), "x")), URL, SHOWN)
    assert file.key.endswith(f"{file.media_id}.{extension}")
    assert (file.thumbnail, file.blur, room.files()) == ("", "", [file.key])


async def test_what_is_no_media_is_refused_and_leaves_nothing(room: MediaRoom) -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    jpeg = picture("JPEG", (400, 300))
    for data in (
        b"",
        b"GIF8",
        b"<html><script>alert(1)</script></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x00\x00\x00\x1cftypheic" + bytes(50),
        b"\x89PNG\r\n\x1a\n<html>" + bytes(5_000),
        b"\xff\xd8\xff\xe0" + os.urandom(5_000),
        jpeg[: len(jpeg) // 2],
        picture("PNG")[:-30],
        bomb.getvalue(),
    ):
        await refused(room.door.whole(ANN, Fields(Field("file", data, "a.png")), URL, SHOWN), UNSUPPORTED_MEDIA)
    await refused(room.door.whole(ANN, Fields(Field("other", picture(), "a.png")), URL, SHOWN), INVALID)
    await refused(room.door.whole(ANN, Fields(), URL, SHOWN), INVALID)
    big = b"\x00\x00\x00\x18ftypmp42" + bytes(100_000)
    await refused(room.door.whole(ANN, Fields(Field("file", big)), URL, SHOWN), TOO_LARGE)
    mp4 = Fields(Field("file", b"\x00\x00\x00\x18ftypmp42" + bytes(100)))
    await refused(room.door.whole(ANN, mp4, URL, (Kind.PICTURE,)), UNSUPPORTED_MEDIA)
    assert room.files() == []


async def test_a_store_that_fails_is_told_and_leaves_nothing(room: MediaRoom) -> None:
    """As on a full or a read-only disk: there is no directory to write to, whoever runs the test."""
    room.directory.rmdir()
    room.directory.write_bytes(b"")
    upload = await begin(room, 5)
    await refused(room.door.part(ANN, part(upload.upload_id, 1, 1, b"12345"), URL), UNAVAILABLE)
    await refused(room.door.whole(ANN, Fields(Field("file", picture())), URL, SHOWN), UNAVAILABLE)
    room.directory.unlink()
    room.directory.mkdir()
    _, file = await room.door.part(ANN, part(upload.upload_id, 1, 1, b"12345"), URL)
    assert file is not None


async def test_a_room_that_fails_leaves_no_bytes_but_those_that_it_may_know(storage: Storage, tmp_path: Path) -> None:
    async with open_room(storage, tmp_path) as (platform, room):
        upload = await begin(room, 5)
        platform.network.withdraw(media_rpc.METHODS)
        await refused(room.door.whole(ANN, Fields(Field("file", picture())), URL, SHOWN), UNAVAILABLE)
        assert room.files() == [], "its thumbnail has gone, too"
        await refused(room.door.part(ANN, part(upload.upload_id, 1, 1, b"12345"), URL), UNAVAILABLE)
        assert len(room.files()) == 1
        room.wall_s = time.time() + 3 * 86_400
        await room.service.purge_uploads()
        assert room.files() == []


async def test_an_answer_that_was_lost_loses_no_part(room: MediaRoom) -> None:
    """A channel may repeat the call: the second time it is the same part, not another copy of it."""
    upload = await begin(room, 5)
    call, asked = room.stub.put_part, []

    async def twice(request: media_pb2.PutPartRequest) -> media_pb2.PutPartResponse:
        asked.append(await call(request))
        return await call(request)

    room.stub.put_part = twice  # type: ignore[method-assign, assignment]
    _, file = await room.door.part(ANN, part(upload.upload_id, 1, 1, b"12345"), URL)
    assert file is not None
    assert await content(room, file.key) == b"12345"
    assert asked[0].is_kept


async def test_bodies_at_once_are_bounded(storage: Storage, tmp_path: Path) -> None:
    async with open_room(storage, tmp_path, uploads_at_once=3, uploads_at_once_per_user=2) as (_, room):
        upload, gate = await begin(room, 5), asyncio.Event()

        async def slow(user_id: int) -> str:
            try:
                await room.door.part(user_id, part(upload.upload_id, 1, 1, b"12345", gate), URL)
            except XinYuError as refusal:
                return refusal.reason
            return "ok"

        waiting = [asyncio.create_task(slow(user_id)) for user_id in (ANN, ANN, EVE)]
        await asyncio.sleep(0)
        assert await slow(ANN) == OVERLOADED.reason
        waiting[2].cancel()
        await asyncio.gather(waiting[2], return_exceptions=True)
        assert await slow(ANN) == TOO_MANY.reason
        gate.set()
        assert await asyncio.gather(*waiting[:2]) == ["ok", "ok"]
        assert await slow(ANN) == "ok"
        assert await slow(EVE) == UNKNOWN_UPLOAD.reason
        room.close()
        assert len(room.files()) == 1


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
