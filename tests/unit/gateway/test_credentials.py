from __future__ import annotations

import pytest

from xinyu.base.errors import XinYuError
from xinyu.base.token import AccessToken
from xinyu.gateway.credentials import TICKET_TTL_S, Tickets, bearer_token
from xinyu.storage.cache import MemoryCache


class HandClock:
    now_s = 0.0

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s


ACCESS = AccessToken(7, "login", "web", 123_456)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer a.b.c", "a.b.c"),
        ("bearer a.b.c", "a.b.c"),
        ("  BEARER   a.b.c ", "a.b.c"),
        ("a.b.c", "a.b.c"),
        ("Bearer", "Bearer"),
        ("", ""),
        ("Bearera.b.c", "Bearera.b.c"),
    ],
)
def test_bearer_token(header: str, token: str) -> None:
    assert bearer_token(header) == token


async def test_a_ticket_is_spent_once() -> None:
    tickets = Tickets(MemoryCache(HandClock()))
    ticket = await tickets.issue(ACCESS)
    assert await tickets.spend(ticket) == ACCESS
    with pytest.raises(XinYuError, match="unauthenticated"):
        await tickets.spend(ticket)


async def test_a_ticket_ages() -> None:
    clock = HandClock()
    tickets = Tickets(MemoryCache(clock))
    young, old = await tickets.issue(ACCESS), await tickets.issue(ACCESS)
    clock.now_s = TICKET_TTL_S - 0.1
    assert await tickets.spend(young) == ACCESS
    clock.now_s = TICKET_TTL_S
    with pytest.raises(XinYuError, match="unauthenticated"):
        await tickets.spend(old)


@pytest.mark.parametrize("ticket", ["", "x", "a" * 32, "../../../../../../../../../../../", "a" * 10_000])
async def test_what_is_no_ticket(ticket: str) -> None:
    with pytest.raises(XinYuError, match="unauthenticated"):
        await Tickets(MemoryCache(HandClock())).spend(ticket)
