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

from xinyu._fast import tokens as fast
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


def test_a_bots_token_is_another_kind_and_neither_can_be_spelled_as_the_other() -> None:
    clock = Clock()
    expires_s = clock.now // 1000 + 10 * 365 * 86_400
    token = tokens(clock).mint_bot(7, expires_s)
    assert re.fullmatch(r"bot_[0-9A-Za-z_.-]+", token)
    for _ in range(2):  # as one that comes for the first time, and as one that is known
        verifier = tokens(clock)
        verified = [verifier.verify(token) for _ in range(2)][-1]
        assert (verified.user_id, verified.platform, verified.expires_at_ms) == (7, "bot", expires_s * 1000)
    assert reason(token.removeprefix("bot_")) == "unauthenticated"
    assert reason("bot_" + tokens(clock).mint(7, "web")) == "unauthenticated"
    assert reason("bot_" + token) == "unauthenticated"
    assert reason("BOT_" + token.removeprefix("bot_")) == "unauthenticated"


def test_a_bots_token_ends_with_its_reset_and_the_next_one_does_not() -> None:
    clock = Clock()
    old, new = tokens(clock).mint_bot(7, 2_000_000_000), tokens(clock).mint_bot(7, 2_000_000_001)
    verifier = tokens(clock)
    verifier.verify(old)
    verifier.ended[7] = 2_000_000_000_000
    with pytest.raises(XinYuError):
        verifier.verify(old)
    assert verifier.verify(new).user_id == 7


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
    # Spelled in another way than ours: only `_decode` takes it.
    token = jwt.encode(claims(exp=clock.now // 1000 + 3600), SECRET, algorithm="HS256")
    first = verifier.verify(token)
    monkeypatch.setattr(verifier, "_decode", None)
    assert verifier.verify(token) == first
    clock.now += 3_600_000
    with pytest.raises(XinYuError) as caught:
        verifier.verify(token)
    assert caught.value.reason == "token_expired"
    assert len(verifier.verified) == 0


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
    remembered = [token for token in minted if verifier.verified.discard(token)]
    assert remembered == [minted[1], minted[3], minted[4]], "what was used again stays"


def test_an_expiry_that_no_timer_can_hold_is_refused() -> None:
    assert reason(jwt.encode(claims(exp=2**52), SECRET, algorithm="HS256")) == "unauthenticated"


# ---- what the compiled part verifies by itself, beside what stands here

_SPELLED = '{"iss":"xinyu","uid":%s,"jti":"%s","exp":%s,"plt":"%s","iat":%s}'
_EXPIRES_S = Clock.now // 1000 + 60
spelled = st.tuples(
    st.sampled_from(["1", str(2**53 - 1), str(2**53), "0", "-1", "01", "1.0", "1e3", "true", "null", '"1"', "9" * 30]),
    st.sampled_from(["", "x" * 24, "x" * 25, "a b", "\\n", "\\u0061", "é", "\x7f", "\t", '"', "}"]),
    st.sampled_from([str(_EXPIRES_S), "0", "1", str(2**52 // 1000), str(2**52 // 1000 + 1), "-1", "1e9", "1.5", '"9"']),
    st.sampled_from(["web", "", "seven..", "eight...", "é", '"']),
    st.sampled_from(["0", str(_EXPIRES_S), "-5", "1.5", "null", "9" * 15, "9" * 16, "9" * 17, "9" * 30, "00"]),
).map(lambda values: _SPELLED % values)
_OTHERS = (
    "",
    "{}",
    "[]",
    '{"iss":"xinyu","uid":1,"jti":"x","exp":EXP}',
    '{"iss":"other","uid":1,"jti":"x","exp":EXP,"plt":"web","iat":0}',
    '{"uid":1,"iss":"xinyu","jti":"x","exp":EXP,"plt":"web","iat":0}',
    '{"iss":"xinyu","uid":1,"jti":"x","exp":EXP,"plt":"web","iat":0} ',
    '{"iss":"xinyu","uid":1,"jti":"x","exp":EXP,"plt":"web","iat":0',
    '{"iss":"xinyu", "uid":1,"jti":"x","exp":EXP,"plt":"web","iat":0}',
    '{"iss":"xinyu","uid":1,"uid":2,"jti":"x","exp":EXP,"plt":"web","iat":0}',
    '{"iss":"xinyu","uid":1,"jti":"x","exp":EXP,"plt":"web","iat":0,"more":1}',
    '{"iss":"xinyu","uid":1,"jti":"x","exp":EXP,"plt":"web","iat":0' + " " * 600 + "}",
)
other_texts = st.sampled_from([text.replace("EXP", str(_EXPIRES_S)) for text in _OTHERS])


def signed(header: str, body: str, secret: bytes = SECRET) -> str:
    signature = hmac.digest(secret, f"{header}.{body}".encode(), "sha256")
    return f"{header}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def decided_here(token: str) -> tuple[int, str, str, int] | None:
    try:
        found = tokens()._decode(token)
    except XinYuError:
        return None
    return found.user_id, found.token_id, found.platform, found.expires_at_ms


HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")


@settings(deadline=None, max_examples=600)
@given(
    text=st.one_of(spelled, other_texts),
    tail=st.sampled_from(["", "", "", "=", "==", "A", "-", "!", "\n"]),
    cut=st.integers(0, 3),
)
def test_what_the_compiled_part_takes_is_taken_here_with_the_same_claims(text: str, tail: str, cut: int) -> None:
    body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") + tail
    body = body[: len(body) - cut] if cut == 3 else body
    token = signed(HEADER, body)
    found = tokens().verified.get(token)
    assert found is None or found == decided_here(token)


@settings(deadline=None, max_examples=200)
@given(
    user=st.integers(1, 2**53 - 1),
    platform=st.sampled_from(["web", "pc", "app", ""]),
    edits=st.lists(st.tuples(st.integers(0, 400), st.sampled_from("Aa0-_.=é ")), max_size=2),
)
def test_what_is_minted_is_verified_by_the_compiled_part_and_nothing_near_it(
    user: int, platform: str, edits: list[tuple[int, str]]
) -> None:
    token = tokens().mint(user, platform)
    edited = list(token)
    for at, character in edits:
        edited[at % len(edited)] = character
    changed = "".join(edited)
    found = tokens().verified.get(changed)
    assert found == decided_here(changed)
    assert (found is not None) == (changed == token)
    assert tokens().verified.get(signed(*token.split(".")[:2], secret=b"t" * 32)) is None
    assert tokens().verified.get(token[:-1]) is None


@given(
    data=st.binary(max_size=400),
    secret=st.binary(max_size=200),
    implementation=st.sampled_from(fast.SHA_IMPLEMENTATIONS),
)
def test_signing_beside_the_standard_library(data: bytes, secret: bytes, implementation: str) -> None:
    assert fast.sign_hs256(secret, data, implementation) == hmac.digest(secret, data, "sha256")
