"""What a room's http.py offers the HTTP gateway: a path, the shape of its request, and who answers.

`Route` is a JSON object in, one out; `FormRoute` takes a form with a file, `DownloadRoute` answers with a blob,
`StreamRoute` with what is made meanwhile, and `PublicFiles` are the blobs that anybody may read who knows their name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from xinyu.gateway.http.form import Form


class Nothing(msgspec.Struct, frozen=True):
    """A request without fields: `{}`."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """Who calls. `user_id` is 0 on open routes. `codec`: 0 escapes display strings, 1 gives texts as typed
    (`X-XinYu-Text: plain`). `secure`: TLS or loopback, so that a plain password may be taken. `base_url`: of forms,
    where clients reach this gateway, no slash at the end."""

    user_id: int
    codec: int
    address: str
    user_agent: str
    secure: bool
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One route below `/api/v1/`. The gateway decodes the body strictly into `request_type` (400 `invalid` or
    `bad_json` otherwise; unknown fields are ignored) and encodes what `handler` returns as JSON (`None` = `{}`;
    `msgspec.Raw` goes in as it is). `handler` raises XinYuError to refuse. `limit` names the rate that it counts
    against: "send" by user, "entry" by address. `http_only`: the handler asks what a WebSocket's event does not tell,
    whether a password may come as it is, or closes the connection that waits for the answer; every other route that is
    not open is an event there as well."""

    path: str
    request_type: type[msgspec.Struct]
    handler: Callable[[HttpCall, Any], Awaitable[Any]]
    open: bool = False
    limit: Literal["", "send", "entry"] = ""
    http_only: bool = False


@dataclass(frozen=True, slots=True)
class FormRoute:
    """A POST below `/api/v1/` with a multipart/form-data body of at most `max_file_bytes` and a few short fields. The
    token is looked at first. `handler` answers as that of a Route."""

    path: str
    max_file_bytes: int
    handler: Callable[[HttpCall, Form], Awaitable[Any]]
    limit: Literal["", "send"] = ""


@dataclass(frozen=True, slots=True)
class Download:
    """A blob as a client gets it. `file_name` "" = it has none; `is_inline`: a browser may show it, else it is stored
    by whoever fetches it; `is_public`: anybody may keep it, for ever."""

    key: str
    content_type: str
    file_name: str = ""
    is_inline: bool = False
    is_public: bool = False


@dataclass(frozen=True, slots=True)
class DownloadRoute:
    """A GET below `/api/v1/`, the fields of `request_type` in its query; a link cannot have headers, so the token may
    stand there, too."""

    path: str
    request_type: type[msgspec.Struct]
    handler: Callable[[HttpCall, Any], Awaitable[Download]]


@dataclass(frozen=True, slots=True)
class Stream:
    """A file that is made while it is sent. `pieces` may refuse with XinYuError before the first one; it is closed by
    whoever takes it."""

    pieces: AsyncGenerator[bytes, None]
    content_type: str
    file_name: str


@dataclass(frozen=True, slots=True)
class StreamRoute:
    """As a DownloadRoute, but for what is answered."""

    path: str
    request_type: type[msgspec.Struct]
    handler: Callable[[HttpCall, Any], Awaitable[Stream]]


@dataclass(frozen=True, slots=True)
class PublicFiles:
    """GET of every path that begins with `prefix`, without a token. `find` gets what follows; None = no such file."""

    prefix: str
    find: Callable[[str], Download | None]


AnyRoute = Route | FormRoute | DownloadRoute | StreamRoute
