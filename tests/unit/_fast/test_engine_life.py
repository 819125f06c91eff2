"""The engine as a whole: settings, listening, descriptors running out, memory."""

from __future__ import annotations

import ast
import gc
import itertools
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit._fast.engine_harness import MASK, Harness, request
from xinyu._fast import build_flags
from xinyu._fast import engine as engine_module
from xinyu._fast.frames import build_frame


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_connections": 0}, ValueError),
        ({"max_connections": (1 << 24) + 1}, ValueError),
        ({"max_head_bytes": 255}, ValueError),
        ({"max_message_bytes": 0}, ValueError),
        ({"max_message_bytes": 1 << 31}, ValueError),
        ({"max_fragments": 0}, ValueError),
        ({"credit": 0}, ValueError),
        ({"credit": "many"}, TypeError),
        ({"credit": True}, TypeError),
        ({"credit": 1.5}, TypeError),
        ({"backlog_bytes": 0}, ValueError),
        ({"backlog_frames": 0}, ValueError),
        ({"ephemeral_backlog_bytes": -1}, ValueError),
        ({"handshake_s": 0}, ValueError),
        ({"handshake_s": -1}, ValueError),
        ({"upgrade_s": 0}, ValueError),
        ({"login_s": 0}, ValueError),
        ({"close_s": 0}, ValueError),
        ({"slow_consumer_s": 0}, ValueError),
        ({"heartbeat_s": -0.1}, ValueError),
        ({"read_timeout_s": float("nan")}, ValueError),
        ({"read_timeout_s": float("inf")}, ValueError),
        ({"tick_ms": 0}, ValueError),
        ({"slice_ms": -0.1}, ValueError),
        ({"max_events": 0}, ValueError),
        ({"on_message": 3}, TypeError),
        ({"headers": ["two words"]}, ValueError),
        ({"headers": [b"origin"]}, TypeError),
        ({"sync_required_frames": {1: b"raw"}}, TypeError),
        ({"sync_required_frames": {3: engine_module.encode_frame(b"x")}}, ValueError),
        ({"unknown": 1}, TypeError),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], error: type[Exception]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(error):
        engine_module.Engine(**settings)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before, "a failed construction closes nothing and leaves nothing open"


def test_the_build_is_what_it_says() -> None:
    assert engine_module.DEBUG_BUILD == build_flags.DEBUG_BUILD


def test_only_listening_stream_sockets() -> None:
    with Harness() as h:
        for kind, error in ((socket.SOCK_STREAM, ValueError), (socket.SOCK_DGRAM, ValueError)):
            with socket.socket(socket.AF_INET, kind) as sock, pytest.raises(error, match="listening"):
                h.engine.listen(sock)
        with pytest.raises(TypeError):
            h.engine.listen(3)  # type: ignore[arg-type]


def test_several_listening_sockets_of_several_families(tmp_path: Path) -> None:
    with Harness() as h:
        second = socket.create_server(("127.0.0.1", 0))
        local = socket.socket(socket.AF_UNIX)
        local.bind(str(tmp_path / "s"))
        local.listen()
        h.engine.listen(second)
        h.engine.listen(local)
        h.open()
        h.address = second.getsockname()
        h.open()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(tmp_path / "s"))
            sock.sendall(request())
            h.until(lambda: len(h.upgrades) == 3)
            assert h.engine.peer_of(h.upgrades[2][0]) == ""


def test_pausing_accept() -> None:
    with Harness() as h:
        h.engine.pause_accept()
        client = h.connect()
        client.send(request())
        assert h.run_for(0.05) <= 1
        assert h.engine.stats()["sockets_accepted"] == 0
        h.engine.resume_accept()
        assert client.read_head().startswith("HTTP/1.1 101")


def test_a_full_table_pauses_accept_until_one_leaves() -> None:
    with Harness(max_connections=3) as h:
        clients = [h.open() for _ in range(3)]
        waiting = h.connect()
        waiting.send(request())
        assert h.run_for(0.1) < 30
        assert h.engine.stats()["connections"] == 3
        clients[0].socket.close()
        assert waiting.read_head().startswith("HTTP/1.1 101")


def test_out_of_descriptors_accept_pauses_without_spinning_and_goes_on() -> None:
    with Harness() as h:
        served = h.open()
        client = h.connect()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))), hard))
        extra = []
        try:
            while True:  # whatever gaps there are below the limit
                try:
                    extra.append(os.dup(0))
                except OSError:
                    break
            assert h.run_for(0.1) < 30
            assert h.engine.stats()["accept_pauses"] >= 1
            served.text("still served")
            h.until(lambda: h.messages)
        finally:
            for fd in extra:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        client.send(request())
        assert client.read_head().startswith("HTTP/1.1 101")


def test_idle_connections_are_no_python_objects() -> None:
    with Harness(on_upgrade=None, tick_ms=1000) as h:

        def grow(count: int) -> None:
            for _ in range(count):
                client = socket.create_connection(h.address)
                sockets.append(client)
                client.sendall(request())
            h.until(lambda: h.engine.stats()["open"] == len(sockets))

        sockets: list[socket.socket] = []
        grow(50)
        counts = []
        for _ in range(2):
            gc.collect()
            counts.append((len(gc.get_objects()), sys.getallocatedblocks(), len(sockets)))
            grow(200)
        gc.collect()
        counts.append((len(gc.get_objects()), sys.getallocatedblocks(), len(sockets)))
        for before, after in itertools.pairwise(counts):
            # Our own list of client sockets: one object of some blocks each. Nothing comes on top of it.
            assert after[0] - before[0] <= 1.5 * (after[2] - before[2])
            assert after[1] - before[1] <= 4 * (after[2] - before[2])
        ids = h.engine.connection_ids()
        for i, id_ in enumerate(ids):
            h.engine.bind(id_, i + 1)
        del ids, i, id_
        gc.collect()
        bound = sys.getallocatedblocks()
        assert bound - counts[-1][1] < 100
        assert h.engine.stats()["connection_bytes"] <= 128
        for sock in sockets:
            sock.close()
        h.until(lambda: h.engine.stats()["connections"] == 0)


def test_a_connection_owns_nothing_while_idle() -> None:
    """Half a message is freed when it is whole, a request when it is answered, a backlog when it is written."""
    with Harness() as h:
        client = h.open()
        before = h.engine.stats()
        data = build_frame(1, b"x" * 70_000, mask=MASK)
        client.send(data[:50_000])
        h.settle()
        assert h.engine.stats()["unfinished"] == 1
        client.send(data[50_000:])
        h.until(lambda: h.messages)
        after = h.engine.stats()
        kept = [name for name in before if name.startswith("live_") or name in ("unfinished", "backlog_bytes")]
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_an_engine_that_is_dropped_frees_its_descriptors() -> None:
    before = len(os.listdir("/proc/self/fd"))
    engine = engine_module.Engine()
    assert len(os.listdir("/proc/self/fd")) == before + 3
    del engine
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_shut_down_engine_refuses_everything_politely() -> None:
    with Harness() as h:
        client = h.open()
        h.engine.bind(client.id, 1)
        h.engine.shutdown()
        h.engine.shutdown()
        e = h.engine
        e.poll()
        e.pause_accept()
        e.resume_accept()
        e.close_all()
        frame = engine_module.encode_frame(b"x")
        assert not e.send(client.id, "x")
        assert e.fan_out_all(frame) == 0
        assert e.fan_out_users([1], {0: frame}) == 0
        assert not e.broadcast_rounds(frame, 1)
        assert e.connections_of(1) == []
        assert e.connection_ids() == []
        assert e.export(client.id) is None
        assert e.fileno() == -1
        with pytest.raises(ValueError, match="shut down"):
            e.adopt(0, b"")
        client.read_end()
        assert h.closes == []


def test_importing_the_engine_is_quick_and_brings_nothing_along() -> None:
    code = "import sys; from xinyu._fast import engine; print([m for m in sys.modules if m.startswith('xinyu')])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    compiled = ("xinyu._fast.engine", "xinyu._fast.logins", "xinyu._fast.members", "xinyu._fast.tokens")
    assert sorted(ast.literal_eval(out)) == ["xinyu", "xinyu._fast", *compiled]


def test_small_frames_are_sent_at_once() -> None:
    """No Nagle: the listener's option is inherited, and an adopted socket gets its own."""
    with Harness() as h, Harness() as new:
        client = h.open()
        fd, state = h.engine.export(client.id)
        with socket.socket(fileno=os.dup(fd)) as sock:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            new.engine.adopt(fd, state)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
