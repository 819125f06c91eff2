"""Contacts, requests and what follows from them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

REMARK_CHARACTERS: Final = 64
APPLY_REMARK_CHARACTERS: Final = 255
# What a client's field takes (contract: http-api, contact/edit-remark).
EDITED_REMARK_CHARACTERS: Final = 10
FOLDER_NAME_CHARACTERS: Final = 32
MAX_FOLDERS: Final = 100
MAX_BLOCKED: Final = 1_000
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
class Folder:
    """A user's own group of friends, the `contact-group` of the contract. `count`: living friends in it."""

    folder_id: int
    user_id: int
    version: int
    state: ContactState
    name: str
    sort: int
    count: int = 0


@dataclass(frozen=True, slots=True)
class FolderWish:
    """One line of the list that is to be: `folder_id` 0 = a new one."""

    folder_id: int
    name: str
    sort: int


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
    is_robot: bool = False


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


def is_friend(row: Contact | None) -> bool:
    """Whether the row's user counts the other among his friends."""
    return row is not None and row.state is ContactState.ALIVE


def may_send(senders_row: Contact | None, receivers_row: Contact | None) -> MaySend:
    """Whether the sender may write to the receiver, by their rows about each other: a block is the receiver's alone,
    and a friendship ends for both when one of them ends it."""
    if receivers_row is not None and receivers_row.is_block:
        return MaySend.BLOCKED
    return MaySend.YES if is_friend(senders_row) and is_friend(receivers_row) else MaySend.NOT_FRIEND


def folder_name_problem(name: str) -> str:
    """Why a folder cannot be called that, "" when it can."""
    if not name.strip():
        return "A group needs a name."
    if len(name) > FOLDER_NAME_CHARACTERS:
        return f"The group's name has more than {FOLDER_NAME_CHARACTERS} characters."
    if any(unicodedata.category(c) == "Cc" for c in name):
        return "The group's name may not have control characters."
    return ""


def wishes_problem(wishes: Sequence[FolderWish]) -> str:
    """Why this cannot be a whole list of folders, "" when it can."""
    if len(wishes) > MAX_FOLDERS:
        return f"There can be {MAX_FOLDERS} groups."
    if problem := next((p for wish in wishes if (p := folder_name_problem(wish.name))), ""):
        return problem
    if len({wish.name for wish in wishes}) < len(wishes):
        return "Two groups have the same name."
    named = [wish.folder_id for wish in wishes if wish.folder_id]
    return "A group is named twice." if len(set(named)) < len(named) else ""


def matched(wishes: Sequence[FolderWish], own: Sequence[Folder]) -> list[FolderWish] | None:
    """The wishes with the numbers of the folders that they mean; None where one names a folder that is not `own`. A new
    one that is called as one that the list leaves out is that one: the same list, sent again, makes nothing twice."""
    ids = {folder.folder_id for folder in own}
    kept = {wish.folder_id for wish in wishes if wish.folder_id}
    if not kept <= ids:
        return None
    left_out = {folder.name: folder.folder_id for folder in own if folder.folder_id not in kept}
    return [FolderWish(w.folder_id or left_out.get(w.name, 0), w.name, w.sort) for w in wishes]


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
