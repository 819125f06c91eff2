"""Rules of requests to join a group."""

from __future__ import annotations

import pytest

from xinyu_services.group.application_model import ApplyState, may_become, remark_problem


@pytest.mark.parametrize(
    ("remark", "is_wrong"),
    [
        ("", False),
        ("hello\nyou", False),
        ("<b>", False),
        ("x" * 255, False),
        ("x" * 256, True),
        ("\x00", True),
        ("\ud800", True),
    ],
)
def test_remarks(remark: str, is_wrong: bool) -> None:
    assert bool(remark_problem(remark)) is is_wrong


def test_only_what_is_pending_is_answered_and_the_same_answer_may_come_again() -> None:
    answers = [ApplyState.AGREED, ApplyState.DECLINED, ApplyState.WITHDRAWN]
    assert all(may_become(ApplyState.PENDING, answer) for answer in answers)
    assert {(old, new) for old in answers for new in answers if may_become(old, new)} == {(s, s) for s in answers}
