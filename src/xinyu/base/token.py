"""Access tokens: HS256 JSON Web Tokens (RFC 7519) that carry the user id, so that any gateway verifies one alone.

Only tokens of the forms that `mint` and `mint_bot` make are taken: the header is compared as text, so no algorithm is
negotiated, and the signature is compared (in constant time) as text, so a token has no second spelling. Nothing of the
claims is read before that. `xinyu._fast.tokens` verifies what is spelled just as `mint` does, and remembers by a keyed
digest what was verified; the rules stand here, and decide on whatever it does not know. Expiry is looked at each time,
and whether the login was ended (`AccessTokens.ended`). Cost: under 1 us for one that comes for the first time, a third
of that for one that comes again.
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
# A bot's token begins with it, and its signature covers that, so neither kind of token can be taken for the other.
BOT_PREFIX: Final = "bot_"
BOT_PLATFORM: Final = "bot"
_HEADER: Final = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
# Under this key of the cache stands what changes whenever somebody's logins are ended: whoever keeps `ended` looks.
ENDED_HINT: Final = "ended-logins"
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
    """Mints and verifies; every process of a cluster holds the same `secret` (at least 32 bytes). `verified` knows the
    tokens in their plain form, for who holds a token's bytes and looks at its expiry himself."""

    def __init__(self, secret: bytes, ttl_s: int, clock: Clock) -> None:
        if len(secret) < 32:
            raise ValueError("the token secret must have at least 32 bytes")
        self._keyed = hmac.new(secret, digestmod="sha256")
        self.ttl_s = ttl_s
        self._clock = clock
        self.verified = fast.VerifiedTokens(MAX_VERIFIED, secret)
        # user -> his tokens that expire by this moment (Unix ms) are void. Kept by `xinyu.gateway.ended_logins`.
        self.ended: dict[int, int] = {}

    def mint(self, user_id: int, platform: str) -> str:
        """A token of URL-safe characters only: the reference client puts it into its URL as it is."""
        now_s = self._clock.now_ms() // 1000
        claims = _Claims(ISSUER, user_id, secrets.token_hex(12), now_s + self.ttl_s, platform, now_s)
        return self._signed(_HEADER, claims)

    def mint_bot(self, user_id: int, expires_at_s: int) -> str:
        """A bot's token: `bot_` before what is otherwise one of a user."""
        now_s = self._clock.now_ms() // 1000
        claims = _Claims(ISSUER, user_id, secrets.token_hex(12), expires_at_s, BOT_PLATFORM, now_s)
        return self._signed(BOT_PREFIX + _HEADER, claims)

    def _signed(self, header: str, claims: _Claims) -> str:
        signed = f"{header}.{_base64url(_encode_claims(claims))}"
        return f"{signed}.{self._sign(signed)}"

    def verify(self, token: str) -> AccessToken:
        """Raises UNAUTHENTICATED, also where the login was ended, or TOKEN_EXPIRED, by our clock."""
        found = self.verified.get(token)
        access = self._decode(token) if found is None else AccessToken(*found)
        if access.expires_at_ms <= self._clock.now_ms():
            self.verified.discard(token)
            raise XinYuError(TOKEN_EXPIRED)
        if found is None:
            self.verified.put(token, access.user_id, access.token_id, access.platform, access.expires_at_ms)
        self.check(access)
        return access

    def check(self, access: AccessToken) -> None:
        """Raises UNAUTHENTICATED where the login was ended."""
        if self.ended and access.expires_at_ms <= self.ended.get(access.user_id, 0):
            raise XinYuError(UNAUTHENTICATED)

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
        if header not in (_HEADER, BOT_PREFIX + _HEADER) or not hmac.compare_digest(self._sign(signed), signature):
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
