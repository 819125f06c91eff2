"""A group's notice, and its edits."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

NOTICE_CHARACTERS: Final = 10_000
# Edits of a group that are kept.
MAX_EDITS: Final = 50
TITLE: Final = "群公告"


@dataclass(frozen=True, slots=True)
class NoticeEdit:
    """One row of group_notice. `content` "" = this edit removed the notice; `created_at_ms`: when the group got the
    notice that this edit changed."""

    group_id: int
    edit: int
    content: str
    editor_id: int
    created_at_ms: int
    edited_at_ms: int


def content_problem(content: str) -> str:
    """Why `content` cannot be a notice, "" when it can."""
    if len(content) > NOTICE_CHARACTERS:
        return f"A notice may have {NOTICE_CHARACTERS} characters."
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in content):
        return "A notice may not have control characters."
    return ""


def next_edit(last: NoticeEdit | None, group_id: int, content: str, editor_id: int, now_ms: int) -> NoticeEdit | None:
    """The edit that makes `content` of the notice that `last` left; None where it is that already. What is nothing but
    blanks removes."""
    content = content if content.strip() else ""
    if content == ("" if last is None else last.content):
        return None
    if last is None:
        return NoticeEdit(group_id, 1, content, editor_id, now_ms, now_ms)
    began_ms = last.created_at_ms if last.content else now_ms
    return NoticeEdit(group_id, last.edit + 1, content, editor_id, began_ms, now_ms)
