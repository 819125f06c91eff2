"""Logins that the engine takes by itself, without an object for each: what it must know for that, and their batches."""

from collections.abc import Mapping
from typing import Final, final

from xinyu._fast.tokens import VerifiedTokens

MAX_LOGINS: Final[int]  # in one batch

def read_login(head: bytes) -> tuple[int, str, str, str] | None:
    """(codec, token, device_id, platform) where a correct upgrade request (with its blank line; else ValueError) spells
    a login as most clients do; None: that has to be read with more care. For tests."""

@final
class Logins:
    """Users who log in together, in order of arrival; made by the engine for its `on_logins`."""

    @property
    def codec(self) -> int: ...
    @property
    def ids(self) -> list[int]:
        """Their connections."""
    @property
    def user_ids(self) -> list[int]: ...
    def __len__(self) -> int: ...

@final
class LoginDoor:
    """How an engine takes logins: by the tokens of `tokens`, at most so many connections a user, and each with the
    first event of its codec.

    An event is a text in which `$session_id` (in hexadecimal), `$user_id`, `$device_id`, `$platform` and `$now_ms` are
    filled in; ASCII, at most 1,024 bytes with all of that. ValueError: it is not."""

    def __new__(
        cls,
        tokens: VerifiedTokens,
        *,
        connections_per_user: int,
        first_events: Mapping[int, str],
        ended: dict[int, int] | None = None,
    ) -> LoginDoor:
        """`ended`: user -> his tokens that expire by this moment (Unix ms) are left to `on_upgrade`. The owner may
        change it at any time."""
    @property
    def connections_per_user(self) -> int: ...
    def new_session(self, codec: int) -> int:
        """A session number: unique, below 2**50, not 0; its two lowest bits are the codec."""
    def first_event(self, codec: int, session_id: int, user_id: int, device_id: str, platform: str) -> str:
        """The first event of a connection that the engine does not admit by itself. A `device_id` of "" becomes one of
        its own. ValueError: a codec without an event, more than 64 characters of device or 3 of platform."""
