"""How `xinyu services` says what it found."""

from __future__ import annotations

from xinyu_services.cli.discovery import ServiceLine, span, table


def test_spans_are_told_in_their_two_largest_units() -> None:
    told = [span(1000 * seconds) for seconds in (0, 59, 60, 3599, 3600, 86_399, 86_400, 40 * 86_400 + 7200)]
    assert told == ["0s", "59s", "1m 0s", "59m 59s", "1h 0m", "23h 59m", "1d 0h", "40d 2h"]


def test_columns_stand_below_their_titles() -> None:
    line = ServiceLine(
        service="message", address="[2001:db8::1]:8071", kind="rock", version="", weight=0, state="draining",
        instance_id="m1", started_at="", grpc_port=None, in_flight=12,
    )  # fmt: skip
    titles, row = table([line]).splitlines()
    for title, cell in (("address", "[2001"), ("version", "-"), ("weight", "0"), ("uptime", "-"), ("in flight", "12")):
        assert row[titles.index(title) :].startswith(cell)
