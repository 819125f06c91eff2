"""Contacts, requests and what follows from them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

REMARK_CHARACTERS: Final = 64
APPLY_REMARK_CHARACTERS: Final = 255
# Requests of one user that nobody has answered yet.
MAX_OPEN_APPLIES: Final = 500


class ContactState(IntEnum):
    ALIVE = 1
    DELETED = 2


class ApplyState(IntEnum):
    """Contract: http-api, "Codes"."""

    PENDING = 1
    AGREED = 2
    DECLINED = 3
    WITHDRAWN = 4


class Relation(IntEnum):
    """Contract: http-api, "Codes"."""

    STRANGER = 1
    FRIEND = 2
    COLLEAGUE = 3
    SELF = 4


class MaySend(IntEnum):
    """What the message room is told of one direction of a pair."""

    YES = 0
    NOT_FRIEND = 1
    BLOCKED = 2


@dataclass(frozen=True, slots=True)
class Contact:
    """One user's row about another: `friend_id` as `user_id` sees him."""

    user_id: int
    friend_id: int
    version: int
    state: ContactState
    remark: str
    folder_id: int
    is_block: bool


@dataclass(frozen=True, slots=True)
class Apply:
    """A request of `applicant_id` to `target_id`, in whose rows it has `version`."""

    apply_id: int
    target_id: int
    applicant_id: int
    version: int
    state: ApplyState
    remark: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Person:
    """A user as the user room describes him. `mobile` and `email` are "" where only names were asked for."""

    user_id: int
    nickname: str
    avatar: str
    gender: int
    motto: str
    mobile: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """A user as another one may see him."""

    person: Person
    relation: Relation
    remark: str
    folder_id: int
    online: bool


def pair(one: int, other: int) -> tuple[int, int]:
    """Both ids, the lower first."""
    return (one, other) if one < other else (other, one)


def may_send(receivers_row: Contact | None) -> MaySend:
    """Whether somebody may write to whose row about him this is: friendship is the receiver's to keep."""
    if receivers_row is None or receivers_row.state is not ContactState.ALIVE:
        return MaySend.NOT_FRIEND
    return MaySend.BLOCKED if receivers_row.is_block else MaySend.YES


def remark_problem(remark: str, longest: int) -> str:
    """Why a remark cannot be stored, "" when it can. It is plain text on every surface."""
    if len(remark) > longest:
        return f"The remark has more than {longest} characters."
    if any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in remark):
        return "The remark may not have control characters."
    return ""


def without_private(person: Person, relation: Relation) -> Person:
    """What a stranger may see: no mobile, no e-mail."""
    if relation is not Relation.STRANGER:
        return person
    return Person(person.user_id, person.nickname, person.avatar, person.gender, person.motto)
