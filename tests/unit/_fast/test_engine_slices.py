"""Nothing holds the loop for longer than a slice: what is too much for one poll() goes on in the next.

With `slice_ms=0` the slice is over at the first look at the clock, so that a poll() does a known number of steps: 16,
where a callback of Python's counts for 8, and then one of each kind that is waiting. No clock decides these tests.
"""

from __future__ import annotations

import select
from collections.abc import Callable

import pytest

from tests.unit._fast.engine_harness import MASK, Client, Harness, no_new_buffers, request
from xinyu._fast.engine import Engine, Frame, encode_frame
from xinyu._fast.frames import build_frame

STEPS = 16
CROWD = 100


def crowd(h: Harness, count: int = CROWD) -> list[Client]:
    return [h.open() for _ in range(count)]


def waiting(h: Harness, clients: list[Client]) -> int:
    """How many have a frame that is not written yet."""
    return sum(h.engine.backlog_of(client.id) > 0 for client in clients)


def readable(h: Harness) -> bool:
    return bool(select.select([h.engine.fileno()], [], [], 0)[0])


def by_list(engine: Engine, clients: list[Client], frame: Frame) -> int:
    return engine.fan_out([client.id for client in clients], frame)


def by_users(engine: Engine, clients: list[Client], frame: Frame) -> int:
    for user_id, client in enumerate(clients, 1):
        assert engine.bind(client.id, user_id)
    return engine.fan_out_users(range(1, len(clients) + 1), {0: frame})


def by_talk(engine: Engine, clients: list[Client], frame: Frame) -> int:
    for client in clients:
        assert engine.join_talk(client.id, 7)
    return engine.fan_out_talk(7, {0: frame})


def to_all(engine: Engine, _clients: list[Client], frame: Frame) -> int:
    return engine.fan_out_all(frame)


def by_flush(engine: Engine, clients: list[Client], frame: Frame) -> int:
    engine.hold()
    reached = by_list(engine, clients, frame)
    engine.flush()
    return reached


@pytest.mark.parametrize("fan_out", [by_list, by_users, by_talk, to_all, by_flush])
def test_a_fan_out_larger_than_a_slice_goes_on_in_the_next(
    fan_out: Callable[[Engine, list[Client], Frame], int],
) -> None:
    with no_new_buffers(), Harness(slice_ms=0) as h:
        clients = crowd(h)
        assert fan_out(h.engine, clients, encode_frame(b"to all")) == CROWD
        left = waiting(h, clients)
        assert CROWD - STEPS <= left < CROWD
        while left:
            assert readable(h)
            h.engine.poll()
            before, left = left, waiting(h, clients)
            assert before - STEPS <= left < before
        for client in clients:
            assert client.read_frame() == (1, b"to all")
        h.settle()
        assert h.run_for(0.05) < 10, "nothing is left, and nothing spins"


def test_frames_of_a_fan_out_that_waits_are_not_overtaken() -> None:
    with no_new_buffers(), Harness(slice_ms=0) as h:
        clients = crowd(h)
        ids = [client.id for client in clients]
        frames = [encode_frame(f"fan-out {number}") for number in range(3)]
        assert h.engine.fan_out(ids, frames[0]) == CROWD
        assert all(h.engine.send(id_, "single") for id_ in ids)
        assert h.engine.fan_out(reversed(ids), frames[1]) == CROWD
        h.engine.hold()
        assert h.engine.fan_out_all(frames[2]) == CROWD
        h.engine.flush()
        assert all(h.engine.ping(id_) for id_ in ids)
        expected = [(1, b"fan-out 0"), (1, b"single"), (1, b"fan-out 1"), (1, b"fan-out 2"), (9, b"")]
        for client in clients:
            assert client.read_frames(5) == expected
        del frames


def test_a_connection_that_goes_while_its_frame_waits_is_passed_over() -> None:
    with no_new_buffers(), Harness(slice_ms=0) as h:
        clients = crowd(h)
        assert h.engine.fan_out([client.id for client in clients], encode_frame(b"to all")) == CROWD
        gone = [client for client in clients if h.engine.backlog_of(client.id)][-10:]
        for client in gone:
            assert h.engine.abort(client.id)
        for client in clients:
            if client not in gone:
                assert client.read_frame() == (1, b"to all")
        h.until(lambda: len(h.closes) == len(gone), "on_close")


@pytest.mark.whole_io
def test_an_error_in_the_list_of_a_fan_out_leaves_no_frame_behind() -> None:
    with no_new_buffers(), Harness(slice_ms=0) as h:
        clients = crowd(h)
        with pytest.raises(TypeError):
            h.engine.fan_out([*(client.id for client in clients), "none"], encode_frame(b"to all"))
        for client in clients:
            assert client.read_frame() == (1, b"to all")
        assert h.engine.send(clients[0].id, "at once")
        assert h.engine.backlog_of(clients[0].id) == 0


def test_fan_outs_in_a_callback_keep_to_the_slice_of_the_poll_that_calls() -> None:
    with no_new_buffers(), Harness(slice_ms=0) as h:
        clients = crowd(h)
        h.react = lambda _id, _data: h.engine.fan_out_all(encode_frame(b"to all"))
        clients[0].text("now")
        h.until(lambda: h.messages, "the message")
        assert waiting(h, clients) >= CROWD - 3 * STEPS
        for client in clients:
            assert client.read_frame() == (1, b"to all")


def test_one_connection_s_flood_yields_to_another() -> None:
    """The flood is in the engine before the other's message comes, and is not over when that is answered."""
    with Harness(slice_ms=0, echo=True) as h:
        flooding, other = h.open(), h.open()
        count = 500
        flooding.socket.send(b"".join(build_frame(1, b"f", mask=MASK) for _ in range(count)))
        h.until(lambda: h.engine.stats()["messages_in"], "the flood")
        other.socket.send(build_frame(1, b"other", mask=MASK))
        h.until(other.take_frame, "the other's answer")
        assert h.engine.stats()["messages_in"] < count / 2
        assert flooding.read_frames(count) == [(1, b"f")] * count


def test_callbacks_count_for_several_steps() -> None:
    with Harness(slice_ms=0) as h:
        client = h.open()
        client.socket.send(b"".join(build_frame(1, b"x", mask=MASK) for _ in range(20)))
        h.until(lambda: h.messages, "the first message")
        assert 2 <= len(h.messages) <= 4
        h.until(lambda: len(h.messages) == 20, "the rest")


def test_accepting_is_sliced() -> None:
    with Harness(slice_ms=0) as h:
        clients = [h.connect() for _ in range(50)]
        accepted = 0
        while accepted < len(clients):
            before, accepted = accepted, h.engine.stats()["sockets_accepted"]
            assert accepted - before <= STEPS
            h.step(0.05)
        clients[-1].send(request())
        assert clients[-1].read_head().startswith("HTTP/1.1 101 ")


def test_close_all_is_sliced_and_ends() -> None:
    with Harness(slice_ms=0) as h:
        clients = crowd(h)
        h.engine.close_all(1001, rate_per_s=1_000_000)
        closing, most = 0, 0
        while closing < CROWD:
            h.step(0.05)
            before, closing = closing, CROWD - h.engine.stats()["open"]
            most = max(most, closing - before)
        assert 0 < most <= 2 * STEPS
        for client in clients:
            assert client.read_close() == (1001, "")
            client.frame(8, b"\x03\xe9")
        h.until(lambda: not h.engine.stats()["connections"], "the end")
        h.run_for(0.05)
        late = h.open()  # close_all() is over
        late.text("hello")
        h.until(lambda: h.messages, "the message")
        h.run_for(0.05)
        assert h.engine.is_open(late.id)


def test_broadcasts_are_sliced_and_share_the_slice_with_events() -> None:
    with no_new_buffers(), Harness(slice_ms=0, echo=True) as h:
        clients = crowd(h)
        clients[0].socket.send(build_frame(1, b"go 1", mask=MASK))
        h.until(lambda: h.engine.stats()["broadcasts"], "the broadcast")
        for client in clients[1:]:
            client.socket.send(build_frame(1, b"hello", mask=MASK))
        polls = 0
        while h.engine.stats()["broadcasts"]:
            h.engine.poll()
            polls += 1
        assert CROWD // (2 * STEPS) <= polls <= 2 * CROWD
        for client in clients[1:]:
            assert sorted(len(payload) for _, payload in client.read_frames(2)) == [5, 128]
