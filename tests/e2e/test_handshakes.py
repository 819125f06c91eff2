"""The smallest form of `benchmarks/handshakes.py`: both servers run, and none loses a connection."""

from __future__ import annotations

import os

import pytest

from benchmarks import handshakes
from benchmarks.side_by_side.servers import REFERENCE_NAME

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def test_logins_beside_the_reference() -> None:
    allowed = os.sched_getaffinity(0)
    (found,) = handshakes.measure(rounds=1, connections=200)
    assert set(found) == {REFERENCE_NAME, handshakes.FIRST, handshakes.BACK}
    assert all(value.per_s > 0 for value in found.values())
    assert os.sched_getaffinity(0) == allowed
