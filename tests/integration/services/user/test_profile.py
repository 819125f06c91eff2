"""One's own row: profile and settings, over REST and in sync."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import eventually
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import INVALID, RECEIPTS_OFF, UNKNOWN_USER
from xinyu.wire.v1 import media_pb2, message_pb2, options_pb2, user_pb2


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage) as opened:
        yield opened


@pytest.fixture
async def ann(house: House) -> int:
    return await house.user.register("13800000001", "Ann")


async def rows(house: House, user_id: int, version: int) -> tuple[int, list[dict[str, Any]]]:
    request = options_pb2.RowsRequest(user_id=user_id, version=version, limit=100, codec=1)  # type: ignore[arg-type]
    response = await house.user.stub.load_rows(request)
    return response.version, [json.loads(row.encoded) for row in response.rows]


async def test_entry_routes_are_open_and_limited(house: House) -> None:
    registered = await house.post(
        "auth/register", 0, mobile="13800000009", password="correct horse", nickname="Eve", platform="web", sms_code="1"
    )
    assert (registered["type"], registered["expires_in"]) == ("Bearer", 604_800)
    logged_in = await house.post("auth/login", 0, mobile="13800000009", password="correct horse", platform="toaster")
    assert house.user.tokens.verify(logged_in["access_token"]).platform == "web"
    assert len((await house.post("common/send-sms", 0, mobile="13800000009", channel="register"))["sms_code"]) == 6
    entries = {path: house.route(path) for path in ("auth/register", "auth/login", "common/send-sms", "user/detail")}
    assert {path: (route.open, route.limit) for path, route in entries.items()} == {
        "auth/register": (True, "entry"),
        "auth/login": (True, "entry"),
        "common/send-sms": (True, "entry"),
        "user/detail": (False, ""),
    }


async def test_answers_have_every_field_the_client_reads(house: House, ann: int) -> None:
    assert await house.post("user/detail", ann) == {
        "id": ann,
        "mobile": "13800000001",
        "nickname": "Ann",
        "avatar": "",
        "gender": 0,
        "motto": "",
        "email": "",
        "birthday": "",
    }
    assert await house.post("user/setting", ann) == {
        "user_info": {
            "uid": ann,
            "nickname": "Ann",
            "avatar": "",
            "motto": "",
            "gender": 0,
            "is_qiye": False,
            "mobile": "13800000001",
            "email": "",
        },
        "setting": {
            "theme_mode": "auto",
            "theme_bag_img": "",
            "theme_color": "",
            "notify_cue_tone": "N",
            "keyboard_event_notify": "Y",
            "read_receipts": "Y",
        },
    }


async def test_a_change_reaches_all_own_devices_and_sync(house: House, ann: int) -> None:
    await house.platform.online(ann, 0, 1)
    await house.post("user/setting/save", ann, theme_mode="dark", keyboard_event_notify="N")
    await house.post("user/detail-update", ann, motto="<3", birthday="2000-02-29", gender=2)
    gateway = house.platform.gateway
    await eventually(lambda: len(gateway.told(ann, 1)) == 2)
    version, shown = await rows(house, ann, 1)
    assert version == 3
    assert shown == [{**await house.post("user/setting", ann), "version": 3}]
    assert [event["payload"]["version"] for event in gateway.told(ann, 1)] == [2, 3]
    assert gateway.told(ann, 1)[1] == {
        "event": "row.changed",
        "payload": {"room": "user", "version": 3, "row": shown[0]},
    }
    assert gateway.told(ann, 0) == []
    assert shown[0]["user_info"]["motto"] == "<3"
    assert (await house.post("user/detail", ann))["birthday"] == "2000-02-29"
    assert await rows(house, ann, 3) == (3, [])
    assert len((await rows(house, ann, 0))[1]) == 1


async def test_defect_42_an_absent_field_keeps_what_is_there(house: House, ann: int) -> None:
    await house.post("user/detail-update", ann, motto="to be", birthday="2000-01-01")
    await house.post("user/detail-update", ann, nickname="", gender=1)
    detail = await house.post("user/detail", ann)
    assert (detail["nickname"], detail["gender"]) == ("Ann", 1)
    assert (detail["motto"], detail["birthday"]) == ("to be", "2000-01-01")
    await house.post("user/detail-update", ann, motto="", birthday=None)
    detail = await house.post("user/detail", ann)
    assert (detail["motto"], detail["birthday"]) == ("", "")


async def test_what_changes_nothing_takes_no_number(house: House, ann: int) -> None:
    await house.post("user/detail-update", ann, nickname="Ann", avatar="", motto="", gender=0, birthday=None)
    await house.post("user/setting/save", ann, theme_mode="auto")
    await house.post("user/detail-update", ann)
    assert (await rows(house, ann, 0))[0] == 1


async def test_refused_values_change_nothing(house: House, ann: int) -> None:
    before = await house.post("user/detail", ann)
    for values in (
        {"nickname": "<b>"},
        {"motto": "a\x00b"},
        {"birthday": "2001-02-29"},
        {"birthday": "20010228"},
        {"avatar": "https://elsewhere.example/a.png"},
        {"avatar": "javascript:alert(1)"},
        {"avatar": "0123456789abcdef0123456789abcdef"},
    ):
        await refused(house.post("user/detail-update", ann, **{"motto": "new"} | values), INVALID)
    assert await house.post("user/detail", ann) == before


async def test_names_of_many_users(house: House, ann: int) -> None:
    bob = await house.user.register("13800000002", "Bob")
    page = await house.user.stub.load_names(user_pb2.LoadNamesRequest(user_ids=[bob, ann, bob, 999, 0, -1]))
    assert [(name.user_id, name.nickname) for name in page.names] == [(ann, "Ann"), (bob, "Bob")]
    await refused(house.user.stub.load_names(user_pb2.LoadNamesRequest(user_ids=range(10_001))), INVALID)
    await refused(house.user.stub.load_user(user_pb2.UserRequest(user_id=999)), UNKNOWN_USER)
    await refused(house.user.stub.find_by_mobile(user_pb2.FindByMobileRequest(mobile="' OR 1=1")), UNKNOWN_USER)


async def test_an_avatar_is_a_picture_that_was_uploaded_here(storage: Storage) -> None:
    async with open_house(storage) as house:
        media = house.media
        ann = await house.user.register("13800000001", "Ann")
        url = "http://127.0.0.1:8080/media/2026/11/28/0123456789abcdef0123456789abcdef_32x32.png"
        key = url.partition("/media/")[2]
        picture = {"user_id": ann, "kind": 1, "name": "me.png", "size_bytes": 9, "width": 32, "height": 32}
        await media.stub.add_file(media_pb2.MediaFile(media_id=key[11:43], key=key, url=url, **picture))
        other = {"user_id": ann, "kind": 4, "name": "x", "size_bytes": 9, "url": "http://127.0.0.1:8080/media/x"}
        await media.stub.add_file(media_pb2.MediaFile(media_id="f" * 32, key="2026/11/28/x.bin", **other))

        await house.post("user/detail-update", ann, avatar=url)
        for bad in (
            url.replace("127.0.0.1", "evil.example"),
            url.replace("32x32", "33x32"),
            url + "?x",
            url.replace("0123", "0124"),
            "f" * 32,
            "http://127.0.0.1:8080/media/",
        ):
            await refused(house.post("user/detail-update", ann, avatar=bad), INVALID)
        assert (await house.post("user/detail", ann))["avatar"] == url
        await house.post("user/detail-update", ann, avatar="")
        assert (await house.post("user/detail", ann))["avatar"] == ""
        await house.post("user/detail-update", ann, avatar="0123456789abcdef0123456789abcdef")
        assert (await house.post("user/detail", ann))["avatar"] == url


async def test_who_hides_what_he_reads_hides_it_in_the_message_room_at_once(house: House, ann: int) -> None:
    ben = await house.user.register("13800000002", "Ben")
    await house.befriend(ann, ben)
    (record,) = await house.records(ann, 1, ben)  # the greeting, which Ben wrote

    async def readers() -> list[bool]:
        target = message_pb2.TalkTarget(talk_mode=1, to_from_id=ann)
        request = message_pb2.LoadReadersRequest(user_id=ben, target=target, msg_id=record["msg_id"])
        return [reader.has_read for reader in (await house.message.load_readers(request)).readers]

    assert await readers() == [False]
    await house.post("user/setting/save", ann, read_receipts="N")
    await refused(readers(), RECEIPTS_OFF)
    assert (await house.post("user/setting", ann))["setting"]["read_receipts"] == "N"
    await house.post("user/setting/save", ann, read_receipts="Y")
    assert await readers() == [False]
