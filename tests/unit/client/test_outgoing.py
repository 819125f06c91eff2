"""The outgoing queue: same msg_id for ever, order of a talk, what is final and what comes again."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.client.backoff import Backoff
from xinyu.client.errors import ApiError, NetworkError, SendQueueFull
from xinyu.client.outgoing import Outgoing, Send, new_msg_id


def make(msg_id: str, peer: int = 2) -> Send:
    return Send(msg_id=msg_id, talk_mode=1, to_from_id=peer, type="text", body={"content": msg_id})


def error(status: int, retry_after_ms: int | None = None) -> ApiError:
    return ApiError(status, status, "", "", retry_after_ms)


def ids(sends: list[Send]) -> list[str]:
    return [send.msg_id for send in sends]


def test_a_msg_id_is_32_hex_digits() -> None:
    made = {new_msg_id() for _ in range(100)}
    assert len(made) == 100
    assert all(len(msg_id) == 32 and int(msg_id, 16) >= 0 for msg_id in made)


def test_of_one_talk_only_the_oldest_is_on_the_wire() -> None:
    queue = Outgoing()
    for msg_id, peer in (("a", 2), ("b", 2), ("c", 3)):
        queue.put(make(msg_id, peer))
    assert ids(queue.take_due(0)) == ["a", "c"]
    assert queue.take_due(0) == []
    queue.stored("a")
    assert ids(queue.take_due(0)) == ["b"]
    queue.stored("b")
    queue.stored("c")
    assert len(queue) == 0


def test_after_a_lost_connection_the_same_ids_go_again_in_order() -> None:
    queue = Outgoing()
    for msg_id in ("a", "b"):
        queue.put(make(msg_id))
    queue.take_due(0)
    queue.disconnected()
    assert ids(queue.take_due(0)) == ["a"]


@pytest.mark.parametrize("refusal", [error(500), error(503), error(408), error(401), NetworkError("no answer")])
def test_what_may_succeed_later_comes_again_after_a_wait(refusal: ApiError | NetworkError) -> None:
    queue = Outgoing(random=Random(1))
    queue.put(make("a"))
    queue.put(make("b"))
    queue.take_due(0)
    assert not queue.refused("a", refusal, 1000)
    due_ms = queue.next_due_ms()
    assert due_ms is not None
    assert due_ms >= 1000
    assert queue.take_due(due_ms - 1) == []
    assert ids(queue.take_due(due_ms)) == ["a"], "a later message of the talk must not overtake it"


def test_retry_after_is_kept() -> None:
    queue = Outgoing()
    queue.put(make("a"))
    queue.take_due(0)
    queue.refused("a", error(429, retry_after_ms=5000), 1000)
    assert queue.take_due(5999) == []
    due_ms = queue.next_due_ms()
    assert due_ms is not None
    assert 6000 <= due_ms <= 6250


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413])
def test_other_refusals_are_final_and_let_the_next_one_go(status: int) -> None:
    queue = Outgoing()
    queue.put(make("a"))
    queue.put(make("b"))
    queue.take_due(0)
    assert queue.refused("a", error(status), 0)
    assert "a" not in queue
    assert ids(queue.take_due(0)) == ["b"]


def test_the_queue_is_bounded() -> None:
    queue = Outgoing(limit=2)
    queue.put(make("a"))
    queue.put(make("b"))
    queue.put(make("b"))  # the same again is no second one
    with pytest.raises(SendQueueFull):
        queue.put(make("c"))
    assert ids(list(queue)) == ["a", "b"]


def test_one_msg_id_stands_for_one_message() -> None:
    queue = Outgoing()
    queue.put(make("a"))
    with pytest.raises(ValueError, match="another message"):
        queue.put(make("a", peer=3))


def test_what_was_never_on_the_wire_can_be_cancelled() -> None:
    queue = Outgoing()
    queue.put(make("a"))
    queue.put(make("b"))
    queue.take_due(0)
    assert not queue.cancel("a")
    queue.disconnected()
    assert not queue.cancel("a"), "it may be stored already"
    assert queue.cancel("b")
    assert not queue.cancel("b")


def test_a_snapshot_keeps_ids_and_order() -> None:
    queue = Outgoing()
    for msg_id, peer in (("a", 2), ("b", 2), ("c", 3)):
        queue.put(make(msg_id, peer))
    queue.take_due(0)
    restored = Outgoing.restore(queue.snapshot())
    assert list(restored) == list(queue)
    assert ids(restored.take_due(0)) == ["a", "c"]
    with pytest.raises(ValueError, match="snapshot"):
        Outgoing.restore(queue.snapshot()[:-2])


def test_an_answer_to_an_unknown_send_changes_nothing() -> None:
    queue = Outgoing()
    queue.stored("x")
    assert not queue.refused("x", error(400), 0)


@given(
    st.lists(st.tuples(st.sampled_from(["put", "take", "ok", "again", "final", "lost", "restore"]), st.integers(2, 4)))
)
def test_any_schedule_keeps_order_and_loses_nothing(steps: list[tuple[str, int]]) -> None:
    queue, now_ms, count = Outgoing(), 0, 0
    put: dict[int, list[str]] = {peer: [] for peer in (2, 3, 4)}
    done: dict[int, list[str]] = {peer: [] for peer in (2, 3, 4)}
    wire: dict[int, str] = {}
    for step, peer in steps:
        now_ms += 100_000
        if step == "put":
            count += 1
            queue.put(make(f"m{count}", peer))
            put[peer].append(f"m{count}")
        elif step == "take":
            for send in queue.take_due(now_ms):
                assert send.to_from_id not in wire
                wire[send.to_from_id] = send.msg_id
        elif step == "lost":
            wire.clear()
            queue.disconnected()
        elif step == "restore":
            wire.clear()
            queue = Outgoing.restore(queue.snapshot())
        elif peer in wire:
            msg_id = wire.pop(peer)
            if step == "ok":
                queue.stored(msg_id)
                done[peer].append(msg_id)
            elif step == "again":
                assert not queue.refused(msg_id, error(503), now_ms)
            else:
                assert queue.refused(msg_id, error(403), now_ms)
                done[peer].append(msg_id)
    for peer, sent in put.items():
        assert done[peer] == sent[: len(done[peer])]
        assert [send.msg_id for send in queue if send.to_from_id == peer] == sent[len(done[peer]) :]


def test_backoff_grows_and_spreads() -> None:
    random = Random(5)
    first = [Backoff(base_ms=500, cap_ms=4000, random=random).next_ms() for _ in range(200)]
    assert max(first) <= 500
    assert min(first) < 100
    backoff = Backoff(base_ms=500, cap_ms=4000, random=random)
    waits = [backoff.next_ms() for _ in range(300)]
    assert 3000 < max(waits) <= 4000
    assert backoff.next_ms(10_000) >= 10_000
    backoff.reset()
    assert backoff.next_ms() <= 500
    with pytest.raises(ValueError, match="base_ms"):
        Backoff(base_ms=10, cap_ms=5)
