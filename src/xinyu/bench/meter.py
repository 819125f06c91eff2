"""What a server and the kernel use, read from the outside: CPU time, private memory, memory of sockets."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from xinyu.bench.error import BenchError

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CPUCLOCK_SCHED = 2  # include/linux/posix-timers.h: scheduler time, of all threads, the ended ones included


def cpu_s(pids: Sequence[int]) -> float:
    """User and system time of the processes since they began, in seconds, exact to less than a microsecond.

    BenchError: one of them is not running.
    """
    try:
        return sum(time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED) for pid in pids)
    except OSError:
        raise BenchError(f"no process has all of the ids {', '.join(map(str, pids))}") from None


def private_bytes(pids: Sequence[int]) -> int:
    """User-space memory that belongs to these processes alone: the private part of PSS, swapped pages included.

    BenchError: a process is not running, or not ours to look at.
    """
    total_kib = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError as error:
            raise BenchError(f"the memory of process {pid} cannot be read: {error.strerror}") from None
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name in ("Private_Clean", "Private_Dirty", "Swap"):
                total_kib += int(value.split()[0])
    return total_kib * 1024


def kernel_bytes() -> int:
    """Memory that the kernel of this machine holds in slabs (sockets, files, epoll items) and in TCP buffers."""
    slab = tcp = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Slab:"):
            slab = int(line.split()[1]) * 1024
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            words = line.split()
            tcp = int(words[words.index("mem") + 1]) * _PAGE_BYTES
    return slab + tcp
