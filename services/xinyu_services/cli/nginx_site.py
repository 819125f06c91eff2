"""nginx's part of a cluster: one server block in front of all gateways, made of their addresses and our limits.

    /ws  /wss/          WebSocket gateways, the one with the fewest connections first
    everything else     HTTP gateways: the page, /api/, /media/, /config.json, /healthz

- Of a client's address the gateways hear by X-Forwarded-For, to which nginx adds the one that it sees; that is worth
  something only where the gateways trust nginx (`trusted_proxies`).
- Queries hold tokens and tickets, so no log has one: the access log is written without, and at the WebSocket locations,
  whose addresses carry them, nginx's own error lines (they quote the request) are left out below `crit`. The access log
  says which gateway failed how.
- A request that was sent to a gateway is not sent to a second one unless it may be repeated (nginx's rule for POST);
  one that could not be sent is, at once. A gateway that fails is left alone for a second.
- What nginx refuses by itself is told like every other refusal: JSON, the reason in a header (contract: http-api).
- A WebSocket gateway that is about to stop answers 503; the next one is asked.
- An idle WebSocket is pinged by the gateway, so nginx waits for longer than that.
- /metrics and /readyz belong to the operators' port of each process and are not here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xinyu.base.config import Config
from xinyu.base.errors import (
    DEADLINE,
    INTERNAL,
    INTERRUPTED,
    INVALID,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    REQUEST_TIMEOUT,
    TOO_LARGE,
    UNAVAILABLE,
    ErrorCode,
)
from xinyu_services.cli.failure import CommandError

# A head and two pings may pass without a word from either side.
READ_TIMEOUT_SLACK_S: Final = 30
# So much more than a gateway takes of any route comes through, so that the gateway's answer is what a client reads.
OVERSIZE_BYTES: Final = 28 * 1024 * 1024
# Nothing else may stand in the file between quotes: no quote, no variable, no line.
_PLAIN: Final = re.compile(r"[0-9A-Za-z_./:@\[\]*+,~ -]+")
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]+):[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Site:
    """`http` and `websocket`: addresses ("host:port") of the gateways. `listen`: addresses of nginx's own; with a
    certificate they speak TLS only. `access_log`: a path, or "off"."""

    http: Sequence[str]
    websocket: Sequence[str]
    listen: Sequence[str]
    server_name: str = "_"
    certificate: Path | None = None
    key: Path | None = None
    access_log: str = "/var/log/nginx/xinyu.log"
    error_log: str = "/var/log/nginx/error.log"


def render(site: Site, config: Config) -> str:
    """The text, for nginx's http context. Raises CommandError for what cannot stand in it."""
    for address in (*site.http, *site.websocket, *site.listen):
        if not _ADDRESS.fullmatch(address):
            raise CommandError(f"{address!r} is no host:port")
    if not site.http or not site.websocket:
        raise CommandError("nginx needs an HTTP gateway and a WebSocket gateway at least")
    if (site.certificate is None) != (site.key is None):
        raise CommandError("a certificate needs its key, and a key its certificate")
    for text in (site.server_name, site.access_log, site.error_log, site.certificate, site.key):
        if text is not None and not _PLAIN.fullmatch(str(text)):
            raise CommandError(f"{str(text)!r} cannot stand in a configuration of nginx")
    tls = " ssl" if site.certificate else ""
    idle_s = int(2 * config.websocket.heartbeat_s) + READ_TIMEOUT_SLACK_S
    return _SITE.format(
        http_servers=_servers(site.http),
        websocket_servers=_servers(site.websocket),
        listen="\n".join(f"    listen {address}{tls};" for address in site.listen),
        server_name=site.server_name,
        tls=_TLS.format(certificate=site.certificate, key=site.key) if site.certificate else "",
        access_log="off" if site.access_log == "off" else f'"{site.access_log}" xinyu',
        error_log=site.error_log,
        max_body_bytes=max(config.http.max_body_bytes, config.media.max_file_bytes) + OVERSIZE_BYTES,
        body_timeout_s=max(1, int(config.http.body_timeout_s)),
        header_timeout_s=max(1, int(config.http.header_timeout_s)),
        idle_s=idle_s,
        refusals="\n".join(_refusal(status, code) for status, code in _REFUSALS.items()),
    )


def _refusal(status: int, code: ErrorCode) -> str:
    body = f'{{"code":{code.status},"message":"{code.message}","data":null}}'
    return _REFUSAL.format(status=status, answered=code.status, reason=code.reason, body=body)


def _servers(addresses: Sequence[str]) -> str:
    return "\n".join(f"    server {address} max_fails=1 fail_timeout=1s;" for address in addresses)


# What nginx finds wrong itself, and what that is in our table. A gateway that went away in the middle of a request may
# have done it.
_REFUSALS: Final = {
    400: INVALID,
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
    408: REQUEST_TIMEOUT,
    413: TOO_LARGE,
    414: TOO_LARGE,
    494: TOO_LARGE,  # a header; nginx's own number
    500: INTERNAL,
    502: INTERRUPTED,
    503: UNAVAILABLE,
    504: DEADLINE,
}

_REFUSAL: Final = """\
    error_page {status} ={answered} @refused_{status};
    location @refused_{status} {{
        internal;
        default_type application/json;
        add_header X-XinYu-Reason {reason} always;
        return {answered} '{body}';
    }}
"""

_TLS: Final = """\
    ssl_certificate "{certificate}";
    ssl_certificate_key "{key}";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:xinyu:10m;
    ssl_session_timeout 1d;
    ssl_session_tickets off;
"""

_SITE: Final = """\
# Made by `xinyu deploy nginx`: make it again instead of changing it.

log_format xinyu '$remote_addr [$time_iso8601] "$request_method $uri" $status $body_bytes_sent $request_time '
                 'trace=$sent_http_x_trace_id gateway=$upstream_addr $upstream_status $upstream_response_time';

# A request without Upgrade leaves Connection empty, which keeps the connection to the gateway open.
map $http_upgrade $xinyu_connection {{
    default upgrade;
    "" "";
}}

upstream xinyu_http {{
    zone xinyu_http 64k;
{http_servers}
    keepalive 64;
    keepalive_timeout 20s;  # a gateway closes after 30 s: what is sent just then would be lost
}}

upstream xinyu_websocket {{
    zone xinyu_websocket 64k;
    least_conn;
{websocket_servers}
}}

server {{
{listen}
    server_name {server_name};
{tls}    server_tokens off;
    access_log {access_log};

    client_max_body_size {max_body_bytes};
    client_header_timeout {header_timeout_s}s;
    client_body_timeout {body_timeout_s}s;
    keepalive_timeout 65s;
    send_timeout 60s;

    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $xinyu_connection;
    proxy_connect_timeout 2s;

{refusals}
    location / {{
        proxy_pass http://xinyu_http;
    }}

    location /api/ {{
        proxy_pass http://xinyu_http;
        proxy_read_timeout 60s;
    }}

    location /media/ {{
        proxy_pass http://xinyu_http;
        proxy_read_timeout 300s;
        proxy_buffering off;
    }}

    location = /ws {{
        error_log "{error_log}" crit;
        proxy_pass http://xinyu_websocket;
        proxy_next_upstream error timeout http_503;
        proxy_buffering off;
        proxy_read_timeout {idle_s}s;
        proxy_send_timeout {idle_s}s;
    }}

    location /wss/ {{
        error_log "{error_log}" crit;
        proxy_pass http://xinyu_websocket;
        proxy_next_upstream error timeout http_503;
        proxy_buffering off;
        proxy_read_timeout {idle_s}s;
        proxy_send_timeout {idle_s}s;
    }}

    location = /config.json {{
        proxy_pass http://xinyu_http;
    }}

    location = /healthz {{
        proxy_pass http://xinyu_http;
        access_log off;
    }}

    location = /readyz {{
        return 404;
    }}

    location = /metrics {{
        return 404;
    }}
}}
"""
