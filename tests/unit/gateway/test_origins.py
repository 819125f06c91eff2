from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.gateway.origins import AllowedOrigins

DEFAULT = AllowedOrigins(("http://127.0.0.1:*", "http://localhost:*"))


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://localhost",
        "HTTP://LOCALHOST:5173",
        "http://127.0.0.1:65535",
    ],
)
def test_allowed(origin: str) -> None:
    assert DEFAULT.allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "https://localhost:8080",
        "http://localhost:",
        "http://localhost:123456",
        "http://localhost:80a",
        "http://localhost:8080/",
        "http://localhost:8080\n",
        "http://localhost.evil.example:80",
        "http://evil.example?http://localhost:80",
        "http://127x0.0.1:80",
        "http://localhost:" + "1" * 1000,
    ],
)
def test_refused(origin: str) -> None:
    assert not DEFAULT.allows(origin)


def test_names_below_a_name() -> None:
    origins = AllowedOrigins(("https://*.example.org", "https://fixed.example.net:8443"))
    assert origins.allows("https://chat.example.org")
    assert origins.allows("https://a.b.example.org")
    assert origins.allows("https://fixed.example.net:8443")
    assert not origins.allows("https://example.org")
    assert not origins.allows("https://.example.org")
    assert not origins.allows("https://evil.example/.example.org")
    assert not origins.allows("https://chat.example.org:444")
    assert not origins.allows("https://fixed.example.net")


def test_any_and_none() -> None:
    assert AllowedOrigins(("*",)).allows("https://anywhere.example")
    assert not AllowedOrigins(("*",)).allows("")
    assert not AllowedOrigins(()).allows("http://localhost")


@given(st.text())
def test_only_the_two_hosts(text: str) -> None:
    if DEFAULT.allows(text):
        assert text.lower().startswith(("http://127.0.0.1", "http://localhost"))
