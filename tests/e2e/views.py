"""What a device shows, and what REST shows of the store, in one shape: the two must be equal."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from xinyu.client import Client, Record, Session


@dataclass(frozen=True)
class Seen:
    """One message of a history, as far as it must be the same everywhere."""

    sequence: int
    msg_id: str
    from_id: int
    msg_type: int
    is_recalled: bool
    text: str
    extra: str
    quote: str
    edited_at_ms: int
    reactions: tuple[tuple[str, int, bool], ...]
    is_pinned: bool

    @classmethod
    def of(cls, record: Record) -> Seen:
        return cls(
            record.sequence,
            record.msg_id,
            record.from_id,
            record.msg_type,
            record.recalled,
            record.text,
            record.extra,
            record.quote,
            record.edited_at_ms,
            tuple((each.emoji, each.count, each.is_mine) for each in record.reactions),
            record.is_pinned,
        )


@dataclass(frozen=True)
class TalkView:
    """One talk as a device, or REST, shows it. Newest first."""

    messages: tuple[Seen, ...]
    last_sequence: int
    from_sequence: int
    read_sequence: int
    unread: int


class _Page(msgspec.Struct):
    items: list[Record]
    cursor: int


async def device_view(client: Client) -> dict[int, TalkView]:
    view = {}
    for talk in client.conversations():
        messages: list[Seen] = []
        before = None
        while page := await client.history(talk.talk_id, before, limit=100):
            messages += map(Seen.of, page)
            before = page[-1].sequence
        view[talk.talk_id] = TalkView(
            tuple(messages), talk.last_sequence, talk.from_sequence, talk.read_sequence, talk.unread
        )
    return view


async def rest_view(client: Client) -> dict[int, tuple[tuple[Seen, ...], int]]:
    """Of each listed talk its records and unread number, in the order of the list."""
    view = {}
    for session in await client.api.call_items(Session, "talk/session-list", {}):
        messages: list[Seen] = []
        cursor, is_last = 0, False
        while not is_last:
            page = await client.api.call_as(
                _Page,
                "message/records",
                {
                    "talk_mode": session.talk_mode,
                    "to_from_id": session.to_from_id,
                    "cursor": cursor,
                    "limit": 200,
                },
            )
            messages += map(Seen.of, page.items)
            cursor, is_last = page.cursor, len(page.items) < 200
        view[session.id] = (tuple(messages), session.unread_num)
        assert session.msg_text == digest(messages), session
    return view


# Contract: http-api, "Codes", the digest of what is no text.
DIGESTS = {
    2: "[代码消息]",
    3: "[图片消息]",
    4: "[语音消息]",
    5: "[视频消息]",
    6: "[文件消息]",
    7: "[位置消息]",
    8: "[名片消息]",
    9: "[转发消息]",
    11: "[投票消息]",
    12: "[图文消息]",
    13: "[群公告]",
}


def digest(messages: list[Seen]) -> str:
    """Of a talk with these messages, newest first."""
    if not messages:
        return ""
    newest = messages[0]
    if newest.is_recalled:
        return "[消息已撤回]"
    if newest.msg_type >= 1000:
        return "[系统消息]"
    return DIGESTS.get(newest.msg_type, newest.text[:255])
