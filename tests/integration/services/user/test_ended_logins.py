"""Logins that are ended: what the user room says of them, and what gateways make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import EmbeddedPlatform, embedded_platform
from tests.integration.services.house import refused
from tests.integration.services.user.user_room import UserRoom
from xinyu.base.errors import UNAUTHENTICATED, UNAVAILABLE, UNKNOWN_USER, XinYuError
from xinyu.base.token import AccessTokens
from xinyu.gateway import ended_logins as module
from xinyu.gateway.ended_logins import EndedLogins
from xinyu.wire.v1 import user_pb2
from xinyu_services.user import service


@pytest.fixture
async def platform(storage: Storage) -> AsyncIterator[EmbeddedPlatform]:
    async with embedded_platform(storage) as opened:
        yield opened


@pytest.fixture
async def room(platform: EmbeddedPlatform) -> AsyncIterator[UserRoom]:
    built = UserRoom(platform)
    yield built
    built.passwords.close()


class Gateway:
    def __init__(self, room: UserRoom, platform: EmbeddedPlatform) -> None:
        self.tokens = AccessTokens(b"s" * 32, room.tokens.ttl_s, platform.clock)
        self.ended = EndedLogins(self.tokens, room.stub, platform.cache, platform.clock)
        self.told: list[int] = []
        self.ended.on_ended = self._on_ended

    def _on_ended(self, users: Sequence[int]) -> None:
        self.told += users

    def knows(self, token: str) -> bool:
        try:
            self.tokens.verify(token)
        except XinYuError as error:
            return error.code is not UNAUTHENTICATED
        return True


async def end(room: UserRoom, user_id: int) -> None:
    await room.stub.end_logins(user_pb2.UserRequest(user_id=user_id))


async def test_tokens_of_before_are_void_and_those_of_after_are_not(
    platform: EmbeddedPlatform, room: UserRoom
) -> None:
    ann, ben = await room.register("13100000001", "Ann"), await room.register("13100000002", "Ben")
    gateway = Gateway(room, platform)
    await gateway.ended.load()
    old, bens = gateway.tokens.mint(ann, "web"), gateway.tokens.mint(ben, "web")
    assert gateway.knows(old)
    await end(room, ann)
    platform.clock.advance_s(1)  # it answered when the second was over
    new = room.tokens.mint(ann, "web")
    await gateway.ended.look()  # the hint says so
    assert (gateway.knows(old), gateway.knows(new), gateway.knows(bens)) == (False, True, True)
    assert gateway.told == [ann]
    late = Gateway(room, platform)
    await late.ended.load()
    assert (late.knows(old), late.knows(new)) == (False, True)
    await refused(end(room, 999), UNKNOWN_USER)


async def test_a_cache_that_is_lost_or_away_costs_promptness_only(
    platform: EmbeddedPlatform, room: UserRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await room.register("13100000001", "Ann")
    gateway = Gateway(room, platform)
    await gateway.ended.load()
    old = gateway.tokens.mint(ann, "web")

    async def away(*_: object) -> None:
        raise XinYuError(UNAVAILABLE)

    for name in ("put", "get"):
        monkeypatch.setattr(platform.cache, name, away)
    await end(room, ann)
    await gateway.ended.look()
    assert gateway.knows(old)
    platform.clock.advance_s(module.ASK_EVERY_S)
    await gateway.ended.look()
    assert not gateway.knows(old)
    fresh = Gateway(room, platform)
    await fresh.ended.load()
    assert not fresh.knows(old)


async def test_connections_are_closed_more_than_once(platform: EmbeddedPlatform, room: UserRoom) -> None:
    """A login that was looked at just before may open its connection just after."""
    ann = await room.register("13100000001", "Ann")
    gateway = Gateway(room, platform)
    await end(room, ann)
    await gateway.ended.look()
    await gateway.ended.look()
    assert gateway.told == [ann, ann]
    platform.clock.advance_s(module.TELL_FOR_S)
    await gateway.ended.look()
    assert gateway.told == [ann, ann]


async def test_pages_and_what_matters_no_more(
    platform: EmbeddedPlatform, room: UserRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ENDED_PAGE", 2)
    now_ms = platform.clock.now_ms()

    def fill(connection: object) -> None:
        for user_id in range(1, 6):
            room.store.end_logins(connection, user_id, now_ms + 60_000 * user_id, now_ms)  # type: ignore[arg-type]

    await platform.database.write(fill)
    gateway = Gateway(room, platform)
    await gateway.ended.load()
    assert gateway.tokens.ended == {user_id: now_ms + 60_000 * user_id for user_id in range(1, 6)}
    assert gateway.told == [1, 2, 3, 4, 5]

    def later(connection: object) -> None:
        room.store.end_logins(connection, 9, now_ms + 900_000, now_ms + 150_000)  # type: ignore[arg-type]

    await platform.database.write(later)
    left = await platform.database.read(lambda c: room.store.ended_logins(c, 0, 0, 10))
    assert [user_id for user_id, _ in left] == [3, 4, 5, 9]
