"""How the two ends of a Rock connection prove to each other that they know the cluster's secret.

    caller -> REQUEST 1, body: 32 random bytes (a)
    callee -> 200, body: 32 random bytes (b), then HMAC-SHA256(secret, "callee" a b)
    caller -> REQUEST 2, body: HMAC-SHA256(secret, "caller" a b)
    callee -> 200; from here on requests are answered

Either end goes away when the other's proof is wrong. Fresh random numbers on both sides make a recorded exchange
useless, and the role in the text makes it useless to send a proof back where it came from. It says who is there; it
neither hides nor seals what follows: between machines the network must be trusted, or a tunnel be laid.
"""

from __future__ import annotations

import hmac
from typing import Final

CHALLENGE: Final = 1
PROVE: Final = 2
NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32


def callee(secret: bytes, caller_nonce: bytes, callee_nonce: bytes) -> bytes:
    return hmac.digest(secret, b"callee" + caller_nonce + callee_nonce, "sha256")


def caller(secret: bytes, caller_nonce: bytes, callee_nonce: bytes) -> bytes:
    return hmac.digest(secret, b"caller" + caller_nonce + callee_nonce, "sha256")
