"""What clients send: messages, control frames, violations, the closing handshake, and the credit of messages."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from tests.unit._fast.engine_harness import MASK, Harness, request
from xinyu._fast import engine as engine_module
from xinyu._fast.engine import DONE
from xinyu._fast.frames import build_frame


def text_frames(count: int) -> bytes:
    return b"".join(build_frame(1, str(i).encode(), mask=MASK) for i in range(count))


def test_text_and_binary() -> None:
    with Harness() as h:
        client = h.open()
        client.text("plain")
        client.text("漢字 🙂")
        client.frame(2, b"\x00\xff")
        client.text("")
        h.until(lambda: len(h.messages) == 4)
        assert [data for _, data in h.messages] == ["plain", "漢字 🙂", b"\x00\xff", ""]
        assert {id_ for id_, _ in h.messages} == {client.id}
        assert h.engine.credit_of(client.id) == 60


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 300_000, 1 << 20])
def test_sizes(size: int) -> None:
    with Harness() as h:
        client = h.open()
        client.frame(2, b"z" * size)
        client.text("é" * (size // 2))
        h.until(lambda: len(h.messages) == 2)
        assert [data for _, data in h.messages] == [b"z" * size, "é" * (size // 2)]


def test_fragments_with_a_ping_between() -> None:
    with Harness() as h:
        client = h.open()
        data = "Grüße".encode()
        client.frame(1, data[:3], fin=False)
        client.frame(9, b"still there?")
        client.frame(0, data[3:4], fin=False)
        client.frame(0, data[4:])
        h.until(lambda: h.messages)
        assert h.messages == [(client.id, "Grüße")]
        assert client.read_frame() == (10, b"still there?")


CONVERSATIONS = [
    (build_frame(1, "Grüße".encode(), mask=MASK), ["Grüße"], []),
    (
        build_frame(1, b"\xe6\xbc", fin=False, mask=b"abcd")
        + build_frame(9, b"between", mask=b"\xff\x00\xaa\x55")
        + build_frame(0, b"\xa2", mask=MASK),
        ["漢"],
        [(10, b"between")],
    ),
    (build_frame(2, bytes(range(150)), mask=b"wxyz") + build_frame(2, b"", mask=MASK), [bytes(range(150)), b""], []),
    (build_frame(1, b"\xc3", fin=False, mask=MASK) + build_frame(0, b"(", mask=MASK), [], [(8, None)]),
    (build_frame(2, b"half", fin=False, mask=MASK) + build_frame(8, b"\x03\xe8", mask=MASK), [], [(8, b"\x03\xe8")]),
]


@pytest.mark.parametrize("step_bytes", [1, 3, 7, 20])
def test_many_connections_in_the_middle_of_a_message(step_bytes: int) -> None:
    """They take turns at the one parser: what each of them has begun must not show in another."""
    with Harness() as h:
        clients = [(h.open(), *conversation) for _ in range(3) for conversation in CONVERSATIONS]
        length = max(len(stream) for stream, _, _ in CONVERSATIONS)
        for at in range(0, length, step_bytes):
            for client, stream, _, _ in clients:
                if h.engine.is_open(client.id):
                    client.send(stream[at : at + step_bytes])
            h.until(lambda: not h.step(), "everything read")
        for client, _, messages, frames in clients:
            h.until(lambda m=messages, c=client: len([id_ for id_, _ in h.messages if id_ == c.id]) == len(m))
            assert [data for id_, data in h.messages if id_ == client.id] == messages
            for opcode, payload in frames:
                got = client.read_frame()
                assert got[0] == opcode
                assert payload in (None, got[1])
        assert h.engine.stats()["unfinished"] == 0


def test_a_connection_that_ends_in_the_middle_of_a_message_leaves_nothing_to_the_next() -> None:
    with Harness() as h:
        for ending in ("abort", "reset", "close"):
            first, second = h.open(), h.open()
            first.send(build_frame(1, b"x" * 1000, fin=False, mask=MASK) + build_frame(0, b"y" * 9, mask=b"abcd")[:9])
            h.settle()
            assert h.engine.stats()["unfinished"] == 1
            if ending == "abort":
                h.engine.abort(first.id)
            elif ending == "reset":
                first.reset_connection()
            else:
                h.engine.close(first.id)
                first.frame(8, b"\x03\xe8")  # taken for payload: the message goes on
                first.socket.close()
            first.wait_closed()
            assert h.engine.stats()["unfinished"] == 0
            second.text(ending)
            h.until(lambda expected=(second.id, ending): h.messages[-1:] == [expected])


def test_ended_from_inside_the_callback_of_its_own_message() -> None:
    """The message came in two parts, so its bytes belong to the parser that is being read from."""
    with Harness() as h:
        for end in (h.engine.abort, h.engine.export):
            client, other = h.open(), h.open()
            exported: list[Any] = []
            h.react = lambda id_, _data, end=end, kept=exported: kept.append(end(id_))
            data = build_frame(1, b"x" * 600, mask=MASK)
            client.send(data[:300])
            h.settle()
            client.send(data[300:])
            h.until(lambda kept=exported: kept)
            h.react = lambda _id, _data: None
            other.text("next")
            h.until(lambda o=other: h.messages[-1:] == [(o.id, "next")])
            assert h.engine.stats()["unfinished"] == 0
            if end == h.engine.export:
                h.engine.abort(h.engine.adopt(*exported[0]))


def test_a_pong_is_not_answered() -> None:
    with Harness() as h:
        client = h.open()
        client.frame(10, b"unasked")
        client.frame(9, b"x")
        assert client.read_frame() == (10, b"x")
        assert h.engine.stats()["pongs_in"] == 1


VIOLATIONS: list[tuple[str, bytes, int]] = [
    ("not masked", b"\x81\x01a", 1002),
    ("reserved bit", b"\xc1\x81", 1002),
    ("reserved opcode", b"\x83\x80", 1002),
    ("reserved control opcode", b"\x8b\x80", 1002),
    ("fragmented ping", b"\x09\x80", 1002),
    ("long ping", b"\x89\xfe\x00\x7e", 1002),
    ("stray continuation", b"\x80\x80", 1002),
    ("message inside a message", b"\x01\x81" + MASK + b"\x11" + b"\x81\x80", 1002),
    ("length not shortest", b"\x82\xfe\x00\x01" + MASK, 1002),
    ("bad text, fragment not even complete", b"\x01\x85" + MASK + bytes([0xFF ^ 0x11]), 1007),
    ("text ends inside a character", build_frame(1, b"\xe6\xbc", mask=MASK), 1007),
    ("too long, only announced", b"\x82\xff" + (1 << 20 | 1).to_bytes(8, "big") + MASK, 1009),
    ("close of one byte", build_frame(8, b"\x03", mask=MASK), 1002),
    ("close code 1005", build_frame(8, b"\x03\xed", mask=MASK), 1002),
    ("close reason not text", build_frame(8, b"\x03\xe8\xff", mask=MASK), 1007),
]


@pytest.mark.parametrize(("frame", "code"), [v[1:] for v in VIOLATIONS], ids=[v[0] for v in VIOLATIONS])
def test_violations_fail_the_connection_at_the_first_byte_that_shows_them(frame: bytes, code: int) -> None:
    with Harness() as h:
        client = h.open()
        h.engine.bind(client.id, 7, 8)
        client.send(frame)
        assert client.read_close()[0] == code
        client.read_end()
        assert not client.reset
        assert not h.engine.is_open(client.id)
        assert h.engine.connections_of(7) == []
        client.socket.close()
        assert client.wait_closed() == (client.id, 7, 8, code, False)
        assert h.messages == []


def test_fragment_cap() -> None:
    with Harness(max_fragments=4) as h:
        client = h.open()
        client.frame(1, b"a", fin=False)
        for _ in range(4):
            client.frame(0, b"", fin=False)
        assert client.read_close()[0] == 1009


def test_what_follows_a_violation_is_read_away_not_answered_with_a_reset() -> None:
    """A reset would take our close frame from the peer's buffer."""
    with Harness() as h:
        client = h.open()
        client.send(b"\x83\x80" + b"garbage" * 10_000)
        assert client.read_close()[0] == 1002
        client.send(b"more" * 10_000)
        client.read_end()
        assert not client.reset


@pytest.mark.parametrize(("payload", "code"), [(b"", 1005), (b"\x03\xe8bye", 1000), (b"\x0f\xa0", 4000)])
def test_the_peer_closes(payload: bytes, code: int) -> None:
    with Harness() as h:
        client = h.open()
        client.frame(8, payload)
        assert client.read_close() == (code, "")
        client.read_end()
        assert client.wait_closed() == (client.id, 0, 0, code, True)


def test_we_close() -> None:
    with Harness() as h:
        client = h.open()
        assert h.engine.close(client.id, 4403, "kicked")
        assert not h.engine.close(client.id)
        assert not h.engine.send(client.id, "late")
        client.text("not delivered any more")
        assert client.read_close() == (4403, "kicked")
        client.frame(8, b"\x0f\xa0")
        client.read_end()
        assert client.wait_closed() == (client.id, 0, 0, 4403, True)
        assert h.messages == []


def test_a_peer_that_never_answers_our_close() -> None:
    with Harness(close_s=0.1) as h:
        client = h.open()
        h.engine.close(client.id, 1001)
        client.read_end()
        assert client.wait_closed() == (client.id, 0, 0, 1001, False)


def test_a_peer_that_never_ends_after_a_violation() -> None:
    with Harness(close_s=0.1) as h:
        client = h.open()
        client.send(b"\x83\x80")
        assert client.wait_closed() == (client.id, 0, 0, 1002, False)


@pytest.mark.parametrize("way", ["end", "reset", "abort"])
def test_a_connection_that_is_lost(way: str) -> None:
    with Harness() as h:
        client = h.open()
        h.engine.bind(client.id, 5, 6)
        if way == "end":
            client.socket.close()
        elif way == "reset":
            client.reset_connection()
        else:
            assert h.engine.abort(client.id)
            assert not h.engine.abort(client.id)
            assert h.closes == []  # callbacks come from poll() only
        assert client.wait_closed() == (client.id, 5, 6, 1006, False)


@pytest.mark.parametrize("event", ["ping", "other"])
def test_the_legacy_heartbeat_is_answered_without_python(event: str) -> None:
    with Harness() as h:
        client = h.open()
        client.text(json.dumps({"event": event, "payload": {}}))
        if event == "other":
            h.until(lambda: h.messages)
            assert h.engine.stats()["legacy_pings"] == 0
            return
        opcode, payload = client.read_frame()
        pong = json.loads(payload)
        assert (opcode, pong["event"]) == (1, "pong")
        assert abs(pong["payload"]["ts"] - time.time() * 1000) < 10_000
        assert h.messages == []
        assert h.engine.credit_of(client.id) == 64


def test_other_dialects_get_the_text_of_a_legacy_heartbeat() -> None:
    with Harness(auto={"codec": 1}) as h:
        client = h.open()
        client.text('{"event":"ping"}')
        h.until(lambda: h.messages)


# ---- credit


def test_credit_stops_reading_and_release_goes_on_in_order() -> None:
    with Harness(credit=3) as h:
        client = h.open()
        client.send(text_frames(10))
        h.settle()
        assert [data for _, data in h.messages] == ["0", "1", "2"]
        assert h.engine.credit_of(client.id) == 0
        assert h.engine.stats()["paused"] == 1
        assert h.run_for(0.1) < 30
        assert h.engine.release(client.id)
        h.until(lambda: len(h.messages) == 4)
        assert h.engine.release(client.id, 100)
        h.until(lambda: len(h.messages) == 7)
        assert h.engine.release(client.id, 3)
        h.until(lambda: len(h.messages) == 10)
        assert [data for _, data in h.messages] == [str(i) for i in range(10)]
        client.text("and on")
        h.engine.release(client.id, 3)
        h.until(lambda: len(h.messages) == 11)


def test_credit_given_back_inside_the_callback() -> None:
    with Harness(credit=1) as h:
        client = h.open()
        h.react = lambda id_, _data: h.engine.release(id_)
        client.send(text_frames(500))
        h.until(lambda: len(h.messages) == 500)
        assert [data for _, data in h.messages] == [str(i) for i in range(500)]


def test_a_callback_that_is_done_when_it_returns_keeps_no_credit() -> None:
    with Harness(credit=1) as h:
        client = h.open()
        h.react = lambda _id, _data: DONE
        client.text("a")
        h.until(lambda: len(h.messages) == 1)
        assert h.engine.credit_of(client.id) == 1
        h.react = lambda id_, _data: h.engine.send(id_, "True is not DONE")
        client.text("b")
        h.until(lambda: len(h.messages) == 2)
        assert h.engine.credit_of(client.id) == 0
        h.react = lambda id_, _data: (h.engine.release(id_), DONE)[1]
        assert h.engine.release(client.id)
        client.text("c")  # released and done: never more than the whole
        h.until(lambda: len(h.messages) == 3)
        assert h.engine.credit_of(client.id) == 1


def test_a_callback_that_ends_the_connection_and_is_done() -> None:
    with Harness(credit=1) as h:
        h.react = lambda id_, _data: (h.engine.abort(id_), DONE)[1]
        client = h.open()
        client.text("a")
        h.until(lambda: h.closes)
        assert h.closes[0][3] == 1006
        assert h.engine.stats()["callback_errors"] == 0


def test_a_reset_peer_at_zero_credit_is_closed_and_does_not_spin() -> None:
    """HUP and ERR cannot be masked: a descriptor left in the set would wake the loop for ever."""
    with Harness(credit=1) as h:
        client = h.open()
        client.send(text_frames(2))
        h.settle()
        client.reset_connection()
        client.wait_closed()
        assert h.run_for(0.1) < 5


def test_a_peer_that_ends_at_zero_credit_does_not_spin() -> None:
    with Harness(credit=1) as h:
        client = h.open()
        client.send(text_frames(2))
        h.settle()
        client.socket.close()
        assert h.run_for(0.2) < 60  # ticks
        assert h.closes == []
        h.engine.release(client.id)
        h.until(lambda: len(h.messages) == 2)
        h.engine.release(client.id)
        client.wait_closed()


def test_closing_needs_no_credit() -> None:
    with Harness(credit=1) as h:
        client = h.open()
        client.send(text_frames(3) + build_frame(8, b"\x03\xe8", mask=MASK))
        h.settle()
        assert len(h.messages) == 1
        h.engine.close(client.id, 1001)
        assert client.read_close() == (1001, "")
        assert client.wait_closed() == (client.id, 0, 0, 1001, True)
        assert len(h.messages) == 1


# ---- ids


def test_a_stale_id_reaches_nobody() -> None:
    with Harness() as h:
        old = h.open()
        h.engine.bind(old.id, 1)
        old.socket.close()
        old.wait_closed()
        new = h.open()
        assert new.id != old.id
        assert new.id & 0xFFFFFF == old.id & 0xFFFFFF, "the slot is used again: this is the case that matters"
        assert max(new.id, old.id) < 1 << 53
        frame = engine_module.encode_frame(b"x")
        for id_ in (old.id, 0, -1, 1 << 53, 1 << 64, 1 << 200, new.id + (1 << 24), new.id + 1):
            e = h.engine
            refused: list[Any] = [
                e.accept(id_), e.refuse(id_, 400), e.bind(id_, 1), e.release(id_), e.close(id_), e.abort(id_),
                e.send(id_, "x"), e.send_frame(id_, frame), e.ping(id_), e.fan_out([id_], frame), e.join_talk(id_, 1),
                e.leave_talk(id_, 1), e.user_of(id_), e.session_of(id_), e.is_open(id_), e.backlog_of(id_),
                e.credit_of(id_), e.set_codec(id_, 1), e.export(id_), e.codec_of(id_),
            ]  # fmt: skip
            assert not any(refused), id_
        h.settle()
        new.pull()
        assert new.received == b""
        assert h.engine.is_open(new.id)


def test_ids_differ_for_ever() -> None:
    with Harness() as h:
        seen = set()
        for _ in range(50):
            client = h.open()
            seen.add(client.id)
            h.engine.abort(client.id)
            client.wait_closed()
        assert len(seen) == 50


# ---- callbacks


def test_callbacks_that_raise_are_reported_and_harm_nobody() -> None:
    with Harness() as h:
        first, second = h.open(), h.open()

        def fail(_id: int, data: str | bytes) -> None:
            if data == "bad":
                raise LookupError("on purpose")
            if data == "worse":
                raise KeyboardInterrupt

        h.react = fail
        for text in ("bad", "worse", "good"):
            first.text(text)
        second.text("other")
        h.until(lambda: len(h.messages) == 4)
        assert [type(error) for error in h.errors] == [LookupError, KeyboardInterrupt]
        assert h.engine.stats()["callback_errors"] == 2
        assert h.engine.is_open(first.id)

        def fail_close(_id: int) -> None:
            raise ValueError("on purpose")

        h.on_close = fail_close
        first.socket.close()
        h.until(lambda: len(h.errors) == 3)
        h.until(lambda: h.engine.stats()["connections"] == 1)
        h.errors.clear()
        h.on_close = lambda _id: None


def test_an_upgrade_callback_that_raises_is_answered_500() -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    with Harness(on_upgrade=fail) as h:
        client = h.connect()
        client.send(request())
        assert client.read_answer()[0] == 500
        assert [str(error) for error in h.errors] == ["on purpose"]
        h.errors.clear()


def test_errors_are_logged_when_nobody_asks_for_them(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    with Harness(on_error=None) as h:
        client = h.open()
        h.react = fail
        client.text("x")
        h.until(lambda: h.engine.stats()["callback_errors"])
    assert "on purpose" in caplog.text


def test_an_error_callback_that_raises_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("even here")

    with Harness(on_error=fail) as h:
        client = h.open()
        h.react = fail
        client.text("x")
        h.until(lambda: h.messages)
        assert h.engine.is_open(client.id)
    assert "even here" in caplog.text


REACTIONS: list[tuple[str, Callable[[Harness, int, int], object]]] = [
    ("close own", lambda h, own, other: h.engine.close(own)),
    ("abort own", lambda h, own, other: h.engine.abort(own)),
    ("close other", lambda h, own, other: h.engine.close(other)),
    ("abort other", lambda h, own, other: h.engine.abort(other)),
    ("abort both", lambda h, own, other: (h.engine.abort(own), h.engine.abort(other))),
    ("export own", lambda h, own, other: h.engine.export(own)),
    ("export other", lambda h, own, other: h.engine.export(other)),
    ("send both", lambda h, own, other: (h.engine.send(own, "a"), h.engine.send(other, "b"))),
    ("fan out", lambda h, own, other: h.engine.fan_out_all(engine_module.encode_frame(b"x"))),
    ("broadcast", lambda h, own, other: h.engine.broadcast_rounds(engine_module.encode_frame(b"x"), 5)),
    ("rebind", lambda h, own, other: (h.engine.bind(own, 9), h.engine.bind(other, 9), h.engine.bind(own, 8))),
    ("poll", lambda h, own, other: h.engine.poll()),
    ("close all", lambda h, own, other: h.engine.close_all()),
    ("shutdown", lambda h, own, other: h.engine.shutdown()),
    ("new connection", lambda h, own, other: h.connect()),
]  # fmt: skip


@pytest.mark.parametrize("react", [r[1] for r in REACTIONS], ids=[r[0] for r in REACTIONS])
@pytest.mark.parametrize("batch", [1, 40])
def test_a_callback_may_do_anything(react: Callable[[Harness, int, int], Any], batch: int) -> None:
    """Both connections have more input waiting in the same slice when the first callback acts."""
    import os

    exported: list[int] = []
    with Harness(close_s=0.2) as h:
        first, second = h.open(), h.open()
        done: list[int] = []

        def once(id_: int, _data: str | bytes) -> None:
            if not done:
                done.append(id_)
                result = react(h, id_, second.id if id_ == first.id else first.id)
                if isinstance(result, tuple) and isinstance(result[1], bytes):
                    exported.append(result[0])

        h.react = once
        for client in (first, second):
            client.socket.send(text_frames(batch))
        h.until(lambda: done)
        if h.engine.fileno() >= 0:
            h.settle()
            h.run_for(0.05)
        for fd in exported:
            os.close(fd)


def test_a_shutdown_inside_a_callback_ends_everything_after_it() -> None:
    with Harness() as h:
        client = h.open()
        h.react = lambda _id, _data: h.engine.shutdown()
        client.send(text_frames(5))
        h.until(lambda: h.messages)
        assert h.engine.fileno() == -1
        assert len(h.messages) == 1
        assert not h.engine.send(client.id, "x")
        h.engine.poll()
        with pytest.raises(ValueError, match="shut down"):
            h.engine.listen(h.listener)


# ---- event loops


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_on_an_event_loop(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Deferred accept, messages both ways, heartbeat, release from a task, close."""
    closes: list[tuple[int, ...]] = []

    async def main() -> None:
        import socket

        loop = asyncio.get_running_loop()

        async def decide(id_: int) -> None:
            await asyncio.sleep(0.01)
            assert engine.accept(id_)

        async def answer(id_: int, data: str | bytes) -> None:
            await asyncio.sleep(0)
            assert engine.send(id_, f"{data!s}!")
            assert engine.release(id_)

        tasks: set[asyncio.Task[None]] = set()

        def start(coroutine: Any) -> None:
            task = loop.create_task(coroutine)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        engine = engine_module.Engine(
            on_upgrade=lambda id_, *_: start(decide(id_)),
            on_message=lambda id_, data, _: start(answer(id_, data)),
            on_close=lambda *report: closes.append(report),
            credit=2,
            heartbeat_s=0.05,
            tick_ms=10,
        )
        listener = socket.create_server(("127.0.0.1", 0))
        engine.listen(listener)
        loop.add_reader(engine.fileno(), engine.poll)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(request() + text_frames(20))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 101")
        for i in range(20):
            expected = f"{i}!".encode()
            frame = await asyncio.wait_for(reader.readexactly(2 + len(expected)), 10)
            assert frame == build_frame(1, expected)
        assert await asyncio.wait_for(reader.readexactly(2), 10) == b"\x89\x00"
        writer.write(build_frame(8, b"\x03\xe8", mask=MASK))
        rest = await asyncio.wait_for(reader.read(), 10)
        assert rest.endswith(b"\x88\x02\x03\xe8")
        writer.close()
        await writer.wait_closed()
        while not closes:
            await asyncio.sleep(0.005)
        assert closes[0][3:] == (1000, True)
        loop.remove_reader(engine.fileno())
        engine.shutdown()

    loop = loop_factory()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()
