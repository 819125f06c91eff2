"""What people may write into their accounts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu_services.user.model import (
    birthday_problem,
    email_problem,
    nickname_from,
    nickname_problem,
    password_problem,
)


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


@pytest.mark.parametrize("email", ["a@b.org", "ann.o'neil+chat@mail.example.co.uk", f"{'x' * 64}@example.org"])
def test_mail_addresses(email: str) -> None:
    assert email_problem(email) == ""


@pytest.mark.parametrize(
    "email",
    [
        *("", "a", "@b.org", "a@", "a@b", "a@b.", "a b@c.org", "a@b@c.org", "<a@b.org>", "a@b.org,c@d.org"),
        *("a@b.org\n", "a@b.org\r\nBcc: c@d.org", "a@b.org\x00", "ä@b.org", f"{'x' * 65}@b.org"),
        f"a@{'b' * 60}.{'c' * 60}.org",
    ],
)
def test_no_mail_addresses(email: str) -> None:
    assert email_problem(email) != ""


@given(st.text())
def test_any_name_of_another_service_makes_a_nickname(name: str) -> None:
    assert nickname_problem(nickname_from(name, 7)) == ""
