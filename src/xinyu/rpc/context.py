"""What a servicer knows of a call beside its request: deadline, trace id, caller."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from xinyu.base.errors import DEADLINE, XinYuError


class Context(NamedTuple):
    """`deadline_s` is in the loop's monotonic time (`asyncio.get_running_loop().time()`)."""

    deadline_s: float
    trace_id: str
    caller: str

    def check_deadline(self, now_s: float) -> None:
        """Raises DEADLINE when nobody waits any more: called right before a transaction, so that a caller who was
        told "too late" does not find the work done after all because it was queued for long."""
        if now_s >= self.deadline_s:
            raise XinYuError(DEADLINE)

    def check_deadline_now(self) -> None:
        """`check_deadline` by the running loop's clock."""
        self.check_deadline(asyncio.get_running_loop().time())

    async def wait(self, done: asyncio.Future[None]) -> None:
        """Waits for `done` (another room being told) as long as the caller waits; raises DEADLINE then. What `done`
        stands for goes on."""
        left_s = self.deadline_s - asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(asyncio.shield(done), max(0.0, left_s))
        except TimeoutError:
            raise XinYuError(DEADLINE) from None
