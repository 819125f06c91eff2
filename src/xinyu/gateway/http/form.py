"""The fields of a multipart/form-data body (RFC 7578), one after another as they arrive, under a deadline and a bound.

Nothing is kept: a file's bytes are handed on in chunks, and a field that nobody reads is skipped. aiohttp parses, and
bounds what stands around the fields (boundaries, the heads of parts); what it raises at bad ones is told as INVALID.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable
from typing import Final, TypeVar

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from xinyu.base.errors import INVALID, REQUEST_TIMEOUT, TOO_LARGE, XinYuError
from xinyu.gateway.http import body

T = TypeVar("T")

CHUNK_BYTES: Final = 64 * 1024
# What a form may have beside its file's bytes: heads of parts, boundaries, short fields.
OVERHEAD_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 32
_BAD_FORM: Final = "The request is not a valid form."
# All that aiohttp's parser says of bodies that are no forms.
_PARSER_SAYS: Final = (
    ValueError, RuntimeError, AssertionError, KeyError, Warning, HttpProcessingError, web.RequestPayloadError,
)  # fmt: skip
# It warns of bad heads, each time in other words, which Python would remember one by one.
warnings.simplefilter("ignore", BadContentDispositionHeader)
warnings.simplefilter("ignore", BadContentDispositionParam)


class Form:
    """`async for field in form`: each field must be read, or is skipped, before the next one comes. Raises INVALID (no
    form, or a broken one), TOO_LARGE (more than `max_file_bytes` and what else a form needs), REQUEST_TIMEOUT."""

    def __init__(self, request: web.BaseRequest, max_file_bytes: int, timeout_s: float) -> None:
        if request.content_type != "multipart/form-data" or "boundary" not in request.headers["Content-Type"]:
            raise XinYuError(INVALID, "The request must be a form (multipart/form-data).")
        self._max_bytes = max_file_bytes + OVERHEAD_BYTES
        if request.content_length is not None and request.content_length > self._max_bytes:
            raise XinYuError(TOO_LARGE)
        if "Content-Encoding" in request.headers:
            raise XinYuError(INVALID, "Compressed requests are not taken.")
        self._request = request
        self._deadline_s = asyncio.get_running_loop().time() + timeout_s
        self._reader: MultipartReader | None = None

    async def __aiter__(self) -> AsyncIterator[FormField]:
        await body.expect(self._request)
        self._reader = await self._in_time(self._request.multipart())
        for _ in range(MAX_FIELDS):
            part = await self._in_time(self._reader.next())
            if part is None:
                return
            if not isinstance(part, BodyPartReader) or _encoding(part):
                raise XinYuError(INVALID, _BAD_FORM)
            field = self._field(part)
            yield field
            async for _rest in field.chunks():
                pass
        raise XinYuError(INVALID, f"A form may have {MAX_FIELDS} fields.")

    def _field(self, part: BodyPartReader) -> FormField:
        try:
            return FormField(self, part, part.name or "", part.filename or "")
        except (ValueError, Warning):
            raise XinYuError(INVALID, _BAD_FORM) from None

    async def _in_time(self, waiting: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout_at(self._deadline_s):
                result = await waiting
        except TimeoutError:
            raise XinYuError(REQUEST_TIMEOUT) from None
        except _PARSER_SAYS:
            raise XinYuError(INVALID, _BAD_FORM) from None
        if self._request.content.total_bytes > self._max_bytes:
            raise XinYuError(TOO_LARGE)
        return result

    async def chunk(self, part: BodyPartReader) -> bytes:
        return await self._in_time(part.read_chunk(CHUNK_BYTES))


class FormField:
    """One field. `file_name` is the client's word, "" for a field that is no file."""

    def __init__(self, form: Form, part: BodyPartReader, name: str, file_name: str) -> None:
        self._form = form
        self._part = part
        self.name = name
        self.file_name = file_name

    async def chunks(self) -> AsyncIterator[bytes]:
        """What has not been read yet."""
        while chunk := await self._form.chunk(self._part):
            yield chunk

    async def text(self, max_bytes: int = 1024) -> str:
        """Raises INVALID for what is longer, or no UTF-8."""
        value = bytearray()
        async for chunk in self.chunks():
            value += chunk
            if len(value) > max_bytes:
                raise XinYuError(INVALID, f"{self.name} has more than {max_bytes} bytes.")
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise XinYuError(INVALID, f"{self.name} is no text.") from None


def _encoding(part: BodyPartReader) -> bool:
    """An encoding that would have to be undone; browsers send none."""
    transfer = part.headers.get("Content-Transfer-Encoding", "binary").lower()
    return "Content-Encoding" in part.headers or transfer not in ("binary", "8bit", "7bit")
