"""Stub and servicer of the Probe service. Generated from xinyu/wire/v1/probe.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import probe_pb2
from xinyu.wire.v1.method import Channel, Method

ECHO = Method("Probe", "echo", 11, probe_pb2.EchoRequest, probe_pb2.EchoResponse, 3.0)

SERVICE = "Probe"
METHODS = (ECHO,)


class ProbeStub:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def echo(
        self, request: probe_pb2.EchoRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> probe_pb2.EchoResponse:
        response: probe_pb2.EchoResponse = await self._channel.call(ECHO, request, timeout_s=timeout_s, key=key)
        return response


class ProbeServicer(Protocol):
    async def echo(self, request: probe_pb2.EchoRequest, context: Any) -> probe_pb2.EchoResponse: ...
