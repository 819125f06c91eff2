"""The load generator of messages against a scripted server that holds the other ends of its sockets.

One thread: the load gets short steps, and between them the test does what the server does, right or wrong.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from xinyu._fast.frames import OP_CLOSE, OP_PING, FrameParser, build_frame
from xinyu._fast.histogram import Histogram
from xinyu._fast.send_load import SendLoad

WAIT_S = 30.0
RUN = b"0123abcd"
MASK = b"\x11\x22\x33\x44"


class Server:
    """Talks of the given sizes; `peers` are the server's ends of all connections, in a row."""

    def __init__(
        self, *sizes: int, senders: int = 1, in_flight: int = 1, text: bytes = b"hello", places: int | None = None
    ) -> None:
        self.acknowledged, self.arrived = Histogram(), Histogram()
        self.load = SendLoad(
            self.acknowledged,
            self.arrived,
            connections=places or sum(sizes),
            run=RUN,
            text=text,
            in_flight=in_flight,
            mask=MASK,
        )
        self.peers: list[socket.socket] = []
        self.parsers: list[FrameParser] = []
        self.events: list[list[dict[str, Any]]] = []
        self.controls: list[tuple[str, bytes]] = []
        for size in sizes:
            pairs = [socket.socketpair() for _ in range(size)]
            first = len(self.peers)
            for _, theirs in pairs:
                theirs.setblocking(False)
                self.peers.append(theirs)
                self.parsers.append(FrameParser())
                self.events.append([])
            self.load.add_talk(
                2, [(ours.detach(), b"", 700 + first + i) for i, (ours, _) in enumerate(pairs)], min(senders, size)
            )

    def read(self) -> None:
        for peer, parser, events in zip(self.peers, self.parsers, self.events, strict=True):
            with contextlib.suppress(BlockingIOError):
                for event in parser.feed(peer.recv(1 << 20)):
                    if event[0] == "text":
                        events.append(json.loads(event[1]))
                    else:
                        self.controls.append((event[0], event[1]))

    def until(self, done: Callable[[], object]) -> None:
        ends_s = time.monotonic() + WAIT_S
        while not done():
            assert time.monotonic() < ends_s, self.load.stats()
            self.load.step(0.005)
            self.read()

    def sent(self, index: int, count: int) -> list[dict[str, Any]]:
        """What the sender has sent, when it is so much; once."""
        self.until(lambda: len(self.events[index]) >= count)
        events, self.events[index] = self.events[index], []
        assert len(events) == count
        return events

    def say(self, index: int, event: dict[str, Any], *, split: bool = False) -> None:
        data = build_frame(1, json.dumps(event, separators=(",", ":")).encode())
        peer = self.peers[index]
        for at in range(0, len(data), 1 if split else len(data)):
            peer.sendall(data[at : at + 1] if split else data)
            if split:
                self.load.step(0.001)

    def acknowledge(self, index: int, message: dict[str, Any], sequence: int, **how: bool) -> None:
        record = {"talk_id": 1, "msg_id": message["ackid"], "sequence": sequence, "extra": "{}"}
        self.say(index, {"event": "ack", "ackid": message["ackid"], "payload": record}, **how)

    def push(self, index: int, message: dict[str, Any], sequence: int, **how: bool) -> None:
        record = {"talk_id": 1, "msg_id": message["ackid"], "sequence": sequence, "extra": "{}"}
        self.say(index, {"event": "im.message", "payload": {"body": record, "sequence": sequence}}, **how)

    def refuse(self, index: int, message: dict[str, Any], reason: str, **more: int) -> None:
        payload = {"error_code": 429, "error_message": "no", "reason": reason, **more}
        self.say(index, {"event": "event_error", "ackid": message["ackid"], "payload": payload})

    def expect(self, **counts: int) -> None:
        """Sooner or later; and what is not named stays 0."""
        faults = dict.fromkeys(("doubled", "reordered", "misdelivered", "unexpected", "lost"), 0)
        wanted = {**faults, **counts}
        self.until(lambda: {name: self.load.stats()[name] for name in wanted} == wanted)

    def close(self) -> None:
        self.load.close()
        for peer in self.peers:
            peer.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(*sizes: int, **settings: Any) -> Server:
        made.append(Server(*sizes, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_message_is_what_the_protocol_says(server: Callable[..., Server]) -> None:
    s = server(2)
    s.load.start(limit=1)
    (message,) = s.sent(0, 1)
    payload = message["payload"]
    assert re.fullmatch(r"0123abcd00000000[0-9a-f]{8}", message["ackid"])
    assert message == {"event": "im.message.send", "ackid": payload["msg_id"], "payload": payload}
    assert payload == {
        "msg_id": message["ackid"],
        "talk_mode": 2,
        "to_from_id": 700,
        "type": "text",
        "body": {"content": "hello"},
    }


@pytest.mark.parametrize("split", [False, True])
def test_done_when_acknowledged_and_at_everybody(server: Callable[..., Server], split: bool) -> None:
    """And then the next one goes out, with an id of its own."""
    s = server(3)
    s.load.start()
    (first,) = s.sent(0, 1)
    s.push(0, first, 5, split=split)
    s.acknowledge(0, first, 5, split=split)
    s.push(2, first, 5, split=split)
    s.expect(acknowledged=1, arrived=2, received=0, in_flight=1)
    assert s.load.missing() == (1, 1, 0)
    s.push(1, first, 5, split=split)
    (second,) = s.sent(0, 1)
    s.expect(acknowledged=1, arrived=3, received=1, in_flight=1, sent=2)
    assert second["ackid"] != first["ackid"]
    assert s.load.missing() == (0, 0, 1)
    assert (len(s.acknowledged), len(s.arrived)) == (1, 2)  # the sender's own copy is no arrival at a recipient


def test_more_members_than_bits_of_a_word(server: Callable[..., Server]) -> None:
    s = server(130)
    s.load.start()
    for sequence in (1, 2):
        (message,) = s.sent(0, 1)
        for member in range(130):
            s.push(member, message, sequence)
        s.acknowledge(0, message, sequence)
        s.expect(received=sequence, arrived=130 * sequence)


def test_in_flight_is_kept_and_the_limit_too(server: Callable[..., Server]) -> None:
    s = server(2, in_flight=3)
    s.load.start(limit=5)
    messages = s.sent(0, 3)
    for sequence, message in enumerate(messages, 1):
        s.push(0, message, sequence)
        s.push(1, message, sequence)
        s.acknowledge(0, message, sequence)
    messages = s.sent(0, 2)
    s.expect(sent=5, in_flight=2)
    for sequence, message in enumerate(messages, 4):
        s.acknowledge(0, message, sequence)
        s.push(0, message, sequence)
        s.push(1, message, sequence)
    s.expect(sent=5, acknowledged=5, received=5, arrived=10, in_flight=0)


def test_a_double_is_seen_before_and_after_the_message_is_done(server: Callable[..., Server]) -> None:
    s = server(2)
    s.load.start()
    (message,) = s.sent(0, 1)
    s.push(1, message, 1)
    s.push(1, message, 1)
    s.expect(doubled=1, arrived=1)
    s.push(0, message, 1)
    s.acknowledge(0, message, 1)
    s.sent(0, 1)  # the place is used again
    s.push(1, message, 1)
    s.expect(doubled=2, arrived=2, received=1)


def test_the_wrong_order_is_seen(server: Callable[..., Server]) -> None:
    s = server(2, in_flight=2)
    s.load.start()
    one, two = s.sent(0, 2)
    s.push(1, two, 2)
    s.push(1, one, 1)
    s.expect(reordered=1, arrived=2)


def test_a_message_at_a_stranger_is_seen(server: Callable[..., Server]) -> None:
    s = server(2, 2)
    s.load.start()
    (message,) = s.sent(0, 1)
    s.push(3, message, 1)
    s.expect(misdelivered=1, arrived=0)


def test_a_refused_message_is_counted_and_not_repeated(server: Callable[..., Server]) -> None:
    s = server(2)
    s.load.start()
    (first,) = s.sent(0, 1)
    s.refuse(0, first, "overloaded")
    (second,) = s.sent(0, 1)
    assert second["ackid"] != first["ackid"]
    s.acknowledge(0, second, 0)  # answered, not stored: they are no friends
    (third,) = s.sent(0, 1)
    s.push(1, second, 7)  # all the same: it is no double
    s.expect(refused=2, acknowledged=0, in_flight=1, unexpected=1)
    assert s.load.refusals() == {"overloaded": 1, "not_stored": 1}
    s.push(1, third, 8)
    s.expect(refused=2, arrived=1, unexpected=1)


def test_more_reasons_than_places(server: Callable[..., Server]) -> None:
    s = server(2)
    s.load.start()
    for number in range(20):
        (message,) = s.sent(0, 1)
        s.refuse(0, message, f"reason_{number}")
    s.expect(refused=20)
    refusals = s.load.refusals()
    assert len(refusals) == 17
    assert (refusals["reason_0"], refusals["other"]) == (1, 4)


def test_who_is_told_to_wait_waits(server: Callable[..., Server]) -> None:
    s = server(2)
    s.load.start()
    (message,) = s.sent(0, 1)
    began_s = time.monotonic()
    s.refuse(0, message, "too_many", retry_after_ms=200)
    s.until(lambda: s.load.stats()["paused"] == 1)
    s.sent(0, 1)
    assert time.monotonic() - began_s >= 0.2
    s.expect(refused=1, paused=0, sent=2)


def test_a_rate_counts_from_the_due_time(server: Callable[..., Server]) -> None:
    """Of 20 due in 0.2 s the one place in flight lets only one go: what waits for it is late by its whole wait."""
    s = server(2)
    s.load.start(100.0, limit=20)
    (message,) = s.sent(0, 1)
    ends_s = time.monotonic() + 0.2
    s.until(lambda: time.monotonic() > ends_s)
    s.expect(sent=1)
    for sequence in range(1, 3):
        s.push(0, message, sequence)
        s.push(1, message, sequence)
        s.acknowledge(0, message, sequence)
        (message,) = s.sent(0, 1)
    assert len(s.acknowledged) == 2
    assert s.acknowledged.min >= 150_000_000


def test_the_greeting_may_have_come_already() -> None:
    ready = build_frame(1, b'{"event":"session.ready","payload":{"session_id":"a"}}')
    load = SendLoad(Histogram(), Histogram(), connections=2, run=RUN, text=b"x")
    pairs = [socket.socketpair() for _ in range(2)]
    load.add_talk(
        1, [(ours.detach(), received, 1) for (ours, _), received in zip(pairs, (ready, ready[:9]), strict=True)], 1
    )
    assert load.stats()["ready"] == 1
    pairs[1][1].sendall(ready[9:])
    ends_s = time.monotonic() + WAIT_S
    while load.stats()["ready"] < 2:
        assert time.monotonic() < ends_s
        load.step(0.005)
    load.close()
    for _, theirs in pairs:
        theirs.close()


def test_pings_are_answered_and_other_events_are_counted(server: Callable[..., Server]) -> None:
    s = server(2)
    s.peers[1].sendall(build_frame(OP_PING, b"are you there"))
    s.until(lambda: s.controls)
    assert s.controls == [("pong", b"are you there")]
    s.say(1, {"event": "sync.required", "payload": {"reason": "dropped"}})
    s.say(1, {"event": "row.changed", "payload": {"room": "talk"}})
    s.say(1, {"event": "im.message", "payload": {"body": {"msg_id": "somebody else's", "sequence": 3}}})
    s.expect(pings=1, sync_required=1, unexpected=2)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (build_frame(OP_CLOSE, struct.pack("!H", 1001)), "the server closed the connection with code 1001"),
        (b"", "the server closed the connection"),
        (build_frame(1, b"part", fin=False), "the server sent a frame that the protocol forbids, or that is too long"),
        (
            build_frame(1, b"masked", mask=MASK),
            "the server sent a frame that the protocol forbids, or that is too long",
        ),
        (
            b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
            "the server sent a frame that the protocol forbids, or that is too long",
        ),
        (build_frame(3, b"?"), "the server sent a frame that the protocol forbids, or that is too long"),
    ],
)
def test_a_lost_connection_is_told_and_what_it_lacks_too(
    server: Callable[..., Server], said: bytes, reason: str
) -> None:
    s = server(2)
    s.load.start()
    (message,) = s.sent(0, 1)
    s.push(0, message, 1)
    s.acknowledge(0, message, 1)
    assert s.load.failure() is None
    if said:
        s.peers[1].sendall(said)
    else:
        s.peers[1].shutdown(socket.SHUT_WR)
    s.expect(lost=1, open=1, acknowledged=1, arrived=1, in_flight=1)
    assert s.load.failure() == reason
    assert s.load.missing() == (1, 1, 0)


def test_a_peer_that_reads_late_gets_all(server: Callable[..., Server]) -> None:
    """More than a socket takes at once: the rest is kept, and not one byte of it is lost or mixed up."""
    s = server(2, in_flight=64, text=b"x" * 16_000)
    s.load.start(limit=64)
    s.load.step(0.05)
    messages = s.sent(0, 64)
    assert len({message["ackid"] for message in messages}) == 64
    assert {message["payload"]["body"]["content"] for message in messages} == {"x" * 16_000}


@pytest.mark.parametrize(
    "change",
    [
        {"connections": 0},
        {"connections": (1 << 20) + 1},
        {"in_flight": 0},
        {"in_flight": 65_537},
        {"run": b"0123ABCD"},
        {"run": b"0123"},
        {"text": b'a"b'},
        {"text": "ä".encode()},
        {"text": b"x" * 65_537},
        {"mask": b"123"},
    ],
)
def test_numbers_out_of_range(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SendLoad(Histogram(), Histogram(), **{"connections": 1, "run": RUN, "text": b"x", **change})


def test_talks_that_do_not_fit_leave_the_descriptors_alone() -> None:
    load = SendLoad(Histogram(), Histogram(), connections=2, run=RUN, text=b"x")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for members, senders in (
            ([(ours.fileno(), b"", 1)], 0),
            ([(ours.fileno(), b"", 1)], 2),
            ([(ours.fileno(), b"", 1)] * 3, 1),
        ):
            with pytest.raises(ValueError, match=r".+"):
                load.add_talk(1, members, senders)
        del load
        ours.sendall(b"still open")
        assert theirs.recv(100) == b"still open"
    with pytest.raises(OSError, match="Bad file descriptor"):
        SendLoad(Histogram(), Histogram(), connections=1, run=RUN, text=b"x").add_talk(1, [(1 << 20, b"", 1)], 1)
    with pytest.raises(ValueError, match="at most 60"):
        SendLoad(Histogram(), Histogram(), connections=1, run=RUN, text=b"x").step(61)


def test_whatever_a_server_says_the_account_holds() -> None:
    """Answers and pushes with bytes changed, left out or put in: at worst the connection is lost."""
    random = Random(8)
    for _ in range(300):
        load = SendLoad(Histogram(), Histogram(), connections=2, run=RUN, text=b"x", in_flight=2)
        pairs = [socket.socketpair() for _ in range(2)]
        load.add_talk(1, [(ours.detach(), b"", 1) for ours, _ in pairs], 1)
        load.start(limit=2)
        load.step(0.0005)
        for _ in range(6):
            msg_id = f"0123abcd{random.randrange(3):08x}{random.randrange(3):08x}"
            kind = random.choice(["ack", "im.message", "event_error"])
            record = {"msg_id": msg_id, "sequence": random.randrange(4), "reason": "too_many", "retry_after_ms": 1}
            payload = json.dumps({"event": kind, "ackid": msg_id, "payload": record}, separators=(",", ":")).encode()
            data = bytearray(build_frame(1, payload))
            for _ in range(random.randrange(3)):
                at = random.randrange(len(data))
                data[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
            with contextlib.suppress(OSError):
                pairs[random.randrange(2)][1].sendall(data)
            load.step(0.0005)
        stats = load.stats()
        acknowledged, arrivals, unanswered = load.missing()
        assert stats["open"] + stats["lost"] == 2
        assert stats["in_flight"] == acknowledged + unanswered <= 2
        assert stats["sent"] == stats["refused"] + stats["received"] + stats["in_flight"]
        assert 0 <= arrivals <= 2 * acknowledged
        assert sum(load.refusals().values()) == stats["refused"]
        load.close()
        for _, theirs in pairs:
            theirs.close()
