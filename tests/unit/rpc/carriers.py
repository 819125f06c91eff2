"""What carries calls, for tests that hold of each: a way to offer a servicer and to get channels to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Protocol

from xinyu.base.config import RpcSettings
from xinyu.rpc.grpc_channel import GrpcChannel
from xinyu.rpc.grpc_server import GrpcServer
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1.method import Channel


class Carrier(Protocol):
    servicers: Servicers
    carries_trace_id: bool
    keeps_order: bool

    def channel(self, caller: str) -> Channel: ...


class InProcess:
    carries_trace_id = True
    keeps_order = True

    def __init__(self, max_in_flight: int) -> None:
        self.servicers = self.network = InProcessNetwork(serialise=True, max_in_flight=max_in_flight)

    def channel(self, caller: str) -> Channel:
        return self.network.channel(caller)


class Rock:
    """Over a real TCP connection a channel."""

    keeps_order = True

    def __init__(self, max_in_flight: int, secret: bytes, dialect: Literal["trace", "base"]) -> None:
        self.servicers = Servicers(max_in_flight=max_in_flight)
        self.secret = secret
        self.settings = RpcSettings(dialect=dialect)
        self.carries_trace_id = dialect == "trace"
        self.server = RockServer(self.servicers, secret=secret, settings=self.settings)
        self.channels: list[RockChannel] = []

    def channel(self, caller: str) -> RockChannel:
        channel = RockChannel(
            "127.0.0.1", self.server.port, caller=caller, secret=self.secret, settings=self.settings
        )
        self.channels.append(channel)
        return channel


class Grpc:
    """Over a real HTTP/2 connection a channel."""

    carries_trace_id = True
    keeps_order = False

    def __init__(self, max_in_flight: int, secret: bytes) -> None:
        self.servicers = Servicers(max_in_flight=max_in_flight)
        self.secret = secret
        self.server = GrpcServer(self.servicers, secret=secret)
        self.channels: list[GrpcChannel] = []

    def channel(self, caller: str) -> GrpcChannel:
        channel = GrpcChannel("127.0.0.1", self.server.port, caller=caller, secret=self.secret)
        self.channels.append(channel)
        return channel


KINDS = ("in_process", "rock", "rock_base", "rock_secret", "grpc", "grpc_secret")


@asynccontextmanager
async def carrier(kind: str, max_in_flight: int = 20_000) -> AsyncIterator[Carrier]:
    """`kind`: one of KINDS."""
    if kind == "in_process":
        made = InProcess(max_in_flight)
        yield made
        await made.servicers.drain(0.0)
        return
    secret = b"s" * 32 if kind.endswith("_secret") else b""
    far: Rock | Grpc
    if kind.startswith("rock"):
        far = Rock(max_in_flight, secret, "base" if kind == "rock_base" else "trace")
        await far.server.start(loopback())
    else:
        far = Grpc(max_in_flight, secret)
        await far.server.start("127.0.0.1", 0)
    try:
        yield far
    finally:
        for channel in far.channels:
            await channel.close()
        await far.servicers.drain(0.0)
        await far.server.stop()


def loopback() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    return sock
