"""Which times can be scheduled for, and which requests are the same."""

from __future__ import annotations

import pytest

from xinyu_services.message.scheduled_model import LATEST_AFTER_MS, scheduled_id, time_problem

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(("after_ms", "is_good"), [
    (-1, False), (0, False), (4_999, False), (5_000, True), (LATEST_AFTER_MS, True), (LATEST_AFTER_MS + 1, False),
])  # fmt: skip
def test_times(after_ms: int, is_good: bool) -> None:
    assert (time_problem(NOW_MS + after_ms, NOW_MS) == "") is is_good


def test_the_same_request_has_the_same_id_and_every_other_another() -> None:
    asked = (1, 1, 2, "text", b"{}", "", "", NOW_MS)
    others = [
        (2, 1, 2, "text", b"{}", "", "", NOW_MS),
        (1, 2, 2, "text", b"{}", "", "", NOW_MS),
        (1, 1, 3, "text", b"{}", "", "", NOW_MS),
        (1, 1, 2, "code", b"{}", "", "", NOW_MS),
        (1, 1, 2, "text", b"{1}", "", "", NOW_MS),
        (1, 1, 2, "text", b"{}", "q", "", NOW_MS),
        (1, 1, 2, "text", b"{}", "", "q", NOW_MS),
        (1, 1, 2, "text", b"{}", "", "", NOW_MS + 1),
    ]
    ids = {scheduled_id(*each) for each in [asked, *others]}
    assert scheduled_id(*asked) in ids
    assert len(ids) == 9
    assert all(len(each) == 32 for each in ids)
