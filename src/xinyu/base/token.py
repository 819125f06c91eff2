"""Access tokens: HS256 JSON Web Tokens (RFC 7519) that carry the user id, so that any gateway verifies one alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import jwt

from xinyu.base.clock import Clock
from xinyu.base.errors import TOKEN_EXPIRED, UNAUTHENTICATED, XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER

ISSUER: Final = "xinyu"
# Longer ones are refused unread: a token of ours is under 300 characters.
MAX_TOKEN_CHARACTERS: Final = 2048
# Tokens that were verified before are not verified again: those used last. It is for who asks often (REST); one takes
# about 600 bytes, more than a connection does, so not every connected user has a place.
MAX_VERIFIED: Final = 1_000


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified token says. `token_id` names this one login."""

    user_id: int
    token_id: str
    platform: str
    expires_at_ms: int


class AccessTokens:
    """Mints and verifies; every process of a cluster holds the same `secret` (at least 32 bytes)."""

    def __init__(self, secret: bytes, ttl_s: int, clock: Clock) -> None:
        if len(secret) < 32:
            raise ValueError("the token secret must have at least 32 bytes")
        self._secret = secret
        self.ttl_s = ttl_s
        self._clock = clock
        self._verified: dict[str, AccessToken] = {}

    def mint(self, user_id: int, platform: str) -> str:
        """A token of URL-safe characters only: the reference client puts it into its URL as it is."""
        now_s = self._clock.now_ms() // 1000
        return jwt.encode(
            {
                "iss": ISSUER,
                "uid": user_id,
                "jti": secrets.token_hex(12),
                "plt": platform,
                "iat": now_s,
                "exp": now_s + self.ttl_s,
            },
            self._secret,
            algorithm="HS256",
        )

    def verify(self, token: str) -> AccessToken:
        """Raises UNAUTHENTICATED or TOKEN_EXPIRED. The times are checked against our clock, not the library's."""
        access = self._verified.pop(token, None)
        if access is None:
            access = self._decode(token)
        now_ms = self._clock.now_ms()
        if access.expires_at_ms <= now_ms:
            raise XinYuError(TOKEN_EXPIRED)
        self._verified[token] = access  # the newest is last
        if len(self._verified) > MAX_VERIFIED:
            del self._verified[next(iter(self._verified))]
        return access

    def _decode(self, token: str) -> AccessToken:
        if not token or len(token) > MAX_TOKEN_CHARACTERS:
            raise XinYuError(UNAUTHENTICATED)
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                issuer=ISSUER,
                options={"require": ["exp", "iss"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.InvalidTokenError, ValueError):
            raise XinYuError(UNAUTHENTICATED) from None
        user_id, token_id, expires_at_s = claims.get("uid"), claims.get("jti"), claims.get("exp")
        if (
            type(user_id) is not int
            or not 0 < user_id <= MAX_SAFE_INTEGER
            or type(token_id) is not str
            or type(expires_at_s) is not int
        ):
            raise XinYuError(UNAUTHENTICATED)
        return AccessToken(user_id, token_id, str(claims.get("plt", "")), expires_at_s * 1000)
