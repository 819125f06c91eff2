"""REST routes of the emoticon room (contract: http-api, emoticon). `emoticon/customize/upload` takes its file through
the same door as all uploads; the picture stays where a full collection refuses it, as that of a message never sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from xinyu.base.config import MediaSettings
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.form import Form
from xinyu.gateway.http.route import FormRoute, HttpCall, Nothing, Route
from xinyu.wire.v1 import emoticon_pb2 as wire
from xinyu.wire.v1.emoticon_rpc import EmoticonStub

# Keeps the picture in a form's field `file`, of (user_id, form, base_url); answers its URL.
TakePicture = Callable[[int, Form, str], Awaitable[str]]


class Create(msgspec.Struct):
    url: Annotated[str, Meta(min_length=1, max_length=1024)]


class OfEmoticon(msgspec.Struct):
    emoticon_id: Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]


def routes(emoticons: EmoticonStub) -> list[Route]:
    """This room's routes without files."""

    async def create(call: HttpCall, body: Create) -> dict[str, Any]:
        return await _add(emoticons, call.user_id, body.url)

    async def delete(call: HttpCall, body: OfEmoticon) -> None:
        await emoticons.delete(wire.OwnEmoticon(user_id=call.user_id, emoticon_id=body.emoticon_id))

    async def list_(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        page = await emoticons.list(wire.ListEmoticonsRequest(user_id=call.user_id))
        return {"items": [_shown(each) for each in page.emoticons]}

    return [
        Route("emoticon/customize/create", Create, create),
        Route("emoticon/customize/delete", OfEmoticon, delete),
        Route("emoticon/customize/list", Nothing, list_),
    ]


def file_routes(emoticons: EmoticonStub, take_picture: TakePicture, settings: MediaSettings) -> list[FormRoute]:
    """Those that take files."""

    async def upload(call: HttpCall, form: Form) -> dict[str, Any]:
        return await _add(emoticons, call.user_id, await take_picture(call.user_id, form, call.base_url))

    return [FormRoute("emoticon/customize/upload", settings.max_picture_bytes, upload)]


async def _add(emoticons: EmoticonStub, user_id: int, url: str) -> dict[str, Any]:
    return _shown(await emoticons.add(wire.AddEmoticonRequest(user_id=user_id, url=url)))


def _shown(emoticon: wire.EmoticonItem) -> dict[str, Any]:
    return {"emoticon_id": emoticon.emoticon_id, "url": emoticon.url}
