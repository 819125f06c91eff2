"""What nginx's configuration is made of, and what cannot be put into it. (tests/e2e/test_nginx.py runs it.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xinyu.base.config import Config, HttpSettings, MediaSettings, WebSocketSettings
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.nginx_site import OVERSIZE_BYTES, Site, render

GOOD: dict[str, Any] = {
    "http": ["10.0.0.1:8080", "10.0.0.2:8080"],
    "websocket": ["10.0.0.1:8081", "gateway-2.example.org:8081", "[2001:db8::1]:8081"],
    "listen": ["0.0.0.0:80"],
}


def test_every_gateway_is_named_and_limits_follow_the_settings() -> None:
    config = Config(
        http=HttpSettings(max_body_bytes=1 << 30, body_timeout_s=7), websocket=WebSocketSettings(heartbeat_s=100)
    )
    text = render(Site(**GOOD), config)
    for address in (*GOOD["http"], *GOOD["websocket"]):
        assert f"server {address} " in text
    assert f"client_max_body_size {(1 << 30) + OVERSIZE_BYTES};" in text
    uploads = render(Site(**GOOD), Config(media=MediaSettings(max_file_bytes=1 << 31)))
    assert f"client_max_body_size {(1 << 31) + OVERSIZE_BYTES};" in uploads
    assert "client_body_timeout 7s;" in text
    assert text.count("proxy_read_timeout 230s;") == 2  # longer than two pings
    assert "ssl" not in text
    assert "$request_uri" not in text and '"$request"' not in text and "$args" not in text


def test_tls_is_spoken_on_every_address() -> None:
    site = Site(**{**GOOD, "listen": ["0.0.0.0:443", "[::]:443"]}, certificate=Path("/c.pem"), key=Path("/c.key"))
    text = render(site, Config())
    assert "listen 0.0.0.0:443 ssl;" in text and "listen [::]:443 ssl;" in text
    assert 'ssl_certificate "/c.pem";' in text


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"http": []}, "at least"),
        ({"websocket": []}, "at least"),
        ({"http": ["10.0.0.1"]}, "no host:port"),
        ({"http": ["10.0.0.1:80; } evil"]}, "no host:port"),
        ({"listen": ["80"]}, "no host:port"),
        ({"server_name": "a; return 200"}, "cannot stand"),
        ({"server_name": "a\nb"}, "cannot stand"),
        ({"access_log": "/var/log/$uri"}, "cannot stand"),
        ({"certificate": Path('/a".pem'), "key": Path("/a.key")}, "cannot stand"),
        ({"certificate": Path("/a.pem")}, "needs its key"),
    ],
)
def test_what_cannot_be_written_is_refused(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(CommandError, match=named):
        render(Site(**{**GOOD, **changed}), Config())
