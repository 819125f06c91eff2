"""export() and adopt(): a connection moves to another engine at every byte of a conversation and in every state."""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit._fast.engine_harness import MASK, Client, Harness, no_new_buffers, request
from tests.unit._fast.test_engine_sending import BLOCK, SYNC, fill, overfill
from xinyu._fast.engine import STATE_VERSION, encode_frame
from xinyu._fast.frames import build_frame

LONG = ("Grüße 漢字 🙂 " * 9).encode()
CONVERSATION = b"".join(
    [
        build_frame(1, b"first", mask=MASK),
        build_frame(1, LONG[:10], fin=False, mask=MASK),
        build_frame(9, b"are you there", mask=b"\xff\x00\xaa\x55"),
        build_frame(0, LONG[10:11], fin=False, mask=b"abcd"),
        build_frame(0, LONG[11:], mask=b"\x80\x81\x82\x83"),
        build_frame(2, bytes(range(130)), mask=b"wxyz"),
        build_frame(8, b"\x03\xe8done", mask=MASK),
    ]
)
STREAM = request("/ws?a=1") + CONVERSATION
MESSAGES = ["first", LONG.decode(), bytes(range(130))]
FRAMES = [(10, b"are you there"), (8, b"\x03\xe8")]


def move(old: Harness, new: Harness, client: Client) -> None:
    """Hand the client's connection over."""
    exported = old.engine.export(client.id or old.upgrades[-1][0])
    assert exported is not None
    fd, state = exported
    assert len(old.engine.connection_ids()) == 0
    client.id = new.engine.adopt(fd, state)
    client.harness = new
    assert old.engine.export(client.id) is None


def let_read(h: Harness, client: Client, data: bytes) -> None:
    """Send this to an engine that has read all before it, and let it read exactly this."""
    before = h.engine.stats()["bytes_in"]
    client.send(data)
    h.until(lambda: h.engine.stats()["bytes_in"] == before + len(data))
    h.until(lambda: not h.step())


def halfway(old: Harness, client: Client, cut: int) -> int:
    """Let the engine read this much of the stream; the connection's id, known by a sure way."""
    let_read(old, client, STREAM[:cut])
    if old.upgrades:
        return old.upgrades[-1][0]
    return (1 << 24) | 0  # the first connection of a new engine


@pytest.mark.parametrize("part", range(8))
def test_at_every_byte(part: int) -> None:
    """Whatever was read, wherever the cut: what the application sees and what the peer gets is the same."""
    for cut in range(part, len(STREAM), 8):
        with Harness() as old, Harness() as new:
            client = old.connect()
            client.id = halfway(old, client, cut)
            move(old, new, client)
            client.send(STREAM[cut:])
            head = client.read_head()
            assert head.startswith("HTTP/1.1 101"), cut
            assert client.read_frames(2) == FRAMES, cut
            client.read_end()
            assert client.wait_closed()[3:] == (1000, True), cut
            assert [data for _, data in old.messages + new.messages] == MESSAGES, cut
            old.settle()
            assert old.closes == [], "the old engine says nothing of what it handed over"
            assert old.engine.stats()["connections"] == 0


SHAPES = {
    "a length of eight bytes": ([build_frame(2, bytes(70_000), mask=MASK)], [bytes(70_000)], []),
    "empty frames": (
        [
            build_frame(1, b"", mask=MASK),
            build_frame(1, b"", fin=False, mask=MASK),
            build_frame(9, b"", mask=MASK),
            build_frame(10, b"", mask=MASK),
            build_frame(0, b"", fin=False, mask=MASK),
            build_frame(0, b"", mask=MASK),
        ],
        ["", ""],
        [(10, b"")],
    ),
    "the longest control frames inside a message": (
        [
            build_frame(1, "é".encode()[:1], fin=False, mask=MASK),
            build_frame(9, bytes(range(125)), mask=b"\x80\x00\xff\x01"),
            build_frame(10, bytes(125), mask=MASK),
            build_frame(0, "é".encode()[1:], mask=b"\xff\xee\xdd\xcc"),
        ],
        ["é"],
        [(10, bytes(range(125)))],
    ),
    "many fragments": ([build_frame(2 * (i == 0), b"ab", fin=i == 29, mask=MASK) for i in range(30)], [b"ab" * 30], []),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_at_every_byte_of_other_frames(shape: str) -> None:
    """All of them where the stream is short; of a long payload its beginning and its end."""
    parts, messages, frames = SHAPES[shape]
    stream = b"".join(parts)
    for cut in sorted({*range(1, min(len(stream), 320)), *range(len(stream) - 3, len(stream) + 1)}):
        with Harness() as old, Harness() as new:
            client = old.open()
            let_read(old, client, stream[:cut])
            move(old, new, client)
            client.send(stream[cut:] + build_frame(1, b"end", mask=MASK))
            new.until(lambda: new.messages and new.messages[-1][1] == "end")
            assert [data for _, data in old.messages + new.messages] == [*messages, "end"], cut
            assert client.read_frames(len(frames)) == frames, cut


def test_a_limit_of_fragments_counts_those_before() -> None:
    with Harness(max_fragments=4) as old, Harness(max_fragments=4) as new:
        client = old.open()
        three = [build_frame(i == 0, b"%d" % i, fin=False, mask=MASK) for i in range(3)]
        let_read(old, client, b"".join(three) + b"\x00")  # and the first byte of the fourth
        move(old, new, client)
        client.send(build_frame(0, b"4", fin=False, mask=MASK)[1:])
        client.frame(0, b"5")
        assert client.read_close() == (1009, "message has too many fragments")


def test_a_limit_of_length_counts_what_came_before() -> None:
    with Harness(max_message_bytes=10) as old, Harness(max_message_bytes=10) as new:
        client = old.open()
        let_read(old, client, build_frame(2, b"123456", fin=False, mask=MASK))
        move(old, new, client)
        client.frame(0, b"78901")
        assert client.read_close() == (1009, "message is too long")


def test_the_answer_to_our_close_at_every_byte() -> None:
    answer = build_frame(8, b"\x11\x33bye", mask=MASK)
    for cut in range(1, len(answer)):
        with Harness() as old, Harness() as new:
            client = old.open()
            old.engine.close(client.id, 4403, "kicked")
            let_read(old, client, answer[:cut])
            move(old, new, client)
            client.send(answer[cut:])
            assert client.read_close() == (4403, "kicked"), cut
            client.read_end()
            assert client.wait_closed()[3:] == (4403, True), cut


def test_moved_at_every_byte_of_one_conversation() -> None:
    """The same connection wanders to and fro, one byte a stay."""
    with Harness() as one, Harness() as other:
        here, there = one, other
        client = here.connect()
        here.step(1)
        client.id = (1 << 24) | 0
        for i in range(len(STREAM) - 1):
            before = here.engine.stats()["bytes_in"]
            client.send(STREAM[i : i + 1])
            here.until(lambda: here.engine.stats()["bytes_in"] > before)  # noqa: B023
            move(here, there, client)
            here.until(lambda: here.engine.stats()["connections"] == 0)  # noqa: B023
            here, there = there, here
            here.step()
        client.send(STREAM[-1:])
        assert client.read_head().startswith("HTTP/1.1 101")
        assert client.read_frames(2) == FRAMES
        client.read_end()
        assert sorted(map(str, (data for _, data in one.messages + other.messages))) == sorted(map(str, MESSAGES))
        assert client.wait_closed()[3:] == (1000, True)


def test_an_undecided_upgrade_is_asked_again() -> None:
    with Harness(decide=True) as old, Harness(decide=True) as new:
        client = old.connect()
        client.send(request("/x?y=z") + build_frame(1, b"early", mask=MASK))
        old.until(lambda: old.upgrades)
        client.id = old.upgrades[0][0]
        move(old, new, client)
        assert not old.engine.accept(old.upgrades[0][0])
        new.until(lambda: new.upgrades)
        assert new.upgrades[0][1:3] == ("/x", "y=z")
        assert new.upgrades[0][0] == client.id
        assert new.engine.accept(client.id, codec=1)
        new.until(lambda: new.messages)
        assert new.messages == [(client.id, "early")]


def test_everything_about_the_user_comes_along() -> None:
    expires = time.time_ns() // 1_000_000 + 300
    with Harness(auto={"codec": 2}) as old, Harness() as new:
        client = old.open()
        old.engine.bind(client.id, 42, 2**64 - 1, expires)
        for talk in (5, 6, 7):
            old.engine.join_talk(client.id, talk)
        move(old, new, client)
        e = new.engine
        assert (e.user_of(client.id), e.session_of(client.id), e.codec_of(client.id)) == (42, 2**64 - 1, 2)
        assert e.connections_of(42) == [client.id]
        assert [e.connections_of_talk(talk) for talk in (5, 6, 7)] == [[client.id]] * 3
        assert e.credit_of(client.id) == 64
        assert old.engine.connections_of(42) == []
        assert old.engine.connections_of_talk(5) == []
        assert client.read_close() == (4401, "token expired")
        client.frame(8, b"\x11\x31")
        assert client.wait_closed() == (client.id, 42, 2**64 - 1, 4401, True)


def test_with_a_backlog_in_the_middle_of_a_frame() -> None:
    with no_new_buffers():
        with Harness(auto={"codec": 1}, sync_required_frames=SYNC) as old, Harness(sync_required_frames=SYNC) as new:
            client = old.open(receive_buffer_bytes=4096)
            count = fill(old, client)
            frame = encode_frame(b"shared")
            old.engine.fan_out([client.id], frame)
            waiting = old.engine.backlog_of(client.id)
            move(old, new, client)
            assert new.engine.backlog_of(client.id) == waiting
            new.engine.send(client.id, "new")
            assert client.read_frames(count) == [(2, BLOCK)] * count
            assert client.read_frames(2) == [(1, b"shared"), (1, b"new")]
            del frame


def test_with_rounds_of_a_broadcast_in_the_middle_of_one() -> None:
    """One node of the backlog stands for many frames, the first of them begun."""
    with no_new_buffers(), Harness() as old, Harness() as new:
        client = old.open(receive_buffer_bytes=4096)
        block = bytes(range(250)) * 4
        frame = encode_frame(block, False)
        assert old.engine.broadcast_rounds(frame, 1000)
        old.until(lambda: old.engine.backlog_of(client.id))
        old.settle()
        waiting = old.engine.backlog_of(client.id)
        move(old, new, client)
        assert new.engine.backlog_of(client.id) == waiting > frame.size_bytes
        assert new.engine.send(client.id, "new")
        got = client.read_frame()
        count = 0
        while got == (2, block):
            got = client.read_frame()
            count += 1
        assert got == (1, b"new")
        assert waiting / frame.size_bytes < count <= 1000
        del frame


def test_a_paused_echo_goes_on_where_it_stopped() -> None:
    """Input that was read but not parsed, a backlog, and a peer that did not read: nothing is lost or doubled."""
    bounded: Any = {"echo": True, "backlog_bytes": 20_000}
    with no_new_buffers(), Harness(**bounded) as old, Harness(**bounded) as new:
        client = old.open(receive_buffer_bytes=4096)
        stream = b"".join(build_frame(2, i.to_bytes(4, "big") * 256, mask=MASK) for i in range(1500))
        sent = 0
        while not old.engine.stats()["paused"]:
            try:
                sent += client.socket.send(stream[sent : sent + 65_536])
            except BlockingIOError:
                old.settle()
            else:
                old.step()
        move(old, new, client)
        assert new.engine.backlog_of(client.id) > 0
        received = []
        while len(received) < 1500:
            if sent < len(stream):
                try:
                    sent += client.socket.send(stream[sent : sent + 65_536])
                except BlockingIOError:
                    pass
            received.append(client.read_frame()[1][:4])
        assert received == [i.to_bytes(4, "big") for i in range(1500)]


def test_a_close_that_waits_behind_a_backlog() -> None:
    """The peer has closed, and takes what we still owe it from the new engine."""
    with no_new_buffers(), Harness() as old, Harness() as new:
        client = old.open(receive_buffer_bytes=4096)
        count = overfill(old, client)
        assert old.engine.send(client.id, "last")
        client.frame(8, b"\x03\xe8")
        old.until(lambda: not old.engine.is_open(client.id))
        move(old, new, client)
        assert client.read_frames(count + 2) == [*[(2, BLOCK)] * count, (1, b"last"), (8, b"\x03\xe8")]
        client.read_end()
        assert client.wait_closed()[3:] == (1000, True)


def test_one_that_is_owed_a_sync_is_told_by_the_new_engine() -> None:
    settings_ = {"sync_required_frames": SYNC, "backlog_bytes": 40_000}
    with Harness(auto={"codec": 1}, **settings_) as old, Harness(**settings_) as new:
        client = old.open(receive_buffer_bytes=4096)
        while old.engine.send(client.id, BLOCK, binary=True):
            pass
        move(old, new, client)
        assert not new.engine.send(client.id, "still dropped")
        frame = client.read_frame()
        while frame[0] == 2:
            frame = client.read_frame()
        assert frame == (1, b"sync json")


def test_one_that_cannot_be_told_any_more_is_closed() -> None:
    """The new engine has no frame for its codec, or the codec was changed meanwhile."""
    with Harness(auto={"codec": 1}, sync_required_frames=SYNC, backlog_bytes=40_000) as old, Harness() as new:
        for moved in (True, False):
            client = old.open(receive_buffer_bytes=4096)
            while old.engine.send(client.id, BLOCK, binary=True):
                pass
            if moved:
                move(old, new, client)
            else:
                old.engine.set_codec(client.id, 0)
            frame = client.read_frame()
            while frame[0] == 2:
                frame = client.read_frame()
            assert frame == (8, (1013).to_bytes(2, "big") + b"too slow")


@pytest.mark.parametrize("state", ["closing", "lingering"])
def test_while_closing(state: str) -> None:
    with Harness() as old, Harness() as new:
        client = old.open()
        if state == "closing":
            old.engine.close(client.id, 4403, "kicked")
        else:
            client.send(b"\x83\x80")
            old.until(lambda: old.engine.stats()["closed_protocol"])
        move(old, new, client)
        assert not new.engine.is_open(client.id)
        assert not new.engine.send(client.id, "x")
        assert client.read_close()[0] == (4403 if state == "closing" else 1002)
        if state == "closing":
            client.frame(8, b"\x11\x33")
        client.read_end()
        client.socket.close()
        assert client.wait_closed()[3:] == ((4403, True) if state == "closing" else (1002, False))


def test_with_no_credit_left_the_new_engine_goes_on() -> None:
    with Harness(credit=2) as old, Harness(credit=2) as new:
        client = old.open()
        client.send(b"".join(build_frame(1, str(i).encode(), mask=MASK) for i in range(4)))
        old.settle()
        assert len(old.messages) == 2
        move(old, new, client)
        new.until(lambda: len(new.messages) == 2)
        assert [data for _, data in old.messages + new.messages] == ["0", "1", "2", "3"]


def test_inside_a_callback_what_was_read_but_not_parsed_comes_along() -> None:
    with Harness() as old, Harness() as new:
        client = old.open()

        def leave(id_: int, data: str | bytes) -> None:
            old.engine.send(id_, "from the old one")
            move(old, new, client)

        old.react = leave
        client.send(b"".join(build_frame(1, str(i).encode(), mask=MASK) for i in range(4)))
        new.until(lambda: (old.step(), len(new.messages) == 3)[1])
        assert [data for _, data in old.messages + new.messages] == ["0", "1", "2", "3"]
        new.engine.send(client.id, "from the new one")
        assert client.read_frames(2) == [(1, b"from the old one"), (1, b"from the new one")]


def test_deadlines_come_along() -> None:
    with Harness(auto={"login_deadline": True}, login_s=0.3) as old, Harness(login_s=100) as new:
        client = old.open()
        old.run_for(0.1)
        move(old, new, client)
        started = time.monotonic()
        assert client.read_close() == (4408, "no login in time")
        assert time.monotonic() - started < 50, "the rest of the old deadline, not a new one"


def test_nothing_to_export() -> None:
    with Harness() as h:
        assert h.engine.export(5) is None
        client = h.open()
        h.engine.abort(client.id)
        assert h.engine.export(client.id) is None


# ---- hostile states


def states() -> Iterator[bytes]:
    """States of many kinds, their sockets closed."""
    for cut in (0, 10, 170, 185, 190, 205, 215, 220, 260, 400):
        with Harness() as h:
            client = h.connect()
            h.step(1)
            exported = h.engine.export(halfway(h, client, cut))
            assert exported is not None
            os.close(exported[0])
            yield exported[1]
    with Harness(auto={"codec": 1}) as h:
        client = h.open(receive_buffer_bytes=4096)
        fill(h, client)
        h.engine.send(client.id, "more")
        h.engine.bind(client.id, 3, 4, 1 << 50)
        h.engine.join_talk(client.id, 9)
        exported = h.engine.export(client.id)
        assert exported is not None
        os.close(exported[0])
        yield exported[1]


STATES = list(states())


def sealed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def try_state(h: Harness, state: bytes) -> bool:
    """Adopt on one end of a pair and go on talking; False: refused, and then the descriptor is still ours."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fd = ours.detach()
        try:
            id_ = h.engine.adopt(fd, state)
        except ValueError:
            os.fstat(fd)
            os.close(fd)
            return False
        theirs.setblocking(False)
        for data in (CONVERSATION, STREAM):
            try:
                theirs.send(data)
            except OSError:
                break
            for _ in range(5):
                h.step()
        exported = h.engine.export(id_)
        if exported is not None:
            os.close(exported[0])
        while h.step():
            pass
        assert h.engine.stats()["connections"] == 0
    return True


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_a_damaged_state_is_refused(state: bytes) -> None:
    with Harness() as h:
        for place in {*range(min(len(state), 120)), len(state) - 1, len(state) // 2}:
            for change in (0x01, 0x80, 0xFF):
                damaged = bytearray(state)
                damaged[place] ^= change
                assert not try_state(h, bytes(damaged))
        for cut in {0, 1, 50, len(state) // 2, len(state) - 1}:
            assert not try_state(h, state[:cut])
        assert not try_state(h, state + b"\x00")


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_a_forged_state_is_refused_or_harmless(state: bytes) -> None:
    """The checksum is right, the contents are not: every byte of the head, each of many values."""
    body = state[:-4]
    refused = 0
    with Harness() as h:
        for place in range(min(len(body), 96)):
            for value in (0, 1, 2, 3, 4, 5, 0x7F, 0x80, 0xFF):
                forged = bytearray(body)
                forged[place] = value
                refused += not try_state(h, sealed(bytes(forged)))
                h.messages.clear()
                h.closes.clear()
        for cut in range(0, len(body), max(1, len(body) // 60)):
            assert not try_state(h, sealed(body[:cut]))
    assert refused > 50


@given(
    number=st.integers(0, len(STATES) - 1),
    edits=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 3), st.binary(max_size=8)), max_size=4),
)
@settings(max_examples=200)
def test_any_forgery_is_refused_or_harmless(number: int, edits: list[tuple[int, int, bytes]]) -> None:
    body = STATES[number][:-4]
    for place, removed, inserted in edits:
        body = body[:place] + inserted + body[place + removed :]
    with Harness() as h:
        try_state(h, sealed(body))


def test_an_unchanged_state_is_taken() -> None:
    with Harness() as h:
        assert [try_state(h, state) for state in STATES] == [True] * len(STATES)


def test_other_versions_are_refused_by_name() -> None:
    body = bytearray(STATES[0][:-4])
    body[4] = STATE_VERSION + 1
    with Harness() as h, pytest.raises(ValueError, match="version 2; this engine reads 1"):
        h.engine.adopt(0, sealed(bytes(body)))


@pytest.mark.parametrize(("state", "error"), [(b"", ValueError), (b"x" * 200, ValueError), ("text", TypeError)])
def test_what_is_no_state(state: Any, error: type[Exception]) -> None:
    with Harness() as h, pytest.raises(error):
        h.engine.adopt(0, state)


def test_what_is_no_socket() -> None:
    with Harness() as h:
        read_end, write_end = os.pipe()
        with pytest.raises(OSError, match="not a socket"):
            h.engine.adopt(read_end, STATES[0])
        os.close(read_end)
        os.close(write_end)
        with pytest.raises(OSError, match="not a socket"):
            h.engine.adopt(-1, STATES[0])
