"""The tests of the compiled part once more, on extensions built with all of Cython's checks and C's assertions on; and
those of the engine a third time, with every read and write of a socket split at random points.

The debug build goes to a directory of its own and is found by PYTHONPATH, ahead of the editable install.
tests/unit/_fast/conftest.py refuses to run if anything else was imported. What splits, and how, is told in
src/xinyu/_fast/socket_io.h.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from xinyu._fast import engine

ROOT = Path(__file__).resolve().parents[2]
SPLITTERS = (b"XINYU_SPLIT_READS", b"XINYU_SPLIT_WRITES")
SEEDS = (20_270_101, 31)
# All that goes through the engine's sockets: what was read in pieces must come to the same.
SPLIT_TESTS = [
    *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/unit/_fast/test_engine_*.py")),
    "tests/unit/_fast/test_autobahn.py",
    "tests/unit/_fast/test_load.py",
    "tests/unit/_fast/test_logins.py",
]
# Asks an engine in echo mode for 64 KiB of small messages, and says with how many reads and writes they were answered.
SYSTEM_CALLS = """
from tests.unit._fast.engine_harness import MASK, Harness
from xinyu._fast.frames import build_frame

with Harness(echo=True) as h:
    client = h.open()
    before = h.engine.stats()
    client.send(build_frame(2, b"x" * 100, mask=MASK) * 600)
    assert client.read_frames(600) == [(2, b"x" * 100)] * 600
    after = h.engine.stats()
    print(after["reads"] - before["reads"], after["writes"] - before["writes"])
"""

pytestmark = pytest.mark.timeout(1200)


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def site() -> str:
    """The directory that holds the debug build."""
    base = ROOT / "build/debug"
    run("setup.py", "-q", "build", "--build-base", str(base), XINYU_DEBUG_BUILD="1", XINYU_WERROR="1")
    (found,) = base.glob("lib.*")
    return str(found)


def run_tests(site: str, at_least: int, *arguments: str, **environment: str) -> None:
    out = run(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *arguments,
        PYTHONPATH=site,
        XINYU_EXPECT_DEBUG_BUILD_IN=site,
        **environment,
    )
    closing = out.strip().rpartition("\n")[2]
    match = re.search(r"(\d+) passed", closing)
    assert match is not None, out
    assert int(match[1]) > at_least, closing
    assert "failed" not in closing, out
    assert "error" not in closing, out


def test_the_compiled_part_on_its_debug_build(site: str) -> None:
    run_tests(site, 800, "tests/unit/_fast")


def test_the_engine_with_every_read_and_write_split_at_random_points(site: str) -> None:
    """With two seeds, side by side, as most of it is waiting. By hand others can be tried, in a debug build:
    `XINYU_SPLIT_READS=N XINYU_SPLIT_WRITES=N pytest -m "not whole_io" tests/unit/_fast`."""
    seeds = [str(seed) for seed in SEEDS]

    def run_split(seed: str) -> None:
        run_tests(site, 400, *SPLIT_TESTS, "-m", "not whole_io", XINYU_SPLIT_READS=seed, XINYU_SPLIT_WRITES=seed)

    with ThreadPoolExecutor(len(seeds)) as threads:
        list(threads.map(run_split, seeds))


def test_a_seed_does_split(site: str) -> None:
    """Or the runs above would prove nothing."""

    def count(**environment: str) -> list[int]:
        return [int(each) for each in run("-c", SYSTEM_CALLS, PYTHONPATH=site, **environment).split()]

    whole = count()
    split = count(XINYU_SPLIT_READS=str(SEEDS[0]), XINYU_SPLIT_WRITES=str(SEEDS[0]))
    assert all(pieces >= 3 * calls for calls, pieces in zip(whole, split, strict=True)), (whole, split)


def test_only_the_debug_build_can_split(site: str) -> None:
    (debug,) = Path(site).glob("xinyu/_fast/engine.*.so")
    release = Path(engine.__file__)
    assert release != debug
    assert not engine.DEBUG_BUILD
    for name in SPLITTERS:
        assert name in debug.read_bytes()
        assert name not in release.read_bytes()
