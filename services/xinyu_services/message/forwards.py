"""Rules of forwarding: what may be forwarded, how its copies are known again, and what a merged one shows. Pure.

One by one, each target gets a copy of every source, with the source's own type and body. Merged, each target gets one
message of type 9 that names its sources; who may read that message may read these, as they are now, and what is in the
merged ones among them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from xinyu.base.errors import INVALID, XinYuError
from xinyu_services.message.model import (
    FIRST_SYSTEM_TYPE,
    MsgType,
    Source,
    StoredMessage,
    TalkKey,
    TalkMode,
    compact_json,
)

MAX_SOURCES: Final = 100
MAX_TARGETS: Final = 50
# Messages that one request makes.
MAX_COPIES: Final = 100
# Rows that it makes beside them: (merged message, source).
MAX_LINKS: Final = 5_000
PREVIEWS: Final = 4
PREVIEW_CHARACTERS: Final = 100
# How long the same request is the same forward.
REPEAT_MS: Final = 30_000
# They are about the talk in which they stand: elsewhere they would lead to nothing.
_BOUND_TO_THEIR_TALK: Final = (MsgType.VOTE, MsgType.NOTICE)


class Action(IntEnum):
    ONE_BY_ONE = 1
    MERGED = 2


@dataclass(frozen=True, slots=True)
class Forward:
    """What a user wants to forward, and to whom. `msg_id` "" = known again by its content, for REPEAT_MS."""

    user_id: int
    key: TalkKey
    action: int
    msg_ids: tuple[str, ...]
    targets: tuple[TalkKey, ...]
    msg_id: str = ""

    @property
    def content_hash(self) -> str:
        """Of all that was asked for."""
        asked = [self.key, self.action, self.msg_ids, self.targets, self.msg_id]
        return hashlib.sha256(compact_json(asked).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Copy:
    """One message to send. `asked` stands for what was asked for when a repeat is compared."""

    key: TalkKey
    msg_type: int
    body: str
    msg_id: str
    asked: str
    sources: tuple[Source, ...]


def targets_of(user_id: int, user_ids: Iterable[int], group_ids: Iterable[int]) -> tuple[TalkKey, ...]:
    """Each once, users before groups."""
    users = [TalkKey.of(user_id, TalkMode.SINGLE, each) for each in user_ids]
    return tuple(dict.fromkeys([*users, *(TalkKey(TalkMode.GROUP, each) for each in group_ids)]))


def check_bounds(forward: Forward) -> None:
    """INVALID where it is too much, or nothing."""
    sources, targets = len(forward.msg_ids), len(forward.targets)
    if not 1 <= sources <= MAX_SOURCES or not 1 <= targets <= MAX_TARGETS:
        raise XinYuError(INVALID, f"1 to {MAX_SOURCES} messages go to 1 to {MAX_TARGETS} conversations.")
    if forward.action == Action.ONE_BY_ONE and sources * targets > MAX_COPIES:
        raise XinYuError(INVALID, f"At most {MAX_COPIES} messages at once.")


def check_sources(action: int, sources: Sequence[StoredMessage]) -> None:
    """INVALID where one of them is of a type that stays where it is."""
    for source in sources:
        if source.msg_type >= FIRST_SYSTEM_TYPE or source.msg_type == MsgType.LOGIN:
            raise XinYuError(INVALID, "Messages of the system cannot be forwarded.")
        if action == Action.ONE_BY_ONE and source.msg_type in _BOUND_TO_THEIR_TALK:
            raise XinYuError(INVALID, "Votes and notices can only be forwarded merged.")


def previews(forward: Forward, sources: Sequence[StoredMessage]) -> Sequence[StoredMessage]:
    """Those that a merged forward shows without being opened."""
    return sources[:PREVIEWS] if forward.action == Action.MERGED else ()


def copies(
    forward: Forward,
    token: str,
    sources: Sequence[StoredMessage],
    inner: Mapping[tuple[int, int], Sequence[Source]],
    nicknames: Mapping[int, str],
) -> list[Copy]:
    """What is sent, by target and then in the order of the talk. `inner`: what is in the merged ones among `sources`.
    Raises INVALID past MAX_LINKS."""
    made: list[Copy] = []
    if forward.action == Action.ONE_BY_ONE:
        for target in forward.targets:
            for source in sources:
                msg_id = _copy_id(token, target, source.msg_id, source.sequence)
                links = tuple(inner.get((source.talk_id, source.sequence), ()))
                made.append(Copy(target, source.msg_type, source.body, msg_id, token, links))
    else:
        body = _merged(forward, sources, nicknames)
        listed = [Source(source.msg_id, source.talk_id, source.sequence) for source in sources]
        nested = [each for source in sources for each in inner.get((source.talk_id, source.sequence), ())]
        links = tuple(dict.fromkeys([*listed, *nested]))
        for target in forward.targets:
            made.append(Copy(target, MsgType.FORWARD, body, _copy_id(token, target, "", 0), token, links))
    if sum(len(copy.sources) for copy in made) > MAX_LINKS:
        raise XinYuError(INVALID, "There are too many messages within these messages.")
    return made


def _copy_id(token: str, target: TalkKey, msg_id: str, sequence: int) -> str:
    """The same for the same try, target and source: what was stored is answered again, what was not is stored."""
    named = f"{token}/{target.mode}/{target.low}/{target.high}/{msg_id}/{sequence}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def _merged(forward: Forward, sources: Sequence[StoredMessage], nicknames: Mapping[int, str]) -> str:
    return compact_json(
        {
            "msg_ids": [source.msg_id for source in sources],
            "talk_type": int(forward.key.mode),
            "user_id": forward.user_id,
            "receiver_id": forward.key.peer_of(forward.user_id),
            "records": [
                {
                    "nickname": nicknames.get(source.sender_id, ""),
                    "content": source.digest[:PREVIEW_CHARACTERS],
                }
                for source in previews(forward, sources)
            ],
        }
    )
