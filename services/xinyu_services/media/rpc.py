"""The Media service on the wire: protobuf to use cases and back."""

from __future__ import annotations

from xinyu.rpc.context import Context
from xinyu.wire.v1 import media_pb2 as wire
from xinyu.wire.v1.options_pb2 import Empty
from xinyu_services.media.model import Kind, MediaFile, Part, Upload
from xinyu_services.media.previews import Previews
from xinyu_services.media.service import MediaService


class MediaServicer:
    """`xinyu.wire.v1.media_rpc.MediaServicer`."""

    def __init__(self, service: MediaService, previews: Previews) -> None:
        self._service = service
        self._previews = previews

    async def begin_upload(self, request: wire.BeginUploadRequest, context: Context) -> wire.Upload:
        upload = await self._service.begin_upload(request.user_id, request.file_name, request.file_size, context)
        return _upload(upload)

    async def put_part(self, request: wire.PutPartRequest, context: Context) -> wire.PutPartResponse:
        part = Part(request.split_index, request.size_bytes, request.sha256, request.key)
        parts = await self._service.put_part(request.user_id, request.upload_id, part, request.split_num, context)
        file = None if parts.file is None else _file(parts.file)
        return wire.PutPartResponse(is_kept=parts.is_kept, part_keys=parts.keys, key=parts.upload.key, file=file)

    async def add_file(self, request: wire.MediaFile, context: Context) -> Empty:
        file = MediaFile(
            request.media_id, request.user_id, Kind(request.kind), request.name, request.size_bytes, request.key,
            request.url, request.width, request.height, request.thumbnail, request.blur,
        )  # fmt: skip
        await self._service.add_file(file, context)
        return Empty()

    async def load_files(self, request: wire.LoadFilesRequest, context: Context) -> wire.MediaFilesPage:
        files, uploaded = await self._service.load_files(request.named, request.upload_ids)
        return wire.MediaFilesPage(
            files=[_file(file) for file in files],
            uploaded=[wire.UploadedFile(upload_id=key, file=_file(file)) for key, file in uploaded.items()],
        )

    async def load_upload(self, request: wire.UploadRequest, context: Context) -> wire.Upload:
        upload, indexes, file = await self._service.load_upload(request.user_id, request.upload_id)
        answer = _upload(upload)
        answer.split_indexes.extend(indexes)
        if file is not None:
            answer.file.CopyFrom(_file(file))
        return answer

    async def finish_upload(self, request: wire.FinishUploadRequest, context: Context) -> wire.MediaFile:
        return _file(await self._service.finish_upload(request.user_id, request.upload_id, request.url, context))

    async def load_preview(self, request: wire.PreviewRequest, context: Context) -> wire.LinkPreview:
        found = await self._previews.load(request.user_id, request.url)
        return wire.LinkPreview(
            url=found.url,
            title=found.title,
            description=found.description,
            image=found.image,
            site_name=found.site_name,
        )


def _file(file: MediaFile) -> wire.MediaFile:
    return wire.MediaFile(
        media_id=file.media_id,
        user_id=file.user_id,
        kind=file.kind.value,  # type: ignore[arg-type]
        name=file.name,
        size_bytes=file.size_bytes,
        key=file.key,
        url=file.url,
        width=file.width,
        height=file.height,
        thumbnail=file.thumbnail,
        blur=file.blur,
    )


def _upload(upload: Upload) -> wire.Upload:
    return wire.Upload(
        upload_id=upload.upload_id,
        file_name=upload.file_name,
        file_size=upload.size_bytes,
        shard_size=upload.shard_bytes,
        split_num=upload.part_count,
    )
