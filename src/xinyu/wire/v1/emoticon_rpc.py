"""Stub and servicer of the Emoticon service. Generated from xinyu/wire/v1/emoticon.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import emoticon_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

ADD = Method("Emoticon", "add", 1001, emoticon_pb2.AddEmoticonRequest, emoticon_pb2.EmoticonItem, 5.0, "/xinyu.wire.v1.Emoticon/Add", repeatable=True)
DELETE = Method("Emoticon", "delete", 1002, emoticon_pb2.OwnEmoticon, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Emoticon/Delete")
LIST = Method("Emoticon", "list", 1003, emoticon_pb2.ListEmoticonsRequest, emoticon_pb2.EmoticonsPage, 1.5, "/xinyu.wire.v1.Emoticon/List", repeatable=True)
LOAD = Method("Emoticon", "load", 1004, emoticon_pb2.LoadEmoticonsRequest, emoticon_pb2.EmoticonsPage, 1.5, "/xinyu.wire.v1.Emoticon/Load", repeatable=True)

SERVICE = "Emoticon"
METHODS = (ADD, DELETE, LIST, LOAD,)


class EmoticonStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def add(
        self, request: emoticon_pb2.AddEmoticonRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> emoticon_pb2.EmoticonItem:
        response: emoticon_pb2.EmoticonItem = await self.channel.call(ADD, request, timeout_s=timeout_s, key=key)
        return response

    async def delete(
        self, request: emoticon_pb2.OwnEmoticon, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE, request, timeout_s=timeout_s, key=key)
        return response

    async def list(
        self, request: emoticon_pb2.ListEmoticonsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> emoticon_pb2.EmoticonsPage:
        response: emoticon_pb2.EmoticonsPage = await self.channel.call(LIST, request, timeout_s=timeout_s, key=key)
        return response

    async def load(
        self, request: emoticon_pb2.LoadEmoticonsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> emoticon_pb2.EmoticonsPage:
        response: emoticon_pb2.EmoticonsPage = await self.channel.call(LOAD, request, timeout_s=timeout_s, key=key)
        return response


class EmoticonServicer(Protocol):
    async def add(self, request: emoticon_pb2.AddEmoticonRequest, context: Any) -> emoticon_pb2.EmoticonItem: ...

    async def delete(self, request: emoticon_pb2.OwnEmoticon, context: Any) -> options_pb2.Empty: ...

    async def list(self, request: emoticon_pb2.ListEmoticonsRequest, context: Any) -> emoticon_pb2.EmoticonsPage: ...

    async def load(self, request: emoticon_pb2.LoadEmoticonsRequest, context: Any) -> emoticon_pb2.EmoticonsPage: ...
