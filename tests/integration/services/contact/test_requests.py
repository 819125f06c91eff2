"""Requests to become friends, from the first word to the stored greeting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import eventually
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import ALREADY_HANDLED, DEADLINE, FORBIDDEN, SELF, UNKNOWN_APPLICATION, UNKNOWN_USER
from xinyu.delivery.outbox import Event, Outbox
from xinyu.wire.v1 import contact_pb2, message_rpc
from xinyu_services.contact import service
from xinyu_services.contact.events import ACCEPTED, PAIR
from xinyu_services.contact.model import ApplyState


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage, greeting="Hello, friend.") as opened:
        yield opened


@pytest.fixture
async def three(house: House) -> tuple[int, int, int]:
    """Ann, Bob and Cat, strangers."""
    return (
        await house.user.register("13800000001", "Ann"),
        await house.user.register("13800000002", "Bob"),
        await house.user.register("13800000003", "Cat"),
    )


async def only_apply(house: House, user_id: int) -> dict[str, Any]:
    (item,) = (await house.post("contact-apply/list", user_id))["items"]
    return item


async def test_the_asked_sees_the_request_and_hears_of_it(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await house.platform.online(bob, 0, 1)
    await house.post("contact-apply/create", ann, user_id=bob, remark="it is <Ann>")
    item = await only_apply(house, bob)
    assert item == {
        "id": item["id"],
        "user_id": bob,
        "friend_id": ann,
        "remark": "it is <Ann>",
        "nickname": "Ann",
        "avatar": "",
        "created_at": "2026-09-21 22:13:20",
    }
    assert await house.post("contact-apply/unread-num", bob) == {"num": 1}
    assert await house.post("contact-apply/list", ann) == {"items": []}
    await house.platform.settled()
    (legacy,) = house.platform.gateway.told(bob, 0)
    assert legacy == {
        "event": "im.contact.apply",
        "payload": {
            "nickname": "Ann",
            "remark": "it is <Ann>",
            "apply_time": house.platform.clock.now,
            "apply_id": item["id"],
            "user_id": ann,
            "avatar": "",
        },
        "ackid": f"contact-apply-{item['id']}",
    }
    (ours,) = house.platform.gateway.told(bob, 1)
    assert ours["event"] == "row.changed"
    assert ours["payload"] == {
        "room": "contact",
        "version": 1,
        "row": {"kind": "apply", **item, "created_at_ms": house.platform.clock.now, "version": 1},
    }


async def test_accepting_makes_friends_sessions_and_one_greeting(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await house.platform.online(ann, 0, 1)
    await house.post("contact-apply/create", ann, user_id=bob, remark="hi")
    apply_id = (await only_apply(house, bob))["id"]
    session = (await house.post("contact-apply/accept", bob, apply_id=apply_id, remark="my Ann"))["session"]
    assert (session["talk_mode"], session["to_from_id"], session["name"]) == (1, ann, "Ann")

    assert [item["user_id"] for item in (await house.post("contact/list", ann))["items"]] == [bob]
    assert (await house.post("contact/list", bob))["items"] == [
        {"user_id": ann, "nickname": "Ann", "gender": 0, "motto": "", "avatar": "", "remark": "my Ann", "group_id": 0}
    ]
    for user_id, peer in ((ann, bob), (bob, ann)):
        (record,) = await house.records(user_id, 1, peer)
        assert (record["from_id"], record["msg_type"], record["sequence"]) == (bob, 1, 1)
        assert "Hello, friend." in record["extra"]
        assert [s["to_from_id"] for s in await house.sessions(user_id)] == [peer]
    assert await house.post("contact-apply/unread-num", bob) == {"num": 0}

    await house.platform.settled()
    await eventually(lambda: any(e["event"] == "im.contact.accept" for e in house.platform.gateway.told(ann, 0)))
    (accepted,) = [e for e in house.platform.gateway.told(ann, 0) if e["event"] == "im.contact.accept"]
    assert accepted["payload"]["acceptor_id"] == bob
    assert accepted["payload"]["acceptor_name"] == "Bob"
    assert accepted["payload"]["accept_time"] == house.platform.clock.now
    assert accepted["payload"]["session"]["to_from_id"] == bob
    ours = [e["payload"] for e in house.platform.gateway.told(ann, 1) if e["event"] == "row.changed"]
    assert [(p["version"], p["row"]["kind"], p["row"]["user_id"]) for p in ours if p["room"] == "contact"] == [
        (1, "contact", bob)
    ]
    assert not [e for e in house.platform.gateway.told(ann, 1) if e["event"].startswith("im.contact")]


async def test_accepting_twice_answers_the_same_and_greets_once(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await house.post("contact-apply/create", ann, user_id=bob, remark="hi")
    apply_id = (await only_apply(house, bob))["id"]
    first, second = await asyncio.gather(
        house.post("contact-apply/accept", bob, apply_id=apply_id),
        house.post("contact-apply/accept", bob, apply_id=apply_id),
    )
    third = await house.post("contact-apply/accept", bob, apply_id=apply_id)
    assert first["session"]["id"] == second["session"]["id"] == third["session"]["id"]
    assert len(await house.records(ann, 1, bob)) == 1


async def test_requests_that_cross_make_friends(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await asyncio.gather(
        house.post("contact-apply/create", ann, user_id=bob, remark="from Ann"),
        house.post("contact-apply/create", bob, user_id=ann, remark="from Bob"),
    )
    for user_id, peer in ((ann, bob), (bob, ann)):
        assert [item["user_id"] for item in (await house.post("contact/list", user_id))["items"]] == [peer]
        assert await house.post("contact-apply/list", user_id) == {"items": []}
    assert len(await house.records(ann, 1, bob)) == 1


async def test_a_request_while_one_is_pending_changes_nothing(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await asyncio.gather(
        *(house.post("contact-apply/create", ann, user_id=bob, remark=f"try {n}") for n in range(5))
    )
    await house.post("contact-apply/create", ann, user_id=bob, remark="again")
    assert (await only_apply(house, bob))["remark"].startswith("try ")


async def test_a_request_to_a_friend_changes_nothing(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await house.befriend(ann, bob)
    await house.post("contact-apply/create", bob, user_id=ann, remark="again")
    assert await house.post("contact-apply/list", ann) == {"items": []}


async def test_refusals(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await refused(house.post("contact-apply/create", ann, user_id=ann, remark="me"), SELF)
    await refused(house.post("contact-apply/create", ann, user_id=9_999, remark="who"), UNKNOWN_USER)
    await refused(house.post("contact-apply/accept", bob, apply_id=12_345), UNKNOWN_APPLICATION)
    await house.post("contact-apply/create", ann, user_id=bob, remark="hi")
    apply_id = (await only_apply(house, bob))["id"]
    await house.post("contact-apply/decline", bob, apply_id=apply_id)
    await house.post("contact-apply/decline", bob, apply_id=apply_id)
    await refused(house.post("contact-apply/accept", bob, apply_id=apply_id), ALREADY_HANDLED)
    assert await house.post("contact/list", ann) == {"items": []}
    # A declined one may ask again.
    await house.post("contact-apply/create", ann, user_id=bob, remark="please")
    assert (await only_apply(house, bob))["remark"] == "please"


async def test_defect_18_only_the_asked_answers_a_request(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, cat = three
    await house.post("contact-apply/create", ann, user_id=bob, remark="hi")
    apply_id = (await only_apply(house, bob))["id"]
    for other in (ann, cat):
        await refused(house.post("contact-apply/accept", other, apply_id=apply_id), UNKNOWN_APPLICATION)
        await refused(house.post("contact-apply/decline", other, apply_id=apply_id), UNKNOWN_APPLICATION)
    assert (await only_apply(house, bob))["id"] == apply_id


async def test_the_message_room_is_away_when_a_request_is_accepted(
    house: House, three: tuple[int, int, int]
) -> None:
    """The friendship is committed; its talk and greeting come when the message room is back, once."""
    ann, bob, _ = three
    await house.post("contact-apply/create", ann, user_id=bob, remark="hi")
    apply_id = (await only_apply(house, bob))["id"]
    network = house.platform.network
    network.withdraw(message_rpc.METHODS)
    request = contact_pb2.AnswerApplyRequest(user_id=bob, apply_id=apply_id)
    await refused(house.contact.accept_apply(request, timeout_s=0.1), DEADLINE)
    assert [item["user_id"] for item in (await house.post("contact/list", ann))["items"]] == [bob]
    network.serve(message_rpc.METHODS, house.message_servicer)
    session = (await house.post("contact-apply/accept", bob, apply_id=apply_id))["session"]
    assert session["to_from_id"] == ann
    await house.platform.settled()
    assert len(await house.records(ann, 1, bob)) == 1


async def test_a_process_that_died_after_the_commit_is_taken_over(house: House, three: tuple[int, int, int]) -> None:
    """Its outbox row is all that is left of the accepting: another process tells the message room."""
    ann, bob, _ = three
    await house.post("contact-apply/create", ann, user_id=bob, remark="hi")
    apply_id = (await only_apply(house, bob))["id"]
    await house.platform.settled()

    def died(connection: Connection) -> None:
        store = house.contact_store
        apply = store.find_apply(connection, apply_id)
        assert apply is not None
        store.lock_pair(connection, ann, bob)
        store.close_apply(connection, apply, ApplyState.AGREED, 1)
        store.befriend(connection, ann, bob, "", 1)
        store.befriend(connection, bob, ann, "", 1)
        store.take_revision(connection, ann, bob)
        other = Outbox("contact", house.platform.dialect, "a-dead-process", house.platform.clock)
        other.open().write(connection, [Event(PAIR, (apply_id,)), Event(ACCEPTED, (apply_id, 1))])

    await house.platform.online(ann, 0)
    await house.platform.database.write(died)
    await house.contact_dispatcher.recover()
    await house.platform.settled()
    assert len(await house.records(ann, 1, bob)) == 1
    gateway = house.platform.gateway
    await eventually(lambda: any(event["event"] == "im.contact.accept" for event in gateway.told(ann, 0)))


async def test_open_requests_of_one_user_are_bounded(
    house: House, three: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob, cat = three
    monkeypatch.setattr(service, "MAX_OPEN_APPLIES", 1)
    await house.post("contact-apply/create", ann, user_id=bob, remark="one")
    await refused(house.post("contact-apply/create", ann, user_id=cat, remark="two"), FORBIDDEN)
    assert await house.post("contact-apply/list", cat) == {"items": []}
