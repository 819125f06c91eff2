"""Two hundred seeded schedules on the real message core and the SDK's replica.

`python -m tests.simulation FROM TO` runs any others; one seed alone prints its schedule."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.schedule import run_seed

SEEDS = 200
AT_ONCE = 10


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_every_device_ends_with_the_view_of_the_store(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        try:
            run_seed(seed)
        except Exception as error:
            error.add_note(f"replay: python -m tests.simulation {seed}")
            raise


def test_a_seed_replays_exactly() -> None:
    """The same schedule in two other processes, whose hashes of texts differ."""
    logs = []
    for hash_seed in ("1", "2"):
        command = [
            sys.executable,
            "-c",
            "from tests.simulation.schedule import run_seed; print(*run_seed(3), sep='\\n')",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True)
        logs.append(done.stdout)
    assert logs[0] == logs[1] != ""
