"""Masking, UTF-8 and SHA for this machine, and for other processors where their compiler and an emulator are installed.

On Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static. What simd_check.c compares is
told there.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from xinyu._fast import frames

SOURCE = Path(__file__).with_name("simd_check.c")
HEADERS = Path(__file__).resolve().parents[3] / "src/xinyu/_fast"


class Target(NamedTuple):
    compiler: str
    emulator: tuple[str, ...]
    levels: tuple[str, ...]


# The levels that the extensions say they have here: masking and UTF-8 name different ones.
_ALL = ("portable", "sse2", "ssse3", "avx2", "neon")
_HERE = tuple(name for name in _ALL if name in {*frames.MASK_IMPLEMENTATIONS, *frames.UTF8_IMPLEMENTATIONS})
_OTHERS = (
    Target("aarch64-linux-gnu-gcc", ("qemu-aarch64-static",), ("portable", "neon")),
    Target("s390x-linux-gnu-gcc", ("qemu-s390x-static",), ("portable",)),  # the bytes of a word the other way round
    Target("gcc", ("qemu-x86_64-static", "-cpu", "Nehalem"), ("portable", "sse2", "ssse3")),
    Target("gcc", ("qemu-x86_64-static", "-cpu", "qemu64,-ssse3"), ("portable", "sse2")),
)
TARGETS = [
    Target("cc", (), _HERE),
    *(target for target in _OTHERS if shutil.which(target.compiler) and shutil.which(target.emulator[0])),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: " ".join((target.compiler, *target.emulator)))
def test_every_level_agrees_with_one_byte_at_a_time(target: Target, tmp_path: Path) -> None:
    program = tmp_path / "simd_check"
    build = [target.compiler, "-O3", "-Wall", "-Wextra", "-Werror", f"-I{HEADERS}", SOURCE, "-o", program]
    if target.emulator:
        build.append("-static")  # its libraries are not where this machine has its own
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([*target.emulator, program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert tuple(done.stdout.split()) == target.levels
