"""The room that the emoticon room asks, as it sees it: its port over the RPC stub."""

from __future__ import annotations

from xinyu.wire.v1 import media_pb2
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu_services.emoticon.model import Picture


class RpcPictures:
    """`Pictures` over the media room."""

    def __init__(self, media: MediaStub) -> None:
        self._media = media

    async def find(self, url: str) -> Picture | None:
        page = await self._media.load_files(media_pb2.LoadFilesRequest(named=[url]))
        for file in page.files:
            # A bare media id names a file, too, but is no URL.
            if file.kind == media_pb2.MEDIA_PICTURE and file.url == url:
                return Picture(file.media_id, file.url, file.width, file.height, file.size_bytes)
        return None
