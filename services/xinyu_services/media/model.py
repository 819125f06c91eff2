"""Which files are taken, how they are told apart, what they are called, and the parts of an upload.

A file is what its first bytes say, never what its name or its sender says. The name of its blob is made here, out of
128 random bits, and carries an extension out of one closed table: from that alone a door knows how to serve it. What is
no picture, audio or video is stored as `.bin` and is never shown, only handed out as an attachment.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

FILE_NAME_CHARACTERS: Final = 255
# How many of a file's first bytes `recognise` wants to see, and how many it looks at.
HEAD_BYTES: Final = 64
MAX_HEAD_BYTES: Final = 4_096
PARTS_PREFIX: Final = "parts"
UPLOAD_ID: Final = re.compile(r"[0-9a-f]{32}")
PUBLIC_PREFIX: Final = "/media/"


class Kind(IntEnum):
    PICTURE = 1
    AUDIO = 2
    VIDEO = 3
    FILE = 4


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that is served as what it is. `content_type` of FILE says nothing on purpose."""

    extension: str
    kind: Kind
    content_type: str


JPEG: Final = Format("jpg", Kind.PICTURE, "image/jpeg")
PNG: Final = Format("png", Kind.PICTURE, "image/png")
WEBP: Final = Format("webp", Kind.PICTURE, "image/webp")
GIF: Final = Format("gif", Kind.PICTURE, "image/gif")
MP4: Final = Format("mp4", Kind.VIDEO, "video/mp4")
QUICKTIME: Final = Format("mov", Kind.VIDEO, "video/quicktime")
WEBM: Final = Format("webm", Kind.VIDEO, "video/webm")
MP3: Final = Format("mp3", Kind.AUDIO, "audio/mpeg")
M4A: Final = Format("m4a", Kind.AUDIO, "audio/mp4")
OGG: Final = Format("ogg", Kind.AUDIO, "audio/ogg")
WAV: Final = Format("wav", Kind.AUDIO, "audio/wav")
ANY_FILE: Final = Format("bin", Kind.FILE, "application/octet-stream")
FORMATS: Final = {
    format_.extension: format_
    for format_ in (JPEG, PNG, WEBP, GIF, MP4, QUICKTIME, WEBM, MP3, M4A, OGG, WAV, ANY_FILE)
}
_KEY: Final = re.compile(
    rf"[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}/([0-9a-f]{{32}})(?:_[0-9]{{1,6}}x[0-9]{{1,6}})?\.({'|'.join(FORMATS)})"
)
_THUMBNAIL: Final = "_small.webp"


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file that is there. `name` is the uploader's; `url` absolute, as it was given out; `width` and `height` of
    pictures, as they are shown; `thumbnail` (a URL as well) and `blur` of such as have them."""

    media_id: str
    user_id: int
    kind: Kind
    name: str
    size_bytes: int
    key: str
    url: str
    width: int = 0
    height: int = 0
    thumbnail: str = ""
    blur: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload in parts. `media_id` is what its file will be, or is, called."""

    upload_id: str
    media_id: str
    user_id: int
    file_name: str
    size_bytes: int
    shard_bytes: int
    created_at_ms: int
    is_finished: bool

    @property
    def part_count(self) -> int:
        return -(-self.size_bytes // self.shard_bytes)

    def part_bytes(self, index: int) -> int:
        """The size that part `index`, from 1, must have."""
        return min(self.shard_bytes, self.size_bytes - (index - 1) * self.shard_bytes)

    @property
    def key(self) -> str:
        return new_key(self.media_id, ANY_FILE, self.created_at_ms)


@dataclass(frozen=True, slots=True)
class Part:
    """A part whose bytes lie under `key`."""

    index: int
    size_bytes: int
    sha256: bytes
    key: str


def new_id() -> str:
    """128 random bits, as 32 hex digits."""
    return secrets.token_hex(16)


def new_part_key() -> str:
    """Where bytes lie whose place is not known yet."""
    return f"{PARTS_PREFIX}/{new_id()}"


def new_key(media_id: str, format_: Format, now_ms: int, width: int = 0, height: int = 0) -> str:
    """`YYYY/MM/DD/<media_id>.<ext>`, for pictures with `_<width>x<height>`: clients lay out by it before they load
    (contract: http-api, "Uploads")."""
    day = datetime.fromtimestamp(now_ms / 1000, UTC)
    size = f"_{width}x{height}" if format_.kind is Kind.PICTURE else ""
    return f"{day:%Y/%m/%d}/{media_id}{size}.{format_.extension}"


def thumbnail_of(key: str) -> str:
    """The key of a picture's thumbnail: who has the one name may have the other, so it says as much."""
    return key.rpartition(".")[0] + _THUMBNAIL


def format_of_key(key: str) -> Format | None:
    """None for what is not the key of a stored file, or of its thumbnail."""
    if key.endswith(_THUMBNAIL):
        return WEBP if _KEY.fullmatch(key.removesuffix(_THUMBNAIL) + ".webp") else None
    match = _KEY.fullmatch(key)
    return None if match is None else FORMATS[match[2]]


def id_of(named: str) -> str:
    """The media id in a URL that was given out, or in a bare id; "" in anything else. That such a URL was really given
    out is not said by it."""
    if UPLOAD_ID.fullmatch(named):
        return named
    match = _KEY.fullmatch(named.rpartition(PUBLIC_PREFIX)[2])
    return "" if match is None else match[1]


def recognise(head: bytes) -> Format | None:
    """What begins with `head`; None = nothing that is shown to others."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(b"RIFF"):
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _recognise_mp4(head[8:12])
    if head.startswith(b"\x1aE\xdf\xa3"):  # EBML: Matroska is one too, and only WebM says so
        return WEBM if b"webm" in head else None
    if head.startswith(b"OggS"):
        return OGG
    if head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):  # MPEG layer III
        return MP3
    return None


def _recognise_mp4(brand: bytes) -> Format | None:
    """By the major brand of ISO base media (ISO/IEC 14496-12): the others of its family are no video (HEIC, AVIF)."""
    if brand == b"qt  ":
        return QUICKTIME
    if brand in (b"M4A ", b"M4B "):
        return M4A
    return MP4 if brand[:3] in (b"iso", b"mp4", b"avc", b"M4V", b"3gp", b"das", b"MSN") else None


def clean_file_name(name: str) -> str:
    """The last component of a client's name for a file, without what does not show; `file` when nothing is left."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp")).strip()
    return "file" if shown.strip(".") == "" else shown


def file_name_problem(name: str) -> str:
    """Why `name`, a clean one, cannot be kept, "" when it can."""
    if len(name) > FILE_NAME_CHARACTERS:
        return f"The file's name has more than {FILE_NAME_CHARACTERS} characters."
    return ""


def part_problem(upload: Upload, index: int, count: int, size_bytes: int) -> str:
    """Why this cannot be a part of `upload`, "" when it can."""
    if count != upload.part_count:
        return f"split_num must be {upload.part_count}."
    if not 1 <= index <= upload.part_count:
        return f"split_index must be 1 to {upload.part_count}."
    if size_bytes != upload.part_bytes(index):
        return f"Part {index} must have {upload.part_bytes(index)} bytes."
    return ""
