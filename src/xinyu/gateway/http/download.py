"""A blob as an answer: ranges, validators, and heads that keep a browser from running what users upload (RFC 9110,
sections 8.8, 13 and 14).

One range is answered with 206, one that lies beyond the end with 416; several, and what is no range, with the whole
(section 14.2 lets a server ignore it). A key is never used for other bytes again, so its hash is the entity tag. Bytes
are read from the store a chunk at a time, as the client takes them; one that takes none is cut off (late_body.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from email.utils import formatdate, parsedate_to_datetime
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import web

from xinyu.base.errors import RANGE_NOT_SATISFIABLE, UNAVAILABLE, UNKNOWN_FILE, XinYuError
from xinyu.gateway.http.answer import failure
from xinyu.gateway.http.late_body import LateBody
from xinyu.gateway.http.route import Download
from xinyu.storage.blobs import BlobError, Blobs, BlobStat, BlobsUnavailable, NoSuchBlob

log = structlog.get_logger(__name__)

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_PLAIN_NAME: Final = re.compile(r"[^0-9A-Za-z ._()+-]")


async def answer(request: web.BaseRequest, blobs: Blobs, download: Download) -> web.StreamResponse:
    """Raises UNKNOWN_FILE or UNAVAILABLE."""
    try:
        stat = await blobs.stat(download.key)
    except NoSuchBlob:
        raise XinYuError(UNKNOWN_FILE) from None
    except BlobsUnavailable:
        raise XinYuError(UNAVAILABLE) from None
    tag = f'"{hashlib.sha256(download.key.encode()).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Last-Modified": formatdate(stat.stored_at_s, usegmt=True),
        "Cache-Control": "public, max-age=31536000, immutable" if download.is_public else "private, no-store",
        "Accept-Ranges": "bytes",
        # Nothing in a file may run or load anything, even where it is opened by itself.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if _is_known(request, tag, stat):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = download.content_type
    headers["Content-Disposition"] = disposition(download.file_name, is_inline=download.is_inline)
    status, start, end = 200, 0, stat.size_bytes
    asked = request.headers.get("Range", "")
    if asked and request.headers.get("If-Range", tag) in (tag, headers["Last-Modified"]):
        try:
            found = parse_range(asked, stat.size_bytes)
        except ValueError:
            refusal = failure(XinYuError(RANGE_NOT_SATISFIABLE))
            refusal.headers["Content-Range"] = f"bytes */{stat.size_bytes}"
            return refusal
        if found is not None:
            status, (start, end) = 206, found
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{stat.size_bytes}"
    return _BlobResponse(request, blobs, download.key, (start, end), status, headers)


def parse_range(value: str, size: int) -> tuple[int, int] | None:
    """(start, end) of the one range that a Range header asks for, end excluded; None = the header is to be ignored.
    Raises ValueError when nothing of it lies within `size` bytes."""
    match = _RANGE.fullmatch(value.strip().replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        suffix = int(match[2])
        if suffix == 0 or size == 0:
            raise ValueError("nothing of the range is there")
        return max(0, size - suffix), size
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    if start >= size:
        raise ValueError("nothing of the range is there")
    return start, min(size, int(match[2]) + 1) if match[2] else size


def disposition(file_name: str, *, is_inline: bool) -> str:
    """Content-Disposition (RFC 6266), the name in plain characters and, where it has others, as RFC 8187 writes it."""
    kind = "inline" if is_inline else "attachment"
    if not file_name:
        return kind
    plain = _PLAIN_NAME.sub("_", file_name)
    if plain == file_name:
        return f'{kind}; filename="{plain}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


def _is_known(request: web.BaseRequest, tag: str, stat: BlobStat) -> bool:
    """The client holds these bytes (RFC 9110, section 13.2.2)."""
    if (known := request.headers.get("If-None-Match")) is not None:
        return known.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(","))
    try:
        since = parsedate_to_datetime(request.headers.get("If-Modified-Since", ""))
        return int(stat.stored_at_s) <= since.timestamp()
    except (ValueError, TypeError, OverflowError):
        return False


class _BlobResponse(LateBody):
    def __init__(
        self,
        request: web.BaseRequest,
        blobs: Blobs,
        key: str,
        span: tuple[int, int],
        status: int,
        headers: dict[str, str],
    ) -> None:
        super().__init__(request, status, headers)
        self.content_length = span[1] - span[0]
        self._blobs = blobs
        self._blob_key = key
        self._span = span

    async def _send(self) -> bool:
        start, end = self._span
        try:
            async with contextlib.aclosing(self._blobs.read(self._blob_key, start, end)) as chunks:
                async for chunk in chunks:
                    start += len(chunk)
                    await self._put(chunk)
        except (BlobError, TimeoutError, ConnectionError) as error:
            log.info("download_cut_off", key=self._blob_key, problem=type(error).__name__)
            return False
        return start == end
