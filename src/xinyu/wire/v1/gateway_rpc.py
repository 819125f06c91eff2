"""Stub and servicer of the Gateway service. Generated from xinyu/wire/v1/gateway.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import gateway_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

DELIVER = Method("Gateway", "deliver", 102, gateway_pb2.DeliverRequest, options_pb2.Empty, 0.5, "/xinyu.wire.v1.Gateway/Deliver")

SERVICE = "Gateway"
METHODS = (DELIVER,)


class GatewayStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def deliver(
        self, request: gateway_pb2.DeliverRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELIVER, request, timeout_s=timeout_s, key=key)
        return response


class GatewayServicer(Protocol):
    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Any) -> options_pb2.Empty: ...
