"""Messages that are about an upload: their bodies hold only what the media room has given out.

A URL in an image, audio or video must be one that was handed to an uploader, character by character, so no message
makes its readers fetch from anywhere else; the same goes for the pictures of a mixed message. A file is named by its
finished upload, which must be the sender's; what the record shows of it comes from the media room. An emoticon is one
of the sender's own, and becomes an image. All attachments of a batch are asked for in one call of each room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from xinyu.base.errors import INVALID, UNKNOWN_EMOTICON, UNKNOWN_UPLOAD, XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.wire.v1 import emoticon_pb2
from xinyu.wire.v1 import media_pb2 as wire
from xinyu.wire.v1.emoticon_rpc import EmoticonStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu_services.message.model import MsgType

Url = Annotated[str, Meta(min_length=1, max_length=1024)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Name = Annotated[str, Meta(max_length=255)]
Seconds = Annotated[int, Meta(ge=0, le=10**7)] | Annotated[float, Meta(ge=0, le=10**7)]
LOCAL_DRIVE: Final = 1
MAX_MIXED_ITEMS: Final = 50
MIXED_TEXT, MIXED_PICTURE = 1, 3


class ImageBody(msgspec.Struct, omit_defaults=True):
    """What clients say of a picture beside its URL goes back to them as it came."""

    url: Url
    width: Count
    height: Count
    size: Count
    name: Name = ""


class StoredImage(ImageBody, omit_defaults=True):
    """With what the media room knows of it, so that devices can show something before they load it."""

    thumbnail: str = ""
    blur: str = ""


class AudioBody(msgspec.Struct):
    url: Url
    duration: Seconds
    size: Count
    name: Name = ""


class VideoBody(msgspec.Struct):
    """`cover` "" = none."""

    url: Url
    duration: Seconds
    size: Count
    cover: Annotated[str, Meta(max_length=1024)] = ""


class FileBody(msgspec.Struct):
    upload_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]


class EmoticonBody(msgspec.Struct):
    emoticon_id: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]


class MixedItem(msgspec.Struct):
    """A piece of text, or the URL of a picture."""

    type: Literal[1, 3]
    content: Annotated[str, Meta(min_length=1)]


class MixedBody(msgspec.Struct):
    items: Annotated[list[MixedItem], Meta(min_length=1, max_length=MAX_MIXED_ITEMS)]


Attachment: TypeAlias = ImageBody | AudioBody | VideoBody | FileBody | EmoticonBody | MixedBody
OwnEmoticons: TypeAlias = dict[tuple[int, int], emoticon_pb2.EmoticonItem]
ATTACHMENTS: Final[dict[str, tuple[MsgType, type[Attachment]]]] = {
    "image": (MsgType.IMAGE, ImageBody),
    "audio": (MsgType.AUDIO, AudioBody),
    "video": (MsgType.VIDEO, VideoBody),
    "file": (MsgType.FILE, FileBody),
    "emoticon": (MsgType.IMAGE, EmoticonBody),
    "mixed": (MsgType.MIXED, MixedBody),
}


@dataclass(frozen=True, slots=True)
class Attached:
    """What is stored of a message. `msg_id` is what a repeat without one of its own is known by, "" = nothing is."""

    msg_type: int
    extra: bytes
    msg_id: str = ""


class Attachments:
    """The media and emoticon rooms as `message/send` needs them."""

    def __init__(self, media: MediaStub, emoticons: EmoticonStub, max_text_characters: int) -> None:
        self._media = media
        self._emoticons = emoticons
        self._max_text_characters = max_text_characters

    async def attach(self, sends: Sequence[tuple[int, str, msgspec.Raw]]) -> list[Attached | XinYuError]:
        """(sender, type name, body) of each message in; what is stored, or INVALID, UNKNOWN_UPLOAD or UNKNOWN_EMOTICON,
        of each out. Raises what the call of the media room raises; where the emoticon room is away, emoticons alone are
        refused."""
        parsed = [_parse(type_name, body) for _, type_name, body in sends]
        request = wire.LoadFilesRequest()
        for body in parsed:
            if isinstance(body, FileBody):
                request.upload_ids.append(body.upload_id)
            elif isinstance(body, MixedBody):
                request.named.extend(item.content for item in body.items if item.type == MIXED_PICTURE)
            elif not isinstance(body, EmoticonBody | XinYuError):
                request.named.append(body.url)
                if isinstance(body, VideoBody) and body.cover:
                    request.named.append(body.cover)
        files, uploads = {}, {}
        if request.named or request.upload_ids:
            page = await self._media.load_files(request)
            files = {file.url: file for file in page.files}
            uploads = {each.upload_id: each.file for each in page.uploaded}
        own = await self._own_emoticons(
            [
                emoticon_pb2.OwnEmoticon(user_id=sender_id, emoticon_id=body.emoticon_id)
                for (sender_id, _, _), body in zip(sends, parsed, strict=True)
                if isinstance(body, EmoticonBody)
            ]
        )
        answers: list[Attached | XinYuError] = []
        for (sender_id, type_name, _), body in zip(sends, parsed, strict=True):
            if isinstance(body, XinYuError):
                answers.append(body)
            elif isinstance(body, EmoticonBody):
                answers.append(_emoticon(sender_id, body, own))
            elif isinstance(body, MixedBody):
                answers.append(_mixed(body, files, self._max_text_characters))
            else:
                answers.append(_attached(sender_id, type_name, body, files, uploads))
        return answers

    async def _own_emoticons(self, wanted: list[emoticon_pb2.OwnEmoticon]) -> OwnEmoticons | XinYuError:
        """By (user_id, emoticon_id); a refusal instead where they cannot be had."""
        if not wanted:
            return {}
        try:
            page = await self._emoticons.load(emoticon_pb2.LoadEmoticonsRequest(emoticons=wanted))
        except XinYuError as refusal:
            return refusal
        return {(each.user_id, each.emoticon_id): each for each in page.emoticons}


def _parse(type_name: str, body: msgspec.Raw) -> Attachment | XinYuError:
    try:
        return msgspec.json.decode(body, type=ATTACHMENTS[type_name][1])
    except msgspec.ValidationError as error:
        return XinYuError(INVALID, f"body: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return XinYuError(INVALID, "body is not valid JSON.")


def _emoticon(sender_id: int, body: EmoticonBody, own: OwnEmoticons | XinYuError) -> Attached | XinYuError:
    if isinstance(own, XinYuError):
        return own
    found = own.get((sender_id, body.emoticon_id))
    if found is None:
        return XinYuError(UNKNOWN_EMOTICON)
    image = ImageBody(found.url, found.width, found.height, found.size_bytes)
    return Attached(MsgType.IMAGE, msgspec.json.encode(image))


def _mixed(body: MixedBody, files: dict[str, wire.MediaFile], max_text_characters: int) -> Attached | XinYuError:
    texts = [item.content for item in body.items if item.type == MIXED_TEXT]
    if sum(map(len, texts)) > max_text_characters:
        return XinYuError(INVALID, f"The texts of a message may have {max_text_characters} characters.")
    pictures = [item.content for item in body.items if item.type == MIXED_PICTURE]
    if not pictures and not any(text.strip() for text in texts):
        return XinYuError(INVALID, "An empty message cannot be sent.")
    if any(url not in files or files[url].kind != wire.MEDIA_PICTURE for url in pictures):
        return XinYuError(INVALID, "body: pictures must be uploaded here first.")
    items = [{"type": item.type, "content": item.content, "link": ""} for item in body.items]
    return Attached(MsgType.MIXED, msgspec.json.encode({"items": items}))


def _attached(
    sender_id: int,
    type_name: str,
    body: ImageBody | AudioBody | VideoBody | FileBody,
    files: dict[str, wire.MediaFile],
    uploads: dict[str, wire.MediaFile],
) -> Attached | XinYuError:
    msg_type = ATTACHMENTS[type_name][0]
    if isinstance(body, FileBody):
        file = uploads.get(body.upload_id)
        if file is None or file.user_id != sender_id:
            return XinYuError(UNKNOWN_UPLOAD, "There is no such upload, or it is not finished.")
        extra = {"drive": LOCAL_DRIVE, "name": file.name, "path": file.key, "size": file.size_bytes, "url": file.url}
        return Attached(msg_type, msgspec.json.encode(extra), body.upload_id)
    kinds = {
        MsgType.IMAGE: (wire.MEDIA_PICTURE,),
        MsgType.AUDIO: (wire.MEDIA_AUDIO, wire.MEDIA_VIDEO),  # MP4 and WebM hold either
        MsgType.VIDEO: (wire.MEDIA_VIDEO,),
    }[msg_type]
    if body.url not in files or files[body.url].kind not in kinds:
        return XinYuError(INVALID, "body: url must be uploaded here first.")
    if isinstance(body, VideoBody) and body.cover:
        cover = files.get(body.cover)
        if cover is None or cover.kind != wire.MEDIA_PICTURE:
            return XinYuError(INVALID, "body: cover must be uploaded here first.")
    if isinstance(body, ImageBody):
        file = files[body.url]
        body = StoredImage(body.url, body.width, body.height, body.size, body.name, file.thumbnail, file.blur)
    return Attached(msg_type, msgspec.json.encode(body))
