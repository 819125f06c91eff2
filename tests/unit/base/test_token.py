"""Access tokens: what is minted is verified, and nothing else is."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import jwt
import pytest

from xinyu.base import token as module
from xinyu.base.errors import XinYuError
from xinyu.base.token import AccessTokens

SECRET = b"s" * 32


class Clock:
    now = 1_790_000_000_000

    def now_ms(self) -> int:
        return self.now

    def monotonic_s(self) -> float:
        return self.now / 1000


def tokens(clock: Clock | None = None) -> AccessTokens:
    return AccessTokens(SECRET, 3600, clock or Clock())


def reason(token: str) -> str:
    with pytest.raises(XinYuError) as caught:
        tokens().verify(token)
    return caught.value.reason


def test_a_token_says_who_and_until_when_and_needs_no_escaping() -> None:
    clock = Clock()
    token = tokens(clock).mint(2**53 - 1, "web")
    assert re.fullmatch(r"[0-9A-Za-z_.-]+", token)
    verified = tokens(clock).verify(token)
    assert (verified.user_id, verified.platform, verified.expires_at_ms) == (2**53 - 1, "web", clock.now + 3_600_000)
    assert tokens(clock).verify(tokens(clock).mint(1, "web")).token_id != verified.token_id


def test_a_token_ends_at_its_second() -> None:
    clock = Clock()
    token = tokens(clock).mint(1, "web")
    clock.now += 3_599_999
    tokens(clock).verify(token)
    clock.now += 1
    with pytest.raises(XinYuError) as caught:
        tokens(clock).verify(token)
    assert caught.value.reason == "token_expired"


def claims(**changes: Any) -> dict[str, Any]:
    return {"iss": "xinyu", "uid": 1, "jti": "x", "exp": Clock.now // 1000 + 60} | changes


@pytest.mark.parametrize(
    "changes", [{"uid": "1"}, {"uid": 0}, {"uid": -1}, {"uid": True}, {"uid": 2**53}, {"uid": None}, {"jti": 7},
                {"exp": "soon"}, {"exp": 1e12}, {"iss": "auth-service"}],
)  # fmt: skip
def test_claims_of_another_shape_are_refused(changes: dict[str, Any]) -> None:
    assert reason(jwt.encode(claims(**changes), SECRET, algorithm="HS256")) == "unauthenticated"


def test_forged_and_broken_tokens_are_refused() -> None:
    good = tokens().mint(1, "web")
    head, body, signature = good.split(".")
    nobody = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    other = jwt.encode(claims(), b"t" * 32, algorithm="HS256")
    for token in ("", "x", "a.b.c", "é" * 9, "x" * 3000, f"{head}.{body}.", f"{nobody}.{body}.", other, good + "x",
                  f"{head}.{body[:-2]}.{signature}"):  # fmt: skip
        assert reason(token) == "unauthenticated", token


def test_a_short_secret_is_no_secret() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AccessTokens(b"short", 60, Clock())


def test_a_token_seen_before_is_not_verified_again_but_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    verifier = tokens(clock)
    token = verifier.mint(7, "web")
    first = verifier.verify(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert verifier.verify(token) is first
    clock.now += 3_600_000
    with pytest.raises(XinYuError) as caught:
        verifier.verify(token)
    assert caught.value.reason == "token_expired"
    assert not verifier._verified


def test_the_tokens_that_are_remembered_are_bounded_and_all_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VERIFIED", 3)
    verifier = tokens()
    minted = [verifier.mint(n, "web") for n in range(1, 6)]
    for token in minted[:4]:
        verifier.verify(token)
    verifier.verify(minted[1])
    verifier.verify(minted[4])
    with pytest.raises(XinYuError):
        verifier.verify(minted[0] + "x")
    assert list(verifier._verified) == [minted[3], minted[1], minted[4]]
