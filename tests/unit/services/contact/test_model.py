"""Who may write to whom, and what strangers see."""

from __future__ import annotations

import pytest

from xinyu_services.contact.model import (
    Contact,
    ContactState,
    Folder,
    FolderWish,
    MaySend,
    Person,
    Relation,
    matched,
    may_send,
    pair,
    remark_problem,
    wishes_problem,
    without_private,
)


def row(state: ContactState, *, is_block: bool = False) -> Contact:
    return Contact(1, 2, 1, state, "", 0, is_block)


ALIVE, ENDED = row(ContactState.ALIVE), row(ContactState.DELETED)
BLOCKING, ENDED_AND_BLOCKING = row(ContactState.ALIVE, is_block=True), row(ContactState.DELETED, is_block=True)


@pytest.mark.parametrize(
    ("senders", "receivers", "answer"),
    [
        (None, None, MaySend.NOT_FRIEND),
        (ALIVE, ALIVE, MaySend.YES),
        (ENDED, ALIVE, MaySend.NOT_FRIEND),
        (ALIVE, ENDED, MaySend.NOT_FRIEND),
        (ALIVE, BLOCKING, MaySend.BLOCKED),
        (BLOCKING, ALIVE, MaySend.YES),
        (None, ENDED_AND_BLOCKING, MaySend.BLOCKED),
    ],
)
def test_a_block_is_the_receivers_and_a_friendship_is_of_both(
    senders: Contact | None, receivers: Contact | None, answer: MaySend
) -> None:
    assert may_send(senders, receivers) is answer


def folder(folder_id: int, name: str) -> Folder:
    return Folder(folder_id, 1, 1, ContactState.ALIVE, name, 0)


def test_a_list_of_folders_names_ones_own() -> None:
    own = [folder(3, "Work"), folder(4, "Home")]
    assert matched([FolderWish(3, "Job", 1)], own) == [FolderWish(3, "Job", 1)]
    assert matched([FolderWish(9, "Work", 1)], own) is None
    # A new one that is called as one that is left out: the request came twice.
    assert matched([FolderWish(0, "Home", 1), FolderWish(0, "Club", 2)], own) == [
        FolderWish(4, "Home", 1),
        FolderWish(0, "Club", 2),
    ]


@pytest.mark.parametrize(
    ("wishes", "fits"),
    [
        ([], True),
        ([FolderWish(0, "a", 0), FolderWish(0, "b", 0)], True),
        ([FolderWish(0, "a", 0), FolderWish(2, "a", 0)], False),
        ([FolderWish(2, "a", 0), FolderWish(2, "b", 0)], False),
        ([FolderWish(0, " ", 0)], False),
        ([FolderWish(0, "x" * 33, 0)], False),
        ([FolderWish(0, "a\n", 0)], False),
        ([FolderWish(0, str(n), 0) for n in range(101)], False),
    ],
)
def test_what_a_list_of_folders_may_be(wishes: list[FolderWish], fits: bool) -> None:
    assert (wishes_problem(wishes) == "") is fits


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
