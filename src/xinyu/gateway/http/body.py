"""The body of a request: read under a deadline and a bound, then decoded strictly into the shape that a route takes."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import msgspec
from aiohttp import web

from xinyu.base.errors import BAD_JSON, INVALID, REQUEST_TIMEOUT, TOO_LARGE, XinYuError

_PATH: Final = re.compile(r"at `\$\.?([^`]+)`$")
_MISSING: Final = re.compile(r"missing required field `([^`]+)`")


async def read(request: web.BaseRequest, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body. Raises TOO_LARGE (as soon as that is known) or REQUEST_TIMEOUT; the connection must not be used
    again then, since the rest of the body may still come."""
    length = request.content_length
    if length is not None and length > max_bytes:
        raise XinYuError(TOO_LARGE)
    if "Content-Encoding" in request.headers:
        raise XinYuError(BAD_JSON, "Compressed requests are not taken.")
    content = request.content
    if content.is_eof():
        body: bytes = content.read_nowait()
        if len(body) > max_bytes:
            raise XinYuError(TOO_LARGE)
        return body
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    parts = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            while part := await content.readany():
                parts += part
                if len(parts) > max_bytes:
                    raise XinYuError(TOO_LARGE)
    except TimeoutError:
        raise XinYuError(REQUEST_TIMEOUT) from None
    except web.RequestPayloadError:
        raise XinYuError(BAD_JSON) from None
    return bytes(parts)


def decode(body: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Raises BAD_JSON for what is no JSON object, INVALID for a field that is missing or of the wrong type."""
    try:
        if not body.isascii():
            body.decode("utf-8")  # the decoder does not look into what a route takes unread
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise refusal(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise XinYuError(BAD_JSON) from None


def refusal(error: msgspec.ValidationError) -> XinYuError:
    """What is wrong with the request, with the field's name where there is one."""
    text = str(error)
    path, missing = _PATH.search(text), _MISSING.search(text)
    if path is None and missing is None and text.startswith("Expected `object`"):
        return XinYuError(BAD_JSON)
    names = [match[1] for match in (path, missing) if match]
    return XinYuError(INVALID, f"{INVALID.message.rstrip('.')}: {'.'.join(names)}." if names else "")
