"""REST routes of the media room (contract: http-api, "Uploads"), and how stored files are served."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from xinyu.base.config import MediaSettings
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.form import Form
from xinyu.gateway.http.route import Download, FormRoute, HttpCall, PublicFiles, Route
from xinyu.wire.v1 import media_pb2 as wire
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.options_pb2 import CODEC_LEGACY_JSON
from xinyu_services.media.door import UploadDoor
from xinyu_services.media.model import PUBLIC_PREFIX, Kind, format_of_key

SHOWN: Final = (Kind.PICTURE, Kind.AUDIO, Kind.VIDEO)


class InitMultipart(msgspec.Struct):
    file_name: Annotated[str, Meta(min_length=1, max_length=1024)]
    file_size: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]


class OfUpload(msgspec.Struct):
    upload_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]


class OfLink(msgspec.Struct):
    url: Annotated[str, Meta(min_length=1, max_length=2_048)]


def routes(media: MediaStub) -> list[Route]:
    """This room's routes without files."""

    async def init_multipart(call: HttpCall, body: InitMultipart) -> dict[str, Any]:
        request = wire.BeginUploadRequest(user_id=call.user_id, file_name=body.file_name, file_size=body.file_size)
        upload = await media.begin_upload(request)
        return {"upload_id": upload.upload_id, "shard_size": upload.shard_size}

    async def parts(call: HttpCall, body: OfUpload) -> dict[str, Any]:
        upload = await media.load_upload(wire.UploadRequest(user_id=call.user_id, upload_id=body.upload_id))
        return {
            "upload_id": upload.upload_id,
            "file_name": upload.file_name,
            "file_size": upload.file_size,
            "shard_size": upload.shard_size,
            "split_num": upload.split_num,
            "split_indexes": list(upload.split_indexes),
            "is_completed": upload.HasField("file"),
        }

    async def preview(call: HttpCall, body: OfLink) -> dict[str, Any]:
        found = await media.load_preview(wire.PreviewRequest(user_id=call.user_id, url=body.url))
        answer = {
            "url": found.url,
            "title": found.title,
            "description": found.description,
            "site_name": found.site_name,
        }
        return answer | ({"image": found.image} if found.image else {})

    return [
        Route("upload/init-multipart", InitMultipart, init_multipart),
        Route("upload/parts", OfUpload, parts),
        Route("message/preview", OfLink, preview),
    ]


def file_routes(door: UploadDoor, settings: MediaSettings) -> list[FormRoute]:
    """Those that take files."""

    async def media_file(call: HttpCall, form: Form) -> dict[str, Any]:
        file = await door.whole(call.user_id, form, call.base_url, SHOWN)
        # The reference client reads `src` of pictures and `data.src` of videos.
        answer = {"id": file.media_id, "src": file.url, "data": {"src": file.url}}
        if call.codec != CODEC_LEGACY_JSON:
            answer |= {"thumbnail": file.thumbnail, "blur": file.blur}
        return answer

    async def multipart(call: HttpCall, form: Form) -> dict[str, Any]:
        upload_id, file = await door.part(call.user_id, form, call.base_url)
        return {
            "is_completed": file is not None,
            "upload_id": upload_id,
            "file_id": "" if file is None else file.media_id,
            "url": "" if file is None else file.url,
        }

    return [
        FormRoute("upload/media-file", max(settings.max_file_bytes, settings.max_picture_bytes), media_file),
        FormRoute("upload/multipart", settings.shard_bytes, multipart),
    ]


def public_files() -> PublicFiles:
    """`GET /media/<key>`: the name alone is what entitles to it, and says how it is served."""

    def find(key: str) -> Download | None:
        format_ = format_of_key(key)
        if format_ is None:
            return None
        return Download(key, format_.content_type, is_inline=format_.kind is not Kind.FILE, is_public=True)

    return PublicFiles(PUBLIC_PREFIX, find)
