"""How many objects the interpreter has, down to the smallest: for tests that something costs none."""

from __future__ import annotations

import gc
import sys
from typing import Final, NamedTuple

# Blocks that the measuring itself and the interpreter's own caches may add between two counts.
NOISE: Final = 40


class Objects(NamedTuple):
    """`tracked`: those that the garbage collector knows. `blocks`: of Python's allocator, one an int, two a list."""

    tracked: int
    blocks: int


def count_objects() -> Objects:
    """AssertionError where Python was told to use another allocator, which counts nothing (PYTHONMALLOC=malloc)."""
    gc.collect()
    before = Objects(len(gc.get_objects()), sys.getallocatedblocks())
    probe = [[1000 + i] for i in range(100)]
    seen = sys.getallocatedblocks() - before.blocks
    assert seen >= 3 * len(probe), "sys.getallocatedblocks() does not count"
    return before
