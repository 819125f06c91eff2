from __future__ import annotations

from xinyu_services.cli.config import MASK, masked


def test_secrets_are_masked_at_every_depth() -> None:
    settings = {
        "port": 1,
        "token_secret": "a",
        "database": {"host": "h", "password": "b", "pool": {"private_key": "c", "size": 2}},
        "password": "",
    }
    assert masked(settings) == {
        "port": 1,
        "token_secret": MASK,
        "database": {"host": "h", "password": MASK, "pool": {"private_key": MASK, "size": 2}},
        "password": "",
    }


def test_passwords_in_urls_are_masked_and_nothing_else_of_them() -> None:
    assert masked(
        {
            "database": {"url": "mysql://xinyu:p@ss:w/rd@127.0.0.1:3306/xinyu"},
            "redis": {"url": "rediss://:only@host:6379/0", "others": ["redis://a:b@h/0", "redis://h:1/0"]},
            "http": {"public_websocket_url": "wss://chat.example.org:443/ws", "allowed": "http://localhost:*"},
        }
    ) == {
        "database": {"url": f"mysql://xinyu:{MASK}@127.0.0.1:3306/xinyu"},
        "redis": {"url": f"rediss://:{MASK}@host:6379/0", "others": [f"redis://a:{MASK}@h/0", "redis://h:1/0"]},
        "http": {"public_websocket_url": "wss://chat.example.org:443/ws", "allowed": "http://localhost:*"},
    }
