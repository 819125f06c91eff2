"""What presence says of a user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UserPresence:
    """Online is who has a device now, on whatever gateway. `last_seen_ms`: when the last device left; 0 = not known."""

    user_id: int
    is_online: bool
    last_seen_ms: int
