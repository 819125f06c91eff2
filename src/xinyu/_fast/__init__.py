"""The compiled part. Import its modules as `from xinyu._fast import rock`; nothing in here imports anything of ours.

In a checkout the extensions lie beside their sources. One that is older than its `.pyx` or `.pxd` is refused at import:
a test of yesterday's code would tell lies. An installed wheel has no `.pyx`, so there is nothing to compare.
"""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES

_HERE = os.path.dirname(__file__)


def _mtime_ns(name: str) -> int:
    """Last change of a file in this directory, 0 if there is none of that name."""
    try:
        return os.stat(os.path.join(_HERE, name)).st_mtime_ns
    except FileNotFoundError:
        return 0


def _refuse_stale(module: str) -> None:
    source_ns = _mtime_ns(f"{module}.pyx")
    if not source_ns:
        return
    source_ns = max(source_ns, _mtime_ns(f"{module}.pxd"))
    built_ns = max(_mtime_ns(module + suffix) for suffix in EXTENSION_SUFFIXES)
    if not built_ns:
        raise ImportError(f"xinyu._fast.{module} is not built: run `make build`", name=f"xinyu._fast.{module}")
    if built_ns < source_ns:
        raise ImportError(
            f"xinyu._fast.{module} is older than its sources: run `make build`", name=f"xinyu._fast.{module}"
        )


def __getattr__(name: str) -> object:
    # `from xinyu._fast import rock` asks for the attribute first and imports the module when there is none:
    # this is the moment before the extension is loaded.
    _refuse_stale(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
