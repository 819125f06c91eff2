"""Use cases of the media room: files that are there, and uploads that come in parts.

The bytes are a door's business (`door.py`): it puts them into the blob store and then tells this room, so that a row
never speaks of bytes that are not there. All commands may be repeated.

Parts come in any order, more than once, and several at a time. The first blob that is told of as a part stays that
part: a repeat with the same digest changes nothing, another one is refused. The upload's row is locked while a part is
told of, so exactly one caller learns that all are there, and he makes one blob of them; one who repeats the last part
learns it too, in case the first has died, and would write the same bytes under the same key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import MediaSettings
from xinyu.base.errors import (
    INVALID,
    TOO_LARGE,
    TOO_MANY_UPLOADS,
    UNKNOWN_UPLOAD,
    UPLOAD_CONFLICT,
    XinYuError,
)
from xinyu.rpc.context import Context
from xinyu.storage.blobs import Blobs
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.media.model import (
    PARTS_PREFIX,
    UPLOAD_ID,
    Kind,
    MediaFile,
    Part,
    Upload,
    clean_file_name,
    file_name_problem,
    id_of,
    new_id,
    part_problem,
)
from xinyu_services.media.store import MediaStore

MAX_NAMED: Final = 1_000
PURGED_AT_ONCE: Final = 200
# A part may be told of as long as its upload lives; bytes that are older by this much are nobody's any more.
LOST_AFTER_EXPIRY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Parts:
    """How an upload stands after a part. `is_kept`: the caller's blob is that part. `keys`: of all parts in order, once
    they are all there and no file yet."""

    upload: Upload
    is_kept: bool
    keys: Sequence[str] = ()
    file: MediaFile | None = None


class MediaService:
    """`wall_s`: Unix time as the blob store's machine has it; its files are dated by it."""

    def __init__(
        self,
        database: Database,
        store: MediaStore,
        blobs: Blobs,
        clock: Clock,
        settings: MediaSettings,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._settings = settings
        self._wall_s = wall_s

    # ---------------------------------------------------------------- files

    async def add_file(self, file: MediaFile, context: Context) -> None:
        """A file whose bytes are stored. Raises INVALID."""
        if problem := file_name_problem(file.name):
            raise XinYuError(INVALID, problem)
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            if file.media_id not in self._store.files(connection, [file.media_id]):
                self._store.insert_file(connection, file, now_ms)

        await transact(self._database, work)

    async def load_files(
        self, named: Sequence[str], upload_ids: Sequence[str]
    ) -> tuple[list[MediaFile], dict[str, MediaFile]]:
        """The files that URLs (exactly as they were given out) or media ids name, and those of finished uploads by
        upload_id; what there is not is left out. Raises INVALID past 1,000 names."""
        if len(named) + len(upload_ids) > MAX_NAMED:
            raise XinYuError(INVALID, f"More than {MAX_NAMED} files at once.")
        ids = {name: media_id for name in named if (media_id := id_of(name))}
        wanted = [upload_id for upload_id in upload_ids if UPLOAD_ID.fullmatch(upload_id)]

        def work(connection: Connection) -> tuple[list[Upload], dict[str, MediaFile]]:
            uploads = [u for u in self._store.uploads(connection, wanted) if u.is_finished] if wanted else []
            all_ids = sorted({*ids.values(), *(upload.media_id for upload in uploads)})
            return uploads, self._store.files(connection, all_ids)

        uploads, files = await query(self._database, work)
        found = [files[i] for name, i in ids.items() if i in files and name in (i, files[i].url)]
        return found, {u.upload_id: files[u.media_id] for u in uploads if u.media_id in files}

    # ---------------------------------------------------------------- uploads in parts

    async def begin_upload(self, user_id: int, file_name: str, size_bytes: int, context: Context) -> Upload:
        """Raises INVALID, TOO_LARGE, TOO_MANY_UPLOADS."""
        name = clean_file_name(file_name)
        if problem := file_name_problem(name):
            raise XinYuError(INVALID, problem)
        if size_bytes < 1:
            raise XinYuError(INVALID, "An empty file cannot be sent.")
        if size_bytes > self._settings.max_file_bytes:
            raise XinYuError(TOO_LARGE, f"A file may have {self._settings.max_file_bytes} bytes.")
        now_ms = self._clock.now_ms()
        upload = Upload(new_id(), new_id(), user_id, name, size_bytes, self._settings.shard_bytes, now_ms, False)
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            unfinished = self._store.count_unfinished(connection, user_id, self._oldest_ms(now_ms))
            if unfinished >= self._settings.unfinished_uploads_per_user:
                raise XinYuError(TOO_MANY_UPLOADS)
            self._store.insert_upload(connection, upload)

        await transact(self._database, work)
        return upload

    async def put_part(self, user_id: int, upload_id: str, part: Part, count: int, context: Context) -> Parts:
        """`part`'s bytes are stored; `count` is how many parts the client thinks there are. Raises UNKNOWN_UPLOAD
        (somebody else's and expired ones too), INVALID, UPLOAD_CONFLICT."""
        context.check_deadline_now()

        def work(connection: Connection) -> Parts:
            upload = self._own(connection, user_id, upload_id, lock=True)
            if problem := part_problem(upload, part.index, count, part.size_bytes):
                raise XinYuError(INVALID, problem)
            if upload.is_finished:
                return Parts(upload, False, file=self._store.files(connection, [upload.media_id]).get(upload.media_id))
            known = self._store.part(connection, upload_id, part.index)
            if known is None:
                self._store.insert_part(connection, upload_id, part)
            elif known.sha256 != part.sha256:
                raise XinYuError(UPLOAD_CONFLICT)
            # The same key again: the answer to the first call was lost.
            is_kept = known is None or known.key == part.key
            if self._store.count_parts(connection, upload_id) < upload.part_count:
                return Parts(upload, is_kept)
            return Parts(upload, is_kept, [key for _, key in self._store.parts(connection, upload_id)])

        return await transact(self._database, work)

    async def load_upload(self, user_id: int, upload_id: str) -> tuple[Upload, list[int], MediaFile | None]:
        """(upload, indexes of the parts that are there, its file once it is finished). Raises UNKNOWN_UPLOAD."""

        def work(connection: Connection) -> tuple[Upload, list[int], MediaFile | None]:
            upload = self._own(connection, user_id, upload_id)
            parts = [index for index, _ in self._store.parts(connection, upload_id)]
            return upload, parts, self._store.files(connection, [upload.media_id]).get(upload.media_id)

        return await query(self._database, work)

    async def finish_upload(self, user_id: int, upload_id: str, url: str, context: Context) -> MediaFile:
        """The parts are one blob, under the upload's key. Raises UNKNOWN_UPLOAD, INVALID (parts are missing)."""
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> MediaFile:
            upload = self._own(connection, user_id, upload_id, lock=True)
            file = self._store.files(connection, [upload.media_id]).get(upload.media_id)
            if file is not None:
                return file
            if self._store.count_parts(connection, upload_id) < upload.part_count:
                raise XinYuError(INVALID, "Some parts are missing.")
            file = MediaFile(
                upload.media_id, user_id, Kind.FILE, upload.file_name, upload.size_bytes, upload.key, url
            )
            self._store.insert_file(connection, file, now_ms)
            self._store.finish_upload(connection, upload_id)
            return file

        return await transact(self._database, work)

    def _own(self, connection: Connection, user_id: int, upload_id: str, *, lock: bool = False) -> Upload:
        upload = self._store.upload(connection, upload_id, lock=lock) if UPLOAD_ID.fullmatch(upload_id) else None
        if upload is None or upload.user_id != user_id:
            raise XinYuError(UNKNOWN_UPLOAD)
        if not upload.is_finished and upload.created_at_ms <= self._oldest_ms(self._clock.now_ms()):
            raise XinYuError(UNKNOWN_UPLOAD, "This upload has expired.")
        return upload

    def _oldest_ms(self, now_ms: int) -> int:
        return now_ms - self._settings.upload_expires_s * 1000

    # ---------------------------------------------------------------- upkeep

    async def purge_uploads(self) -> int:
        """Forgets unfinished uploads that have expired, and lets their bytes go, and such as were never told of;
        answers how many rows went."""
        before_ms, gone = self._oldest_ms(self._clock.now_ms()), 0

        def work(connection: Connection) -> int:
            upload_ids = self._store.expired(connection, before_ms, PURGED_AT_ONCE)
            return self._store.delete_uploads(connection, upload_ids) if upload_ids else 0

        while (purged := await transact(self._database, work)) > 0:
            gone += purged
        await self._blobs.purge(
            PARTS_PREFIX, self._wall_s() - self._settings.upload_expires_s - LOST_AFTER_EXPIRY_S
        )
        return gone
