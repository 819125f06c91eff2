"""An idle connection is a struct in the engine's table and no Python object, whatever was done to it before."""

from __future__ import annotations

import contextlib
import os
import socket
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.object_count import NOISE, count_objects
from tests.unit._fast.engine_harness import MASK, request
from xinyu._fast.engine import CODEC_JSON, Engine
from xinyu._fast.frames import build_frame

FEW, MANY = 500, 3_000
TOGETHER = 100


class Crowd:
    """Clients as bare descriptors in an array, so that they are no objects either."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.descriptors = array("i")
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = listener.getsockname()
        engine.listen(listener)

    def grow(self, count: int, data: bytes) -> None:
        """Until there are `count`; each sends this, and takes what comes back."""
        while len(self.descriptors) < count:
            opened = array("i")
            for _ in range(TOGETHER):
                client = socket.create_connection(self.address)
                client.sendall(data)
                client.setblocking(False)
                opened.append(client.detach())
            self.descriptors.extend(opened)
            for descriptor in opened:
                assert self._read_head(descriptor).startswith(b"HTTP/1.1 101 ")

    def _read_head(self, descriptor: int) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            self.engine.poll()
            with contextlib.suppress(BlockingIOError):
                head += os.read(descriptor, 4096)
        return head

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.engine.shutdown()


@pytest.fixture
def crowd_of() -> Iterator[Callable[[Engine], Crowd]]:
    crowds: list[Crowd] = []

    def make(engine: Engine) -> Crowd:
        crowds.append(Crowd(engine))
        return crowds[-1]

    yield make
    for crowd in crowds:
        crowd.close()


def check_growth(crowd: Crowd, data: bytes) -> None:
    """From few connections to many the counts stay as they are."""
    crowd.grow(FEW, data)
    before = count_objects()
    crowd.grow(MANY, data)
    after = count_objects()
    assert after.tracked - before.tracked < NOISE
    assert after.blocks - before.blocks < NOISE


def test_in_echo_mode(crowd_of: Callable[[Engine], Crowd]) -> None:
    check_growth(crowd_of(Engine(echo=True)), request())


@pytest.mark.parametrize("begun", [False, True], ids=["between messages", "half a message"])
def test_with_users_talks_and_messages(crowd_of: Callable[[Engine], Crowd], begun: bool) -> None:
    """Each was asked about in Python, logged in, joined a talk, said something and was answered."""

    def decide(id: int, _path: str, _query: str, headers: dict[str, str]) -> None:
        assert engine.accept(id, "xinyu.v1.json", codec=CODEC_JSON, login_deadline=True, headers=[("X-A", "b")])
        assert engine.bind(id, id, int(headers["x-number"]), 1 << 50)
        assert engine.join_talk(id, 77)

    def hear(id: int, data: str | bytes, _is_text: bool) -> None:
        assert engine.send(id, f"{len(data)}")
        assert engine.release(id)
        heard[0] += 1

    heard: Any = array("q", [0])
    engine = Engine(on_upgrade=decide, on_message=hear, headers=["X-Number"], max_talks=4)
    crowd = crowd_of(engine)
    said = build_frame(1, "héllo".encode(), mask=MASK)
    if begun:
        said += build_frame(1, b"the rest never comes", mask=MASK)[:-5]
    check_growth(crowd, request("/ws?a=1", "X-Number: 5") + said)
    while heard[0] < MANY or engine.stats()["unfinished"] != MANY * begun:
        engine.poll()
    stats = engine.stats()
    assert (stats["open"], stats["users"]) == (MANY, MANY)
    assert stats["live_memberships"] == MANY
