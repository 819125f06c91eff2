"""Rules of read receipts: who is counted, and in which pages he is told. Pure.

What a member has read is his read cursor, so a message's readers are those whose cursor has reached it: nothing is
stored by message and member. Who joined after a message, who wrote it and who hides what he has read is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

# By user, how far each of a pair has read.
PairReads = dict[int, int]
PAGE: Final = 100


class Reader(NamedTuple):
    """A member of a talk, and whether he has read the message that was asked about."""

    user_id: int
    has_read: bool


class ReadersPage(NamedTuple):
    """`after_user_id` of the next page, 0 = this is the last. The numbers are those of all pages."""

    readers: Sequence[Reader]
    read_count: int
    unread_count: int
    after_user_id: int


def readers_page(readers: Sequence[Reader], sender_id: int, after_user_id: int) -> ReadersPage:
    """A page of `readers` (ascending by user), without the message's sender."""
    counted = [reader for reader in readers if reader.user_id != sender_id]
    read_count = sum(reader.has_read for reader in counted)
    rest = [reader for reader in counted if reader.user_id > after_user_id]
    page = rest[:PAGE]
    after = page[-1].user_id if len(rest) > PAGE else 0
    return ReadersPage(page, read_count, len(counted) - read_count, after)
