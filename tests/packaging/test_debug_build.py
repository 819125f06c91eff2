"""The tests of the compiled part once more, on extensions built with all of Cython's checks and C's assertions on.

The debug build goes to a directory of its own and is found by PYTHONPATH, ahead of the editable install.
tests/unit/_fast/conftest.py refuses to run if anything else was imported.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.timeout(1200)
def test_the_compiled_part_on_its_debug_build() -> None:
    base = ROOT / "build/debug"
    run("setup.py", "-q", "build", "--build-base", str(base), XINYU_DEBUG_BUILD="1", XINYU_WERROR="1")
    (site,) = base.glob("lib.*")
    out = run(
        "-m",
        "pytest",
        "tests/unit/_fast",
        "-q",
        "-p",
        "no:cacheprovider",
        PYTHONPATH=str(site),
        XINYU_EXPECT_DEBUG_BUILD_IN=str(site),
    )
    closing = out.strip().rpartition("\n")[2]
    match = re.search(r"(\d+) passed", closing)
    assert match is not None, out
    assert int(match[1]) > 70, closing
    assert "failed" not in closing, out
    assert "error" not in closing, out
