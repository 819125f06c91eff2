"""Groups, members, and who may do what to whom."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

NAME_CHARACTERS: Final = 64
PROFILE_CHARACTERS: Final = 255
VISIT_CARD_CHARACTERS: Final = 64
AVATAR_CHARACTERS: Final = 255
MAX_SLOW_MODE_S: Final = 6 * 3_600
MAX_MUTE_S: Final = 366 * 86_400
# A mute that ends when somebody ends it: the end of the year 9999.
FOREVER_MS: Final = 253_402_300_799_000
# A client that lost the answer asks again after five seconds (contract: http-api, "Time-out and retries").
REPEAT_WITHIN_MS: Final = 30_000
_CURSOR: Final = re.compile(r"([123])-([0-9]{1,15})-([0-9]{1,16})")


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


class MentionAll(IntEnum):
    """Who may mention everybody."""

    MANAGERS = 1
    MEMBERS = 2


class Notice(IntEnum):
    """System messages of this room (contract: http-api, "Codes", msg_type). NONE: a change that has no line."""

    NONE = 0
    CREATED = 1101
    JOINED = 1102
    LEFT = 1103
    REMOVED = 1104
    DISMISSED = 1106
    MUTED = 1107
    UNMUTED = 1108
    MEMBER_MUTED = 1109
    MEMBER_UNMUTED = 1110
    OWNER_CHANGED = 1113


@dataclass(frozen=True, slots=True)
class Group:
    """One row of group_info. `creator_id` is who owns it now: clients tell their own groups from others by it."""

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
    slow_mode_s: int = 0  # seconds between two messages of a plain member; 0 = off
    mention_all: MentionAll = MentionAll.MANAGERS
    member_count: int = 0


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

    @property
    def cursor(self) -> str:
        """The place in the list of members after this one (`member_cursor`)."""
        return f"{int(self.role)}-{self.joined_at_ms}-{self.user_id}"


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the user room describes him."""

    user_id: int
    nickname: str
    avatar: str
    gender: int
    motto: str
    is_robot: bool = False


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


def profile_problem(profile: str) -> str:
    """Why `profile` cannot describe a group, "" when it can."""
    if len(profile) > PROFILE_CHARACTERS:
        return f"The profile has more than {PROFILE_CHARACTERS} characters."
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\r\n\t" for c in profile):
        return "The profile may not have control characters."
    return ""


def visit_card_problem(card: str) -> str:
    """Why `card` cannot be a member's name in a group, "" when it can. Clients put it into HTML."""
    if len(card) > VISIT_CARD_CHARACTERS:
        return f"The name has more than {VISIT_CARD_CHARACTERS} characters."
    if any(c in "<>" or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in card):
        return "The name may not have <, > or control characters."
    return ""


def search_name(name: str) -> str:
    """A name as it is looked for: upper and lower case are the same."""
    return name.casefold()


def may_remove(actor: Role, target: Role) -> bool:
    """The owner removes anybody but himself, an admin plain members alone."""
    if actor is Role.OWNER:
        return target is not Role.OWNER
    return actor is Role.ADMIN and target is Role.MEMBER


def may_mute(actor: Role, target: Role) -> bool:
    """The owner and admins silence plain members."""
    return actor is not Role.MEMBER and target is Role.MEMBER


def muted_until(now_ms: int, duration_s: int) -> int:
    """`duration_s` 0 = until somebody ends it."""
    return now_ms + duration_s * 1000 if duration_s else FOREVER_MS


def member_cursor(text: str) -> tuple[int, int, int] | None:
    """(role, joined_at_ms, user_id) of the last member of a page; "" is before the first. None: it is no cursor."""
    if not text:
        return 0, 0, 0
    found = _CURSOR.fullmatch(text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def is_muted(member: Member, now_ms: int) -> bool:
    return member.muted_until_ms > now_ms


def creation_hash(request_key: str, name: str, user_ids: Iterable[int]) -> str:
    """What makes two requests to create a group the same one: the caller's key, or else all that was asked for."""
    asked = f"key\0{request_key}" if request_key else f"body\0{name}\0{','.join(map(str, sorted(set(user_ids))))}"
    return hashlib.sha256(asked.encode("utf-8")).hexdigest()
