"""An access token seen before, verified for the first time, and by PyJWT; and the cache beside one made of a dict."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from xinyu._fast.tokens import VerifiedTokens
from xinyu.base.clock import SystemClock
from xinyu.base.token import AccessToken, AccessTokens

SECRET = b"s" * 32
COUNT = 1_000


def minted() -> tuple[AccessTokens, list[str]]:
    tokens = AccessTokens(SECRET, 3600, SystemClock())
    return tokens, [tokens.mint(user, "web") for user in range(1, COUNT + 1)]


@pytest.mark.benchmark(group="verify 1,000 access tokens")
def bench_verify_again(benchmark: Any) -> None:
    tokens, texts = minted()
    benchmark(lambda: [tokens.verify(text) for text in texts])


@pytest.mark.benchmark(group="verify 1,000 access tokens")
def bench_verify_for_the_first_time(benchmark: Any) -> None:
    _, texts = minted()
    setup = lambda: ((AccessTokens(SECRET, 3600, SystemClock()),), {})  # noqa: E731
    benchmark.pedantic(lambda tokens: [tokens.verify(text) for text in texts], setup=setup, rounds=20)


@pytest.mark.benchmark(group="verify 1,000 access tokens")
def bench_verify_by_pyjwt(benchmark: Any) -> None:
    _, texts = minted()
    benchmark(lambda: [jwt.decode(text, SECRET, algorithms=["HS256"], issuer="xinyu") for text in texts])


@pytest.mark.benchmark(group="look up 1,000 verified tokens")
def bench_cache_of_digests(benchmark: Any) -> None:
    _, texts = minted()
    cache = VerifiedTokens(COUNT)
    for text in texts:
        cache.put(text, 1, "0" * 24, "web", 0)
    benchmark(lambda: [cache.get(text) for text in texts])


@pytest.mark.benchmark(group="look up 1,000 verified tokens")
def bench_cache_of_objects(benchmark: Any) -> None:
    """Least recently used goes first: 600 bytes a token."""
    _, texts = minted()
    cache = {text: AccessToken(1, "0" * 24, "web", 0) for text in texts}

    def look_up() -> None:
        for text in texts:
            cache[text] = cache.pop(text)

    benchmark(look_up)
