"""An extension older than its sources is refused at import, in a checkout and only there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import xinyu
from xinyu import _fast

SUFFIX = EXTENSION_SUFFIXES[0]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package with one source (its text does not matter) and the extension built now."""
    package = tmp_path / "xinyu"
    fast = package / "_fast"
    fast.mkdir(parents=True)
    shutil.copy(Path(xinyu.__file__), package)
    here = Path(_fast.__file__).parent
    shutil.copy(here / "__init__.py", fast)
    for name in ("build_flags", "rock"):
        (fast / f"{name}.pyx").write_text("")
        (fast / f"{name}.pxd").write_text("")
        shutil.copyfile(here / f"{name}{SUFFIX}", fast / f"{name}{SUFFIX}")
        for suffix, age_s in ((".pyx", 100), (".pxd", 100), (SUFFIX, 50)):
            os.utime(fast / f"{name}{suffix}", (1e9 - age_s, 1e9 - age_s))
    return tmp_path


def import_in(checkout: Path, statement: str = "from xinyu._fast import rock") -> str:
    """The last line that Python wrote, "" if the import went well."""
    done = subprocess.run(
        [sys.executable, "-c", statement],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip().rpartition("\n")[2]


def test_a_fresh_extension_is_imported(checkout: Path) -> None:
    assert import_in(checkout) == ""


@pytest.mark.parametrize("suffix", [".pyx", ".pxd"])
def test_a_stale_extension_is_refused(checkout: Path, suffix: str) -> None:
    os.utime(checkout / f"xinyu/_fast/rock{suffix}", (1e9, 1e9))
    assert import_in(checkout) == "ImportError: xinyu._fast.rock is older than its sources: run `make build`"
    assert import_in(checkout, "from xinyu._fast import build_flags") == ""


def test_a_missing_extension_is_named(checkout: Path) -> None:
    (checkout / f"xinyu/_fast/rock{SUFFIX}").unlink()
    assert import_in(checkout) == "ImportError: xinyu._fast.rock is not built: run `make build`"


def test_without_sources_there_is_nothing_to_compare(checkout: Path) -> None:
    for suffix in (".pyx", ".pxd"):
        (checkout / f"xinyu/_fast/rock{suffix}").unlink()
    os.utime(checkout / f"xinyu/_fast/rock{SUFFIX}", (1, 1))
    assert import_in(checkout) == ""
