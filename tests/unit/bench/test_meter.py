"""What is read of this very process."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time

import pytest

from xinyu.bench import meter
from xinyu.bench.error import BenchError


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_cpu_is_that_of_the_process_clock() -> None:
    before = time.process_time()
    measured = meter.cpu_s([os.getpid()])
    after = time.process_time()
    assert before <= measured <= after


def test_private_memory_grows_by_what_is_touched() -> None:
    before = meter.private_bytes([os.getpid()])
    with mmap.mmap(-1, 64 << 20) as memory:
        memory.write(b"\x01" * len(memory))
        grown = meter.private_bytes([os.getpid()]) - before
    assert 60 << 20 <= grown <= 200 << 20


def test_the_kernel_uses_some_memory() -> None:
    assert meter.kernel_bytes() > 1 << 20


def test_a_process_that_is_not_there_is_an_error_of_one_line() -> None:
    pid = ended_pid()
    with pytest.raises(BenchError, match=str(pid)):
        meter.cpu_s([pid])
    with pytest.raises(BenchError, match=str(pid)):
        meter.private_bytes([pid])
