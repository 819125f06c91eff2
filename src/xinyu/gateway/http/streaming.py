"""An answer whose length nobody knows: made piece by piece, as the client takes it.

The first piece is made before the head is sent, so that a refusal is an answer like any other.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

import structlog
from aiohttp import web

from xinyu.gateway.http.download import disposition
from xinyu.gateway.http.late_body import LateBody
from xinyu.gateway.http.route import Stream

log = structlog.get_logger(__name__)


async def answer(request: web.BaseRequest, stream: Stream) -> web.StreamResponse:
    """Raises what `stream.pieces` raises before its first piece."""
    headers = {
        "Content-Type": stream.content_type,
        "Content-Disposition": disposition(stream.file_name, is_inline=False),
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    first = b"" if request.method == "HEAD" else await anext(stream.pieces, b"")
    return _StreamedResponse(request, stream.pieces, first, headers)


class _StreamedResponse(LateBody):
    def __init__(
        self, request: web.BaseRequest, pieces: AsyncGenerator[bytes, None], first: bytes, headers: dict[str, str]
    ) -> None:
        super().__init__(request, 200, headers)
        self._pieces = pieces
        self._first = first

    async def _send(self) -> bool:
        try:
            async with contextlib.aclosing(self._pieces) as pieces:
                await self._put(self._first)
                async for piece in pieces:
                    await self._put(piece)
        except (TimeoutError, ConnectionError) as error:
            log.info("stream_cut_off", path=self._client.path, problem=type(error).__name__)
            return False
        except Exception:
            log.exception("stream_failed", path=self._client.path)
            return False
        return True
