"""Times as text, in the configured zone."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from xinyu.base.text_time import text_time


def test_the_zone_decides() -> None:
    at_ms = 1_790_000_000_999
    assert text_time(at_ms, ZoneInfo("UTC")) == "2026-09-21 14:13:20"
    assert text_time(at_ms, ZoneInfo("Asia/Shanghai")) == "2026-09-21 22:13:20"
    # The hour that a clock shows twice when summer time ends.
    assert text_time(1_792_886_400_000, ZoneInfo("Europe/Berlin")) == "2026-10-25 02:00:00"
    assert text_time(1_792_890_000_000, ZoneInfo("Europe/Berlin")) == "2026-10-25 02:00:00"
    assert text_time(0, ZoneInfo("UTC")) == "1970-01-01 00:00:00"
