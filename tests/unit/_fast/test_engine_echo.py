"""Echo mode: in C, through the production parser, with backpressure instead of dropping."""

from __future__ import annotations

import socket

import pytest

from tests.unit._fast.engine_harness import MASK, Harness, no_new_buffers
from xinyu._fast.frames import build_frame


def test_text_as_text_and_binary_as_binary() -> None:
    with Harness(echo=True) as h:
        client = h.open("/any/path")
        client.text("漢字")
        client.frame(2, b"\xff\x00")
        client.frame(1, b"in ", fin=False)
        client.frame(0, b"pieces")
        client.text("")
        client.text('{"event":"ping"}')
        expected = [(1, "漢字".encode()), (2, b"\xff\x00"), (1, b"in pieces"), (1, b""), (1, b'{"event":"ping"}')]
        assert client.read_frames(5) == expected
        assert h.messages == []
        stats = h.engine.stats()
        assert (stats["messages_in"], stats["messages_out"], stats["legacy_pings"]) == (5, 5, 0)


@pytest.mark.parametrize("size", [65536, 1 << 20, 16 << 20])
def test_long_messages(size: int) -> None:
    with no_new_buffers(), Harness(echo=True) as h:
        client = h.open()
        client.send(build_frame(2, b"m" * size, mask=MASK))
        assert client.read_frame() == (2, b"m" * size)


def test_one_byte_too_many() -> None:
    with Harness(echo=True) as h:
        client = h.open()
        client.send(b"\x82\xff" + ((16 << 20) + 1).to_bytes(8, "big") + MASK)
        assert client.read_close()[0] == 1009


def test_the_fragment_cap_is_a_setting() -> None:
    with Harness(echo=True, max_fragments=2) as h:
        client = h.open()
        client.frame(1, b"a", fin=False)
        client.frame(0, b"b")
        assert client.read_frame() == (1, b"ab")
        client.frame(1, b"a", fin=False)
        client.frame(0, b"b", fin=False)
        client.frame(0, b"c")
        assert client.read_close()[0] == 1009


def test_many_small_messages_at_once_in_order() -> None:
    with Harness(echo=True, slice_ms=0.2) as h:
        client = h.open()
        client.send(b"".join(build_frame(1, str(i).encode(), mask=MASK) for i in range(20_000)))
        assert client.read_frames(20_000) == [(1, str(i).encode()) for i in range(20_000)]


def test_a_peer_that_does_not_read_is_not_read() -> None:
    """Nothing is dropped and memory stays bounded; reading goes on when it reads."""
    with no_new_buffers(), Harness(echo=True, backlog_bytes=50_000) as h:
        h.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # accepted sockets inherit it
        client = h.open(receive_buffer_bytes=4096)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        stream = b"".join(build_frame(2, i.to_bytes(4, "big") * 256, mask=MASK) for i in range(3000))
        sent = 0
        while sent < len(stream):
            try:
                sent += client.socket.send(stream[sent : sent + 65536])
            except BlockingIOError:
                h.settle()
                if h.engine.stats()["paused"]:
                    break
        assert sent < len(stream), "the engine stopped reading"
        assert h.engine.backlog_of(client.id) < 50_000 + 2048 + 65536
        h.until(lambda: h.run_for(0.1) < 30, "it waits, and does not spin")
        received = []
        while len(received) < 3000:
            if sent < len(stream):
                try:
                    sent += client.socket.send(stream[sent : sent + 65536])
                except BlockingIOError:
                    pass
            h.step(0.002, client)
            while (frame := client.take_frame()) is not None:
                received.append(frame)
        assert received == [(2, i.to_bytes(4, "big") * 256) for i in range(3000)]
        assert h.engine.is_open(client.id)


def test_go_sends_rounds_to_everybody_the_asking_one_included() -> None:
    with Harness(echo=True) as h:
        clients = [h.open() for _ in range(4)]
        clients[0].text("go 300")
        for client in clients:
            frames = client.read_frames(300)
            assert {(opcode, len(payload)) for opcode, payload in frames} == {(1, 128)}
        clients[0].text("after")
        assert clients[0].read_frame() == (1, b"after")
        clients[1].text("go 1")
        for client in clients:
            assert client.read_frame()[0] == 1
        h.settle()
        for client in clients:
            client.pull()
            assert client.received == b""


@pytest.mark.parametrize(
    "text",
    ["go", "go ", "go 0", "go 01", "go -1", "go 1.5", "go 1000001", "go 10000000", "go 1 ", " go 1", "GO 1", "go x"],
)
def test_what_is_no_go_is_echoed(text: str) -> None:
    with Harness(echo=True) as h:
        client = h.open()
        client.text(text)
        assert client.read_frame() == (1, text.encode())


def test_go_as_binary_is_echoed() -> None:
    with Harness(echo=True) as h:
        client = h.open()
        client.frame(2, b"go 3")
        assert client.read_frame() == (2, b"go 3")


def test_too_many_gos_close_the_asking_one() -> None:
    """The first stalls, because the asking one does not read: the others wait behind it."""
    with Harness(echo=True) as h:
        client = h.open(receive_buffer_bytes=4096)
        client.send(b"".join(build_frame(1, b"go 20000", mask=MASK) for _ in range(17)))
        frame = client.read_frame()
        while frame[0] == 1:
            frame = client.read_frame()
        assert frame == (8, (1013).to_bytes(2, "big") + b"too many broadcasts are waiting")


def test_a_million_rounds_do_not_block_nor_fill_memory() -> None:
    """Asked for, never read: everything else goes on."""
    with Harness(echo=True) as h:
        asking, other = h.open(receive_buffer_bytes=4096), h.open()
        asking.text("go 1000000")
        h.settle()
        assert h.engine.stats()["backlog_bytes"] < 2 * (256 << 10)
        assert h.engine.stats()["live_nodes"] < 5000
        other.text("still served")
        frame = other.read_frame()
        while len(frame[1]) == 128:
            frame = other.read_frame()
        assert frame == (1, b"still served")
