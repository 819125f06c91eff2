"""Stub and servicer of the Media service. Generated from xinyu/wire/v1/media.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import media_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

BEGIN_UPLOAD = Method("Media", "begin_upload", 801, media_pb2.BeginUploadRequest, media_pb2.Upload, 5.0, "/xinyu.wire.v1.Media/BeginUpload")
PUT_PART = Method("Media", "put_part", 802, media_pb2.PutPartRequest, media_pb2.PutPartResponse, 5.0, "/xinyu.wire.v1.Media/PutPart", repeatable=True)
ADD_FILE = Method("Media", "add_file", 803, media_pb2.MediaFile, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Media/AddFile", repeatable=True)
LOAD_FILES = Method("Media", "load_files", 804, media_pb2.LoadFilesRequest, media_pb2.MediaFilesPage, 1.5, "/xinyu.wire.v1.Media/LoadFiles", repeatable=True)
LOAD_UPLOAD = Method("Media", "load_upload", 805, media_pb2.UploadRequest, media_pb2.Upload, 5.0, "/xinyu.wire.v1.Media/LoadUpload", repeatable=True)
FINISH_UPLOAD = Method("Media", "finish_upload", 806, media_pb2.FinishUploadRequest, media_pb2.MediaFile, 5.0, "/xinyu.wire.v1.Media/FinishUpload", repeatable=True)
LOAD_PREVIEW = Method("Media", "load_preview", 807, media_pb2.PreviewRequest, media_pb2.LinkPreview, 5.0, "/xinyu.wire.v1.Media/LoadPreview")

SERVICE = "Media"
METHODS = (BEGIN_UPLOAD, PUT_PART, ADD_FILE, LOAD_FILES, LOAD_UPLOAD, FINISH_UPLOAD, LOAD_PREVIEW,)


class MediaStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def begin_upload(
        self, request: media_pb2.BeginUploadRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> media_pb2.Upload:
        response: media_pb2.Upload = await self.channel.call(BEGIN_UPLOAD, request, timeout_s=timeout_s, key=key)
        return response

    async def put_part(
        self, request: media_pb2.PutPartRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> media_pb2.PutPartResponse:
        response: media_pb2.PutPartResponse = await self.channel.call(PUT_PART, request, timeout_s=timeout_s, key=key)
        return response

    async def add_file(
        self, request: media_pb2.MediaFile, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(ADD_FILE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_files(
        self, request: media_pb2.LoadFilesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> media_pb2.MediaFilesPage:
        response: media_pb2.MediaFilesPage = await self.channel.call(LOAD_FILES, request, timeout_s=timeout_s, key=key)
        return response

    async def load_upload(
        self, request: media_pb2.UploadRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> media_pb2.Upload:
        response: media_pb2.Upload = await self.channel.call(LOAD_UPLOAD, request, timeout_s=timeout_s, key=key)
        return response

    async def finish_upload(
        self, request: media_pb2.FinishUploadRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> media_pb2.MediaFile:
        response: media_pb2.MediaFile = await self.channel.call(FINISH_UPLOAD, request, timeout_s=timeout_s, key=key)
        return response

    async def load_preview(
        self, request: media_pb2.PreviewRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> media_pb2.LinkPreview:
        response: media_pb2.LinkPreview = await self.channel.call(LOAD_PREVIEW, request, timeout_s=timeout_s, key=key)
        return response


class MediaServicer(Protocol):
    async def begin_upload(self, request: media_pb2.BeginUploadRequest, context: Any) -> media_pb2.Upload: ...

    async def put_part(self, request: media_pb2.PutPartRequest, context: Any) -> media_pb2.PutPartResponse: ...

    async def add_file(self, request: media_pb2.MediaFile, context: Any) -> options_pb2.Empty: ...

    async def load_files(self, request: media_pb2.LoadFilesRequest, context: Any) -> media_pb2.MediaFilesPage: ...

    async def load_upload(self, request: media_pb2.UploadRequest, context: Any) -> media_pb2.Upload: ...

    async def finish_upload(self, request: media_pb2.FinishUploadRequest, context: Any) -> media_pb2.MediaFile: ...

    async def load_preview(self, request: media_pb2.PreviewRequest, context: Any) -> media_pb2.LinkPreview: ...
