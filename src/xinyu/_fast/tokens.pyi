"""What verified access tokens say, kept by a keyed digest of their text: a bounded cache at some 75 bytes a token."""

from typing import Final, final

MAX_LOOKS: Final[int]  # entries that are looked at for one that may go

def siphash(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4-128, 16 bytes. `key` has 16. For tests."""

@final
class VerifiedTokens:
    """At most `max_entries` tokens (1 to 2**24; else ValueError), in memory that grows as they come. What is full gives
    up tokens that were not used lately. Whether a token has expired is the caller's business."""

    def __new__(cls, max_entries: int) -> VerifiedTokens: ...
    def get(self, token: str) -> tuple[int, str, str, int] | None:
        """(user_id, token_id, platform, expires_at_ms) as `put` for this token; None: not here (any more)."""
    def put(self, token: str, user_id: int, token_id: str, platform: str, expires_at_ms: int) -> bool:
        """Remembers a token that was verified. False: it is not kept, because it is no ASCII text, or `token_id` is
        longer than 24 or `platform` than 7 ASCII characters (none of them NUL). MemoryError leaves all as it was."""
    def discard(self, token: str) -> bool:
        """False: it was not here."""
    def __len__(self) -> int: ...
    @property
    def size_bytes(self) -> int:
        """Memory of entries and table."""
