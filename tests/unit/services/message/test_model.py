"""Rules of talks and messages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu_services.message.model import (
    RECALLED_DIGEST,
    Member,
    Role,
    StoredMessage,
    Talk,
    TalkKey,
    digest,
    may_edit,
    may_pin,
    may_recall,
    mentions_all,
    quote_text,
    request_hash,
    slow_mode_wait_ms,
    void_ranges,
)


def talk(last: int = 10, first: int = 1) -> Talk:
    return Talk(1, TalkKey(1, 1, 2), 1, 0, last, 0, first, 0, 0, "", 0, 0, 0, 0)


def member(
    *, joined: int = 1, left: int | None = None, sent: int = 0, read: int = 0, cleared: int = 0, role: int = 3
) -> Member:
    return Member(1, 1, role, 1, 0, 0, joined, left, sent, read, cleared, 0, 0, 0)


def message(**changes: object) -> StoredMessage:
    fields = {"talk_id": 1, "sequence": 1, "msg_id": "m", "sender_id": 1, "msg_type": 1,
              "body": '{"content":"hi"}', "quote": "{}", "sent_at_ms": 1_000_000}  # fmt: skip
    return StoredMessage(**(fields | changes))  # type: ignore[arg-type]


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_both_sides_name_the_same_talk(one: int, other: int) -> None:
    key = TalkKey.of(one, 1, other)
    assert key == TalkKey.of(other, 1, one)
    assert (key.peer_of(one), key.peer_of(other)) == (other, one)
    assert TalkKey.of(one, 2, other) == TalkKey(2, other) and TalkKey(2, other).peer_of(one) == other


@pytest.mark.parametrize(
    ("row", "first", "window", "unread"),
    [
        (member(), 1, (1, 10), 10),
        (member(read=4), 1, (1, 10), 6),
        (member(read=4, sent=7), 1, (1, 10), 3),
        (member(read=99), 1, (1, 10), 0),
        (member(joined=6), 1, (6, 10), 5),
        (member(cleared=8, read=2), 1, (9, 10), 2),
        (member(), 5, (5, 10), 6),
        (member(left=3), 1, (1, 3), 3),
        (member(joined=4, left=3), 1, (4, 3), 0),
    ],
)
def test_windows_and_unread_follow_from_the_cursors(
    row: Member, first: int, window: tuple[int, int], unread: int
) -> None:
    head = talk(first=first)
    assert (row.visible_from(head), row.visible_to(head)) == window
    assert row.unread(head) == unread


@given(st.text(max_size=600))
def test_a_digest_of_text_is_one_short_line_cut_between_characters(content: str) -> None:
    shown = digest(1, json.dumps({"content": content}))
    assert len(shown) <= 255
    assert shown == " ".join(content.split())[:255]
    assert len(shown.splitlines()) <= 1


def test_other_digests_are_the_client_s() -> None:
    assert [digest(kind, "{}") for kind in (2, 3, 6, 9, 13, 1000, 1101, 77)] == [
        "[代码消息]", "[图片消息]", "[文件消息]", "[转发消息]", "[群公告]", "[系统消息]", "[系统消息]", "[系统消息]",
    ]  # fmt: skip
    assert message(recalled_by=1).digest == RECALLED_DIGEST
    assert json.loads(quote_text(message())) == {"quote_id": "m", "from_id": 1, "content": "hi"}
    assert json.loads(quote_text(message(recalled_by=1)))["content"] == RECALLED_DIGEST


def test_who_may_recall_and_until_when() -> None:
    mine, sent_at_ms = message(), 1_000_000
    assert may_recall(mine, member(), sent_at_ms + 120_000, 120)
    assert not may_recall(mine, member(), sent_at_ms + 120_001, 120)
    other = message(sender_id=2)
    assert not may_recall(other, member(), sent_at_ms, 120)
    for role in (Role.OWNER, Role.ADMIN):
        assert may_recall(other, member(role=role), sent_at_ms + 10**9, 120)
        assert not may_recall(message(msg_type=1101, sender_id=2), member(role=role), sent_at_ms, 120)


def test_until_when_a_message_may_be_edited() -> None:
    assert may_edit(message(), 1_000_000 + 60_000, 60)
    assert not may_edit(message(), 1_000_000 + 60_001, 60)


def test_both_of_a_pair_pin_and_of_a_group_who_leads_it() -> None:
    assert may_pin(talk(), member(), False)
    group = talk()
    group.key = TalkKey(2, 7)
    allowed = [may_pin(group, member(role=role), False) for role in (Role.OWNER, Role.ADMIN, Role.MEMBER)]
    assert allowed == [True, True, False]
    assert may_pin(group, member(), True)


def test_a_request_s_hash_tells_apart_what_was_asked() -> None:
    asked = [(1, b"a", ""), (2, b"a", ""), (1, b"b", ""), (1, b"a", "q"), (1, b"", "a"), (11, b"a", "")]
    assert len({request_hash(kind, body, quote) for kind, body, quote in asked}) == len(asked)
    assert request_hash(*asked[0]) == request_hash(*asked[0])


@given(st.sets(st.integers(1, 300)))
def test_void_ranges_say_the_same_numbers_in_the_fewest_ranges(numbers: set[int]) -> None:
    ranges = void_ranges(sorted(numbers))
    assert [n for low, high in ranges for n in range(low, high + 1)] == sorted(numbers)
    assert all(ranges[i][1] + 1 < ranges[i + 1][0] for i in range(len(ranges) - 1))


@pytest.mark.parametrize(
    ("msg_type", "body", "all_of_them"),
    [
        (1, '{"content":"@all","mentions":[0]}', True),
        (1, '{"content":"@all","mentions":[7,0]}', True),
        (1, '{"content":"@Bob","mentions":[7]}', False),
        (1, '{"content":"hi"}', False),
        (1, json.dumps({"content": '"mentions":[0]'}, separators=(",", ":")), False),
        (1, '{"content":"hi","mentions":"0"}', False),
        (2, '{"lang":"c","code":"","mentions":[0]}', False),
    ],
)
def test_whether_a_text_mentions_everybody(msg_type: int, body: str, all_of_them: bool) -> None:
    assert mentions_all(msg_type, body) is all_of_them


def test_how_long_a_member_waits_in_slow_mode() -> None:
    slow, plain = talk(), member()
    slow.slow_mode_s, plain.sent_at_ms = 10, 100_000
    assert [slow_mode_wait_ms(slow, plain, now_ms) for now_ms in (100_000, 104_500, 110_000, 999_999)] == [
        10_000, 5_500, 0, 0,
    ]  # fmt: skip
    assert slow_mode_wait_ms(slow, plain, 50_000) == 10_000, "another machine's clock was ahead"
    assert slow_mode_wait_ms(talk(), plain, 100_000) == 0
    for role in (Role.OWNER, Role.ADMIN):
        plain.role = role
        assert slow_mode_wait_ms(slow, plain, 100_000) == 0
