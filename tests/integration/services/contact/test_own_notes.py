"""What a user says of others: remarks, folders, blocks, and the end of a friendship."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.database_storage import Storage
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import BLOCKED, NOT_FRIEND, SELF, UNAVAILABLE, UNKNOWN_GROUP, UNKNOWN_USER, XinYuError
from xinyu.wire.v1 import contact_pb2, contact_rpc, message_pb2, options_pb2
from xinyu_services.contact import store
from xinyu_services.talk_key import talk_key


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage, greeting="") as opened:
        yield opened


@pytest.fixture
async def three(house: House) -> tuple[int, int, int]:
    """Ann, whose friends Bob and Cat are."""
    ann, bob, cat = [await house.user.register(f"1390000{n:04d}", name) for n, name in enumerate(("Ann", "Bob", "Cat"))]
    await house.befriend(ann, bob)
    await house.befriend(ann, cat)
    return ann, bob, cat


async def says(house: House, user_id: int, to: int, msg_id: str) -> dict[str, Any]:
    """The record of a text as its sender reads it; a refusal is raised."""
    message = message_pb2.NewMessage(
        user_id=user_id, talk_mode=1, to_from_id=to, msg_type=1, body=b'{"content":"hi"}', msg_id=msg_id
    )
    request = message_pb2.SendRequest(messages=[message])
    (result,) = (await house.message.send(request, key=talk_key(user_id, 1, to))).results
    if result.HasField("refusal"):
        raise XinYuError.from_wire(result.refusal.reason, result.refusal.message)
    record: dict[str, Any] = json.loads(result.record)
    return record


async def rows(house: House, user_id: int, version: int) -> list[dict[str, Any]]:
    request = options_pb2.RowsRequest(user_id=user_id, version=version, limit=100, codec=1)  # type: ignore[arg-type]
    return [json.loads(row.encoded) for row in (await house.contact.load_rows(request)).rows]


async def version_of(house: House, user_id: int) -> int:
    request = options_pb2.RowsRequest(user_id=user_id, version=0, limit=1, codec=1)  # type: ignore[arg-type]
    return (await house.contact.load_rows(request)).version


async def test_a_remark_is_seen_everywhere(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await house.platform.online(ann, 1)
    await house.platform.settled()
    before = await version_of(house, ann)
    await house.post("contact/edit-remark", ann, user_id=bob, remark="Bobby")
    await house.post("contact/edit-remark", ann, user_id=bob, remark="Bobby")
    await house.platform.settled()
    (row,) = await rows(house, ann, before)
    assert (row["user_id"], row["remark"], row["version"]) == (bob, "Bobby", before + 1)
    assert [e["payload"]["row"] for e in house.platform.gateway.told(ann, 1)] == [row]
    assert {s["to_from_id"]: s["remark"] for s in await house.sessions(ann)}[bob] == "Bobby"
    assert (await house.post("contact/detail", ann, user_id=bob))["contact_remark"] == "Bobby"
    assert (await house.post("contact/detail", bob, user_id=ann))["contact_remark"] == ""
    with pytest.raises(msgspec.ValidationError):
        await house.post("contact/edit-remark", ann, user_id=bob, remark="x" * 11)
    await refused(house.post("contact/edit-remark", bob, user_id=three[2], remark="x"), NOT_FRIEND)


async def test_folders_are_a_whole_list(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, cat = three
    wanted = [{"id": 0, "sort": 2, "name": "Work"}, {"id": 0, "sort": 1, "name": "Home", "count": 7}]
    await house.post("contact-group/save", ann, items=wanted)
    # The request again, as a client whose answer was lost sends it.
    await house.post("contact-group/save", ann, items=wanted)
    home, work = (await house.post("contact-group/list", ann))["items"]
    assert [(f["name"], f["count"], f["sort"]) for f in (home, work)] == [("Home", 0, 1), ("Work", 0, 2)]
    for friend in (bob, cat):
        await house.post("contact/change-group", ann, user_id=friend, group_id=work["id"])
    assert [f["count"] for f in (await house.post("contact-group/list", ann))["items"]] == [0, 2]
    before = await version_of(house, ann)
    await house.post("contact-group/save", ann, items=[{"id": home["id"], "sort": 0, "name": "Family"}])
    assert (await house.post("contact-group/list", ann))["items"] == [
        {"id": home["id"], "name": "Family", "count": 0, "sort": 0}
    ]
    assert [item["group_id"] for item in (await house.post("contact/list", ann))["items"]] == [0, 0]
    told = await rows(house, ann, before)
    assert [(r["kind"], r.get("deleted", False)) for r in told] == [
        ("group", False),
        ("group", True),
        ("contact", False),
        ("contact", False),
    ]
    assert [r["version"] for r in told] == [before + n for n in (1, 2, 3, 4)]


async def test_devices_hear_of_folders(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await house.platform.online(ann, 1)
    await house.post("contact-group/save", ann, items=[{"id": 0, "sort": 1, "name": "Work"}])
    (work,) = (await house.post("contact-group/list", ann))["items"]
    await house.post("contact/change-group", ann, user_id=bob, group_id=work["id"])
    await house.platform.settled()
    told = [e["payload"]["row"] for e in house.platform.gateway.told(ann, 1)]
    assert [(r["kind"], r.get("count"), r.get("group_id")) for r in told] == [
        ("group", 0, None),
        ("contact", None, work["id"]),
        ("group", 1, None),
    ]


async def test_more_friends_than_one_statement_moves(
    house: House, three: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK", 1)
    ann, bob, cat = three
    await house.post("contact-group/save", ann, items=[{"id": 0, "sort": 1, "name": "Work"}])
    (work,) = (await house.post("contact-group/list", ann))["items"]
    for friend in (bob, cat):
        await house.post("contact/edit-remark", ann, user_id=friend, remark=f"F{friend}")
        await house.post("contact/change-group", ann, user_id=friend, group_id=work["id"])
    await house.post("contact-group/save", ann, items=[])
    items = (await house.post("contact/list", ann))["items"]
    assert [(i["group_id"], i["remark"]) for i in items] == [(0, f"F{bob}"), (0, f"F{cat}")]


async def test_defect_18_folders_of_others_are_out_of_reach(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    await house.post("contact-group/save", ann, items=[{"id": 0, "sort": 1, "name": "Work"}])
    (work,) = (await house.post("contact-group/list", ann))["items"]
    stolen = [{"id": 0, "sort": 1, "name": "Mine"}, {"id": work["id"], "sort": 1, "name": "Stolen"}]
    await refused(house.post("contact-group/save", bob, items=stolen), UNKNOWN_GROUP)
    assert await house.post("contact-group/list", bob) == {"items": []}
    assert [f["name"] for f in (await house.post("contact-group/list", ann))["items"]] == ["Work"]
    await refused(house.post("contact/change-group", bob, user_id=ann, group_id=work["id"]), UNKNOWN_GROUP)


async def test_who_is_deleted_can_no_longer_send_and_cannot_be_sent_to(
    house: House, three: tuple[int, int, int]
) -> None:
    ann, bob, _ = three
    await house.post("contact-group/save", ann, items=[{"id": 0, "sort": 1, "name": "Work"}])
    (work,) = (await house.post("contact-group/list", ann))["items"]
    await house.post("contact/change-group", ann, user_id=bob, group_id=work["id"])
    await house.post("contact/delete", ann, user_id=bob)
    await house.post("contact/delete", ann, user_id=bob)
    assert bob not in [i["user_id"] for i in (await house.post("contact/list", ann))["items"]]
    # One-sided: Bob's list still has her.
    assert [i["user_id"] for i in (await house.post("contact/list", bob))["items"]] == [ann]
    assert [f["count"] for f in (await house.post("contact-group/list", ann))["items"]] == [0]
    for sender, receiver in ((ann, bob), (bob, ann)):
        record = await says(house, sender, receiver, f"m-{sender}")
        assert json.loads(record["extra"])["invalid_reason"] == "not_friend"
    # Friends anew, by asking anew.
    await house.befriend(bob, ann)
    record = await says(house, ann, bob, f"m-{ann}")
    assert record["sequence"] > 0
    (back,) = [i for i in (await house.post("contact/list", ann))["items"] if i["user_id"] == bob]
    assert (back["group_id"], back["remark"]) == (0, "")


async def test_only_friends_can_be_deleted(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, cat = three
    await refused(house.post("contact/delete", ann, user_id=ann), SELF)
    await refused(house.post("contact/delete", bob, user_id=cat), NOT_FRIEND)
    await refused(house.post("contact/delete", bob, user_id=1 << 40), NOT_FRIEND)


async def test_defect_06_a_block_is_enforced(house: House, three: tuple[int, int, int]) -> None:
    ann, bob, _ = three
    before = await version_of(house, ann)
    await house.post("contact/block", ann, user_id=bob, action=1)
    await house.post("contact/block", ann, user_id=bob, action=1)
    assert [(r["user_id"], r["is_block"]) for r in await rows(house, ann, before)] == [(bob, 1)]
    assert [i["user_id"] for i in (await house.post("contact/block-list", ann))["items"]] == [bob]
    assert await house.post("contact/block-list", bob) == {"items": []}
    await refused(says(house, bob, ann, "b1"), BLOCKED)
    assert (await says(house, ann, bob, "a1"))["sequence"] > 0
    await house.post("contact/block", ann, user_id=bob, action=2)
    assert (await says(house, bob, ann, "b1"))["sequence"] > 0
    assert await house.post("contact/block-list", ann) == {"items": []}
    await refused(house.post("contact/block", ann, user_id=ann, action=1), SELF)
    await refused(house.post("contact/block", ann, user_id=1 << 40, action=1), UNKNOWN_USER)


async def test_a_blocked_stranger_can_neither_write_nor_ask(house: House, three: tuple[int, int, int]) -> None:
    _, bob, cat = three
    await house.post("contact/block", bob, user_id=cat, action=1)
    assert cat not in [i["user_id"] for i in (await house.post("contact/list", bob))["items"]]
    # No talk appears in anybody's list.
    assert bob not in [s["to_from_id"] for s in await house.sessions(cat) if s["talk_mode"] == 1]
    await refused(says(house, cat, bob, "c1"), BLOCKED)
    await refused(house.post("contact-apply/create", cat, user_id=bob, remark="please"), BLOCKED)
    # The block outlives the daily clearing of tombstones.
    house.platform.clock.advance_s(200 * 86_400)
    await house.contact_service.purge_tombstones()
    await refused(says(house, cat, bob, "c2"), BLOCKED)
    assert [i["user_id"] for i in (await house.post("contact/block-list", bob))["items"]] == [cat]


async def test_defect_29_empty_lists_are_items(house: House) -> None:
    """Under the name that the client reads, and never null."""
    eve = await house.user.register("13900000009", "Eve")
    for path in ("contact/list", "contact/block-list", "contact-apply/list", "contact-group/list"):
        assert await house.post(path, eve) == {"items": []}


class _Away:
    """A contact room that is not there."""

    def __getattr__(self, _name: str) -> Any:
        async def refuse(*_: Any) -> Any:
            raise XinYuError(UNAVAILABLE)

        return refuse


async def test_defect_14_a_send_does_not_ask_the_contact_room(house: House, three: tuple[int, int, int]) -> None:
    """Who may write is in the message room's own rows, so that another room's failure fails no send and no push."""
    ann, bob, _ = three
    await house.post("contact/block", bob, user_id=ann, action=1)
    await house.post("contact/block", bob, user_id=ann, action=2)
    await house.platform.online(bob, 1)
    await house.platform.settled()
    house.platform.network.serve(contact_rpc.METHODS, _Away())
    record = await says(house, ann, bob, "while-away")
    assert record["sequence"] > 0
    await house.platform.settled()
    events = house.platform.gateway.told(bob, 1)
    assert "while-away" in [e["payload"]["body"]["msg_id"] for e in events if e["event"] == "im.message"]


@pytest.mark.parametrize("nobody", [0, -1])
async def test_nobody_is_in_no_pair(house: House, three: tuple[int, int, int], nobody: int) -> None:
    ann, *_ = three
    block = contact_pb2.BlockRequest(user_id=nobody, blocked_id=ann, is_block=True)
    await refused(house.contact.block(block), UNKNOWN_USER)
    asked = contact_pb2.CreateApplyRequest(user_id=nobody, target_id=ann)
    await refused(house.contact.create_apply(asked), UNKNOWN_USER)
    await house.platform.settled()
