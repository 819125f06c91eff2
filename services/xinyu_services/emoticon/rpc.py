"""The Emoticon service on the wire: protobuf to use cases and back."""

from __future__ import annotations

from xinyu.rpc.context import Context
from xinyu.wire.v1 import emoticon_pb2 as wire
from xinyu.wire.v1.options_pb2 import Empty
from xinyu_services.emoticon.model import Emoticon
from xinyu_services.emoticon.service import EmoticonService


class EmoticonServicer:
    """`xinyu.wire.v1.emoticon_rpc.EmoticonServicer`."""

    def __init__(self, service: EmoticonService) -> None:
        self._service = service

    async def add(self, request: wire.AddEmoticonRequest, context: Context) -> wire.EmoticonItem:
        return _item(await self._service.add(request.user_id, request.url, context))

    async def delete(self, request: wire.OwnEmoticon, context: Context) -> Empty:
        await self._service.delete(request.user_id, request.emoticon_id)
        return Empty()

    async def list(self, request: wire.ListEmoticonsRequest, context: Context) -> wire.EmoticonsPage:
        return wire.EmoticonsPage(emoticons=[_item(each) for each in await self._service.of_user(request.user_id)])

    async def load(self, request: wire.LoadEmoticonsRequest, context: Context) -> wire.EmoticonsPage:
        found = await self._service.load([(each.user_id, each.emoticon_id) for each in request.emoticons])
        return wire.EmoticonsPage(emoticons=[_item(each) for each in found])


def _item(emoticon: Emoticon) -> wire.EmoticonItem:
    picture = emoticon.picture
    return wire.EmoticonItem(
        emoticon_id=emoticon.emoticon_id,
        user_id=emoticon.user_id,
        url=picture.url,
        width=picture.width,
        height=picture.height,
        size_bytes=picture.size_bytes,
    )
