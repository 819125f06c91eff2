"""An answer that sends its body when aiohttp ends it, so that whoever made it can still add headers.

A body that cannot be sent to its end ends the connection before its end: with the head out there is no other way to say
that it failed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

STALL_S: Final = 30.0


class LateBody(web.StreamResponse):
    """`_send` is what differs."""

    def __init__(self, request: web.BaseRequest, status: int, headers: dict[str, str]) -> None:
        super().__init__(status=status, headers=headers)
        self._client = request

    async def write_eof(self, data: bytes = b"") -> None:
        if self._client.method != "HEAD" and not await self._send():
            if (transport := self._client.transport) is not None:
                transport.abort()
            return
        await super().write_eof(data)

    async def _send(self) -> bool:
        """Puts all of the body; False: it was not all."""
        raise NotImplementedError

    async def _put(self, piece: bytes) -> None:
        """Raises TimeoutError for a client that takes nothing for STALL_S."""
        async with asyncio.timeout(STALL_S):
            await self.write(piece)
