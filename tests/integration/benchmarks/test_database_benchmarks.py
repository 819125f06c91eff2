"""The benchmarks that write rows and run statements by themselves still fit the tables: each runs, small, to its table.
What they measure decides nothing here."""

from __future__ import annotations

import subprocess
import sys

import pytest

SMALL = {
    "durable_send": ["--rounds", "1", "--seconds", "0.2"],
    "lane_beside_loop": ["--rounds", "1", "--seconds", "0.2"],
    "mysql_lanes": ["--rounds", "1", "--seconds", "0.2", "--batches", "20", "--lanes", "2"],
    "million_messages": ["--messages", "2000", "--talks", "20", "--rounds", "1"],
}


@pytest.mark.parametrize("name", SMALL)
def test_it_runs(name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *SMALL[name]],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    if name == "million_messages" and ran.returncode == 1:  # a call took more than three times its statements
        assert "full scans:\n  none" in ran.stdout, ran.stderr
    else:
        assert ran.returncode == 0, ran.stderr
