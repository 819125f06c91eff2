"""Stub and servicer of the Probe service. Generated from xinyu/wire/v1/probe.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1 import probe_pb2
from xinyu.wire.v1.method import Channel, Method

ECHO = Method("Probe", "echo", 11, probe_pb2.EchoRequest, probe_pb2.EchoResponse, 3.0, "/xinyu.wire.v1.Probe/Echo", repeatable=True)
STATUS = Method("Probe", "status", 12, options_pb2.Empty, probe_pb2.StatusResponse, 1.0, "/xinyu.wire.v1.Probe/Status", repeatable=True)

SERVICE = "Probe"
METHODS = (ECHO, STATUS,)


class ProbeStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def echo(
        self, request: probe_pb2.EchoRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> probe_pb2.EchoResponse:
        response: probe_pb2.EchoResponse = await self.channel.call(ECHO, request, timeout_s=timeout_s, key=key)
        return response

    async def status(
        self, request: options_pb2.Empty, *, timeout_s: float | None = None, key: str = ""
    ) -> probe_pb2.StatusResponse:
        response: probe_pb2.StatusResponse = await self.channel.call(STATUS, request, timeout_s=timeout_s, key=key)
        return response


class ProbeServicer(Protocol):
    async def echo(self, request: probe_pb2.EchoRequest, context: Any) -> probe_pb2.EchoResponse: ...

    async def status(self, request: options_pb2.Empty, context: Any) -> probe_pb2.StatusResponse: ...
