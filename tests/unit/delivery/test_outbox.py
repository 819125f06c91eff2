"""Which rows a batch deletes: each is one batch's, and none is forgotten."""

from __future__ import annotations

from xinyu.base.clock import SystemClock
from xinyu.delivery.outbox import DELETE_LIMIT, LEAVING_S, Outbox
from xinyu.storage.dialect import SQLITE


class HandClock(SystemClock):
    def __init__(self) -> None:
        self.passed_s = 0.0

    def monotonic_s(self) -> float:
        return self.passed_s


def outbox_with(done: int, clock: SystemClock | None = None) -> Outbox:
    outbox = Outbox("message", SQLITE, "test", clock or SystemClock())
    for row_id in range(1, done + 1):
        outbox.finished(row_id)
    return outbox


def test_two_batches_at_once_delete_different_rows() -> None:
    outbox = outbox_with(DELETE_LIMIT + 2)
    first, second, third = outbox.open(), outbox.open(), outbox.open()
    assert first.deleted == tuple(range(1, DELETE_LIMIT + 1))
    assert (second.deleted, third.deleted) == ((DELETE_LIMIT + 1, DELETE_LIMIT + 2), ())
    assert not outbox.has_done
    assert all(map(outbox.knows, range(1, DELETE_LIMIT + 3)))


def test_what_was_committed_is_forgotten() -> None:
    outbox = outbox_with(1)
    batch = outbox.open()
    outbox.settled(batch)
    assert not outbox.knows(1)
    assert outbox.open().deleted == ()


def test_what_is_not_committed_in_time_goes_with_another() -> None:
    clock = HandClock()
    outbox = outbox_with(2, clock)
    slow = outbox.open()
    clock.passed_s = LEAVING_S - 1
    outbox.finished(3)
    assert outbox.open().deleted == (3,)
    clock.passed_s = LEAVING_S
    again = outbox.open()
    assert again.deleted == slow.deleted == (1, 2)
    outbox.settled(slow)
    outbox.settled(again)
    assert not outbox.knows(1) and not outbox.knows(2)
    assert outbox.knows(3)
