"""The tables of the media room: the only SQL about files and uploads. Every method runs inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.media.model import Kind, MediaFile, Part, Upload

CHUNK: Final = 500
_FILE: Final = "media_id, user_id, kind, name, size_bytes, blob_key, url, width, height, thumbnail, blur"
_UPLOAD: Final = "upload_id, media_id, user_id, file_name, size_bytes, shard_bytes, created_at_ms, is_finished"


class MediaStore:
    """SQL for one engine."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    # ---------------------------------------------------------------- files

    def insert_file(self, connection: Connection, file: MediaFile, now_ms: int) -> None:
        cursor(connection).execute(
            f"INSERT INTO media_file ({_FILE}, created_at_ms) VALUES ({self._dialect.marks(12)})",
            (
                file.media_id, file.user_id, int(file.kind), file.name, file.size_bytes, file.key, file.url,
                file.width, file.height, file.thumbnail, file.blur, now_ms,
            ),
        )  # fmt: skip

    def files(self, connection: Connection, media_ids: Sequence[str]) -> dict[str, MediaFile]:
        """Those that there are, by id. One statement for 500."""
        c = cursor(connection)
        found: dict[str, MediaFile] = {}
        for start in range(0, len(media_ids), CHUNK):
            chunk = media_ids[start : start + CHUNK]
            c.execute(
                f"SELECT {_FILE} FROM media_file WHERE media_id IN ({self._dialect.marks(len(chunk))})", list(chunk)
            )
            found.update((row[0], _file(row)) for row in c.fetchall())
        return found

    # ---------------------------------------------------------------- uploads

    def insert_upload(self, connection: Connection, upload: Upload) -> None:
        cursor(connection).execute(
            f"INSERT INTO media_upload ({_UPLOAD}) VALUES ({self._dialect.marks(8)})",
            (
                upload.upload_id, upload.media_id, upload.user_id, upload.file_name, upload.size_bytes,
                upload.shard_bytes, upload.created_at_ms, int(upload.is_finished),
            ),
        )  # fmt: skip

    def upload(self, connection: Connection, upload_id: str, *, lock: bool = False) -> Upload | None:
        c = cursor(connection)
        text = f"SELECT {_UPLOAD} FROM media_upload WHERE upload_id = ?"
        c.execute(self._dialect.sql(text + (self._dialect.for_update if lock else "")), (upload_id,))
        row = c.fetchone()
        return None if row is None else _upload(row)

    def uploads(self, connection: Connection, upload_ids: Sequence[str]) -> list[Upload]:
        c = cursor(connection)
        found: list[Upload] = []
        for start in range(0, len(upload_ids), CHUNK):
            chunk = upload_ids[start : start + CHUNK]
            c.execute(
                f"SELECT {_UPLOAD} FROM media_upload WHERE upload_id IN ({self._dialect.marks(len(chunk))})",
                list(chunk),
            )
            found += [_upload(row) for row in c.fetchall()]
        return found

    def count_unfinished(self, connection: Connection, user_id: int, since_ms: int) -> int:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT COUNT(*) FROM media_upload WHERE user_id = ? AND is_finished = 0 AND created_at_ms > ?"
            ),
            (user_id, since_ms),
        )
        return int(c.fetchone()[0])

    def finish_upload(self, connection: Connection, upload_id: str) -> None:
        c, sql = cursor(connection), self._dialect.sql
        c.execute(sql("UPDATE media_upload SET is_finished = 1 WHERE upload_id = ?"), (upload_id,))
        c.execute(sql("DELETE FROM media_part WHERE upload_id = ?"), (upload_id,))

    def expired(self, connection: Connection, before_ms: int, limit: int) -> list[str]:
        """Unfinished uploads that began before that."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT upload_id FROM media_upload WHERE is_finished = 0 AND created_at_ms < ? LIMIT ?"
            ),
            (before_ms, limit),
        )
        return [row[0] for row in c.fetchall()]

    def delete_uploads(self, connection: Connection, upload_ids: Sequence[str]) -> int:
        """With their parts; one that has been finished meanwhile stays."""
        c = cursor(connection)
        marks, ids = self._dialect.marks(len(upload_ids)), list(upload_ids)
        c.execute(f"DELETE FROM media_upload WHERE is_finished = 0 AND upload_id IN ({marks})", ids)
        gone = int(c.rowcount)
        c.execute(
            f"DELETE FROM media_part WHERE upload_id IN ({marks}) AND upload_id NOT IN "
            f"(SELECT upload_id FROM media_upload WHERE upload_id IN ({marks}))",
            ids + ids,
        )
        return gone

    # ---------------------------------------------------------------- parts

    def part(self, connection: Connection, upload_id: str, index: int) -> Part | None:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT split_index, size_bytes, sha256, blob_key FROM media_part "
                "WHERE upload_id = ? AND split_index = ?"
            ),
            (upload_id, index),
        )
        row = c.fetchone()
        return None if row is None else Part(row[0], row[1], bytes(row[2]), row[3])

    def insert_part(self, connection: Connection, upload_id: str, part: Part) -> None:
        cursor(connection).execute(
            "INSERT INTO media_part (upload_id, split_index, size_bytes, sha256, blob_key) "
            f"VALUES ({self._dialect.marks(5)})",
            (upload_id, part.index, part.size_bytes, part.sha256, part.key),
        )

    def count_parts(self, connection: Connection, upload_id: str) -> int:
        c = cursor(connection)
        c.execute(self._dialect.sql("SELECT COUNT(*) FROM media_part WHERE upload_id = ?"), (upload_id,))
        return int(c.fetchone()[0])

    def parts(self, connection: Connection, upload_id: str) -> list[tuple[int, str]]:
        """(index, key) of those that are there, ascending."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT split_index, blob_key FROM media_part WHERE upload_id = ? ORDER BY split_index"),
            (upload_id,),
        )
        return [(row[0], row[1]) for row in c.fetchall()]


def _file(row: Any) -> MediaFile:
    media_id, user_id, kind, *rest = row
    return MediaFile(media_id, user_id, Kind(kind), *rest)


def _upload(row: Any) -> Upload:
    upload_id, media_id, user_id, file_name, size_bytes, shard_bytes, created_at_ms, is_finished = row
    return Upload(
        upload_id, media_id, user_id, file_name, size_bytes, shard_bytes, created_at_ms, bool(is_finished)
    )
