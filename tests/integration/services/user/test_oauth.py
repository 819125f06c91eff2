"""Logging in at an OpenID provider, and providers that lie, hang or flood."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import EmbeddedPlatform, SettableClock, embedded_platform
from tests.integration.services.house import refused
from tests.integration.services.user.user_room import UserRoom
from tests.openid_provider import CLIENT_ID, SmallProvider
from xinyu.base.config import OAuthProvider
from xinyu.base.errors import DISABLED, OAUTH_REFUSED, UNAVAILABLE, UNKNOWN_PROVIDER, WRONG_CODE
from xinyu.storage.database import cursor
from xinyu.wire.v1 import user_pb2
from xinyu_services.user.model import Identity
from xinyu_services.user.openid import OpenIdProvider
from xinyu_services.user.sessions import Sessions

MOBILE, OTHER = "13800000001", "13800000002"


@pytest.fixture(scope="module")
def shared() -> Iterator[SmallProvider]:
    provider = SmallProvider()
    provider.start()
    yield provider
    provider.stop()


@pytest.fixture
def provider(shared: SmallProvider) -> Iterator[SmallProvider]:
    key, key_id = shared.key, shared.key_id
    shared.fetched.clear()
    yield shared
    shared.spoil.clear()
    shared.key, shared.key_id = key, key_id


@pytest.fixture
async def platform(storage: Storage) -> AsyncIterator[EmbeddedPlatform]:
    async with embedded_platform(storage) as opened:
        yield opened


@pytest.fixture
async def room(platform: EmbeddedPlatform, provider: SmallProvider) -> AsyncIterator[UserRoom]:
    sessions = Sessions()
    settings = OAuthProvider(**provider.settings, timeout_s=1.0)
    built = UserRoom(platform, providers={"github": OpenIdProvider(settings, sessions, platform.clock)})
    yield built
    built.passwords.close()
    await sessions.close()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def client(provider: SmallProvider, clock: SettableClock) -> AsyncIterator[OpenIdProvider]:
    """What the room asks, without the room."""
    sessions = Sessions()
    yield OpenIdProvider(OAuthProvider(**provider.settings, timeout_s=1.0), sessions, clock)
    await sessions.close()


async def identity(client: OpenIdProvider) -> Identity:
    """Who came back from the provider's page."""
    nonce, verifier = "n" * 43, "v" * 43
    return await client.identity((await visit(await client.login_uri("state", nonce, verifier))).code, nonce, verifier)


async def begin(room: UserRoom) -> str:
    return (await room.stub.begin_oauth(user_pb2.BeginOAuthRequest(oauth_type="github", address="10.0.0.1"))).uri


async def visit(uri: str, subject: str = "ann") -> user_pb2.FinishOAuthRequest:
    """As a browser comes back."""
    async with aiohttp.ClientSession() as browser:
        async with browser.get(f"{uri}&login_hint={subject}", allow_redirects=False) as answer:
            query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return user_pb2.FinishOAuthRequest(
        oauth_type="github", code=query["code"][0], state=query["state"][0], address="10.0.0.1"
    )


async def finish(room: UserRoom, subject: str = "ann") -> user_pb2.FinishOAuthResponse:
    return await room.stub.finish_oauth(await visit(await begin(room), subject))


async def code_for(room: UserRoom, mobile: str) -> str:
    request = user_pb2.SendCodeRequest(mobile=mobile, channel="oauth_bind", address="10.0.0.1")
    assert (await room.stub.send_code(request)).sms_code == ""
    return room.sender.sent[-1][2]


def bind(room: UserRoom, token: str, mobile: str, code: str) -> Any:
    return room.stub.bind_oauth(
        user_pb2.BindOAuthRequest(bind_token=token, mobile=mobile, sms_code=code, address="10.0.0.1")
    )


async def test_a_newcomer_gets_an_account_and_comes_back_to_it(room: UserRoom) -> None:
    found = await finish(room)
    assert not found.HasField("token")
    made = await bind(room, found.bind_token, MOBILE, await code_for(room, MOBILE))
    account = await room.service.account(made.user_id)
    assert (account.mobile, account.nickname) == (MOBILE, "Ann of the provider")
    again = await finish(room)
    assert (again.token.user_id, again.bind_token) == (made.user_id, "")
    assert room.tokens.verify(again.token.access_token).user_id == made.user_id
    # Somebody else of the same provider is somebody else.
    assert (await finish(room, "ben")).bind_token


async def test_an_account_that_is_there_is_bound_by_a_code_only(room: UserRoom) -> None:
    user_id = await room.register(MOBILE, "Ann")
    token = (await finish(room)).bind_token
    await refused(bind(room, token, MOBILE, ""), WRONG_CODE)
    code = await code_for(room, MOBILE)
    await refused(bind(room, token, MOBILE, "000000" if code != "000000" else "111111"), WRONG_CODE)
    assert (await bind(room, token, MOBILE, code)).user_id == user_id
    assert (await bind(room, token, MOBILE, code)).user_id == user_id  # the answer was lost
    assert (await finish(room)).token.user_id == user_id
    await refused(bind(room, "made up", MOBILE, code), OAUTH_REFUSED)


async def test_an_identity_has_one_account(room: UserRoom) -> None:
    first, second = (await finish(room)).bind_token, (await finish(room)).bind_token
    made = await bind(room, first, MOBILE, await code_for(room, MOBILE))
    # The other page binds to where it is bound, whatever number it names.
    assert (await bind(room, second, OTHER, await code_for(room, OTHER))).user_id == made.user_id


async def test_a_disabled_account_is_not_entered_this_way(room: UserRoom, platform: EmbeddedPlatform) -> None:
    await bind(room, (await finish(room)).bind_token, MOBILE, await code_for(room, MOBILE))
    await platform.database.write(
        lambda connection: cursor(connection).execute("UPDATE user_account SET is_disabled = 1") and None
    )
    await refused(finish(room), DISABLED)


async def test_a_state_is_good_for_one_use_and_ten_minutes(room: UserRoom, platform: EmbeddedPlatform) -> None:
    request = await visit(await begin(room))
    await room.stub.finish_oauth(request)
    await refused(room.stub.finish_oauth(request), OAUTH_REFUSED)
    late = await visit(await begin(room))
    platform.clock.advance_s(600)
    await refused(room.stub.finish_oauth(late), OAUTH_REFUSED)


async def test_a_code_fits_its_own_state_only(room: UserRoom) -> None:
    """PKCE: the provider refuses another one's verifier."""
    mine, other = await visit(await begin(room)), await visit(await begin(room), "ben")
    mine.code = other.code
    await refused(room.stub.finish_oauth(mine), OAUTH_REFUSED)


async def test_what_is_not_configured(room: UserRoom) -> None:
    await refused(room.stub.begin_oauth(user_pb2.BeginOAuthRequest(oauth_type="gitee")), UNKNOWN_PROVIDER)
    request = await visit(await begin(room))
    request.oauth_type = "gitee"
    await refused(room.stub.finish_oauth(request), UNKNOWN_PROVIDER)


@pytest.mark.parametrize(
    "spoil",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example.org"},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
        {"exp": 1_000},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 7},
        {"sign": ("", "none")},
        {"sign": ("a shared secret that is long enough for it", "HS256")},
        {"sign": (rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256")},
    ],
    ids=lambda spoil: "-".join(f"{name}" for name in spoil),
)
async def test_id_tokens_that_are_refused(
    client: OpenIdProvider, provider: SmallProvider, spoil: dict[str, Any]
) -> None:
    provider.spoil |= spoil
    await refused(identity(client), OAUTH_REFUSED)


async def test_a_time_a_little_off_is_taken(client: OpenIdProvider, provider: SmallProvider) -> None:
    provider.spoil["exp"] = int(time.time()) - 10
    assert (await identity(client)).subject == "ann"


async def test_a_new_key_is_fetched_once_it_is_named(
    client: OpenIdProvider, provider: SmallProvider, clock: SettableClock
) -> None:
    await identity(client)
    await identity(client)
    assert provider.fetched.count("keys") == provider.fetched.count("metadata") == 1
    provider.key, provider.key_id = rsa.generate_private_key(public_exponent=65537, key_size=2048), "second"
    await refused(identity(client), OAUTH_REFUSED)  # keys are not fetched for every name that comes
    assert provider.fetched.count("keys") == 1
    clock.advance_s(31)
    assert (await identity(client)).subject == "ann"
    assert provider.fetched.count("keys") == 2


@pytest.mark.parametrize("spoil", [{"issuer": "https://evil.example.org"}, {"flood": True}, {"hang": True}])
async def test_a_provider_that_cannot_be_used(
    client: OpenIdProvider, provider: SmallProvider, spoil: dict[str, Any]
) -> None:
    provider.spoil |= spoil
    await refused(client.login_uri("state", "nonce", "verifier"), UNAVAILABLE)
    provider.spoil.clear()
    assert await client.login_uri("state", "nonce", "verifier")


async def test_a_provider_in_the_clear_is_not_called() -> None:
    settings = OAuthProvider(
        issuer="http://example.org", client_id="x", redirect_uri="http://127.0.0.1/oauth/callback/x"
    )
    sessions = Sessions()
    await refused(OpenIdProvider(settings, sessions, SettableClock()).login_uri("s", "n", "v"), UNAVAILABLE)
    await sessions.close()


def test_the_environment_names_providers(provider: SmallProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    from xinyu.base.config import load_config

    monkeypatch.setenv("XINYU_OAUTH", json.dumps({"github": provider.settings}))
    assert load_config().oauth["github"].client_id == CLIENT_ID
