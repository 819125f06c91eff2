"""Who sees what of whom, and what devices are told when a friend changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import eventually
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import UNKNOWN_USER
from xinyu.wire.v1 import contact_pb2, options_pb2
from xinyu_services.contact import service


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage) as opened:
        yield opened


async def register(house: House, *names: str) -> list[int]:
    return [await house.user.register(f"1390000{n:04d}", name) for n, name in enumerate(names)]


async def rows(
    house: House, user_id: int, version: int = 0, limit: int = 100
) -> tuple[int, list[dict[str, Any]], bool]:
    """(version, rows, more)."""
    request = options_pb2.RowsRequest(user_id=user_id, version=version, limit=limit, codec=1)  # type: ignore[arg-type]
    response = await house.contact.load_rows(request)
    shown = [json.loads(row.encoded) for row in response.rows]
    assert [row["version"] for row in shown] == [row.version for row in response.rows]
    return response.version, shown, response.more


async def test_empty_lists_are_lists(house: House) -> None:
    (ann,) = await register(house, "Ann")
    assert await house.post("contact/list", ann) == {"items": []}
    assert await house.post("contact-apply/list", ann) == {"items": []}
    assert await house.post("contact-apply/unread-num", ann) == {"num": 0}


async def test_defect_28_search_finds_who_has_the_number(house: House) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    assert await house.post("contact/search", ann, mobile="13900000001") == {
        "user_id": bob,
        "mobile": "13900000001",
        "nickname": "Bob",
        "avatar": "",
        "gender": 0,
        "motto": "",
    }
    await refused(house.post("contact/search", ann, mobile="13900009999"), UNKNOWN_USER)
    with pytest.raises(msgspec.ValidationError):
        await house.post("contact/search", ann, mobile="1" * 21)


async def test_defect_24_a_stranger_sees_no_mobile(house: House) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    stranger = await house.post("contact/detail", ann, user_id=bob)
    assert stranger == {
        "user_id": bob,
        "mobile": "",
        "nickname": "Bob",
        "avatar": "",
        "gender": 0,
        "motto": "",
        "email": "",
        "relation": 1,
        "contact_remark": "",
        "contact_group_id": 0,
        "online_status": "N",
    }
    await house.befriend(ann, bob)
    await house.platform.online(bob, 1)
    friend = await house.post("contact/detail", ann, user_id=bob)
    assert (friend["relation"], friend["mobile"], friend["online_status"]) == (2, "13900000001", "Y")
    myself = await house.post("contact/detail", ann, user_id=ann)
    assert (myself["relation"], myself["mobile"]) == (4, "13900000000")
    await refused(house.post("contact/detail", ann, user_id=777), UNKNOWN_USER)


async def test_defect_34_online_is_who_has_a_device_now(house: House) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    assert await house.post("contact/online-status", ann, user_id=bob) == {"online_status": "N"}
    await house.platform.online(bob, 0, 1)
    assert await house.post("contact/online-status", ann, user_id=bob) == {"online_status": "Y"}
    await house.platform.routes.disconnect([bob], "gateway-1", 0)
    assert await house.post("contact/online-status", ann, user_id=bob) == {"online_status": "Y"}
    await house.platform.routes.disconnect([bob], "gateway-1", 1)
    assert await house.post("contact/online-status", ann, user_id=bob) == {"online_status": "N"}


async def test_rows_ascend_and_end_in_tombstones(house: House) -> None:
    ann, bob, cat = await register(house, "Ann", "Bob", "Cat")
    await house.befriend(bob, ann)
    await house.post("contact-apply/create", cat, user_id=ann, remark="hi")
    version, shown, more = await rows(house, ann)
    assert (version, more) == (4, False)
    assert [(row["kind"], row.get("deleted", False)) for row in shown] == [
        ("apply", True),
        ("contact", False),
        ("apply", False),
    ]
    assert (shown[1]["user_id"], shown[1]["nickname"]) == (bob, "Bob")
    assert (shown[2]["friend_id"], shown[2]["nickname"]) == (cat, "Cat")
    assert await rows(house, ann, version=version) == (version, [], False)


async def test_a_cut_page_goes_on_where_it_ended(house: House) -> None:
    ann, *others = await register(house, "Ann", *(f"U{n}" for n in range(7)))
    for other in others:
        await house.post("contact-apply/create", other, user_id=ann, remark="hi")
    seen: list[int] = []
    version, more = 0, True
    while more:
        _, shown, more = await rows(house, ann, version=version, limit=3)
        version = shown[-1]["version"]
        seen += [row["friend_id"] for row in shown]
    assert seen == others


async def test_friends_and_asked_ones_learn_of_a_new_name(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "REFRESH_PAGE", 2)
    ann, bob, cat, dan, eve = await register(house, "Ann", "Bob", "Cat", "Dan", "Eve")
    for friend in (bob, cat, dan):
        await house.befriend(ann, friend)
    await house.post("contact-apply/create", ann, user_id=eve, remark="hi")
    before = {user_id: (await rows(house, user_id))[0] for user_id in (bob, cat, dan, eve)}
    for user_id in before:
        await house.platform.online(user_id, 0, 1)
    await house.post("user/detail-update", ann, nickname="Anna")
    gateway = house.platform.gateway
    await eventually(lambda: all(gateway.told(user_id, 1) for user_id in before))
    await house.platform.settled()
    for user_id, version in before.items():
        (event,) = gateway.told(user_id, 1)
        assert event["event"] == "row.changed"
        assert (event["payload"]["version"], event["payload"]["row"]["nickname"]) == (version + 1, "Anna")
        assert gateway.told(user_id, 0) == []
        assert (await rows(house, user_id, version))[1] == [event["payload"]["row"]]


async def test_what_changes_nothing_takes_no_number(house: House) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    await house.befriend(ann, bob)
    await house.platform.settled()
    before = (await rows(house, bob))[0]
    await house.post("user/detail-update", ann, nickname="Ann", motto="", gender=0)
    await house.post("contact-apply/create", ann, user_id=bob, remark="again")
    await house.platform.settled()
    assert (await rows(house, bob))[0] == before


async def test_who_is_a_friend_and_what_he_is_called(house: House) -> None:
    ann, bob, cat = await register(house, "Ann", "Bob", "Cat")
    await house.post("contact-apply/create", bob, user_id=ann, remark="hi")
    (item,) = (await house.post("contact-apply/list", ann))["items"]
    await house.post("contact-apply/accept", ann, apply_id=item["id"], remark="Bobby")
    asked = contact_pb2.LoadRemarksRequest(owner_id=ann, user_ids=[bob, cat, bob, 999])
    assert [(r.user_id, r.remark) for r in (await house.contact.filter_friends(asked)).remarks] == [(bob, "Bobby")]
    assert [(r.user_id, r.remark) for r in (await house.contact.load_remarks(asked)).remarks] == [(bob, "Bobby")]
    of_bob = contact_pb2.LoadRemarksRequest(owner_id=bob, user_ids=[ann])
    assert len((await house.contact.filter_friends(of_bob)).remarks) == 1
    assert len((await house.contact.load_remarks(of_bob)).remarks) == 0


async def test_old_tombstones_go_and_raise_the_floor(house: House) -> None:
    ann, bob, cat = await register(house, "Ann", "Bob", "Cat")
    await house.befriend(bob, ann)
    house.platform.clock.advance_s(100 * 86_400)
    await house.post("contact-apply/create", cat, user_id=ann, remark="hi")
    (item,) = (await house.post("contact-apply/list", ann))["items"]
    await house.post("contact-apply/decline", ann, apply_id=item["id"])
    assert await house.contact_service.purge_tombstones() == 0
    house.platform.clock.advance_s(81 * 86_400)
    assert await house.contact_service.purge_tombstones() == 1
    request = options_pb2.RowsRequest(user_id=ann, version=0, limit=10, codec=1)  # type: ignore[arg-type]
    response = await house.contact.load_rows(request)
    assert (response.version, response.floor) == (5, 2)
    assert [row.version for row in response.rows] == [3, 5]
    assert [item["user_id"] for item in (await house.post("contact/list", ann))["items"]] == [bob]
