"""The one table of WebSocket close codes: who is at fault, and whether to come back (contract: ws-events)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class CloseCode:
    """One line of the table. `reconnect`: the peer should open a new connection by itself."""

    code: int
    meaning: str
    at_fault: Literal["client", "server", "nobody"]
    reconnect: bool


CLOSE_CODES: Final[dict[int, CloseCode]] = {
    row.code: row
    for row in (
        CloseCode(1000, "normal", "nobody", False),
        CloseCode(1001, "going away", "nobody", True),
        CloseCode(1002, "protocol error", "client", False),
        CloseCode(1003, "unsupported data", "client", False),
        CloseCode(1007, "text that is not UTF-8", "client", False),
        CloseCode(1008, "policy violation", "client", False),
        CloseCode(1009, "message too big", "client", False),
        CloseCode(1011, "internal error", "server", True),
        CloseCode(1012, "restarting: come back after the delay in the reason", "server", True),
        CloseCode(1013, "try again later", "server", True),
        CloseCode(4401, "not authenticated", "client", False),
        CloseCode(4403, "kicked or banned", "client", False),
        CloseCode(4408, "heartbeat or login deadline missed", "client", True),
        CloseCode(4409, "replaced by another login", "nobody", False),
        CloseCode(4429, "too many", "client", True),
    )
}
