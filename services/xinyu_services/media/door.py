"""What an HTTP gateway does with the bytes of an upload: into the blob store, looked at, under their final name; the
media room is told the facts.

A form's file comes before the fields that say what it is, so its bytes go under a random key first and are moved, or
become a part, when everything is known. Whatever ends a request early, its bytes are deleted again; what a dead process
leaves is purged by age. Parts become one file once, in a task that the waiting requests share, so that a client that
repeats its last part meanwhile starts no second one.

Bounds: `uploads_at_once` bodies, and so many a user; past them OVERLOADED or TOO_MANY. One picture is decoded at a
time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import structlog

from xinyu.base.clock import Clock
from xinyu.base.config import MediaSettings
from xinyu.base.errors import (
    INVALID,
    OVERLOADED,
    TOO_LARGE,
    TOO_MANY,
    UNAVAILABLE,
    UNKNOWN_UPLOAD,
    UNSUPPORTED_MEDIA,
    XinYuError,
)
from xinyu.storage.blobs import BlobError, Blobs, BlobTooLarge, NoSuchBlob, StoredBlob
from xinyu.wire.v1 import media_pb2 as wire
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu_services.media import picture
from xinyu_services.media.model import (
    FILE_NAME_CHARACTERS,
    HEAD_BYTES,
    MAX_HEAD_BYTES,
    PUBLIC_PREFIX,
    Format,
    Kind,
    clean_file_name,
    new_id,
    new_key,
    new_part_key,
    recognise,
    thumbnail_of,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

RETRY_AFTER_MS: Final = 1_000
PICTURES_WAIT_S: Final = 10.0
MAX_SPLIT: Final = 1_000_000
NOT_STORED: Final = "The file could not be stored. Please try again."
_NO_PICTURE: Final = picture.Picture(0, 0, b"", "")


class Field(Protocol):
    """One field of a form (`xinyu.gateway.http.form.FormField`)."""

    @property
    def name(self) -> str: ...

    @property
    def file_name(self) -> str: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def text(self, max_bytes: int = 1024) -> str: ...


@dataclass(frozen=True, slots=True)
class _Received:
    """A whole file whose bytes lie under `key`, looked at no further than its head."""

    key: str
    name: str
    format_: Format
    stored: StoredBlob


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """A file of any kind whose bytes lie under `key`, and the field that came with it."""

    key: str
    name: str
    size_bytes: int
    sha256: bytes
    text: str


class Fields(Protocol):
    """A form: its fields, each to be read before the next."""

    def __aiter__(self) -> AsyncIterator[Field]: ...


class UploadDoor:
    """One a gateway."""

    def __init__(self, media: MediaStub, blobs: Blobs, clock: Clock, settings: MediaSettings) -> None:
        self._media = media
        self._blobs = blobs
        self._clock = clock
        self._settings = settings
        self._under_way: Counter[int] = Counter()
        self._picture_turn = asyncio.Lock()
        self._joining: dict[str, asyncio.Task[wire.MediaFile]] = {}

    # ---------------------------------------------------------------- whole files

    async def whole(self, user_id: int, form: Fields, base_url: str, kinds: tuple[Kind, ...]) -> wire.MediaFile:
        """The picture, audio or video in the field `file`. Raises UNSUPPORTED_MEDIA, INVALID, TOO_LARGE, UNAVAILABLE,
        OVERLOADED, TOO_MANY, and what the form raises."""
        with self._slot(user_id):
            received = None
            try:
                # To the end of the form, even when it has the file: one that breaks off there may have lost some of it.
                async for field in form:
                    if field.name == "file" and received is None:
                        received = await self._receive(field, kinds)
                if received is None:
                    raise XinYuError(INVALID, "The form has no file.")
                return await self._keep(user_id, received, base_url)
            except BaseException:
                if received is not None:
                    await self._forget(received.key)
                raise

    async def _receive(self, field: Field, kinds: tuple[Kind, ...]) -> _Received:
        name = clean_file_name(field.file_name)[-FILE_NAME_CHARACTERS:]
        chunks = field.chunks()
        head = b""
        while len(head) < HEAD_BYTES and (chunk := await anext(chunks, b"")):
            head += chunk
        format_ = recognise(head[:MAX_HEAD_BYTES])
        if format_ is None or format_.kind not in kinds:
            raise XinYuError(UNSUPPORTED_MEDIA)
        settings, key = self._settings, new_part_key()
        max_bytes = settings.max_picture_bytes if format_.kind is Kind.PICTURE else settings.max_file_bytes
        return _Received(key, name, format_, await self._put(key, head, chunks, max_bytes))

    async def _keep(self, user_id: int, received: _Received, base_url: str) -> wire.MediaFile:
        format_, seen = received.format_, _NO_PICTURE
        try:
            if format_.kind is Kind.PICTURE:
                seen = await self._look_at(received.key, format_)
            media_id = new_id()
            key = new_key(media_id, format_, self._clock.now_ms(), seen.width, seen.height)
            await self._blobs.move(received.key, key)
        except BlobError:
            raise XinYuError(UNAVAILABLE, NOT_STORED) from None
        thumbnail = thumbnail_of(key) if seen.thumbnail else ""
        file = wire.MediaFile(
            media_id=media_id,
            user_id=user_id,
            kind=format_.kind.value,  # type: ignore[arg-type]
            name=received.name,
            size_bytes=received.stored.size_bytes,
            key=key,
            url=base_url + PUBLIC_PREFIX + key,
            width=seen.width,
            height=seen.height,
            thumbnail=base_url + PUBLIC_PREFIX + thumbnail if thumbnail else "",
            blur=seen.blur,
        )
        try:
            if thumbnail:
                await self._put(thumbnail, b"", _chunk(seen.thumbnail), len(seen.thumbnail))
            await self._media.add_file(file)
        except BaseException:
            # Nobody has been told its address: a row without bytes harms no one, bytes without a row stay for ever.
            await self._forget(key, *([thumbnail] if thumbnail else []))
            raise
        return file

    async def _look_at(self, key: str, format_: Format) -> picture.Picture:
        try:
            async with asyncio.timeout(PICTURES_WAIT_S):
                await self._picture_turn.acquire()
        except TimeoutError:
            raise XinYuError(OVERLOADED) from None
        try:
            limit = self._settings.max_picture_pixels
            return await self._blobs.examine(key, lambda file: picture.look_at(file, format_, limit))
        except picture.BadPicture as problem:
            raise XinYuError(UNSUPPORTED_MEDIA, str(problem)) from None
        finally:
            self._picture_turn.release()

    # ---------------------------------------------------------------- files of other rooms

    async def attachment(
        self,
        user_id: int,
        form: Fields,
        *,
        file_field: str,
        text_field: str,
        max_bytes: int,
        prefix: str,
        keep: Callable[[StoredAttachment], Awaitable[T]],
    ) -> T:
        """A file of any kind that belongs to another room, which `keep` tells of it; the media room knows nothing of
        it. Its bytes lie under a random key below `prefix`, and go again when anything fails. `text_field` is the one
        field that comes with it. Raises INVALID, TOO_LARGE, UNAVAILABLE, OVERLOADED, TOO_MANY, and what the form and
        `keep` raise."""
        with self._slot(user_id):
            key, name, text, stored = f"{prefix}/{new_id()}", "", "", None
            try:
                async for field in form:
                    if field.name == file_field and stored is None:
                        name = clean_file_name(field.file_name)[-FILE_NAME_CHARACTERS:]
                        stored = await self._put(key, b"", field.chunks(), max_bytes)
                    elif field.name == text_field:
                        text = await field.text(64)
                if stored is None:
                    raise XinYuError(INVALID, "The form has no file.")
                return await keep(StoredAttachment(key, name, stored.size_bytes, stored.sha256, text))
            except BaseException:
                await self._forget(key)
                raise

    async def forget(self, key: str) -> None:
        """Bytes that are nobody's any more."""
        await self._forget(key)

    # ---------------------------------------------------------------- parts

    async def part(self, user_id: int, form: Fields, base_url: str) -> tuple[str, wire.MediaFile | None]:
        """(upload_id, the file if this part made it whole) of a form with file, upload_id, split_index and split_num,
        in any order. Raises as the media room's PutPart, and INVALID, TOO_LARGE, UNAVAILABLE, OVERLOADED, TOO_MANY."""
        with self._slot(user_id):
            key, stored, texts = new_part_key(), None, {}
            try:
                async for field in form:
                    if field.name == "file" and stored is None:
                        stored = await self._put(key, b"", field.chunks(), self._settings.shard_bytes)
                    elif field.name in ("upload_id", "split_index", "split_num"):
                        texts[field.name] = await field.text(64)
                if stored is None:
                    raise XinYuError(INVALID, "The form has no file.")
                if "upload_id" not in texts:
                    raise XinYuError(INVALID, "upload_id is missing.")
                request = wire.PutPartRequest(
                    user_id=user_id,
                    upload_id=texts["upload_id"],
                    split_index=_number(texts, "split_index"),
                    split_num=_number(texts, "split_num"),
                    size_bytes=stored.size_bytes,
                    sha256=stored.sha256,
                    key=key,
                )
            except BaseException:
                await self._forget(key)
                raise
            try:
                answer = await self._media.put_part(request)
            except XinYuError as refusal:
                # Where the server is at fault the room may know this part all the same; if not, its bytes grow old.
                if refusal.code.at_fault == "client":
                    await self._forget(key)
                raise
            if not answer.is_kept:
                await self._forget(key)
            if answer.HasField("file"):
                return request.upload_id, answer.file
            if not answer.part_keys:
                return request.upload_id, None
            return request.upload_id, await self._join(request, answer, base_url)

    async def _join(self, request: wire.PutPartRequest, parts: wire.PutPartResponse, base_url: str) -> wire.MediaFile:
        upload_id = request.upload_id
        task = self._joining.get(upload_id)
        if task is None:
            finish = wire.FinishUploadRequest(
                user_id=request.user_id, upload_id=upload_id, url=base_url + PUBLIC_PREFIX + parts.key
            )
            joined = self._joined(finish, list(parts.part_keys), parts.key)
            task = self._joining[upload_id] = asyncio.create_task(joined)
            task.add_done_callback(lambda _: self._joining.pop(upload_id, None))
        # A request that is cancelled leaves the others their file.
        return await asyncio.shield(task)

    async def _joined(self, finish: wire.FinishUploadRequest, part_keys: list[str], key: str) -> wire.MediaFile:
        try:
            await self._blobs.concatenate(part_keys, key)
        except NoSuchBlob:
            # Another gateway has made the file, and the parts are gone: the room knows it then.
            upload = await self._media.load_upload(
                wire.UploadRequest(user_id=finish.user_id, upload_id=finish.upload_id)
            )
            if not upload.HasField("file"):
                log.error("parts_lost", upload_id=finish.upload_id)
                raise XinYuError(UNKNOWN_UPLOAD, "Parts of this upload are lost. Please send the file again.") from None
            return upload.file
        except BlobError:
            raise XinYuError(UNAVAILABLE, NOT_STORED) from None
        file = await self._media.finish_upload(finish)
        await self._forget(*part_keys)
        return file

    # ---------------------------------------------------------------- bytes

    async def _put(self, key: str, head: bytes, rest: AsyncIterator[bytes], max_bytes: int) -> StoredBlob:
        async def chunks() -> AsyncIterator[bytes]:
            yield head
            async for chunk in rest:
                yield chunk

        try:
            return await self._blobs.put(key, chunks(), max_bytes)
        except BlobTooLarge:
            raise XinYuError(TOO_LARGE) from None
        except BlobError:
            raise XinYuError(UNAVAILABLE, NOT_STORED) from None

    async def _forget(self, *keys: str) -> None:
        try:
            await self._blobs.delete(keys)
        except BlobError as error:
            log.warning("blobs_left", keys=len(keys), problem=str(error))

    @contextmanager
    def _slot(self, user_id: int) -> Iterator[None]:
        if self._under_way.total() >= self._settings.uploads_at_once:
            raise XinYuError(OVERLOADED)
        if self._under_way[user_id] >= self._settings.uploads_at_once_per_user:
            raise XinYuError(TOO_MANY, retry_after_ms=RETRY_AFTER_MS)
        self._under_way[user_id] += 1
        try:
            yield
        finally:
            self._under_way[user_id] -= 1
            if not self._under_way[user_id]:
                del self._under_way[user_id]


async def _chunk(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _number(texts: dict[str, str], name: str) -> int:
    text = texts.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and int(text) <= MAX_SPLIT):
        raise XinYuError(INVALID, f"{name} is missing, or no number.")
    return int(text)
