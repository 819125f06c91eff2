"""Access tokens: HS256 JSON Web Tokens (RFC 7519) that carry the user id, so that any gateway verifies one alone.

Only tokens of the one form that `mint` makes are taken: the header is compared as text, so no algorithm is negotiated,
and the signature is compared (in constant time) as text, so a token has no second spelling. Nothing of the claims is
read before that. One that was verified is remembered in `xinyu._fast.tokens` by a keyed digest; its expiry is looked at
each time. Cost: about 1 us for one that is remembered, 7 us for one that comes for the first time.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Final

import msgspec

from xinyu._fast import tokens as fast
from xinyu.base.clock import Clock
from xinyu.base.errors import TOKEN_EXPIRED, UNAUTHENTICATED, XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER

ISSUER: Final = "xinyu"
# Longer ones are refused unread: a token of ours is under 300 characters.
MAX_TOKEN_CHARACTERS: Final = 2048
# One for every connection that a process can hold, at 75 bytes each, and for who asks by REST.
MAX_VERIFIED: Final = 65_536
_HEADER: Final = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
# What lies beyond is no time that the connection engine can wait for.
_MAX_EXPIRES_AT_S: Final = 2**52 // 1000


class AccessToken(msgspec.Struct, frozen=True, gc=False):
    """What a verified token says. `token_id` names this one login."""

    user_id: int
    token_id: str
    platform: str
    expires_at_ms: int


class _Claims(msgspec.Struct, gc=False):
    """Names as RFC 7519 registers them (section 4.1), and `uid` and `plt` of ours."""

    iss: str
    uid: Annotated[int, msgspec.Meta(gt=0, le=MAX_SAFE_INTEGER)]
    jti: str
    exp: Annotated[int, msgspec.Meta(ge=0, le=_MAX_EXPIRES_AT_S)]
    plt: str = ""
    iat: int = 0


_encode_claims: Final = msgspec.json.Encoder().encode
_decode_claims: Final = msgspec.json.Decoder(_Claims).decode


class AccessTokens:
    """Mints and verifies; every process of a cluster holds the same `secret` (at least 32 bytes)."""

    def __init__(self, secret: bytes, ttl_s: int, clock: Clock) -> None:
        if len(secret) < 32:
            raise ValueError("the token secret must have at least 32 bytes")
        self._keyed = hmac.new(secret, digestmod="sha256")
        self.ttl_s = ttl_s
        self._clock = clock
        self._verified = fast.VerifiedTokens(MAX_VERIFIED)

    def mint(self, user_id: int, platform: str) -> str:
        """A token of URL-safe characters only: the reference client puts it into its URL as it is."""
        now_s = self._clock.now_ms() // 1000
        claims = _Claims(ISSUER, user_id, secrets.token_hex(12), now_s + self.ttl_s, platform, now_s)
        signed = f"{_HEADER}.{_base64url(_encode_claims(claims))}"
        return f"{signed}.{self._sign(signed)}"

    def verify(self, token: str) -> AccessToken:
        """Raises UNAUTHENTICATED or TOKEN_EXPIRED, by our clock."""
        found = self._verified.get(token)
        access = self._decode(token) if found is None else AccessToken(*found)
        if access.expires_at_ms <= self._clock.now_ms():
            self._verified.discard(token)
            raise XinYuError(TOKEN_EXPIRED)
        if found is None:
            self._verified.put(token, access.user_id, access.token_id, access.platform, access.expires_at_ms)
        return access

    def _sign(self, signed: str) -> str:
        """HMAC-SHA256 of `signed`. The keyed state is copied: half the price of keying it anew."""
        state = self._keyed.copy()
        state.update(signed.encode())
        return _base64url(state.digest())

    def _decode(self, token: str) -> AccessToken:
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise XinYuError(UNAUTHENTICATED)
        signed, _, signature = token.rpartition(".")
        header, _, claims_text = signed.partition(".")
        if header != _HEADER or not hmac.compare_digest(self._sign(signed), signature):
            raise XinYuError(UNAUTHENTICATED)
        try:
            claims = _decode_claims(urlsafe_b64decode(claims_text + "=="))
        except ValueError:  # msgspec's and base64's errors are such
            raise XinYuError(UNAUTHENTICATED) from None
        if claims.iss != ISSUER:
            raise XinYuError(UNAUTHENTICATED)
        return AccessToken(claims.uid, claims.jti, claims.plt, claims.exp * 1000)


def _base64url(data: bytes) -> str:
    """Without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(data).decode().rstrip("=")
