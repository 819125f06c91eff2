"""What a command that waits shows meanwhile: a line when a step ends; on a terminal also what it is waiting for.

    progress = Progress()
    with progress.step("redis on port 6390"):
        server.start()
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console


class Progress:
    """Lines go to standard output. Where that is no terminal, each step is a line when it has ended."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)

    def say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Says how long it took, or that it failed; the failure goes on."""
        began_s = time.monotonic()
        waiting = self._console.status(f"{what} ...") if self._console.is_terminal else nullcontext()
        try:
            with waiting:
                yield
        except BaseException:
            self.say(f"  {what}: failed after {time.monotonic() - began_s:.1f} s")
            raise
        self.say(f"  {what}  ({time.monotonic() - began_s:.1f} s)")
