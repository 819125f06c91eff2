"""A webhook's signature, as its receivers compute it."""

from __future__ import annotations

import hashlib
import hmac

from xinyu.outward.signature import signature, webhook_secret


def test_a_secret_is_its_bots_and_its_numbers_alone() -> None:
    secrets = {webhook_secret(server, bot, number) for server in (b"a", b"b") for bot in (1, 11) for number in (1, 2)}
    assert len(secrets) == 8
    assert {len(secret) for secret in secrets} == {64}
    assert webhook_secret(b"a", 1, 2) == webhook_secret(b"a", 1, 2)


def test_the_signature_covers_time_and_content() -> None:
    secret = webhook_secret(b"a", 1, 1)
    expected = hmac.new(secret.encode(), b"1700000000." + b'{"a":1}', hashlib.sha256).hexdigest()
    assert signature(secret, 1_700_000_000, b'{"a":1}') == expected
    assert signature(secret, 1_700_000_001, b'{"a":1}') != expected
    assert signature(secret, 1_700_000_000, b'{"a":2}') != expected
