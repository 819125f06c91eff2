"""Lint, types, and the extensions' .pyi files beside what was really built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAST = ROOT / "src/xinyu/_fast"


def run(module: str, *arguments: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    run("ruff", "check", "--no-cache", ".")


@pytest.mark.timeout(600)
def test_mypy_strict() -> None:
    run("mypy")


def test_every_extension_has_its_interface_file() -> None:
    assert {path.stem for path in FAST.glob("*.pyx")} == {path.stem for path in FAST.glob("*.pyi")}


@pytest.mark.timeout(600)
def test_interface_files_match_the_built_modules() -> None:
    modules = [f"xinyu._fast.{path.stem}" for path in sorted(FAST.glob("*.pyx"))]
    run("mypy.stubtest", "--ignore-disjoint-bases", *modules, MYPYPATH="src")
