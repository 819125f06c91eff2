"""The members of a large talk as a gateway holds them, and an index over several such sets."""

from collections.abc import Iterable
from typing import Final, final

from typing_extensions import Buffer

# Who of a talk is meant, as `Audience` in gateway.proto.
MEMBERS: Final[int]
READERS: Final[int]
SEEING: Final[int]
OTHERS: Final[int]
ROW_BYTES: Final[int]
MAX_ROWS: Final[int]

@final
class MemberSet:
    """Who is in and since which message, and who left and up to which. Never changed; new, it is empty. 16 bytes a
    member. `len` counts who is in; `in` asks for those who left, too."""

    def updated(self, rows: Buffer, kept_from: int = 0) -> MemberSet:
        """This set with newer rows in place of the old ones of the same users. rows: (user, first sequence he may see,
        last one or -1 for one who is in) as 64-bit numbers of this machine, ascending by user, each user once. Those
        who left are kept while they could see `kept_from` or something after it. O(set + rows).

        ValueError: the rows are none."""
    def __len__(self) -> int: ...
    def __contains__(self, user_id: int, /) -> bool: ...
    @property
    def leavers(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    def among(self, user_ids: Iterable[int], audience: int, sequence: int = 0) -> list[int]:
        """Those of `user_ids` who are meant, in no order: what the engine does with its own users. For tests.

        ValueError: there is no such audience."""

@final
class MemberIndex:
    """In how many of some sets a user is. `len` counts users."""

    def add(self, members: MemberSet) -> None: ...
    def discard(self, members: MemberSet) -> None:
        """A set that was added before, once."""
    def __contains__(self, user_id: int, /) -> bool: ...
    def __len__(self) -> int: ...
