"""Stub and servicer of the Presence service. Generated from xinyu/wire/v1/presence.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1 import presence_pb2
from xinyu.wire.v1.method import Channel, Method

CHANGE_ROUTES = Method("Presence", "change_routes", 208, presence_pb2.ChangeRoutesRequest, options_pb2.Empty, 0.3, "/xinyu.wire.v1.Presence/ChangeRoutes")
LOAD_ONLINE = Method("Presence", "load_online", 207, presence_pb2.OnlineRequest, presence_pb2.OnlineResponse, 0.3, "/xinyu.wire.v1.Presence/LoadOnline", repeatable=True)
RENEW_GATEWAY = Method("Presence", "renew_gateway", 209, presence_pb2.RenewGatewayRequest, presence_pb2.RenewGatewayResponse, 2.0, "/xinyu.wire.v1.Presence/RenewGateway", repeatable=True)
WATCH = Method("Presence", "watch", 210, presence_pb2.WatchRequest, presence_pb2.PresenceStates, 1.0, "/xinyu.wire.v1.Presence/Watch", repeatable=True)
UNWATCH = Method("Presence", "unwatch", 211, presence_pb2.WatchRequest, options_pb2.Empty, 1.0, "/xinyu.wire.v1.Presence/Unwatch", repeatable=True)

SERVICE = "Presence"
METHODS = (CHANGE_ROUTES, LOAD_ONLINE, RENEW_GATEWAY, WATCH, UNWATCH,)


class PresenceStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def change_routes(
        self, request: presence_pb2.ChangeRoutesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CHANGE_ROUTES, request, timeout_s=timeout_s, key=key)
        return response

    async def load_online(
        self, request: presence_pb2.OnlineRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> presence_pb2.OnlineResponse:
        response: presence_pb2.OnlineResponse = await self.channel.call(LOAD_ONLINE, request, timeout_s=timeout_s, key=key)
        return response

    async def renew_gateway(
        self, request: presence_pb2.RenewGatewayRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> presence_pb2.RenewGatewayResponse:
        response: presence_pb2.RenewGatewayResponse = await self.channel.call(RENEW_GATEWAY, request, timeout_s=timeout_s, key=key)
        return response

    async def watch(
        self, request: presence_pb2.WatchRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> presence_pb2.PresenceStates:
        response: presence_pb2.PresenceStates = await self.channel.call(WATCH, request, timeout_s=timeout_s, key=key)
        return response

    async def unwatch(
        self, request: presence_pb2.WatchRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(UNWATCH, request, timeout_s=timeout_s, key=key)
        return response


class PresenceServicer(Protocol):
    async def change_routes(self, request: presence_pb2.ChangeRoutesRequest, context: Any) -> options_pb2.Empty: ...

    async def load_online(self, request: presence_pb2.OnlineRequest, context: Any) -> presence_pb2.OnlineResponse: ...

    async def renew_gateway(self, request: presence_pb2.RenewGatewayRequest, context: Any) -> presence_pb2.RenewGatewayResponse: ...

    async def watch(self, request: presence_pb2.WatchRequest, context: Any) -> presence_pb2.PresenceStates: ...

    async def unwatch(self, request: presence_pb2.WatchRequest, context: Any) -> options_pb2.Empty: ...
