"""One OpenID provider (OpenID Connect Core 1.0; Discovery 1.0), authorization code flow with PKCE (RFC 7636).

What the provider says of itself is fetched from `<issuer>/.well-known/openid-configuration` when it is first needed,
and kept for an hour; its keys, too, and once more when an ID token names one that is not among them. Every answer has a
deadline and a bound of bytes, redirects are not followed, and what is sent goes to https or loopback only: a provider
that hangs, floods or forwards costs one refused login. An ID token must be signed by one of its keys with an asymmetric
algorithm, be for this client, hold the nonce of this login, and be in its time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import jwt
import msgspec
import structlog

from xinyu.base.clock import Clock
from xinyu.base.config import OAuthProvider
from xinyu.base.errors import OAUTH_REFUSED, UNAVAILABLE, XinYuError
from xinyu_services.user.model import Identity
from xinyu_services.user.sessions import Sessions

T = TypeVar("T")
log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES: Final = 256 * 1024
KEPT_S: Final = 3600.0
# Keys are not fetched more often, whatever tokens name.
KEYS_AGAIN_S: Final = 30.0
LEEWAY_S: Final = 60
SUBJECT_CHARACTERS: Final = 255
# What a public key can check. HS* and none are not among them.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class _Metadata(msgspec.Struct):
    """Discovery 1.0, section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct):
    id_token: str


class OpenIdProvider:
    """`sessions` is the room's, for all providers."""

    def __init__(self, settings: OAuthProvider, sessions: Sessions, clock: Clock) -> None:
        self._settings = settings
        self._sessions = sessions
        self._clock = clock
        self._metadata: _Metadata | None = None
        self._metadata_s = 0.0
        self._keys: dict[str, jwt.PyJWK] = {}
        self._keys_s: float | None = None

    async def login_uri(self, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes. Raises UNAVAILABLE."""
        metadata = await self._load_metadata()
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = metadata.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def identity(self, code: str, nonce: str, verifier: str) -> Identity:
        """Who came back with `code`. Raises OAUTH_REFUSED, UNAVAILABLE."""
        metadata = await self._load_metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        client_id, secret = self._settings.client_id, self._settings.client_secret
        if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported and secret:
            # RFC 6749, section 2.3.1: both are form-encoded first.
            headers["Authorization"] = aiohttp.encode_basic_auth(quote(client_id, safe=""), quote(secret, safe=""))
        else:
            form |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
        status, content = await self._fetch("POST", metadata.token_endpoint, headers, form)
        if 400 <= status < 500:
            log.info("oauth_code_refused", issuer=self._settings.issuer, status=status)
            raise XinYuError(OAUTH_REFUSED)
        tokens = self._decoded(status, content, _Tokens)
        return await self._verified(metadata, tokens.id_token, nonce)

    async def _verified(self, metadata: _Metadata, id_token: str, nonce: str) -> Identity:
        try:
            header = jwt.get_unverified_header(id_token)
            if header.get("alg") not in ALGORITHMS:
                raise jwt.InvalidAlgorithmError("not one of ours")
            key = await self._key(metadata, header.get("kid"))
            if key is None or key.algorithm_name != header["alg"]:
                raise jwt.InvalidKeyError("the provider has no such key")
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key,
                algorithms=[header["alg"]],
                audience=self._settings.client_id,
                issuer=self._settings.issuer,
                leeway=LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise self._refused(f"{type(error).__name__}: {error}") from None
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
            raise self._refused("the nonce is another one's")
        # Core, section 3.1.3.7: with several audiences, it must be us that it was given to.
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise self._refused("given to another client")
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS:
            raise self._refused("the subject is none")
        return Identity(self._settings.issuer, subject, _name(claims))

    def _refused(self, problem: str) -> XinYuError:
        log.warning("oauth_token_refused", issuer=self._settings.issuer, problem=problem)
        return XinYuError(OAUTH_REFUSED)

    # ---------------------------------------------------------------- what the provider says of itself

    async def _load_metadata(self) -> _Metadata:
        now_s = self._clock.monotonic_s()
        if self._metadata is None or now_s - self._metadata_s > KEPT_S:
            url = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            metadata = self._decoded(*await self._fetch("GET", url, {}, None), _Metadata)
            if metadata.issuer != self._settings.issuer:
                raise self._away(f"calls itself {metadata.issuer[:200]}")
            self._metadata, self._metadata_s = metadata, now_s
        return self._metadata

    async def _key(self, metadata: _Metadata, key_id: object) -> jwt.PyJWK | None:
        now_s = self._clock.monotonic_s()
        age_s = float("inf") if self._keys_s is None else now_s - self._keys_s
        if age_s > KEPT_S or (self._named(key_id) is None and age_s > KEYS_AGAIN_S):
            status, content = await self._fetch("GET", metadata.jwks_uri, {}, None)
            self._keys = _signing_keys(self._decoded(status, content, dict[str, Any]))
            self._keys_s = now_s
        return self._named(key_id)

    def _named(self, key_id: object) -> jwt.PyJWK | None:
        if key_id is None:  # allowed where there is but one
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(str(key_id))

    async def _fetch(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        if not _is_safe(url):
            raise self._away(f"{url[:200]} is neither https nor loopback")
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                async with self._sessions.get().request(
                    method, url, data=form, headers=headers, allow_redirects=False
                ) as response:
                    content = b""
                    async for chunk in response.content.iter_chunked(16 * 1024):
                        content += chunk
                        if len(content) > MAX_ANSWER_BYTES:
                            raise self._away("its answer is too long")
                    return response.status, content
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._away(type(error).__name__) from error

    def _decoded(self, status: int, content: bytes, kind: type[T]) -> T:
        if status != 200:
            raise self._away(f"it answered {status}")
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError as error:
            raise self._away(str(error)) from None

    def _away(self, problem: str) -> XinYuError:
        log.warning("oauth_provider_away", issuer=self._settings.issuer, problem=problem)
        return XinYuError(UNAVAILABLE, "The login provider does not answer. Please try again.")


def _signing_keys(document: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """By their names; what cannot check a signature is passed over. RFC 7517, section 5."""
    found: dict[str, jwt.PyJWK] = {}
    listed = document.get("keys")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or each.get("use", "sig") != "sig" or each.get("kty") == "oct":
            continue
        try:
            found[str(each.get("kid", ""))] = jwt.PyJWK.from_dict(each)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return found


def _name(claims: Mapping[str, Any]) -> str:
    for name in ("nickname", "name", "preferred_username"):
        if isinstance(claims.get(name), str) and claims[name].strip():
            return str(claims[name])[:255]
    return ""


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    )
