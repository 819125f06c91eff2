"""Who may write to whom, and what strangers see."""

from __future__ import annotations

import pytest

from xinyu_services.contact.model import (
    Contact,
    ContactState,
    MaySend,
    Person,
    Relation,
    may_send,
    pair,
    remark_problem,
    without_private,
)


def row(state: ContactState, *, is_block: bool = False) -> Contact:
    return Contact(1, 2, 1, state, "", 0, is_block)


def test_friendship_is_the_receivers_to_keep() -> None:
    assert may_send(None) is MaySend.NOT_FRIEND
    assert may_send(row(ContactState.DELETED)) is MaySend.NOT_FRIEND
    assert may_send(row(ContactState.DELETED, is_block=True)) is MaySend.NOT_FRIEND
    assert may_send(row(ContactState.ALIVE)) is MaySend.YES
    assert may_send(row(ContactState.ALIVE, is_block=True)) is MaySend.BLOCKED


def test_defect_24_a_stranger_sees_no_mobile_and_no_email() -> None:
    person = Person(1, "Ann", "", 2, "motto", "13800000001", "ann@example.com")
    assert without_private(person, Relation.STRANGER) == Person(1, "Ann", "", 2, "motto")
    for relation in (Relation.FRIEND, Relation.COLLEAGUE, Relation.SELF):
        assert without_private(person, relation) is person


def test_a_pair_has_one_name() -> None:
    assert pair(1, 2) == pair(2, 1) == (1, 2)


@pytest.mark.parametrize(
    ("remark", "fits"), [("", True), ("a<b", True), ("two\nlines", True), ("a\x00", False), ("x" * 65, False)]
)
def test_remarks(remark: str, fits: bool) -> None:
    assert (remark_problem(remark, 64) == "") is fits
