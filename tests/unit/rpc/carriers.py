"""What carries calls, for tests that hold of each: a way to offer a servicer and to get channels to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from xinyu.rpc.in_process import InProcessNetwork
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1.method import Channel


class Carrier(Protocol):
    servicers: Servicers

    def channel(self, caller: str) -> Channel: ...


class InProcess:
    def __init__(self, max_in_flight: int) -> None:
        self.servicers = self.network = InProcessNetwork(serialise=True, max_in_flight=max_in_flight)

    def channel(self, caller: str) -> Channel:
        return self.network.channel(caller)


class Rock:
    """Over a real TCP connection a channel."""

    def __init__(self, max_in_flight: int, secret: bytes) -> None:
        self.servicers = Servicers(max_in_flight=max_in_flight)
        self.secret = secret
        self.server = RockServer(self.servicers, secret=secret)
        self.channels: list[RockChannel] = []

    def channel(self, caller: str) -> RockChannel:
        channel = RockChannel("127.0.0.1", self.server.port, caller=caller, secret=self.secret)
        self.channels.append(channel)
        return channel


@asynccontextmanager
async def carrier(kind: str, max_in_flight: int = 20_000) -> AsyncIterator[Carrier]:
    """`kind`: in_process, rock or rock_secret."""
    if kind == "in_process":
        made = InProcess(max_in_flight)
        yield made
        await made.servicers.drain(0.0)
        return
    rock = Rock(max_in_flight, b"s" * 32 if kind == "rock_secret" else b"")
    await rock.server.start(loopback())
    try:
        yield rock
    finally:
        for channel in rock.channels:
            await channel.close()
        await rock.servicers.drain(0.0)
        await rock.server.stop()


def loopback() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock
