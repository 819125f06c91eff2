"""What a room's ws.py offers the WebSocket gateway: a client event, the shape of its payload, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from xinyu.base.errors import XinYuError


class EventCall(NamedTuple):
    """Who sent the event: the connection's user and codec (0 legacy, 1 xinyu.v1.json)."""

    user_id: int
    codec: int


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """One event that clients send. The gateway decodes `payload` strictly into `payload_type`; what `handler` returns
    is the payload of the ack where the event carried an `ackid` (`None` = `{}`; `msgspec.Raw` goes in as it is).
    `handler` raises XinYuError to refuse. `legacy`: the reference client's dialect has it too.

    `watches`: the handler answers user ids, and the connection hears of their coming and going from now on ("begin") or
    no more ("end"): presence/ws.py decides who may be seen, `presence_watching` does the rest.

    `together` instead of `handler`: the hot events. Those that arrive in one turn of the loop, from whatever
    connections, are answered together: one result or refusal each, in order; what it raises refuses all."""

    name: str
    payload_type: type[msgspec.Struct]
    handler: Callable[[EventCall, Any], Awaitable[Any]] | None = None
    legacy: bool = False
    limit: Literal["", "send"] = ""
    together: Callable[[Sequence[tuple[EventCall, Any]]], Awaitable[Sequence[Any | XinYuError]]] | None = None
    watches: Literal["", "begin", "end"] = ""

    def __post_init__(self) -> None:
        if (self.handler is None) == (self.together is None):
            raise ValueError(f"{self.name} needs a handler, or one for several together")
