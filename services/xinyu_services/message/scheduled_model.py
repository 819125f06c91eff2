"""Rules of messages that are sent later. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

EARLIEST_AFTER_MS: Final = 5_000
LATEST_AFTER_MS: Final = 366 * 86_400_000
MAX_SCHEDULED: Final = 100
# How long a message that could not be sent is kept for its user to see.
FAILED_KEPT_MS: Final = 30 * 86_400_000


class ScheduledState(IntEnum):
    WAITS = 1
    FAILED = 2


@dataclass(slots=True)
class Scheduled:
    """A message that is to be sent. `body`: the JSON that its record will show; `type_name`: what the client called its
    type; `claimed_until_ms`: a process is sending it until then."""

    scheduled_id: str
    user_id: int
    talk_id: int
    talk_mode: int
    to_from_id: int
    type_name: str
    msg_type: int
    body: str
    quote_id: str
    send_at_ms: int
    state: int = ScheduledState.WAITS
    reason: str = ""
    claimed_until_ms: int = 0

    @property
    def msg_id(self) -> str:
        """Always the same, so that the message is stored once however often it is sent."""
        return f"scheduled-{self.scheduled_id}"


def scheduled_id(
    user_id: int, mode: int, to_from_id: int, type_name: str, body: bytes, quote_id: str, msg_id: str, send_at_ms: int
) -> str:
    """Made of what was asked for: a request that is repeated names the same message."""
    asked = f"{user_id}\0{mode}\0{to_from_id}\0{type_name}\0{quote_id}\0{msg_id}\0{send_at_ms}\0".encode() + body
    return hashlib.sha256(asked).hexdigest()[:32]


def time_problem(send_at_ms: int, now_ms: int) -> str:
    """Why nothing can be sent then, "" when it can."""
    if send_at_ms < now_ms + EARLIEST_AFTER_MS:
        return f"send_at_ms is less than {EARLIEST_AFTER_MS // 1000} s away."
    return "" if send_at_ms <= now_ms + LATEST_AFTER_MS else "send_at_ms is more than a year away."
