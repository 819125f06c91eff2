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
