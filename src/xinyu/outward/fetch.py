"""An HTTP client for addresses that users have named, which must reach nothing of the operator's own network.

A URL is http or https, with no user and password, on a port of a short list. Its host is resolved once; if any of its
addresses is not allowed, the host is refused, and otherwise the connection goes to one of those very addresses: a name
that resolves to another one a moment later changes nothing. Numbers that only look like a name (2130706433, 0177.1) go
the same way, through the resolver. Redirects are not followed by the HTTP library: each one is a URL that is looked at
as the first was. No proxy of the environment, no cookie and no connection that was open before is used. Bodies are
taken as they are sent (a compressed one is refused), up to a bound, and all of it together has one deadline.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from xinyu.outward.public_address import Address, is_public, parse_address

MAX_URL_CHARACTERS: Final = 2_048
MAX_REDIRECTS: Final = 3
PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = (301, 302, 303, 307, 308)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class FetchError(Exception):
    """Nothing was fetched; the text says why, for the log. Whoever asked must not learn it: it would tell him what
    there is behind the wall."""


class RefusedUrl(FetchError):
    """A URL that is not fetched, whatever stands there."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """`url`: where it was found, after redirects. `content` ends at the bound."""

    url: str
    status: int
    content_type: str
    content: bytes


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the operating system."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Outward:
    """One a room; `close` ends it. `is_allowed` and `any_port` are another rule than the public internet's, for an
    operator who means it, and for tests; `resolve_host` stands for the resolver."""

    def __init__(
        self,
        user_agent: str,
        *,
        is_allowed: Callable[[Address], bool] = is_public,
        any_port: bool = False,
        resolve_host: Resolve = resolve,
    ) -> None:
        self._user_agent = user_agent
        self._is_allowed = is_allowed
        self._any_port = any_port
        self._resolve = resolve_host
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ---------------------------------------------------------------- rules

    def check(self, url: str) -> URL:
        """As the HTTP library reads it, so that both mean the same host. Raises RefusedUrl for what is refused whatever
        its host resolves to."""
        if len(url) > MAX_URL_CHARACTERS or any(c.isspace() or not c.isprintable() for c in url) or "\\" in url:
            raise RefusedUrl("not a URL")
        try:
            parsed = URL(url)
            host = parsed.raw_host
        except ValueError:
            raise RefusedUrl("not a URL") from None
        if parsed.scheme not in PORTS:
            raise RefusedUrl("neither http nor https")
        if parsed.raw_user is not None or parsed.raw_password is not None:
            raise RefusedUrl("a URL with a login")
        if not host or "%" in host:
            raise RefusedUrl("no host")
        if not self._any_port and parsed.port != PORTS[parsed.scheme]:
            raise RefusedUrl("another port")
        address = parse_address(host)
        if address is not None and not self._is_allowed(address):
            raise RefusedUrl("not a public address")
        return parsed

    async def addresses(self, host: str, port: int) -> list[str]:
        """Of a host, all of them allowed. Raises FetchError."""
        try:
            found = [host] if parse_address(host) is not None else list(await self._resolve(host, port))
        except (OSError, UnicodeError):
            raise FetchError("the name is not known") from None
        for text in found:
            address = parse_address(text)
            if address is None or not self._is_allowed(address):
                raise RefusedUrl("not a public address")
        if not found:
            raise FetchError("the name is not known")
        return found

    async def is_reachable(self, url: str) -> bool:
        """Whether a URL may be given to others as a public one. Asks the resolver alone."""
        try:
            parsed = self.check(url)
            await self.addresses(parsed.raw_host or "", parsed.port or PORTS[parsed.scheme])
        except FetchError:
            return False
        return True

    # ---------------------------------------------------------------- calls

    async def get(
        self, url: str, *, accept: str, content_types: Sequence[str], max_bytes: int, timeout_s: float
    ) -> Fetched:
        """What stands there, of one of these types; at most MAX_REDIRECTS redirects on. Raises FetchError."""
        headers = {"Accept": accept}
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(MAX_REDIRECTS + 1):
                    checked = self.check(url)
                    async with self._client().get(checked, headers=headers, allow_redirects=False) as response:
                        location = response.headers.get("Location", "")
                        if response.status in _REDIRECTS and location:
                            url = str(checked.join(URL(location)))
                            continue
                        return await self._taken(url, response, content_types, max_bytes)
                raise FetchError("too many redirects")
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(type(error).__name__) from error

    async def _taken(
        self, url: str, response: aiohttp.ClientResponse, content_types: Sequence[str], max_bytes: int
    ) -> Fetched:
        if response.status != 200:
            raise FetchError(f"status {response.status}")
        if response.content_type not in content_types:
            raise FetchError("another kind of file")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise FetchError("compressed, though nobody asked for it")
        content = bytearray()
        async for chunk in response.content.iter_chunked(16 * 1024):
            content += chunk
            if len(content) >= max_bytes:
                del content[max_bytes:]
                break
        return Fetched(url, response.status, response.headers.get("Content-Type", ""), bytes(content))

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], *, timeout_s: float) -> int:
        """The status of the answer, whose body is not read; a redirect is an answer. Raises FetchError."""
        try:
            async with asyncio.timeout(timeout_s):
                checked = self.check(url)
                async with self._client().post(
                    checked, data=content, headers=headers, allow_redirects=False
                ) as response:
                    return response.status
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(type(error).__name__) from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(resolver=_Checked(self.addresses), use_dns_cache=False, force_close=True)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


class _Checked(AbstractResolver):
    """Gives the HTTP library the addresses that were allowed, and no others."""

    def __init__(self, addresses: Callable[[str, int], Awaitable[list[str]]]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [_result(host, port, text) for text in await self._addresses(host, port)]

    async def close(self) -> None:
        pass


def _result(host: str, port: int, text: str) -> ResolveResult:
    family: Any = socket.AF_INET6 if ":" in text else socket.AF_INET
    return ResolveResult(
        hostname=host, host=text, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    )
