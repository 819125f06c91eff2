"""A transaction as a use case wants it: run again after a deadlock, refused in the words of the table of errors."""

from __future__ import annotations

from typing import Final, TypeVar

from xinyu.base.errors import OVERLOADED, UNAVAILABLE, XinYuError
from xinyu.storage.database import Database, Duplicate, Retry, Unavailable, Work

T = TypeVar("T")

ATTEMPTS: Final = 3


async def transact(database: Database, work: Work[T], *, lane: int | None = None) -> T:
    """Runs `work` by `write`, up to three times. Duplicate counts as a lost race: work that looks before it inserts
    finds, the next time, what the other one wrote. Raises OVERLOADED or UNAVAILABLE."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await database.write(work, lane=lane)
        except Unavailable as error:
            raise XinYuError(UNAVAILABLE) from error
        except Retry as error:
            if attempt == ATTEMPTS:
                raise XinYuError(OVERLOADED) from error
        except Duplicate:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


async def query(database: Database, work: Work[T]) -> T:
    """Runs `work` by `read`, with the same refusals."""
    try:
        return await database.read(work)
    except Retry as error:
        raise XinYuError(OVERLOADED) from error
    except Unavailable as error:
        raise XinYuError(UNAVAILABLE) from error
