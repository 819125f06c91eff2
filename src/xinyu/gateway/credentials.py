"""How a caller proves who he is at a door: an access token in a header, or a one-time ticket bought with one.

A ticket stands in for the Authorization header where a browser cannot set one, without the token appearing in a URL:
`POST auth/ticket` makes it, the WebSocket's `?ticket=` spends it. It lives 20 s, is good once, and carries the login
that bought it (contract: ws-events, "Our dialect").
"""

from __future__ import annotations

import re
import secrets
from typing import Final

import msgspec

from xinyu.base.errors import UNAUTHENTICATED, XinYuError
from xinyu.base.token import AccessToken
from xinyu.storage.cache import Cache

TICKET_TTL_S: Final = 20.0
_TICKET: Final = re.compile(r"[0-9A-Za-z_-]{32}")


def bearer_token(authorization: str) -> str:
    """The token of an Authorization header, with or without the word Bearer (RFC 6750, section 2.1)."""
    if authorization.startswith("Bearer "):  # as nearly all clients write it
        return authorization[7:].strip()
    value = authorization.strip()
    return value[7:].lstrip() if value[:7].lower() == "bearer " else value


class Tickets:
    """One-time tickets, kept in the cache: both gateways must share it."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def issue(self, access: AccessToken) -> str:
        """A ticket of 32 URL-safe characters (192 random bits)."""
        ticket = secrets.token_urlsafe(24)
        await self._cache.put(f"ticket:{ticket}", msgspec.json.encode(access), TICKET_TTL_S)
        return ticket

    async def spend(self, ticket: str) -> AccessToken:
        """The login that bought it. Raises UNAUTHENTICATED for one that is unknown, spent or too old."""
        value = await self._cache.take(f"ticket:{ticket}") if _TICKET.fullmatch(ticket) else None
        if value is None:
            raise XinYuError(UNAUTHENTICATED)
        return msgspec.json.decode(value, type=AccessToken)
