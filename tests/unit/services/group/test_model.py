"""Who may do what in a group."""

from __future__ import annotations

from itertools import product

import pytest

from xinyu_services.group.model import Role, creation_hash, may_remove, name_problem


def test_defect_20_who_may_remove_whom() -> None:
    allowed = {(actor, target) for actor, target in product(Role, Role) if may_remove(actor, target)}
    assert allowed == {(Role.OWNER, Role.ADMIN), (Role.OWNER, Role.MEMBER), (Role.ADMIN, Role.MEMBER)}


def test_defect_30_roles_count_as_the_client_does() -> None:
    assert (Role.OWNER, Role.ADMIN, Role.MEMBER) == (1, 2, 3)


@pytest.mark.parametrize(
    ("name", "fits"),
    [("G", True), ("<b>", True), ("组", True), ("", False), (" ", False), ("a\tb", False), ("x" * 65, False)],
)
def test_names(name: str, fits: bool) -> None:
    assert (name_problem(name) == "") is fits


def test_what_makes_two_creations_the_same() -> None:
    assert creation_hash("", "G", [2, 1, 2]) == creation_hash("", "G", [1, 2])
    assert creation_hash("", "G", [1, 2]) != creation_hash("", "G", [1, 3])
    assert creation_hash("", "G", [12]) != creation_hash("", "G", [1, 2])
    assert creation_hash("k", "G", [1]) == creation_hash("k", "H", [2])
    assert creation_hash("k", "G", [1]) != creation_hash("", "G", [1])
