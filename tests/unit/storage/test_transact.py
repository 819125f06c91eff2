"""A transaction is run again after a lost race, and refused in the words of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from xinyu.base.errors import OVERLOADED, UNAVAILABLE, ErrorCode, XinYuError
from xinyu.storage.database import DatabaseError, Duplicate, Retry, Unavailable
from xinyu.storage.transact import ATTEMPTS, query, transact


class FailingDatabase:
    """Fails a number of times before it does the work."""

    def __init__(self, *failures: DatabaseError) -> None:
        self.failures = list(failures)
        self.runs = 0

    async def write(
        self,
        work: Callable[[Any], Any],
        *,
        lane: int = 0,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> Any:
        self.runs += 1
        if self.failures:
            raise self.failures.pop(0)
        return work(None)

    read = write

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("failure", [Retry("deadlock"), Duplicate("key")])
async def test_a_lost_race_is_run_again(failure: DatabaseError) -> None:
    database = FailingDatabase(failure, failure)
    assert await transact(database, lambda _connection: "done") == "done"
    assert database.runs == ATTEMPTS


@pytest.mark.parametrize(
    ("failures", "runs", "code"),
    [([Retry("deadlock")] * 5, ATTEMPTS, OVERLOADED), ([Unavailable("away")], 1, UNAVAILABLE)],
)
async def test_what_does_not_pass_is_refused(failures: list[DatabaseError], runs: int, code: ErrorCode) -> None:
    database = FailingDatabase(*failures)
    with pytest.raises(XinYuError) as caught:
        await transact(database, lambda _connection: "done")
    assert caught.value.code is code
    # A commit whose answer is lost may have happened: it is not run again.
    assert database.runs == runs


async def test_a_duplicate_that_stays_is_a_mistake_of_ours() -> None:
    with pytest.raises(Duplicate):
        await transact(FailingDatabase(*[Duplicate("key")] * 5), lambda _connection: "done")


@pytest.mark.parametrize(("failure", "code"), [(Retry("busy"), OVERLOADED), (Unavailable("away"), UNAVAILABLE)])
async def test_reads_are_refused_in_the_same_words(failure: DatabaseError, code: ErrorCode) -> None:
    with pytest.raises(XinYuError) as caught:
        await query(FailingDatabase(failure), lambda _connection: "done")
    assert caught.value.code is code


async def test_the_works_own_refusal_comes_out_as_it_is() -> None:
    def work(_connection: object) -> None:
        raise XinYuError(UNAVAILABLE, "mine")

    database = FailingDatabase()
    with pytest.raises(XinYuError, match="mine"):
        await transact(database, work)
    assert database.runs == 1
