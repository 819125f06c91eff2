"""Trace ids that come in, and those that are made."""

from __future__ import annotations

import re

import pytest

from xinyu.base.trace import incoming_trace_id

ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("traceparent", "x_trace_id"),
    [
        (f"00-{ID}-00f067aa0ba902b7-01", ""),
        (f"  00-{ID.upper()}-00f067aa0ba902b7-01 ", "ignored"),
        ("", ID),
        ("garbage", ID.upper()),
        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", ID),
        ("", f"{ID[:8]}-{ID[8:12]}-{ID[12:16]}-{ID[16:20]}-{ID[20:]}"),
    ],
)
def test_a_well_formed_id_is_kept(traceparent: str, x_trace_id: str) -> None:
    assert incoming_trace_id(traceparent, x_trace_id) == ID


@pytest.mark.parametrize("x_trace_id", ["", "short", "x" * 32, "a" * 10_000, "a\r\nb"])
def test_anything_else_makes_a_new_one(x_trace_id: str) -> None:
    made = incoming_trace_id("01-" + ID + "-00f067aa0ba902b7-01", x_trace_id)
    assert re.fullmatch("[0-9a-f]{32}", made) and made != ID
