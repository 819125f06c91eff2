"""Stub and servicer of the PresenceWatcher service. Generated from xinyu/wire/v1/presence_watcher.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1 import presence_pb2
from xinyu.wire.v1.method import Channel, Method

PRESENCE_CHANGED = Method("PresenceWatcher", "presence_changed", 212, presence_pb2.PresenceStates, options_pb2.Empty, 0.5, "/xinyu.wire.v1.PresenceWatcher/PresenceChanged", repeatable=True)

SERVICE = "PresenceWatcher"
METHODS = (PRESENCE_CHANGED,)


class PresenceWatcherStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def presence_changed(
        self, request: presence_pb2.PresenceStates, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(PRESENCE_CHANGED, request, timeout_s=timeout_s, key=key)
        return response


class PresenceWatcherServicer(Protocol):
    async def presence_changed(self, request: presence_pb2.PresenceStates, context: Any) -> options_pb2.Empty: ...
