"""What a client asks for at the upgrade: which dialect, by which proof, from which page. No I/O, no state.

`/wss/*` is the reference client's address and speaks its dialect, unless a `xinyu.v1.*` subprotocol is offered; `/ws`
is ours and needs the subprotocol (contract: ws-events). Of several offered, the JSON one is chosen: the rooms speak it,
and the other one is made of it. Queries hold tokens, so nothing here may be logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from xinyu.base.errors import INVALID, NOT_FOUND, ORIGIN_REFUSED, XinYuError
from xinyu.dialect import protobuf
from xinyu.gateway.credentials import bearer_token
from xinyu.gateway.decoding import invalid
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.ws.envelope import CODEC_JSON, CODEC_LEGACY, CODEC_PROTOBUF

SUBPROTOCOL_PREFIX: Final = "xinyu.v1."
SUBPROTOCOL_JSON: Final = "xinyu.v1.json"
SUBPROTOCOLS: Final = {CODEC_JSON: SUBPROTOCOL_JSON, CODEC_PROTOBUF: protobuf.SUBPROTOCOL}
# The names that the engine hands over with a request.
HEADERS: Final = ("authorization", "origin", "sec-websocket-protocol")
MAX_QUERY_FIELDS: Final = 16
MAX_DEVICE_ID_CHARACTERS: Final = 64

_DEVICE_ID: Final = re.compile(r"[0-9A-Za-z._:-]{1,64}")
_PLATFORMS: Final = frozenset(("web", "pc", "app"))


class Upgrade(msgspec.Struct, frozen=True, gc=False):
    """One request. `token` or `ticket` may be ""; in our dialect both may: then `session.open` must follow."""

    codec: int
    subprotocol: str | None
    token: str
    ticket: str
    device_id: str
    platform: str


def read(path: str, query: str, headers: Mapping[str, str], origins: AllowedOrigins) -> Upgrade:
    """Raises NOT_FOUND, ORIGIN_REFUSED or INVALID."""
    if path != "/ws" and not path.startswith("/wss/"):
        raise XinYuError(NOT_FOUND)
    # Only browsers send Origin, and they always do: a page from elsewhere must not use its visitor's login.
    if "origin" in headers and not origins.allows(headers["origin"]):
        raise XinYuError(ORIGIN_REFUSED)
    protocols = headers.get("sec-websocket-protocol", "")
    ours, codec = protocols == SUBPROTOCOL_JSON, CODEC_JSON
    if not ours:
        offered = [name.strip() for name in protocols.split(",")]
        ours = any(name.startswith(SUBPROTOCOL_PREFIX) for name in offered)
        if ours and SUBPROTOCOL_JSON not in offered:
            codec = CODEC_PROTOBUF
        if (ours or path == "/ws") and SUBPROTOCOLS[codec] not in offered:
            spoken = " and ".join(SUBPROTOCOLS.values())
            raise XinYuError(INVALID, f"The subprotocols that are spoken here are {spoken}.")
    fields = query_fields(query)
    token = bearer_token(headers.get("authorization", ""))
    if not ours:
        token = fields.get("token", "") or token
    return Upgrade(
        codec=codec if ours else CODEC_LEGACY,
        subprotocol=SUBPROTOCOLS[codec] if ours else None,
        token=token,
        ticket=fields.get("ticket", "") if ours else "",
        device_id=device_id(fields.get("device_id", "")),
        platform=platform(fields.get("platform", "")),
    )


def query_fields(query: str) -> dict[str, str]:
    """The last of each name. Raises INVALID for more than MAX_QUERY_FIELDS, and for escapes that are no UTF-8."""
    if not query:
        return {}
    if "%" in query or "+" in query:
        try:
            return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS, errors="strict"))
        except ValueError:
            raise XinYuError(INVALID) from None
    # The same for a query without escapes, as clients send it, at a fifth of the price.
    parts = query.split("&")
    if len(parts) > MAX_QUERY_FIELDS:
        raise XinYuError(INVALID)
    fields = {}
    for part in parts:
        if part:
            name, _, value = part.partition("=")
            fields[name] = value
    return fields


def device_id(value: str) -> str:
    """`value` where it may be one. "" stands for a device without a name."""
    if value and not _DEVICE_ID.fullmatch(value):
        raise invalid("device_id")
    return value


def platform(value: str) -> str:
    """Missing or empty means web."""
    if value and value not in _PLATFORMS:
        raise invalid("platform")
    return value or "web"
