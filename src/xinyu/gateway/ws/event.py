"""What a room's ws.py offers the WebSocket gateway: a client event, the shape of its payload, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec


@dataclass(frozen=True, slots=True)
class EventCall:
    """Who sent the event: the connection's user and codec (0 legacy, 1 xinyu.v1.json)."""

    user_id: int
    codec: int


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """One event that clients send. The gateway decodes `payload` strictly into `payload_type`; what `handler` returns
    is the payload of the ack where the event carried an `ackid` (`None` = `{}`; `msgspec.Raw` goes in as it is).
    `handler` raises XinYuError to refuse. `legacy`: the reference client's dialect has it too."""

    name: str
    payload_type: type[msgspec.Struct]
    handler: Callable[[EventCall, Any], Awaitable[Any]]
    legacy: bool = False
    limit: Literal["", "send"] = ""
