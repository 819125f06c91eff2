"""A short form of `benchmarks/idle_connections.py`: a real server keeps each idle connection that answers its pings."""

from __future__ import annotations

import pytest

from benchmarks import idle_connections

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CONNECTIONS = 2_000


def test_two_thousand_idle_connections_are_kept() -> None:
    report = idle_connections.measure(CONNECTIONS, seconds=5.0, heartbeat_s=2.0)
    assert (report.connections, report.dropped) == (CONNECTIONS, 0)
    # Each is silent but for its pings, and 5 s hold more than one heartbeat.
    assert report.pings_answered >= CONNECTIONS
    # A connection is a struct in a table, not objects: far from what a limit on a noisy measure could mistake.
    assert report.bytes_per_connection < 8_192
