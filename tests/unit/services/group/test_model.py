"""Who may do what in a group."""

from __future__ import annotations

from itertools import product

import pytest

from xinyu_services.group.model import (
    FOREVER_MS,
    Role,
    creation_hash,
    may_mute,
    may_remove,
    muted_until,
    name_problem,
    profile_problem,
    search_name,
    visit_card_problem,
)


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


def test_who_may_mute_whom() -> None:
    allowed = {(actor, target) for actor, target in product(Role, Role) if may_mute(actor, target)}
    assert allowed == {(Role.OWNER, Role.MEMBER), (Role.ADMIN, Role.MEMBER)}


def test_a_mute_ends_at_its_time_or_when_somebody_ends_it() -> None:
    assert muted_until(1_000, 60) == 61_000
    assert muted_until(1_000, 0) == FOREVER_MS < 2**53


@pytest.mark.parametrize(
    ("profile", "fits"),
    [("", True), ("We play.\r\n\tLoudly. <b>", True), ("x" * 255, True), ("x" * 256, False), ("a\x00b", False)],
)
def test_profiles(profile: str, fits: bool) -> None:
    assert (profile_problem(profile) == "") is fits


@pytest.mark.parametrize(
    ("card", "fits"),
    [("", True), ("Bob &", True), ("x" * 64, True), ("x" * 65, False), ("<b", False), ("b>", False), ("a\nb", False)],
)
def test_visit_cards_are_harmless_in_a_page(card: str, fits: bool) -> None:
    assert (visit_card_problem(card) == "") is fits


def test_names_are_looked_for_in_either_case_and_fit_their_column() -> None:
    assert search_name("ÄRZTE") == search_name("Ärzte") == "ärzte"
    assert len(search_name("\u0390" * 64)) == 192
