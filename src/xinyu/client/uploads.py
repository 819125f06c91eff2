"""Files on their way to the server: a picture, audio or video as a whole, any file in parts.

A part that got lost, or met a server that was busy, is sent again; the server keeps the first one that it stored. An
upload that was interrupted goes on where it was, in another process too, by its upload_id: the server is asked which
parts it has. A file is read part by part, beside the event loop.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from xinyu.client.api import Api
from xinyu.client.backoff import Backoff
from xinyu.client.errors import ApiError, NetworkError

T = TypeVar("T")

TRIES: Final = 5
_SIZE: Final = re.compile(r"_(\d+)x(\d+)\.[a-z0-9]+\Z")

Progress = Callable[[int, int], None]


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """`upload/media-file`: an address that a message or a profile may carry. `thumbnail`: the address of a smaller
    picture; `blur`: a BlurHash; both "" where there is none."""

    id: str
    src: str
    thumbnail: str = ""
    blur: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture, as its address tells; (0, 0) of anything else."""
        match = _SIZE.search(self.src)
        return (int(match[1]), int(match[2])) if match else (0, 0)


class _Begun(msgspec.Struct):
    upload_id: str
    shard_size: int


class _Parts(msgspec.Struct):
    file_size: int
    shard_size: int
    split_num: int
    split_indexes: list[int]
    is_completed: bool


class _PartAnswer(msgspec.Struct):
    is_completed: bool


class Uploads:
    """The calls, over a logged-in Api. A source is a path, or bytes."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def media(self, source: Path | bytes, name: str = "") -> Media:
        """A picture, audio or video. Raises ApiError (`unsupported_media`, `too_large`), NetworkError."""
        data = source if isinstance(source, bytes) else await asyncio.to_thread(source.read_bytes)
        return await self._try(Media, "upload/media-file", {}, data, name or _name_of(source))

    async def file(
        self, source: Path | bytes, name: str = "", *, upload_id: str = "", on_progress: Progress | None = None
    ) -> str:
        """Any file, in parts; answers the upload_id that a message of type `file` carries. `upload_id`: of an upload of
        the same bytes that was interrupted. `on_progress` hears bytes sent and bytes in all. Raises ApiError,
        NetworkError, ValueError (the source is not what the upload began with)."""
        size = len(source) if isinstance(source, bytes) else (await asyncio.to_thread(os.stat, source)).st_size
        if not upload_id:
            body = {"file_name": name or _name_of(source), "file_size": size}
            upload_id = (await self._api.call_as(_Begun, "upload/init-multipart", body)).upload_id
        upload = await self._api.call_as(_Parts, "upload/parts", {"upload_id": upload_id})
        if upload.file_size != size:
            raise ValueError(f"{size} bytes are not the {upload.file_size} that the upload began with")
        shard, there = upload.shard_size, set(upload.split_indexes)
        missing = [index for index in range(1, upload.split_num + 1) if index not in there]
        if not missing and not upload.is_completed:
            missing = [upload.split_num]  # all are there, and nobody has put them together: the last one again
        sent = size - sum(min(shard, size - (index - 1) * shard) for index in missing)
        for index in [] if upload.is_completed else missing:
            part = await _read(source, (index - 1) * shard, shard)
            fields = {"upload_id": upload_id, "split_index": str(index), "split_num": str(upload.split_num)}
            await self._try(_PartAnswer, "upload/multipart", fields, part, "blob")
            sent += len(part)
            if on_progress is not None:
                on_progress(sent, size)
        return upload_id

    async def _try(self, shape: type[T], path: str, fields: dict[str, str], data: bytes, name: str) -> T:
        backoff = Backoff()
        for attempt in range(1, TRIES + 1):
            try:
                return await self._api.call_form(shape, path, fields, data, name)
            except NetworkError:
                if attempt == TRIES:
                    raise
                wait_ms = backoff.next_ms()
            except ApiError as error:
                if attempt == TRIES or not error.is_retryable:
                    raise
                wait_ms = backoff.next_ms(error.retry_after_ms or 0)
            await asyncio.sleep(wait_ms / 1000)
        raise AssertionError("unreachable")


def _name_of(source: Path | bytes) -> str:
    return "file" if isinstance(source, bytes) else source.name


async def _read(source: Path | bytes, start: int, size: int) -> bytes:
    if isinstance(source, bytes):
        return source[start : start + size]

    def read() -> bytes:
        with source.open("rb") as file:
            file.seek(start)
            return file.read(size)

    return await asyncio.to_thread(read)
