"""A small OpenID provider with a key of its own, in a thread, for tests of logging in at one.

Its page asks nobody anything: who goes to the address that `auth/oauth` answers comes back at once, as `login_hint`
says, else as somebody new. What a test puts into `spoil` is done wrong from then on.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import pytest
from aiohttp import BasicAuth, web
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID: Final = "xinyu client"
CLIENT_SECRET: Final = "s:cr%t"
REDIRECT_URI: Final = "http://127.0.0.1:5173/oauth/callback/github"
OAUTH_TYPE: Final = "github"


class SmallProvider:
    """`spoil`: claims that are written over those of the ID token; and `sign` (a key, an algorithm), `issuer`, `flood`,
    `hang` for what is said besides."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = "first"
        self.spoil: dict[str, Any] = {}
        self.fetched: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.issuer = ""

    def start(self) -> None:
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(30)
        self.issuer = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uri": REDIRECT_URI,
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """Of a server that knows it as `github`."""
        return {"XINYU_OAUTH": json.dumps({OAUTH_TYPE: self.settings})}

    # ---------------------------------------------------------------- in its thread

    async def _serve(self) -> int:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._metadata)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/keys", self._keys)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        address: tuple[str, int] = self._runner.addresses[0]
        return address[1]

    async def _metadata(self, request: web.Request) -> web.Response:
        self.fetched.append("metadata")
        if "hang" in self.spoil:
            await asyncio.sleep(30)
        if "flood" in self.spoil:
            return web.Response(body=b" " * 1_000_000)
        return web.json_response(
            {
                "issuer": self.spoil.get("issuer", self.issuer),
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert (asked["client_id"], asked["redirect_uri"]) == (CLIENT_ID, REDIRECT_URI)
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    async def _token(self, request: web.Request) -> web.Response:
        self.fetched.append("token")
        form = await request.post()
        auth = BasicAuth.decode(request.headers["Authorization"])
        asked = self._codes.pop(str(form.get("code")), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        right = (
            asked is not None
            and (auth.login, auth.password) == ("xinyu%20client", "s%3Acr%25t")
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == asked["redirect_uri"]
            and challenge.decode().rstrip("=") == asked["code_challenge"]
        )
        if not right or asked is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": asked.get("login_hint") or f"subject-{next(self._numbers)}",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "name": "Ann <of the provider>",
        }
        key, algorithm = self.spoil.get("sign", (self.key, "RS256"))
        claims |= {name: value for name, value in self.spoil.items() if name in claims or name == "azp"}
        token = jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            key,
            algorithm=algorithm,
            headers={"kid": self.key_id},
        )
        return web.json_response({"id_token": token, "access_token": "x", "token_type": "Bearer"})

    async def _keys(self, request: web.Request) -> web.Response:
        self.fetched.append("keys")
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return web.json_response({"keys": [public | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]})


@pytest.fixture(scope="session")
def openid_provider() -> Iterator[SmallProvider]:
    """One for the servers of all tests; nobody spoils it."""
    provider = SmallProvider()
    provider.start()
    yield provider
    provider.stop()
