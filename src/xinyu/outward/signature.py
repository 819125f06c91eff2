"""How a webhook's receiver knows that a request is the server's: a secret of its own, and a signature under it.

No secret is stored: each is made of the server's own, of whose it is, and of a number that a new one counts up. So
whoever reads the database can sign nothing, and all processes of a cluster know every secret without a call.
"""

from __future__ import annotations

import hashlib
import hmac


def webhook_secret(server_secret: bytes, bot_id: int, number: int) -> str:
    """The `number`-th secret of a bot's webhook: 64 hex digits."""
    return hmac.new(server_secret, b"webhook:%d:%d" % (bot_id, number), hashlib.sha256).hexdigest()


def signature(secret: str, timestamp_s: int, content: bytes) -> str:
    """Hex HMAC-SHA256, under the secret as it is written, of the time, a full stop and the content: what was overheard
    once cannot be sent again later."""
    return hmac.new(secret.encode(), b"%d." % timestamp_s + content, hashlib.sha256).hexdigest()
