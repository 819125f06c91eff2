"""What a servicer knows of a call beside its request: deadline, trace id, caller."""

from __future__ import annotations

from dataclasses import dataclass

from xinyu.base.errors import DEADLINE, XinYuError


@dataclass(frozen=True, slots=True)
class Context:
    """`deadline_s` is in the loop's monotonic time (`asyncio.get_running_loop().time()`)."""

    deadline_s: float
    trace_id: str
    caller: str

    def check_deadline(self, now_s: float) -> None:
        """Raises DEADLINE when nobody waits any more: called right before a transaction, so that a caller who was
        told "too late" does not find the work done after all because it was queued for long."""
        if now_s >= self.deadline_s:
            raise XinYuError(DEADLINE)
