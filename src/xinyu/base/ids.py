"""Ids that are made at random: message ids, incarnations. Numbered ids come from `xinyu.storage.id_blocks`."""

from __future__ import annotations

import re
import secrets
from typing import Final

# Contract: http-api, "Sending and reading".
MSG_ID_PATTERN: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
# Beyond this a JavaScript client would round a number.
MAX_SAFE_INTEGER: Final = 2**53 - 1


def new_msg_id() -> str:
    """32 hex digits, as the reference client makes them."""
    return secrets.token_hex(16)


def new_incarnation() -> str:
    """Names one life of one process; never used again."""
    return secrets.token_hex(12)
