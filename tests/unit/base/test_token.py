"""Access tokens: what is minted is verified, and nothing else is."""

from __future__ import annotations

import base64
import hmac
import json
import re
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinyu.base import token as module
from xinyu.base.errors import XinYuError
from xinyu.base.token import AccessToken, AccessTokens

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


@settings(deadline=None)
@given(data=st.data())
def test_it_agrees_with_pyjwt(data: st.DataObject) -> None:
    """On tokens of our header: valid, of other shapes, with another secret, cut, and with characters changed."""
    body = {
        name: data.draw(st.sampled_from(values), name)
        for name, values in {
            "iss": ("xinyu", "xinyu", "other", ""),
            "uid": (1, 2**53 - 1, 2**53, 0, "1"),
            "jti": ("x", "", "é" * 30, None),
            "exp": (Clock.now // 1000 + 60, Clock.now // 1000, 0, "1"),
            "plt": ("web", "", "fridge"),
        }.items()
        if data.draw(st.integers(0, 9), f"has {name}")
    }
    secret = data.draw(st.sampled_from((SECRET, SECRET, SECRET, b"t" * 32)), "secret")
    token = jwt.encode(body, secret, algorithm="HS256")
    how = data.draw(st.sampled_from(("whole", "whole", "cut", "changed")), "how")
    at = data.draw(st.integers(0, len(token) - 1), "at")
    if how == "cut":
        token = token[:at]
    elif how == "changed":
        token = token[:at] + data.draw(st.sampled_from("Aa0-_.=é ")) + token[at + 1 :]
    expected = by_pyjwt(token)
    if expected is not None and how != "whole":
        # PyJWT skips what is no base64, and takes any of the last characters that stand for the same bits.
        expected = None if token != jwt.encode(body, secret, algorithm="HS256") else expected
    verifier = tokens()
    for _ in range(2):  # for the first time, and again
        if expected is None:
            with pytest.raises(XinYuError):
                verifier.verify(token)
        else:
            assert verifier.verify(token) == expected


def by_pyjwt(token: str) -> AccessToken | None:
    """What the token says to whoever decodes it with PyJWT and looks at the claims; None: it is refused."""
    try:
        found = jwt.decode(
            token,
            SECRET,
            algorithms=["HS256"],
            issuer="xinyu",
            options={"require": ["exp", "iss"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.InvalidTokenError, ValueError):
        return None
    user_id, token_id, expires_at_s = found.get("uid"), found.get("jti"), found.get("exp")
    if type(user_id) is not int or not 0 < user_id < 2**53:
        return None
    if type(token_id) is not str or type(expires_at_s) is not int:
        return None
    if expires_at_s * 1000 <= Clock.now:
        return None
    return AccessToken(user_id, token_id, found.get("plt", ""), expires_at_s * 1000)


def test_pyjwt_reads_what_we_mint() -> None:
    token = tokens().mint(2**53 - 1, "app")
    verified = by_pyjwt(token)
    assert verified is not None
    assert verified == tokens().verify(token)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize(
    "head",
    [{"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": "HS256", "kid": "x"}, {"alg": "hs256"}, {}, []],
)
def test_no_other_header_is_taken_however_it_is_signed(head: Any) -> None:
    body = tokens().mint(1, "web").split(".")[1]
    text = base64.urlsafe_b64encode(json.dumps(head, separators=(",", ":")).encode()).decode().rstrip("=")
    for algorithm in ("sha256", "sha384", "sha512"):
        signature = hmac.digest(SECRET, f"{text}.{body}".encode(), algorithm)
        assert reason(f"{text}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}") == "unauthenticated"
    assert reason(f"{text}.{body}.") == "unauthenticated"


def test_a_token_seen_before_is_not_verified_again_but_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    verifier = tokens(clock)
    token = verifier.mint(7, "web")
    first = verifier.verify(token)
    monkeypatch.setattr(verifier, "_decode", None)
    assert verifier.verify(token) == first
    clock.now += 3_600_000
    with pytest.raises(XinYuError) as caught:
        verifier.verify(token)
    assert caught.value.reason == "token_expired"
    assert len(verifier._verified) == 0


def test_the_tokens_that_are_remembered_are_bounded_and_all_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VERIFIED", 3)
    verifier = tokens()
    minted = [verifier.mint(n, "web") for n in range(1, 6)]
    for token in minted[:3]:
        verifier.verify(token)
    verifier.verify(minted[1])
    verifier.verify(minted[3])
    verifier.verify(minted[4])
    with pytest.raises(XinYuError):
        verifier.verify(minted[0] + "x")
    remembered = [token for token in minted if verifier._verified.get(token) is not None]
    assert remembered == [minted[1], minted[3], minted[4]], "what was used again stays"


def test_an_expiry_that_no_timer_can_hold_is_refused() -> None:
    assert reason(jwt.encode(claims(exp=2**52), SECRET, algorithm="HS256")) == "unauthenticated"
