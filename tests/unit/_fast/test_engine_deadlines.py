"""Heartbeat, silence, login and token expiry: every deadline of an open connection."""

from __future__ import annotations

import time

import pytest

from tests.unit._fast.engine_harness import Harness


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def test_a_silent_connection_is_pinged_again_and_again() -> None:
    with Harness(heartbeat_s=0.05) as h:
        client = h.open()
        started = time.monotonic()
        assert client.read_frames(3) == [(9, b"")] * 3
        assert time.monotonic() - started >= 0.14
        assert h.engine.stats()["pings_out"] >= 3


def test_a_client_that_talks_is_pinged_too() -> None:
    """It wants to hear that we live."""
    with Harness(heartbeat_s=0.05) as h:
        client = h.open()
        for _ in range(12):
            client.text("x")
            h.run_for(0.01)
        client.pull()
        assert client.received.startswith(b"\x89\x00")


def test_traffic_both_ways_needs_no_ping() -> None:
    with Harness(heartbeat_s=1.0, credit=1000) as h:
        client = h.open()
        for _ in range(65):
            client.text("x")
            h.engine.send(client.id, "y")
            h.run_for(0.02)
        assert h.engine.stats()["pings_out"] == 0


def test_silence_is_closed_with_4408() -> None:
    with Harness(read_timeout_s=0.1, close_s=0.1) as h:
        client = h.open()
        assert client.read_close() == (4408, "nothing heard")
        assert client.wait_closed()[3:] == (4408, False)
        assert h.engine.stats()["closed_silent"] == 1


def test_pongs_keep_a_connection_alive() -> None:
    with Harness(heartbeat_s=0.1, read_timeout_s=1.0) as h:
        client = h.open()
        end = time.monotonic() + 1.4
        while time.monotonic() < end:
            frame = client.take_frame()
            if frame is not None:
                assert frame == (9, b"")
                client.frame(10)
            h.step(0.005)
        assert h.engine.is_open(client.id)


def test_one_that_we_do_not_read_is_not_silent() -> None:
    with Harness(read_timeout_s=0.1, credit=1) as h:
        client = h.open()
        client.text("x")
        client.text("y")
        h.run_for(0.3)
        assert h.engine.is_open(client.id)
        h.engine.release(client.id, 2)
        h.until(lambda: len(h.messages) == 2)


def test_no_login_in_time() -> None:
    with Harness(auto={"login_deadline": True}, login_s=0.1) as h:
        client = h.open()
        client.text("anything but a login")
        assert client.read_close() == (4408, "no login in time")
        client.frame(8, b"\x11\x38")
        assert client.wait_closed() == (client.id, 0, 0, 4408, True)
        assert h.engine.stats()["closed_login"] == 1


def test_a_login_ends_its_deadline() -> None:
    with Harness(auto={"login_deadline": True}, login_s=0.5) as h:
        client = h.open()
        assert h.engine.bind(client.id, 3, 4)
        h.run_for(0.7)
        assert h.engine.is_open(client.id)
        assert (h.engine.user_of(client.id), h.engine.session_of(client.id)) == (3, 4)


def test_a_token_that_expires() -> None:
    with Harness() as h:
        client = h.open()
        h.engine.bind(client.id, 3, 4, wall_ms() + 100)
        assert client.read_close() == (4401, "token expired")
        client.frame(8, b"\x11\x31")
        assert client.wait_closed() == (client.id, 3, 4, 4401, True)


def test_a_token_that_has_expired_already() -> None:
    with Harness() as h:
        client = h.open()
        h.engine.bind(client.id, 3, 4, 1)
        assert client.read_close()[0] == 4401


def test_a_renewed_token() -> None:
    with Harness() as h:
        client = h.open()
        h.engine.bind(client.id, 3, 4, wall_ms() + 100)
        h.engine.bind(client.id, 3, 5, wall_ms() + 3_600_000)
        h.run_for(0.25)
        assert h.engine.is_open(client.id)
        assert h.engine.session_of(client.id) == 5
        h.engine.bind(client.id, 3, 5, wall_ms() + 50)
        assert client.read_close()[0] == 4401


@pytest.mark.parametrize("ahead_s", [3600, 30 * 24 * 3600, 1_000_000_000])
def test_far_expiry_is_no_early_expiry(ahead_s: int) -> None:
    with Harness() as h:
        client = h.open()
        assert h.engine.bind(client.id, 3, 4, wall_ms() + ahead_s * 1000)
        h.run_for(0.05)
        assert h.engine.is_open(client.id)


def test_an_idle_engine_sleeps() -> None:
    """Without connections there are no ticks; with one, nothing but ticks."""
    with Harness(tick_ms=50) as h:
        assert h.run_for(0.2) <= 1
        client = h.open()
        h.settle()
        assert h.run_for(0.3) <= 9
        client.socket.close()
        client.wait_closed()
        h.settle()
        assert h.run_for(0.2) <= 2
