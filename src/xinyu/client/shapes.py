"""The shapes that cross the wire to a client, typed: our JSON dialect (contract: ws-events, "Our dialect").

Everything that arrives is converted to one of these before anything is done with it, so that a malformed answer is an
error as a whole and never half applied. Unknown fields are ignored: a newer server may add some. Numbers are message
numbers, ids or counters: 0 to 2^53 - 1, as JSON in JavaScript allows.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from xinyu.client.errors import ProtocolError

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
SignedNumber = Annotated[int, msgspec.Meta(ge=-1, le=2**53 - 1)]
Range = tuple[Number, Number]  # both ends included
Room = Literal["talk", "contact", "user"]
ROOMS: tuple[Room, ...] = ("talk", "contact", "user")

SINGLE, GROUP = 1, 2  # talk_mode
YES, NO = 1, 2  # switches: is_top, is_disturb, is_revoked, ...

T = TypeVar("T")


class ReactionCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many have reacted with this emoji, and whether this user is one of them."""

    emoji: str
    count: Number
    is_mine: bool = False


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A message as a member sees it.

    `sequence` is its number in the talk; `is_revoked` 1 = recalled (then `extra` is "{}"), 2 = not; `status` 1 sent,
    3 failed; `extra` and `quote` are JSON texts; `sent_at_ms` Unix milliseconds, `send_time` the same as text;
    `edited_at_ms` 0 = never; `expires_at_ms` when it disappears, 0 = never.
    """

    talk_id: Number
    msg_id: str
    sequence: Number
    msg_type: int
    from_id: Number
    nickname: str = ""
    avatar: str = ""
    is_revoked: int = NO
    status: int = 1
    send_time: str = ""
    sent_at_ms: Number = 0
    extra: str = "{}"
    quote: str = "{}"
    edited_at_ms: Number = 0
    expires_at_ms: Number = 0
    reactions: list[ReactionCount] = []
    is_pinned: bool = False

    @property
    def recalled(self) -> bool:
        return self.is_revoked == YES

    @property
    def undelivered(self) -> bool:
        """The answer to a send that stored nothing (the two are no friends): no record of the talk."""
        return self.sequence == 0

    @property
    def body(self) -> dict[str, Any]:
        """`extra`, decoded; {} when it is no JSON object."""
        try:
            value = msgspec.json.decode(self.extra)
        except msgspec.DecodeError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def mentions(self) -> list[int]:
        """Whom a text mentions, by user id; 0 is everybody."""
        mentioned = self.body.get("mentions")
        return [each for each in mentioned if isinstance(each, int)] if isinstance(mentioned, list) else []

    @property
    def text(self) -> str:
        """The text of a text message, "" for others and for recalled ones."""
        content = self.body.get("content", "")
        return content if isinstance(content, str) else ""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's membership of a talk. role: 1 owner, 2 admin, 3 member; muted_until_ms: 0 = not muted."""

    user_id: Number
    state: Literal["in", "left", "removed"]
    role: int = 3
    muted_until_ms: Number = 0


class OwnMembership(msgspec.Struct, frozen=True, kw_only=True):
    """The membership of the asker himself."""

    state: Literal["in", "left", "removed"]
    role: int = 3
    muted_until_ms: Number = 0


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a talk shows of itself: the group's, or the peer's nickname and avatar. `expire_after_s`: how long messages
    live that are sent now, 0 = for ever; `slow_mode_s`: seconds that a plain member waits between two messages, 0 =
    off; `mention_all`: who may mention everybody, 1 owner and admins, 2 all."""

    name: str = ""
    avatar: str = ""
    mute_all: bool = False
    expire_after_s: int = 0
    dismissed: bool = False
    slow_mode_s: int = 0
    mention_all: int = 1


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """One counter a room with rows of the user's own."""

    talk: Number = 0
    contact: Number = 0
    user: Number = 0

    def of(self, room: Room) -> int:
        return int(getattr(self, room))


class TalkRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the conversation list, as far as the talk room knows it; `deleted` = a tombstone. `scheduled_num`:
    own messages that are to be sent there later; `scheduled_failed_num`: and that could not be."""

    talk_id: Number
    version: Number
    deleted: bool = False
    talk_mode: int = 0
    to_from_id: Number = 0
    is_top: int = NO
    is_disturb: int = NO
    is_robot: int = NO
    hidden_sequence: SignedNumber = -1
    draft: str = ""
    remark: str = ""
    scheduled_num: int = 0
    scheduled_failed_num: int = 0


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    talk: list[TalkRow] = []
    contact: list[dict[str, Any]] = []
    user: list[dict[str, Any]] = []


class TalkAnswer(msgspec.Struct, frozen=True, kw_only=True, rename={"from_sequence": "from"}):
    """What a sync says of one talk. Every number above `base` is in `records` or `voids`."""

    talk_id: Number
    last_sequence: Number
    last_change: Number
    own: Number
    from_sequence: Number
    base: Number
    read_sequence: Number
    records: list[Record]
    voids: list[Range]
    member: OwnMembership
    peer_read_sequence: Number | None = None
    profile: Profile | None = None
    mention_all_sequence: Number = 0
    stale: bool = False


class SyncAnswer(msgspec.Struct, frozen=True, kw_only=True):
    epoch: str
    reset: bool
    versions: Versions
    rows: Rows
    talks: list[TalkAnswer]
    next: str | None = None


class SyncRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a device holds: `talks` as [talk_id, sequence, change, own]. `next` as the last page gave it."""

    epoch: str
    versions: Versions
    talks: list[tuple[int, int, int, int]]
    next: str | None = None


class RangeRequest(msgspec.Struct, frozen=True, kw_only=True, rename={"from_sequence": "from", "to_sequence": "to"}):
    talk_id: int
    from_sequence: int
    to_sequence: int


class RangeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    change: Number
    own: Number
    records: list[Record]
    voids: list[Range]


class MembersRequest(msgspec.Struct, frozen=True, kw_only=True):
    talk_id: int
    change: int


class MembersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    change: Number
    members: list[Member]


class ImMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Event `im.message`: message `sequence` of the talk. The other fields of the payload stand in `body` too."""

    talk_id: Number
    sequence: Number
    body: Record


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """Who set (action 1) or took back (2) which reaction to message `sequence`."""

    sequence: Number
    user_id: Number
    emoji: str
    action: int


class TalkChanged(msgspec.Struct, frozen=True, kw_only=True, rename={"from_sequence": "from"}):
    """Event `talk.changed`: change number `change`; all lists empty = the number alone. One push serves all members,
    so its records say of no reaction that it is one's own: that stays as it is held, and moves with `reaction`."""

    talk_id: Number
    change: Number
    records: list[Record] = []
    voids: list[Range] = []
    from_sequence: Number | None = None
    members: list[Member] = []
    profile: Profile | None = None
    peer_read_sequence: Number | None = None
    reaction: Reaction | None = None


class TalkOwn(msgspec.Struct, frozen=True, kw_only=True, rename={"from_sequence": "from"}):
    """Event `talk.own`: what only this member sees changed."""

    talk_id: Number
    own: Number
    read_sequence: Number = 0
    from_sequence: Number = 0
    voids: list[Range] = []


class RowChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Event `row.changed`: one row of one room, at that version."""

    room: Room
    version: Number
    row: dict[str, Any]


class SyncRequired(msgspec.Struct, frozen=True, kw_only=True):
    """Event `sync.required`: pushes were dropped."""

    reason: str = ""


Push = ImMessage | TalkChanged | TalkOwn | RowChanged
PUSHES: dict[str, type[Push]] = {
    "im.message": ImMessage,
    "talk.changed": TalkChanged,
    "talk.own": TalkOwn,
    "row.changed": RowChanged,
}


class SessionReady(msgspec.Struct, frozen=True, kw_only=True):
    """Event `session.ready`: the first one of a connection."""

    session_id: str
    uid: Number
    device_id: str
    epoch: str
    heartbeat_ms: Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]
    server_time_ms: Number = 0
    max_message_bytes: Number = 0


def read(shape: type[T], value: object) -> T:
    """`value`, as decoded from JSON, as that shape; ProtocolError when it does not fit."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"{getattr(shape, '__name__', shape)}: {error}") from None


def contact_key(row: dict[str, Any]) -> tuple[str, int]:
    """(kind, id) of a row of the contact room: user_id for a friend, id for an application and for a folder."""
    kind = row.get("kind")
    ident = row.get("user_id" if kind == "contact" else "id")
    if kind not in ("contact", "apply", "group") or not isinstance(ident, int):
        raise ProtocolError(f"contact row without kind and id: {sorted(row)}")
    return kind, ident
