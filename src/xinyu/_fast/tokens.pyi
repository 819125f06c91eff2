"""What access tokens say: the plain form is verified here, and what was verified is kept by a keyed digest of its text
in a bounded cache, at some 75 bytes a token."""

from typing import Final, final

MAX_LOOKS: Final[int]  # entries that are looked at for one that may go
SHA_IMPLEMENTATIONS: Final[tuple[str, ...]]  # "portable", and "sha-ni" where the processor has it

def siphash(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4-128, 16 bytes. `key` has 16. For tests."""

def sign_hs256(secret: bytes, data: bytes, implementation: str) -> bytes:
    """HMAC-SHA256, 32 bytes, by one of SHA_IMPLEMENTATIONS (else ValueError). For tests."""

@final
class VerifiedTokens:
    """At most `max_entries` tokens (1 to 2**24; else ValueError), in memory that grows as they come. What is full gives
    up tokens that were not used lately. Whether a token has expired is the caller's business.

    With a `secret`, HS256 tokens of exactly the form in which `xinyu.base.token` mints them are verified and remembered
    by `get`."""

    def __new__(cls, max_entries: int, secret: bytes = b"") -> VerifiedTokens: ...
    def get(self, token: str) -> tuple[int, str, str, int] | None:
        """(user_id, token_id, platform, expires_at_ms) as the token says or as `put` for it. None: nothing is known
        of it, which is no verdict: it is not here (any more), and it has another form or no signature of ours."""
    def put(self, token: str, user_id: int, token_id: str, platform: str, expires_at_ms: int) -> bool:
        """Remembers a token that was verified elsewhere. False: it is not kept, because it is no ASCII text, or
        `token_id` is longer than 24 or `platform` than 7 ASCII characters (none of them NUL). MemoryError leaves all as
        it was."""
    def discard(self, token: str) -> bool:
        """False: it was not here."""
    def __len__(self) -> int: ...
    @property
    def size_bytes(self) -> int:
        """Memory of entries and table."""
