"""The debug run (tests/packaging/test_debug_build.py) must test the debug build and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import xinyu
from xinyu._fast import build_flags


def pytest_configure(config: pytest.Config) -> None:
    site = os.environ.get("XINYU_EXPECT_DEBUG_BUILD_IN")
    if site is None:
        return
    if not Path(xinyu.__file__).is_relative_to(site):
        raise pytest.UsageError(f"xinyu comes from {xinyu.__file__}, not from {site}")
    if not build_flags.DEBUG_BUILD:
        raise pytest.UsageError("the extensions are not a debug build")
