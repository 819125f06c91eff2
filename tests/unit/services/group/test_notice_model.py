"""Rules of a group's notice."""

from __future__ import annotations

import pytest

from xinyu_services.group.notice_model import NoticeEdit, content_problem, next_edit


@pytest.mark.parametrize(
    ("content", "is_wrong"),
    [
        ("", False),
        ("# a\r\n\tb", False),
        ("x" * 10_000, False),
        ("x" * 10_001, True),
        ("\x07", True),
        ("\udfff", True),
    ],
)
def test_contents(content: str, is_wrong: bool) -> None:
    assert bool(content_problem(content)) is is_wrong


def test_edits() -> None:
    first = next_edit(None, 7, "one", 1, 100)
    assert first == NoticeEdit(7, 1, "one", 1, 100, 100)
    second = next_edit(first, 7, "two", 2, 200)
    assert second == NoticeEdit(7, 2, "two", 2, 100, 200)
    removed = next_edit(second, 7, "  ", 1, 300)
    assert removed == NoticeEdit(7, 3, "", 1, 100, 300)
    assert next_edit(removed, 7, "new", 1, 400) == NoticeEdit(7, 4, "new", 1, 400, 400)


def test_what_changes_nothing_is_no_edit() -> None:
    assert next_edit(None, 7, " \n", 1, 100) is None
    assert next_edit(NoticeEdit(7, 1, "one", 1, 100, 100), 7, "one", 2, 200) is None
    assert next_edit(NoticeEdit(7, 2, "", 1, 100, 100), 7, "", 2, 200) is None
