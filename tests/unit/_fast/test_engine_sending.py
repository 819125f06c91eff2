"""What the engine writes: direct sends, fan-out by reference, the bounds of a backlog, slow consumers, broadcasts."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import pytest

from tests.unit._fast.engine_harness import MASK, Client, Harness, no_new_buffers, request
from xinyu._fast import engine as engine_module
from xinyu._fast.engine import CODEC_JSON, CODEC_LEGACY, CODEC_PROTOBUF, encode_frame
from xinyu._fast.frames import build_frame

BLOCK = b"x" * 16_384
SYNC = {CODEC_JSON: encode_frame(b"sync json"), CODEC_PROTOBUF: encode_frame(b"sync protobuf", False)}


def fill(h: Harness, client: Client) -> int:
    """Send until the kernel takes no more and something waits; how many frames of BLOCK that were."""
    for count in range(1, 4000):
        assert h.engine.send(client.id, BLOCK, binary=True)
        while h.engine.backlog_of(client.id):
            if not h.step():
                return count
    raise AssertionError("the kernel takes everything")


def overfill(h: Harness, client: Client) -> int:
    """The same, and so much more that something still waits when the kernel makes room later, as it may."""
    count = fill(h, client)
    for _ in range(4):
        assert h.engine.send(client.id, BLOCK, binary=True)
    return count + 4


def test_send_forms() -> None:
    with Harness() as h:
        client = h.open()
        e = h.engine
        assert e.send(client.id, "text 漢")
        assert e.send(client.id, b"bytes as text")
        assert e.send(client.id, b"\xff\x00", binary=True)
        assert e.send_frame(client.id, encode_frame("frame"))
        assert e.ping(client.id, b"p")
        assert client.read_frames(5) == [
            (1, "text 漢".encode()), (1, b"bytes as text"), (2, b"\xff\x00"), (1, b"frame"), (9, b"p"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda e, i: e.send(i, b"\xff"), ValueError),
        (lambda e, i: e.send(i, "\ud800"), ValueError),
        (lambda e, i: e.send(i, 1), TypeError),
        (lambda e, i: e.send(i, "x", binary=True), TypeError),
        (lambda e, i: e.send_frame(i, b"raw"), TypeError),
        (lambda e, i: e.send_frame(i, None), TypeError),
        (lambda e, i: e.ping(i, b"x" * 126), ValueError),
        (lambda e, i: e.close(i, 1005), ValueError),
        (lambda e, i: e.close(i, 999), ValueError),
        (lambda e, i: e.close(i, 5000), ValueError),
        (lambda e, i: e.close(i, 1000, "x" * 124), ValueError),
        (lambda e, i: e.close(i, 1000, b"x"), TypeError),
        (lambda e, i: e.close_all(1004), ValueError),
        (lambda e, i: e.close_all(rate_per_s=0), ValueError),
        (lambda e, i: e.release(i, 0), ValueError),
        (lambda e, i: e.broadcast_rounds(encode_frame(b"x"), 0), ValueError),
        (lambda e, i: e.broadcast_rounds(encode_frame(b"x"), 1_000_001), ValueError),
        (lambda e, i: e.fan_out_users([1], {0: b"raw"}), TypeError),
        (lambda e, i: e.fan_out_users([1], {3: encode_frame(b"x")}), ValueError),
        (lambda e, i: encode_frame(b"\xff"), ValueError),
        (lambda e, i: encode_frame(3), TypeError),
    ],
)
def test_wrong_arguments_change_nothing(call: Any, error: type[Exception]) -> None:
    with Harness() as h:
        client = h.open()
        with pytest.raises(error):
            call(h.engine, client.id)
        assert h.engine.send(client.id, "fine")
        assert client.read_frame() == (1, b"fine")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_an_encoded_frame_is_the_bytes_on_the_wire(size: int) -> None:
    for is_text, opcode in ((True, 1), (False, 2)):
        frame = encode_frame(b"y" * size, is_text)
        assert bytes(frame) == build_frame(opcode, b"y" * size)
        assert (frame.size_bytes, frame.is_text) == (len(bytes(frame)), is_text)


def test_fan_out_reaches_each_once_and_skips_the_stale() -> None:
    with Harness() as h:
        clients = [h.open() for _ in range(5)]
        gone = h.open()
        gone.socket.close()
        gone.wait_closed()
        ids = [client.id for client in clients] + [gone.id, 12345, -1]
        assert h.engine.fan_out(ids, encode_frame(b"all")) == 5
        assert h.engine.fan_out_all(encode_frame(b"every")) == 5
        for client in clients:
            assert client.read_frames(2) == [(1, b"all"), (1, b"every")]


@pytest.mark.whole_io
def test_fan_out_survives_members_that_die_in_the_middle() -> None:
    """The write finds out that the peer has reset; its neighbours in the user's list still get theirs."""
    with Harness() as h:
        clients = [h.open() for _ in range(6)]
        for client in clients:
            h.engine.bind(client.id, 1)
        for client in clients[1::2]:
            client.reset_connection()
        time.sleep(0.02)
        reached = h.engine.fan_out_users([1], {0: encode_frame(b"x")})
        assert reached == 3
        assert len(h.engine.connections_of(1)) == 3
        for client in clients[::2]:
            assert client.read_frame() == (1, b"x")


def test_fan_out_by_codec() -> None:
    frames = {0: encode_frame(b"legacy"), 1: encode_frame(b"json"), 2: encode_frame(b"proto", False)}
    with Harness(decide=True) as h:
        clients = []
        for codec in (0, 1, 2, 1):
            h.auto = {"codec": codec}
            client = h.open()
            assert h.engine.codec_of(client.id) == codec
            h.engine.bind(client.id, 9)
            h.engine.join_talk(client.id, 77)
            clients.append(client)
        e = h.engine
        assert e.fan_out_users([9, 10, 9_999], frames, except_id=clients[3].id) == 3
        assert e.fan_out_talk(77, {1: frames[1]}) == 2
        assert e.set_codec(clients[0].id, 2)
        assert e.fan_out_users([9], {2: frames[2]}) == 2
        assert clients[0].read_frames(2) == [(1, b"legacy"), (2, b"proto")]
        assert clients[1].read_frames(2) == [(1, b"json"), (1, b"json")]
        assert clients[2].read_frames(2) == [(2, b"proto"), (2, b"proto")]
        assert clients[3].read_frame() == (1, b"json")


def test_what_waits_is_a_reference_and_arrives_in_order() -> None:
    """A frame shared by many backlogs exists once."""
    with no_new_buffers():
        with Harness() as h:
            clients = [h.open(receive_buffer_bytes=4096) for _ in range(10)]
            sent = [overfill(h, client) for client in clients]
            before = h.engine.stats()
            frame = encode_frame(b"shared" * 1000)
            for _ in range(3):
                assert h.engine.fan_out([client.id for client in clients], frame) == 10
            after = h.engine.stats()
            assert after["live_buffers"] - before["live_buffers"] == 1
            assert after["live_nodes"] - before["live_nodes"] == 30
            assert after["backlog_bytes"] - before["backlog_bytes"] == 30 * frame.size_bytes
            for client in clients:
                h.engine.send(client.id, "end")
            del frame
            for client, count in zip(clients, sent, strict=True):
                assert client.read_frames(count) == [(2, BLOCK)] * count
                assert client.read_frames(4) == [(1, b"shared" * 1000)] * 3 + [(1, b"end")]
            assert h.engine.stats()["backlog_bytes"] == 0


def test_a_partial_write_of_a_shared_frame_goes_on_where_it_stopped() -> None:
    data = bytes(range(256)) * 40_000  # 10 MB: more than the kernel takes at once
    with no_new_buffers(), Harness(max_message_bytes=1 << 24) as h:
        clients = [h.open(receive_buffer_bytes=4096) for _ in range(2)]
        frame = encode_frame(data, False)
        assert h.engine.fan_out([client.id for client in clients], frame) == 2
        assert h.engine.backlog_of(clients[0].id) > 0
        for client in clients:
            assert client.read_frame() == (2, data)
        del frame


def test_a_partial_write_of_an_own_message_goes_on_where_it_stopped() -> None:
    data = bytes(range(256)) * 40_000
    with no_new_buffers(), Harness() as h:
        client = h.open(receive_buffer_bytes=4096)
        assert h.engine.send(client.id, data, binary=True)
        h.until(lambda: 0 < h.engine.backlog_of(client.id) < len(data), "a part of it is written")
        assert client.read_frame() == (2, data)


# ---- held frames


@pytest.mark.whole_io
def test_held_frames_leave_in_order_and_in_one_piece() -> None:
    with no_new_buffers(), Harness() as h:
        first, second = h.open(), h.open()
        e, shared = h.engine, encode_frame(b"shared")
        e.hold()
        assert e.send(first.id, "one")
        assert e.fan_out([first.id, second.id], shared) == 2
        assert e.ping(first.id, b"p")
        assert e.send(first.id, b"\xff", binary=True)
        h.settle()
        assert first.take_frame() is None and second.take_frame() is None
        assert e.backlog_of(first.id) == (2 + 3) + shared.size_bytes + (2 + 1) + (2 + 1)
        e.flush()
        assert first.socket.recv(1 << 16) == b"\x81\x03one\x81\x06shared\x89\x01p\x82\x01\xff"
        assert second.read_frame() == (1, b"shared")
        assert e.stats()["backlog_bytes"] == 0
        assert e.send(first.id, "at once again")
        assert first.take_frame() == (1, b"at once again")
        del shared


def test_the_peer_s_input_is_read_while_frames_are_held() -> None:
    with Harness() as h:
        client = h.open()
        h.engine.hold()
        assert h.engine.send(client.id, "held")
        client.text("hello")
        client.frame(9, b"are you there?")
        h.until(lambda: h.messages, "the message")
        h.settle()
        assert client.take_frame() is None  # the pong must not overtake
        h.engine.flush()
        assert client.read_frames(2) == [(1, b"held"), (10, b"are you there?")]


@pytest.mark.parametrize("end", ["close", "reset", "export"])
def test_a_connection_that_goes_while_frames_are_held(end: str) -> None:
    with no_new_buffers(), Harness() as h:
        client, other = h.open(), h.open()
        h.engine.hold()
        assert h.engine.fan_out([client.id, other.id], encode_frame(b"held")) == 2
        if end == "close":
            assert h.engine.close(client.id, 1000, "")
            h.engine.flush()
            assert client.read_frames(2) == [(1, b"held"), (8, b"\x03\xe8")]
            client.frame(8, b"\x03\xe8")
            assert client.wait_closed()[3:] == (1000, True)
        elif end == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
            h.until(lambda: h.closes, "the reset")
            again = h.connect()  # in the slot that has become free
            again.send(request("/ws"))
            h.until(lambda: len(h.upgrades) == 3, "upgrade")
            h.engine.flush()
            assert again.read_head().startswith("HTTP/1.1 101 ")
            h.settle()
            assert again.take_frame() is None
        else:
            fd, state = h.engine.export(client.id)
            h.engine.flush()
            h.until(lambda: not h.engine.stats()["backlog_bytes"], "the other one's is written")
            with Harness() as new:
                adopted = new.engine.adopt(fd, state)
                new.until(lambda: not new.engine.backlog_of(adopted), "what was held is written", client)
            client.pull()
            assert client.take_frame() == (1, b"held")
        h.engine.flush()
        assert other.read_frame() == (1, b"held")


@pytest.mark.whole_io
def test_what_is_held_is_bounded_and_what_the_socket_does_not_take_is_a_backlog() -> None:
    with no_new_buffers(), Harness(backlog_bytes=200_000) as h:
        client = h.open(receive_buffer_bytes=4096)
        h.engine.hold()
        for number in range(40):
            assert h.engine.send(client.id, bytes([number]) * 10_000, binary=True), number
            assert h.engine.backlog_of(client.id) <= 65_536 or number > 7
            if number == 15:
                h.engine.flush()
                h.engine.hold()
            if h.engine.backlog_of(client.id) > 100_000:
                break
        h.engine.flush()
        assert client.read_frames(number + 1) == [(2, bytes([n]) * 10_000) for n in range(number + 1)]


def test_a_slow_consumer_is_found_after_a_flush() -> None:
    with Harness(slow_consumer_s=0.1, backlog_bytes=1 << 20) as h:
        client = h.open(receive_buffer_bytes=4096)
        h.engine.hold()
        for _ in range(40):
            assert h.engine.send(client.id, BLOCK, binary=True)
        h.engine.flush()
        h.until(lambda: h.closes, "the end of a peer that does not read")
        assert h.engine.stats()["closed_slow"] == 1


# ---- slow consumers


def test_ephemeral_frames_are_dropped_first() -> None:
    with Harness(
        auto={"codec": 1}, sync_required_frames=SYNC, ephemeral_backlog_bytes=20_000, backlog_bytes=60_000
    ) as h:
        client = h.open(receive_buffer_bytes=4096)
        fill(h, client)
        assert h.engine.send(client.id, BLOCK, binary=True)
        assert not h.engine.send(client.id, "typing", ephemeral=True)
        assert h.engine.fan_out([client.id], encode_frame(b"typing"), ephemeral=True) == 0
        assert h.engine.send(client.id, "a message")
        stats = h.engine.stats()
        assert (stats["dropped_ephemeral"], stats["dropped_messages"]) == (2, 0)
        assert h.engine.send(h.open().id, "typing", ephemeral=True)


@pytest.mark.parametrize(("codec", "expected"), [(1, (1, b"sync json")), (2, (2, b"sync protobuf"))])
def test_past_the_bound_messages_are_dropped_and_the_client_is_told(codec: int, expected: tuple[int, bytes]) -> None:
    with Harness(auto={"codec": codec}, sync_required_frames=SYNC, backlog_bytes=50_000) as h:
        client = h.open(receive_buffer_bytes=4096)
        fill(h, client)
        results = [h.engine.send(client.id, f"m{i}" + "." * 5000) for i in range(30)]
        kept = results.count(True)
        assert 5 <= kept < 15
        assert results == [True] * kept + [False] * (30 - kept)
        assert h.engine.backlog_of(client.id) <= 50_000
        assert not h.engine.send(client.id, "s"), "once marked, even what would fit is dropped: it must not overtake"
        frames = []
        while not frames or frames[-1] != expected:
            frames.append(client.read_frame())
        assert [f[1][:3].rstrip(b".") for f in frames if f[1].startswith(b"m")] == [b"m%d" % i for i in range(kept)]
        assert h.engine.send(client.id, "and on")
        assert client.read_frame() == (1, b"and on")
        assert h.engine.stats()["dropped_messages"] == 30 - kept + 1


def test_the_number_of_frames_is_bounded_too() -> None:
    with Harness(auto={"codec": 1}, sync_required_frames=SYNC, backlog_frames=10) as h:
        client = h.open(receive_buffer_bytes=4096)
        fill(h, client)
        assert [h.engine.send(client.id, "s") for _ in range(15)].count(True) == 9


@pytest.mark.parametrize("codec", [0, 1])
def test_a_connection_that_cannot_be_told_is_closed_with_1013(codec: int) -> None:
    """Legacy always; another dialect when the gateway gave no frame for it."""
    with Harness(auto={"codec": codec}, backlog_bytes=50_000) as h:
        client = h.open(receive_buffer_bytes=4096)
        count = fill(h, client)
        while h.engine.send(client.id, BLOCK, binary=True):
            pass
        assert not h.engine.is_open(client.id)
        assert h.engine.stats()["closed_slow"] == 1
        # What had begun to be written is completed, what had not is forgotten.
        frames = [client.read_frame()]
        while frames[-1] == (2, BLOCK):
            frames.append(client.read_frame())
        assert count - 1 <= len(frames) - 1 <= count, "the last may be one that the kernel refused whole"
        assert frames[-1] == (8, (1013).to_bytes(2, "big") + b"too slow")
        client.frame(8, b"\x03\xf5")
        assert client.wait_closed()[3:] == (1013, True)


def test_an_empty_backlog_takes_one_frame_of_any_size() -> None:
    with Harness(backlog_bytes=1000) as h:
        client = h.open(receive_buffer_bytes=4096)
        assert h.engine.send(client.id, b"z" * 20_000_000, binary=True)
        assert client.read_frame() == (2, b"z" * 20_000_000)


def test_one_that_does_not_drain_in_time_is_closed() -> None:
    with Harness(auto={"codec": 1}, sync_required_frames=SYNC, slow_consumer_s=0.15, close_s=0.1) as h:
        client, good = h.open(receive_buffer_bytes=4096), h.open()
        overfill(h, client)
        report = client.wait_closed()
        assert report[3:] == (1013, False)
        assert h.engine.stats()["closed_slow"] == 1
        assert h.engine.is_open(good.id)


def test_a_slow_one_that_drains_stays() -> None:
    with Harness(auto={"codec": 1}, sync_required_frames=SYNC, slow_consumer_s=1.0) as h:
        client = h.open(receive_buffer_bytes=4096)
        for _ in range(8):
            for _ in range(fill(h, client)):
                client.read_frame()
            h.run_for(0.15)
        assert h.engine.is_open(client.id)


def test_pings_without_reading_do_not_grow_memory() -> None:
    """The answers to a peer that only asks are dropped past the bound."""
    with Harness(backlog_bytes=10_000) as h:
        client = h.open(receive_buffer_bytes=4096)
        fill(h, client)
        ping = build_frame(9, b"p" * 125, mask=MASK)
        for _ in range(50):
            client.send(ping * 40)
            h.settle()
            assert h.engine.backlog_of(client.id) < 10_000 + len(BLOCK) + 200
        assert h.engine.is_open(client.id)


def test_a_peer_that_is_gone_is_found_by_writing() -> None:
    with Harness() as h:
        client = h.open()
        client.reset_connection()
        time.sleep(0.02)
        h.engine.send(client.id, "into the void")
        h.engine.send(client.id, "again")
        assert client.wait_closed()[3:] == (1006, False)


def test_a_backlog_is_written_before_the_close_frame() -> None:
    with Harness() as h:
        client = h.open(receive_buffer_bytes=4096)
        count = fill(h, client)
        h.engine.send(client.id, "last words")
        assert h.engine.close(client.id, 1001, "bye")
        assert client.read_frames(count) == [(2, BLOCK)] * count
        assert client.read_frame() == (1, b"last words")
        assert client.read_close() == (1001, "bye")


def test_the_peers_close_is_answered_behind_the_backlog() -> None:
    with Harness() as h:
        client = h.open(receive_buffer_bytes=4096)
        count = fill(h, client)
        client.frame(8, b"\x03\xe8")
        assert client.read_frames(count) == [(2, BLOCK)] * count
        assert client.read_close() == (1000, "")
        client.read_end()
        assert client.wait_closed()[3:] == (1000, True)


# ---- broadcasts in rounds


def test_rounds_reach_everybody_who_was_there() -> None:
    with no_new_buffers(), Harness() as h:
        clients = [h.open() for _ in range(3)]
        frame = encode_frame(b"round")
        assert h.engine.broadcast_rounds(frame, 1000)
        late = h.open()
        h.engine.send(late.id, "hello")
        for client in clients:
            assert client.read_frames(1000) == [(1, b"round")] * 1000
        assert late.read_frame() == (1, b"hello")
        h.settle()
        late.pull()
        assert late.received == b""
        assert h.engine.stats()["broadcasts"] == 0
        del frame


def test_rounds_wait_for_those_who_are_behind_in_bounded_memory() -> None:
    with no_new_buffers(), Harness(backlog_bytes=40_000, slice_ms=1) as h:
        slow, fast = h.open(receive_buffer_bytes=4096), h.open()
        frame = encode_frame(b"r" * 1000)
        assert h.engine.broadcast_rounds(frame, 5_000)
        fast_count = slow_count = 0
        h.settle()
        assert h.engine.stats()["broadcasts"] == 1
        assert h.engine.backlog_of(slow.id) < 40_000 + 64 * 1004
        h.until(lambda: h.run_for(0.1) < 30, "it waits, and does not spin")
        while slow_count < 5_000:
            assert slow.read_frame() == (1, b"r" * 1000)
            slow_count += 1
            fast_count += fast.take_frame() is not None
        while fast_count < 5_000:
            assert fast.read_frame() == (1, b"r" * 1000)
            fast_count += 1
        assert h.engine.stats()["dropped_messages"] == 0
        del frame


def test_rounds_go_on_without_one_that_takes_nothing() -> None:
    with Harness(auto={"codec": 1}, backlog_bytes=40_000, slow_consumer_s=0.7, close_s=0.1) as h:
        stuck, fast = h.open(receive_buffer_bytes=4096), h.open()
        assert h.engine.broadcast_rounds(encode_frame(b"r" * 1000), 5_000)
        for _ in range(5_000):
            assert fast.read_frame() == (1, b"r" * 1000)
        stuck.wait_closed()


def test_too_many_broadcasts_are_refused() -> None:
    with no_new_buffers(), Harness() as h:
        frame = encode_frame(b"x")
        assert [h.engine.broadcast_rounds(frame, 1) for _ in range(17)] == [True] * 16 + [False]
        h.until(lambda: h.engine.stats()["broadcasts"] == 0)
        assert h.engine.broadcast_rounds(frame, 1)
        del frame


# ---- closing everybody


def test_close_all_is_paced() -> None:
    with Harness() as h:
        clients = [h.open() for _ in range(30)]
        undecided = h.connect()
        h.auto = None
        from tests.unit._fast.engine_harness import request

        undecided.send(request())
        h.until(lambda: len(h.upgrades) == 31)
        h.engine.pause_accept()
        started = time.monotonic()
        h.engine.close_all(1012, "restart", rate_per_s=100)
        h.run_for(0.05)
        begun = 30 - h.engine.stats()["open"]
        assert 1 <= begun <= 100 * (time.monotonic() - started) + 4
        for client in clients:
            assert client.read_close() == (1012, "restart")
            client.frame(8, b"\x03\xf4")
        assert undecided.read_answer()[0] == 503
        undecided.socket.close()
        h.until(lambda: h.engine.stats()["connections"] == 0)
        assert time.monotonic() - started >= 0.25
        assert {report[3:] for report in h.closes} == {(1012, True)}
        assert len(h.closes) == 30
        h.engine.resume_accept()
        h.auto = {}
        h.open()


def test_frames_cannot_be_made_otherwise() -> None:
    with pytest.raises(TypeError):
        engine_module.Frame()  # type: ignore[call-arg]
    frame = engine_module.Frame(b"payload")
    assert bytes(frame) == bytes(encode_frame(b"payload"))
    assert CODEC_LEGACY == 0
