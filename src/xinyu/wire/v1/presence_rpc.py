"""Stub and servicer of the Presence service. Generated from xinyu/wire/v1/presence.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1 import presence_pb2
from xinyu.wire.v1.method import Channel, Method

CHANGE_ROUTES = Method("Presence", "change_routes", 208, presence_pb2.ChangeRoutesRequest, options_pb2.Empty, 0.3)
LOAD_ONLINE = Method("Presence", "load_online", 207, presence_pb2.OnlineRequest, presence_pb2.OnlineResponse, 0.3)

SERVICE = "Presence"
METHODS = (CHANGE_ROUTES, LOAD_ONLINE,)


class PresenceStub:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def change_routes(
        self, request: presence_pb2.ChangeRoutesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(CHANGE_ROUTES, request, timeout_s=timeout_s, key=key)
        return response

    async def load_online(
        self, request: presence_pb2.OnlineRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> presence_pb2.OnlineResponse:
        response: presence_pb2.OnlineResponse = await self._channel.call(LOAD_ONLINE, request, timeout_s=timeout_s, key=key)
        return response


class PresenceServicer(Protocol):
    async def change_routes(self, request: presence_pb2.ChangeRoutesRequest, context: Any) -> options_pb2.Empty: ...

    async def load_online(self, request: presence_pb2.OnlineRequest, context: Any) -> presence_pb2.OnlineResponse: ...
