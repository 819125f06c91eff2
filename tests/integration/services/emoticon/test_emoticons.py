"""A user's own pictures: what goes in, what comes out, and what can be sent of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import embedded_platform
from tests.integration.services.house import refused
from tests.integration.services.media.media_room import MediaRoom
from xinyu.base.config import EmoticonSettings
from xinyu.base.errors import INVALID, TOO_MANY_EMOTICONS, UNAVAILABLE, UNKNOWN_EMOTICON, XinYuError
from xinyu.gateway.http.route import HttpCall
from xinyu.rpc.context import Context
from xinyu.storage.id_blocks import IdBlocks
from xinyu.wire.v1 import emoticon_pb2, emoticon_rpc, media_pb2
from xinyu_services.emoticon import http as emoticon_http
from xinyu_services.emoticon.neighbours import RpcPictures
from xinyu_services.emoticon.rpc import EmoticonServicer
from xinyu_services.emoticon.service import EmoticonService
from xinyu_services.emoticon.store import EmoticonStore
from xinyu_services.message.attachments import Attached, Attachments
from xinyu_services.message.model import MsgType

ANN, BEN = 1, 2


class Rooms:
    """The media and emoticon rooms."""

    def __init__(self, media: MediaRoom, emoticons: emoticon_rpc.EmoticonStub) -> None:
        self.media = media.stub
        self.emoticons = emoticons
        self.attachments = Attachments(media.stub, emoticons, 100)

    async def file(self, number: int, kind: Any = media_pb2.MEDIA_PICTURE) -> str:
        """A file that was uploaded; its URL."""
        media_id = f"{number:032x}"
        key = f"2026/09/21/{media_id}_40x30.png"
        url = f"http://127.0.0.1:8080/media/{key}"
        file = media_pb2.MediaFile(media_id=media_id, user_id=ANN, kind=kind, name="a.png", size_bytes=99, url=url)
        file.key, file.width, file.height = key, 40, 30
        await self.media.add_file(file)
        return url

    async def add(self, user_id: int, url: str) -> int:
        return (await self.emoticons.add(emoticon_pb2.AddEmoticonRequest(user_id=user_id, url=url))).emoticon_id

    async def delete(self, user_id: int, emoticon_id: int) -> None:
        await self.emoticons.delete(emoticon_pb2.OwnEmoticon(user_id=user_id, emoticon_id=emoticon_id))

    async def list(self, user_id: int) -> list[tuple[int, str]]:
        page = await self.emoticons.list(emoticon_pb2.ListEmoticonsRequest(user_id=user_id))
        return [(each.emoticon_id, each.url) for each in page.emoticons]


@pytest.fixture
async def rooms(storage: Storage, tmp_path: Path) -> AsyncIterator[Rooms]:
    async with embedded_platform(storage) as platform:
        media = MediaRoom(platform, tmp_path)
        service = EmoticonService(
            platform.database,
            EmoticonStore(platform.dialect),
            IdBlocks("emoticon", platform.database, platform.dialect),
            RpcPictures(media.stub),
            platform.clock,
            EmoticonSettings(per_user=3),
        )
        platform.network.serve(emoticon_rpc.METHODS, EmoticonServicer(service))
        yield Rooms(media, emoticon_rpc.EmoticonStub(platform.network.channel("test")))
        media.close()


async def test_each_picture_is_there_once(rooms: Rooms) -> None:
    first, second = await rooms.file(1), await rooms.file(2)
    one = await rooms.add(ANN, first)
    two = await rooms.add(ANN, second)
    assert await rooms.add(ANN, first) == one
    assert await rooms.list(ANN) == [(two, second), (one, first)]
    # The same picture is another one's emoticon as well.
    assert await rooms.add(BEN, first) not in (one, two)
    await rooms.delete(ANN, one)
    assert await rooms.list(ANN) == [(two, second)]
    assert len(await rooms.list(BEN)) == 1


async def test_only_pictures_that_were_uploaded_here(rooms: Rooms) -> None:
    video = await rooms.file(1, media_pb2.MEDIA_VIDEO)
    picture = await rooms.file(2)
    bare_id = f"{2:032x}"
    for url in (video, "http://evil.example/a.png", picture.replace("127.0.0.1", "evil.example"), bare_id):
        await refused(rooms.add(ANN, url), INVALID)
    assert await rooms.list(ANN) == []


async def test_a_collection_is_bounded_and_its_owners(rooms: Rooms) -> None:
    urls = [await rooms.file(n) for n in range(4)]
    ids = [await rooms.add(ANN, url) for url in urls[:3]]
    await refused(rooms.add(ANN, urls[3]), TOO_MANY_EMOTICONS)
    # What is there already is no further one.
    assert await rooms.add(ANN, urls[0]) == ids[0]
    await refused(rooms.delete(BEN, ids[0]), UNKNOWN_EMOTICON)
    await rooms.delete(ANN, ids[0])
    await refused(rooms.delete(ANN, ids[0]), UNKNOWN_EMOTICON)
    await rooms.add(ANN, urls[3])


async def test_defect_35_an_emoticon_is_sent_as_an_image(rooms: Rooms) -> None:
    url = await rooms.file(1)
    emoticon_id = await rooms.add(ANN, url)
    emoticon = msgspec.Raw(json.dumps({"emoticon_id": emoticon_id}).encode())
    image = msgspec.Raw(json.dumps({"url": url, "width": 40, "height": 30, "size": 10000}).encode())
    sent, not_his, picture, bad = await rooms.attachments.attach(
        [
            (ANN, "emoticon", emoticon),
            (BEN, "emoticon", emoticon),
            (BEN, "image", image),
            (ANN, "emoticon", msgspec.Raw(b'{"emoticon_id": 0}')),
        ]
    )
    assert isinstance(sent, Attached) and sent.msg_type == MsgType.IMAGE and sent.msg_id == ""
    assert json.loads(sent.extra) == {"url": url, "width": 40, "height": 30, "size": 99}
    assert isinstance(not_his, XinYuError) and not_his.code is UNKNOWN_EMOTICON
    assert isinstance(picture, Attached)
    assert isinstance(bad, XinYuError) and bad.code is INVALID


async def test_the_pictures_of_a_mixed_message_were_uploaded_here(rooms: Rooms) -> None:
    url, audio = await rooms.file(1), await rooms.file(2, media_pb2.MEDIA_AUDIO)

    def mixed(*items: tuple[int, str]) -> tuple[int, str, msgspec.Raw]:
        body = {"items": [{"type": kind, "content": content} for kind, content in items]}
        return ANN, "mixed", msgspec.Raw(json.dumps(body).encode())

    both, alone, *refusals = await rooms.attachments.attach(
        [
            mixed((1, "<look>"), (3, url), (1, " ")),
            mixed((3, url)),
            mixed((3, "http://elsewhere.example/a.png")),
            mixed((3, audio)),
            mixed((1, " "), (1, "\n")),
            mixed((1, "x" * 60), (1, "x" * 41)),
            mixed((2, "x")),
            mixed((1, "")),
            mixed(),
            mixed(*[(1, "x")] * 51),
        ]
    )
    assert isinstance(both, Attached) and both.msg_type == MsgType.MIXED
    assert json.loads(both.extra)["items"] == [
        {"type": 1, "content": "<look>", "link": ""},
        {"type": 3, "content": url, "link": ""},
        {"type": 1, "content": " ", "link": ""},
    ]
    assert isinstance(alone, Attached)
    assert [isinstance(each, XinYuError) and each.code is INVALID for each in refusals] == [True] * 8


async def test_defect_29_an_empty_collection_is_items(rooms: Rooms) -> None:
    routes = {route.path: route for route in emoticon_http.routes(rooms.emoticons)}
    listing = routes["emoticon/customize/list"].handler
    assert await listing(HttpCall(ANN, 0, "127.0.0.1", "test", True), None) == {"items": []}


class AwayRoom(EmoticonServicer):
    def __init__(self) -> None:
        """Knows nothing, and is not there."""

    async def load(
        self, request: emoticon_pb2.LoadEmoticonsRequest, context: Context
    ) -> emoticon_pb2.EmoticonsPage:
        raise XinYuError(UNAVAILABLE)


async def test_without_the_emoticon_room_pictures_are_sent(storage: Storage, tmp_path: Path) -> None:
    async with embedded_platform(storage) as platform:
        media = MediaRoom(platform, tmp_path)
        platform.network.serve(emoticon_rpc.METHODS, AwayRoom())
        rooms = Rooms(media, emoticon_rpc.EmoticonStub(platform.network.channel("test")))
        body = {"url": await rooms.file(1), "width": 40, "height": 30, "size": 1}
        emoticon, image = await rooms.attachments.attach(
            [
                (ANN, "emoticon", msgspec.Raw(b'{"emoticon_id": 1}')),
                (ANN, "image", msgspec.Raw(json.dumps(body).encode())),
            ]
        )
        assert isinstance(emoticon, XinYuError) and emoticon.code is UNAVAILABLE
        assert isinstance(image, Attached)
        media.close()
