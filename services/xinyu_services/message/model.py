"""Rules of talks and messages: who may send, what a member may see, what is unread, what a list shows. Pure.

Numbers (data.md calls them counters): a talk's `sequence` counts its messages 1, 2, 3 ... without holes; its `change`
counts changes of what is stored; a member's `own` counts what only he sees. A member's window is the range of
sequences that he may see; what lies outside does not exist for him.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple


class TalkMode(IntEnum):
    SINGLE = 1
    GROUP = 2


class TalkState(IntEnum):
    ALIVE = 1
    DISMISSED = 2


class MemberState(IntEnum):
    IN = 1
    LEFT = 2
    REMOVED = 3


class Role(IntEnum):
    OWNER = 1
    ADMIN = 2
    MEMBER = 3


class MaySend(IntEnum):
    YES = 0
    NOT_FRIEND = 1
    BLOCKED = 2


class MentionAll(IntEnum):
    """Who may mention everybody in a group."""

    MANAGERS = 1
    MEMBERS = 2


class MsgType(IntEnum):
    TEXT = 1
    CODE = 2
    IMAGE = 3
    AUDIO = 4
    VIDEO = 5
    FILE = 6
    LOCATION = 7
    CARD = 8
    FORWARD = 9
    LOGIN = 10
    VOTE = 11
    MIXED = 12
    NOTICE = 13
    SYSTEM_TEXT = 1000
    GROUP_CREATED = 1101
    MEMBER_JOINED = 1102
    MEMBER_LEFT = 1103
    MEMBER_REMOVED = 1104
    RECALLED_BY_ADMIN = 1105
    GROUP_DISMISSED = 1106
    GROUP_MUTED = 1107
    GROUP_UNMUTED = 1108
    MEMBER_MUTED = 1109
    MEMBER_UNMUTED = 1110
    OWNER_CHANGED = 1113
    EXPIRY_ON = 1121
    EXPIRY_OFF = 1122


FIRST_SYSTEM_TYPE: Final = 1000
EDITABLE: Final = (MsgType.TEXT, MsgType.CODE, MsgType.MIXED)
DIGEST_CHARACTERS: Final = 255
RANGE_LIMIT: Final = 200
# A device's sync: newest records that are answered at once, and changes below its sequence before it starts anew.
SYNC_NEWEST_RECORDS: Final = 20
SYNC_CHANGES: Final = 200

_DIGESTS: Final = {
    MsgType.CODE: "[代码消息]",
    MsgType.IMAGE: "[图片消息]",
    MsgType.AUDIO: "[语音消息]",
    MsgType.VIDEO: "[视频消息]",
    MsgType.FILE: "[文件消息]",
    MsgType.LOCATION: "[位置消息]",
    MsgType.CARD: "[名片消息]",
    MsgType.FORWARD: "[转发消息]",
    MsgType.LOGIN: "[登录消息]",
    MsgType.VOTE: "[投票消息]",
    MsgType.MIXED: "[图文消息]",
    MsgType.NOTICE: "[群公告]",
}
SYSTEM_DIGEST: Final = "[系统消息]"
RECALLED_DIGEST: Final = "[消息已撤回]"
UNDELIVERED_DIGEST: Final = "发送失败"


class TalkKey(NamedTuple):
    """What a talk is between: a pair (low, high) or a group (group_id, 0). It never changes, nor does its talk_id."""

    mode: int
    low: int
    high: int = 0

    @classmethod
    def of(cls, user_id: int, mode: int, to_from_id: int) -> TalkKey:
        if mode == TalkMode.GROUP:
            return cls(mode, to_from_id)
        return cls(mode, user_id, to_from_id) if user_id < to_from_id else cls(mode, to_from_id, user_id)

    def peer_of(self, user_id: int) -> int:
        """`to_from_id` as `user_id` names this talk."""
        if self.mode == TalkMode.GROUP:
            return self.low
        return self.high if user_id == self.low else self.low


@dataclass(slots=True)
class Talk:
    """A talk's head row."""

    talk_id: int
    key: TalkKey
    state: int
    mute_all: int
    last_sequence: int
    last_change: int
    first_sequence: int
    last_sender_id: int
    last_msg_type: int
    last_digest: str
    last_at_ms: int
    profile_change: int
    profile_revision: int
    pair_revision: int
    member_count: int = 0  # of a group: who is in
    roster_change: int = 0  # the last one that members' rows went with
    expire_after_s: int = 0  # how long messages live that are stored now; 0 = for ever
    last_expires_at_ms: int = 0  # when the last message goes; 0 = never
    slow_mode_s: int = 0  # seconds between two messages of a plain member; 0 = off
    mention_all: int = MentionAll.MANAGERS
    mention_all_sequence: int = 0  # the newest message that mentions everybody
    has_webhooks: int = 0  # whether a bot with a webhook may be among the members

    def is_last_gone(self, now_ms: int) -> bool:
        """Whether the last message has disappeared: what the head shows of it is not to be shown any more."""
        return 0 < self.last_expires_at_ms <= now_ms

    @property
    def facts(self) -> TalkFacts:
        return TalkFacts(self.key, self.member_count, self.roster_change)


class TalkFacts(NamedTuple):
    """What must be known of a talk to tell its members something."""

    key: TalkKey
    member_count: int
    roster_change: int


@dataclass(slots=True)
class Member:
    """One user's row in one talk. It is never deleted, and `own` goes on after a return."""

    talk_id: int
    user_id: int
    role: int
    state: int
    may_send: int
    muted_until_ms: int
    joined_sequence: int
    left_sequence: int | None
    sent_sequence: int
    read_sequence: int
    cleared_sequence: int
    own: int
    change: int
    revision: int
    sent_at_ms: int = 0  # of his newest message

    def visible_from(self, talk: Talk) -> int:
        """The lowest sequence that this member may see (`from` on the wire)."""
        return max(self.cleared_sequence + 1, self.joined_sequence, talk.first_sequence)

    def visible_to(self, talk: Talk) -> int:
        """The highest; for one who left, last_sequence means left_sequence everywhere."""
        return talk.last_sequence if self.left_sequence is None else self.left_sequence

    @property
    def read_to(self) -> int:
        """Sending counts as having read."""
        return max(self.read_sequence, self.sent_sequence)

    def unread(self, talk: Talk) -> int:
        """Nothing is stored, so nothing drifts. A recalled message counts until it is read."""
        return max(0, self.visible_to(talk) - max(self.read_to, self.visible_from(talk) - 1))


class Source(NamedTuple):
    """A message within a merged forward: its id, and where it stands."""

    msg_id: str
    talk_id: int
    sequence: int


class Reaction(NamedTuple):
    """Somebody's reaction to a message, and the change that it came with."""

    change: int
    user_id: int
    emoji: str
    at_ms: int


@dataclass(slots=True)
class StoredMessage:
    """A message as it is now: after recalls and edits. `body` and `quote` are JSON texts."""

    talk_id: int
    sequence: int
    msg_id: str
    sender_id: int
    msg_type: int
    body: str
    quote: str
    sent_at_ms: int
    recalled_by: int = 0
    expired: bool = False  # it was let go, or its time has come
    edited_at_ms: int = 0  # 0 = never
    expires_at_ms: int = 0  # 0 = never
    reactions: str = ""  # reactions.py's: how many of which
    is_pinned: bool = False
    own_reactions: frozenset[str] = field(default=frozenset(), compare=False)  # of whom it is shown to
    sources: tuple[Source, ...] = field(default=(), compare=False)  # while it is written: what is merged in it
    shown: Any = field(default=None, compare=False, repr=False)  # view.py's: what clients read, once it is encoded

    @property
    def digest(self) -> str:
        return RECALLED_DIGEST if self.recalled_by else digest(self.msg_type, self.body)


@dataclass(frozen=True, slots=True)
class SystemMessage:
    """A message that another room writes with its change; the same change always names the same msg_id."""

    msg_id: str
    sender_id: int
    msg_type: int
    body: str


def digest(msg_type: int, body: str) -> str:
    """One plain line of at most 255 characters for the conversation list, cut between characters."""
    if msg_type == MsgType.TEXT:
        content = json.loads(body).get("content", "")
        return " ".join(content.split())[:DIGEST_CHARACTERS] if isinstance(content, str) else ""
    if msg_type >= FIRST_SYSTEM_TYPE:
        return SYSTEM_DIGEST
    return _DIGESTS.get(MsgType(msg_type), SYSTEM_DIGEST) if msg_type in _DIGESTS else SYSTEM_DIGEST


def mentions_all(msg_type: int, body: str) -> bool:
    """Whether a text mentions everybody: 0 is among its mentions (contract: http-api, "Codes")."""
    # Nearly no message has mentions; a quote within a text is escaped, so these words are a key.
    if msg_type != MsgType.TEXT or '"mentions":' not in body:
        return False
    mentions = json.loads(body).get("mentions")
    return isinstance(mentions, list) and 0 in mentions


def slow_mode_wait_ms(talk: Talk, member: Member, now_ms: int) -> int:
    """How long a plain member must wait for his next message; 0 = not at all. A clock that ran ahead on another machine
    makes it no longer than the rule."""
    if not talk.slow_mode_s or member.role != Role.MEMBER:
        return 0
    rule_ms = talk.slow_mode_s * 1000
    return max(0, min(rule_ms, member.sent_at_ms + rule_ms - now_ms))


def request_hash(msg_type: int, body: bytes, quote_id: str) -> bytes:
    """SHA-256 of what the client asked for. Never recomputed from the store, so an edit does not turn a late retry
    into a conflict. Talk and sender are part of the key that it is compared under."""
    return hashlib.sha256(b"%d\0%s\0%s" % (msg_type, quote_id.encode(), body)).digest()


def quote_text(quoted: StoredMessage) -> str:
    """The `quote` of a message that answers `quoted`."""
    return json.dumps(
        {"quote_id": quoted.msg_id, "from_id": quoted.sender_id, "content": quoted.digest},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def may_recall(message: StoredMessage, member: Member, now_ms: int, window_s: int) -> bool:
    """One's own message within the window; a group's owner and admins any member's at any time."""
    if message.msg_type >= FIRST_SYSTEM_TYPE:
        return False
    if message.sender_id == member.user_id and now_ms - message.sent_at_ms <= window_s * 1000:
        return True
    return member.role in (Role.OWNER, Role.ADMIN)


def may_edit(message: StoredMessage, now_ms: int, window_s: int) -> bool:
    """Within the window, counted from when it was sent."""
    return now_ms - message.sent_at_ms <= window_s * 1000


def may_pin(talk: Talk, member: Member, members_may_pin: bool) -> bool:
    """Both of a pair; a group's owner and admins, or all."""
    return talk.key.mode == TalkMode.SINGLE or member.role in (Role.OWNER, Role.ADMIN) or members_may_pin


def void_ranges(numbers: list[int]) -> list[list[int]]:
    """Ascending numbers as inclusive ranges."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


# json.dumps makes an encoder for every call that asks for anything but its defaults.
compact_json: Final[Callable[[Any], str]] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
