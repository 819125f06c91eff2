"""Groups, members, and who may do what to whom."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

NAME_CHARACTERS: Final = 64
# A client that lost the answer asks again after five seconds (contract: http-api, "Time-out and retries").
REPEAT_WITHIN_MS: Final = 30_000


class GroupState(IntEnum):
    ALIVE = 1
    DISMISSED = 2


class MemberState(IntEnum):
    IN = 1
    LEFT = 2
    REMOVED = 3


class Role(IntEnum):
    """Contract: http-api, "Codes", `leader`."""

    OWNER = 1
    ADMIN = 2
    MEMBER = 3


class Notice(IntEnum):
    """System messages of this room (contract: http-api, "Codes", msg_type)."""

    CREATED = 1101
    JOINED = 1102
    LEFT = 1103
    REMOVED = 1104


@dataclass(frozen=True, slots=True)
class Group:
    """One row of group_info."""

    group_id: int
    creator_id: int
    state: GroupState
    revision: int
    profile_revision: int
    name: str
    profile: str
    avatar: str
    mute_all: bool
    is_overt: bool
    max_members: int
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Member:
    """One row of group_member; kept when its user goes."""

    group_id: int
    user_id: int
    state: MemberState
    role: Role
    revision: int
    visit_card: str
    muted_until_ms: int
    invited_by: int
    joined_at_ms: int
    changed_at_ms: int


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the user room describes him."""

    user_id: int
    nickname: str
    avatar: str
    gender: int
    motto: str


@dataclass(frozen=True, slots=True)
class Friend:
    """Somebody that the asker may invite, and what he calls him."""

    user_id: int
    remark: str


def name_problem(name: str) -> str:
    """Why `name` cannot be a group's, "" when it can. It is plain text on every surface."""
    if not name.strip():
        return "The group needs a name."
    if len(name) > NAME_CHARACTERS:
        return f"The name has more than {NAME_CHARACTERS} characters."
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        return "The name may not have control characters."
    return ""


def may_remove(actor: Role, target: Role) -> bool:
    """The owner removes anybody but himself, an admin plain members alone."""
    if actor is Role.OWNER:
        return target is not Role.OWNER
    return actor is Role.ADMIN and target is Role.MEMBER


def is_muted(member: Member, now_ms: int) -> bool:
    return member.muted_until_ms > now_ms


def creation_hash(request_key: str, name: str, user_ids: Iterable[int]) -> str:
    """What makes two requests to create a group the same one: the caller's key, or else all that was asked for."""
    asked = f"key\0{request_key}" if request_key else f"body\0{name}\0{','.join(map(str, sorted(set(user_ids))))}"
    return hashlib.sha256(asked.encode("utf-8")).hexdigest()
