"""For how long, by whom, and which messages disappear."""

from __future__ import annotations

import pytest

from xinyu_services.message.expiry_model import LONGEST_S, expires_at_ms, expiry_problem, may_set_expiry
from xinyu_services.message.model import Member, MsgType, Role, Talk, TalkKey

PAIR = TalkKey(1, 1, 2)
GROUP = TalkKey(2, 7)


def talk(key: TalkKey, expire_after_s: int = 0) -> Talk:
    return Talk(5, key, 1, 0, 0, 0, 1, 0, 0, "", 0, 0, 0, 0, expire_after_s=expire_after_s)


@pytest.mark.parametrize(("after_s", "is_good"), [
    (-1, False), (0, True), (1, False), (59, False), (60, True), (LONGEST_S, True), (LONGEST_S + 1, False),
])  # fmt: skip
def test_times(after_s: int, is_good: bool) -> None:
    assert (expiry_problem(after_s) == "") is is_good


def test_either_of_a_pair_and_who_leads_a_group() -> None:
    def member(role: Role) -> Member:
        return Member(5, 1, role, 1, 0, 0, 1, None, 0, 0, 0, 0, 0, 0)

    assert may_set_expiry(talk(PAIR), member(Role.MEMBER))
    assert [may_set_expiry(talk(GROUP), member(role)) for role in (Role.OWNER, Role.ADMIN, Role.MEMBER)] == [
        True,
        True,
        False,
    ]


def test_lines_of_the_system_stay_and_so_does_all_where_it_is_off() -> None:
    assert expires_at_ms(talk(PAIR, 60), MsgType.TEXT, 1_000) == 61_000
    assert expires_at_ms(talk(PAIR, 60), MsgType.EXPIRY_ON, 1_000) == 0
    assert expires_at_ms(talk(PAIR), MsgType.TEXT, 1_000) == 0


def test_the_last_message_is_gone_from_its_very_moment_on() -> None:
    head = talk(PAIR)
    assert not head.is_last_gone(10**15)
    head.last_expires_at_ms = 5
    assert [head.is_last_gone(now_ms) for now_ms in (4, 5, 6)] == [False, True, True]
