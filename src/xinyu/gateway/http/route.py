"""What a room's http.py offers the HTTP gateway: a path, the shape of its request, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec


class Nothing(msgspec.Struct, frozen=True):
    """A request without fields: `{}`."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """Who calls. `user_id` is 0 on open routes. `codec`: 0 escapes display strings, 1 gives texts as typed
    (`X-XinYu-Text: plain`). `secure`: TLS or loopback, so that a plain password may be taken."""

    user_id: int
    codec: int
    address: str
    user_agent: str
    secure: bool


@dataclass(frozen=True, slots=True)
class Route:
    """One route below `/api/v1/`. The gateway decodes the body strictly into `request_type` (400 `invalid` or
    `bad_json` otherwise; unknown fields are ignored) and encodes what `handler` returns as JSON (`None` = `{}`;
    `msgspec.Raw` goes in as it is). `handler` raises XinYuError to refuse. `limit` names the rate that it counts
    against: "send" by user, "entry" by address."""

    path: str
    request_type: type[msgspec.Struct]
    handler: Callable[[HttpCall, Any], Awaitable[Any]]
    open: bool = False
    limit: Literal["", "send", "entry"] = ""
