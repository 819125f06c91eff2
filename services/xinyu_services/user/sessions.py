"""The HTTP client with which the user room calls the operator's services and OpenID providers."""

from __future__ import annotations

import aiohttp


class Sessions:
    """The one HTTP client of a room, made when it is first needed, inside the loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def get(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
