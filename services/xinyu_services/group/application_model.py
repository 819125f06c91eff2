"""Requests to join a group."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

REMARK_CHARACTERS: Final = 255
# Of one user, in all groups, that nobody has answered yet.
MAX_OPEN: Final = 100
# Of one group: what its managers' list shows.
MAX_PENDING: Final = 1_000


class ApplyState(IntEnum):
    """Contract: http-api, "Codes"."""

    PENDING = 1
    AGREED = 2
    DECLINED = 3
    WITHDRAWN = 4


@dataclass(frozen=True, slots=True)
class Application:
    """One row of group_apply: somebody's newest request to one group."""

    apply_id: int
    group_id: int
    applicant_id: int
    state: ApplyState
    remark: str
    handler_id: int
    created_at_ms: int
    changed_at_ms: int


def remark_problem(remark: str) -> str:
    """Why `remark` cannot go with a request, "" when it can. It is plain text on every surface."""
    if len(remark) > REMARK_CHARACTERS:
        return f"The remark has more than {REMARK_CHARACTERS} characters."
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in remark):
        return "The remark may not have control characters."
    return ""


def may_become(old: ApplyState, new: ApplyState) -> bool:
    """Whether an answer is one: only what is pending is answered, and the same answer may be given again."""
    return old in (ApplyState.PENDING, new)
