"""What clients read of this room: stored messages to Records, and the envelopes of its events, per codec.

Codec 0 (the reference client) gets the display strings that its page shows as HTML escaped with exactly the five
references that it turns back (contract: http-api, "Text is shown as HTML by the reference client"); codec 1 gets texts
as typed. Times as text are in the cluster's one zone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from xinyu_services.directory import NOBODY, Name
from xinyu_services.message.editing import Version
from xinyu_services.message.model import (
    FIRST_SYSTEM_TYPE,
    UNDELIVERED_DIGEST,
    Member,
    MemberState,
    MsgType,
    StoredMessage,
    Talk,
    TalkKey,
    TalkMode,
    TalkState,
    compact_json,
    void_ranges,
)
from xinyu_services.message.reactions import counts_of
from xinyu_services.message.service import TalkAnswer

LEGACY_CODEC: Final = 0
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})
_STATES: Final = {MemberState.IN: "in", MemberState.LEFT: "left", MemberState.REMOVED: "removed"}
# In the reference client's language, as its own sentences are.
_SENTENCES: Final[dict[int, str]] = {
    MsgType.RECALLED_BY_ADMIN: "{owner_name} 撤回了一条成员消息",
    MsgType.GROUP_DISMISSED: "{owner_name} 解散了该群",
    MsgType.OWNER_CHANGED: "{owner_name} 将群主转让给了 {members[0][nickname]}",
    MsgType.EXPIRY_ON: "{owner_name} 开启了限时消息",
    MsgType.EXPIRY_OFF: "{owner_name} 关闭了限时消息",
}
_encode = msgspec.json.Encoder().encode


class Record(msgspec.Struct):
    """A message as clients read it (contract: http-api, "Shapes"). `extra` and `quote` are JSON texts; `expires_at_ms`
    is there where it will disappear."""

    talk_id: int
    msg_id: str
    sequence: int
    msg_type: int
    from_id: int
    nickname: str
    avatar: str
    is_revoked: int
    status: int
    send_time: str
    sent_at_ms: int
    extra: str
    quote: str
    edited_at_ms: int = 0
    expires_at_ms: int | msgspec.UnsetType = msgspec.UNSET
    reactions: list[dict[str, Any]] = []
    is_pinned: bool = False


def escape_html(text: str) -> str:
    """The five characters, as the reference client turns them back when a user copies."""
    return text.translate(_ESCAPES)


class MessageView:
    """Encodes for clients; holds nothing but the zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._last_second = (-1, "")

    def time_text(self, at_ms: int) -> str:
        """`YYYY-MM-DD HH:MM:SS` in the cluster's zone."""
        second = at_ms // 1000
        if self._last_second[0] != second:
            self._last_second = (second, datetime.fromtimestamp(second, self._zone).strftime("%Y-%m-%d %H:%M:%S"))
        return self._last_second[1]

    def digest(self, text: str, codec: int) -> str:
        return escape_html(text) if codec == LEGACY_CODEC else text

    # ---------------------------------------------------------------- records

    def record(self, message: StoredMessage, sender: Name, codec: int) -> Record:
        recalled = bool(message.recalled_by)
        msg_type, extra = message.msg_type, "{}" if recalled else message.body
        if codec == LEGACY_CODEC and not recalled:
            msg_type, extra = _for_reference(msg_type, extra)
        return Record(
            message.talk_id,
            message.msg_id,
            message.sequence,
            msg_type,
            message.sender_id,
            sender.name,
            sender.avatar,
            1 if recalled else 2,
            1,
            self.time_text(message.sent_at_ms),
            message.sent_at_ms,
            extra,
            "{}" if recalled else message.quote,
            message.edited_at_ms,
            message.expires_at_ms or msgspec.UNSET,
            [] if recalled or not message.reactions else self.reactions(message),
            message.is_pinned,
        )

    def reactions(self, message: StoredMessage) -> list[dict[str, Any]]:
        """How many of which, in the order in which they came; `is_mine` as far as the message knows to whom it is
        shown."""
        return [
            {"emoji": emoji, "count": count, "is_mine": emoji in message.own_reactions}
            for emoji, count in counts_of(message.reactions)
        ]

    def record_json(self, message: StoredMessage, sender: Name, codec: int) -> bytes:
        """`record` encoded, once for the sender's answer and the push."""
        key = (codec, sender, message.recalled_by)
        if message.shown is not None and message.shown[0] == key:
            encoded: bytes = message.shown[1]
            return encoded
        encoded = _encode(self.record(message, sender, codec))
        message.shown = (key, encoded)
        return encoded

    def versions(self, message: StoredMessage, versions: Sequence[Version], codec: int) -> list[dict[str, Any]]:
        """Each text of a message, as its `extra` showed it."""
        return [
            {
                "extra": _escaped_extra(message.msg_type, each.body) if codec == LEGACY_CODEC else each.body,
                "edited_at_ms": each.edited_at_ms,
            }
            for each in versions
        ]

    def records(self, messages: Iterable[StoredMessage], names: Mapping[int, Name], codec: int) -> list[Record]:
        return [self.record(m, names.get(m.sender_id, NOBODY), codec) for m in messages]

    def undelivered(
        self, talk_id: int, user_id: int, msg_id: str, msg_type: int, body: str, sender: Name, now_ms: int, codec: int
    ) -> Record:
        """The answer to a text between two who are no friends: it is not stored (contract: http-api, "Codes")."""
        extra = json.loads(_escaped_extra(msg_type, body) if codec == LEGACY_CODEC else body)
        extra |= {"invalid": True, "invalid_reason": "not_friend"}
        return Record(
            talk_id, msg_id, 0, msg_type, user_id, sender.name, sender.avatar, 2, 3,
            self.time_text(now_ms), now_ms, compact_json(extra), "{}",
        )  # fmt: skip

    # ---------------------------------------------------------------- sync

    def talk_answer(self, answer: TalkAnswer, names: Mapping[int, Name], profile: Name | None, codec: int) -> bytes:
        talk, member = answer.talk, answer.member
        shown: dict[str, Any] = {
            "talk_id": talk.talk_id,
            "last_sequence": member.visible_to(talk),
            "last_change": talk.last_change,
            "own": member.own,
            "from": member.visible_from(talk),
            "base": answer.base,
            "read_sequence": member.read_to,
            "records": self.records(answer.records, names, codec),
            "voids": void_ranges(sorted(answer.voids)),
            "member": {
                "state": _STATES[MemberState(member.state)],
                "role": member.role,
                "muted_until_ms": member.muted_until_ms,
            },
        }
        if profile is not None:
            shown["profile"] = profile_of(talk, profile)
        if answer.peer_read is not None:
            shown["peer_read_sequence"] = answer.peer_read
        if member.visible_from(talk) <= talk.mention_all_sequence <= member.visible_to(talk):
            shown["mention_all_sequence"] = talk.mention_all_sequence
        if answer.stale:
            shown["stale"] = True
        return _encode(shown)

    # ---------------------------------------------------------------- events

    def im_message(self, key: TalkKey, message: StoredMessage, sender: Name, codec: int) -> bytes:
        """Single chats: to_from_id is the receiver's user id for both sides (contract: ws-events)."""
        talk_id, sequence = message.talk_id, message.sequence
        own = (
            b'},"ackid":"m-%d-%d"}' % (talk_id, sequence)
            if codec == LEGACY_CODEC
            else b',"talk_id":%d,"sequence":%d}}' % (talk_id, sequence)
        )
        return b'{"event":"im.message","payload":{"to_from_id":%d,"from_id":%d,"talk_mode":%d,"body":%b%b' % (
            key.peer_of(message.sender_id), message.sender_id, key.mode, self.record_json(message, sender, codec), own,
        )  # fmt: skip

    def session_update(
        self,
        key: TalkKey,
        viewer_id: int,
        sender_id: int,
        digest: str,
        at_ms: int,
        ackid: str,
        *,
        invalid: bool = False,
    ) -> bytes:
        """Legacy only: the list entry's new digest, as `viewer_id` names the talk (a group: everybody alike)."""
        payload: dict[str, Any] = {
            "talk_mode": key.mode,
            "to_from_id": key.peer_of(viewer_id),
            "sender_id": sender_id,
            "msg_text": UNDELIVERED_DIGEST if invalid else escape_html(digest),
            "updated_at": at_ms,
        }
        if invalid:
            payload["invalid"] = True
        return envelope("im.session.update", payload, ackid)

    def revoked(self, key: TalkKey, message: StoredMessage, change: int, digest: str) -> bytes:
        """Legacy only. `digest` is what the list shows of the talk now: the client prints it there."""
        return envelope(
            "im.message.revoke",
            {
                "talk_mode": key.mode,
                "to_from_id": key.peer_of(message.sender_id),
                "from_id": message.sender_id,
                "msg_id": message.msg_id,
                "remark": escape_html(digest),
            },
            f"c-{message.talk_id}-{change}",
        )

    def updated(self, key: TalkKey, message: StoredMessage, sender: Name, change: int) -> bytes:
        """Legacy only: a message has another text."""
        return envelope(
            "im.message.update",
            {
                "talk_mode": key.mode,
                "to_from_id": key.peer_of(message.sender_id),
                "msg_id": message.msg_id,
                "status": 1,
                "body": self.record(message, sender, LEGACY_CODEC),
            },
            f"e-{message.talk_id}-{change}",
        )

    def talk_changed(
        self,
        talk_id: int,
        change: int,
        *,
        records: Sequence[Record] = (),
        voids: Sequence[int] = (),
        members: Sequence[Member] = (),
        profile: dict[str, Any] | None = None,
        peer_read: int | None = None,
        reaction: dict[str, Any] | None = None,
    ) -> bytes:
        """`xinyu.v1` only; empty lists are the number alone. `reaction`: who set or took back which one, so that his
        devices know it as their own."""
        payload: dict[str, Any] = {
            "talk_id": talk_id,
            "change": change,
            "records": records,
            "voids": void_ranges(list(voids)),
        }
        if members:
            payload["members"] = [member_view(m) for m in members]
        if profile is not None:
            payload["profile"] = profile
        if peer_read is not None:
            payload["peer_read_sequence"] = peer_read
        if reaction is not None:
            payload["reaction"] = reaction
        return envelope("talk.changed", payload)

    def talk_own(self, talk: Talk, member: Member, voids: Sequence[int]) -> bytes:
        """`xinyu.v1` only."""
        return envelope(
            "talk.own",
            {
                "talk_id": talk.talk_id,
                "own": member.own,
                "read_sequence": member.read_to,
                "from": member.visible_from(talk),
                "voids": void_ranges(list(voids)),
            },
        )

    def typing(self, mode: int, to_from_id: int, from_id: int, talk_id: int, codec: int) -> bytes:
        payload = {"talk_mode": mode, "to_from_id": to_from_id, "from_id": from_id}
        return envelope("im.message.keyboard", payload if codec == LEGACY_CODEC else payload | {"talk_id": talk_id})


def profile_of(talk: Talk, name: Name) -> dict[str, Any]:
    """A pair's says nothing but who the peer is, and how long messages live."""
    profile: dict[str, Any] = {"name": name.name, "avatar": name.avatar, "mute_all": bool(talk.mute_all)}
    if talk.expire_after_s:
        profile["expire_after_s"] = talk.expire_after_s
    if talk.key.mode == TalkMode.GROUP:
        profile |= {
            "dismissed": talk.state == TalkState.DISMISSED,
            "slow_mode_s": talk.slow_mode_s,
            "mention_all": talk.mention_all,
        }
    return profile


def member_view(member: Member) -> dict[str, Any]:
    return {
        "user_id": member.user_id,
        "role": member.role,
        "state": _STATES[MemberState(member.state)],
        "muted_until_ms": member.muted_until_ms,
    }


def envelope(event: str, payload: Any, ackid: str = "") -> bytes:
    """`{"event", "payload", "ackid"?}` (contract: ws-events)."""
    shown = {"event": event, "payload": payload}
    return _encode(shown | {"ackid": ackid} if ackid else shown)


def _for_reference(msg_type: int, extra: str) -> tuple[int, str]:
    """Type and `extra` as the reference client can draw them: system lines that it does not know are a sentence of
    type 1000, which it shows as plain text (contract: http-api, "Codes")."""
    sentence = _SENTENCES.get(msg_type)
    if sentence is None:
        return msg_type, _escaped_extra(msg_type, extra)
    return MsgType.SYSTEM_TEXT, compact_json({"content": sentence.format_map(json.loads(extra))})


def _escaped_extra(msg_type: int, extra: str) -> str:
    """`extra` with the strings that the reference client's page shows as HTML escaped."""
    if msg_type == MsgType.TEXT:
        shown = json.loads(extra)
        if isinstance(shown.get("content"), str):
            shown["content"] = escape_html(shown["content"])
        return compact_json(shown)
    if msg_type == MsgType.MIXED:
        shown = json.loads(extra)
        for item in shown.get("items", ()):
            if item.get("type") == 1 and isinstance(item.get("content"), str):
                item["content"] = escape_html(item["content"])
        return compact_json(shown)
    if msg_type > FIRST_SYSTEM_TYPE:
        shown = json.loads(extra)
        if isinstance(shown.get("owner_name"), str):
            shown["owner_name"] = escape_html(shown["owner_name"])
        for member in shown.get("members", ()):
            if isinstance(member.get("nickname"), str):
                member["nickname"] = escape_html(member["nickname"])
        return compact_json(shown)
    return extra
