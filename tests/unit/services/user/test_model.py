"""What people may write into their accounts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu_services.user.model import avatar_problem, birthday_problem, nickname_problem, password_problem


@pytest.mark.parametrize("nickname", ["A", "心语", "o'Neil & Söhne", 'say "hi"', "🐟" * 64, " a "])
def test_nicknames(nickname: str) -> None:
    assert nickname_problem(nickname) == ""


@pytest.mark.parametrize(
    "nickname", ["", " ", "\u3000", "<b>", "a>b", "a\x00", "a\nb", "a\x7fb", "a\x85b", "a\u2028b", "\ud800", "x" * 65]
)
def test_no_nicknames(nickname: str) -> None:
    assert nickname_problem(nickname) != ""


@given(st.text())
def test_an_accepted_nickname_is_harmless_in_html(nickname: str) -> None:
    if nickname_problem(nickname) == "":
        assert not set(nickname) & set("<>")
        assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in nickname)
        assert 0 < len(nickname) <= 64


@pytest.mark.parametrize(("length", "fits"), [(0, False), (7, False), (8, True), (128, True), (129, False)])
def test_passwords_are_counted_in_characters(length: int, fits: bool) -> None:
    assert (password_problem("好" * length) == "") is fits


@pytest.mark.parametrize(
    ("birthday", "fits"),
    [
        ("", True),
        ("2000-02-29", True),
        ("1999-02-29", False),
        ("2000-2-9", False),
        ("20000229", False),
        ("2000-W09-2", False),
        ("yesterday", False),
        ("2000-02-29T00", False),
    ],
)
def test_birthdays(birthday: str, fits: bool) -> None:
    assert (birthday_problem(birthday) == "") is fits


@pytest.mark.parametrize(
    "avatar", ["https://m/x.png", "https://m/media", "https://m/media/", "https://m/media/a b", "x"]
)
def test_only_addresses_of_our_media_service_are_avatars(avatar: str) -> None:
    assert avatar_problem(avatar, "https://m/media/") != ""


def test_avatars() -> None:
    assert avatar_problem("", "") == ""
    assert avatar_problem("https://m/media/2026/a_1x1.png", "https://m/media/") == ""
    assert avatar_problem("https://m/media/a.png", "") != ""
    assert avatar_problem("https://m/media/../a.png", "https://m/media/") != ""
    assert avatar_problem("https://m/media/" + "a" * 240, "https://m/media/") != ""
