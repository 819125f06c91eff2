"""`auth/ticket`, `auth/logout-all`, `sync`, what is ours of `message/*`, `talk/members`, `talk/read`."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.plain_client import Json, Person


async def said(person: Person, to: Person, text: str = "hello") -> Json:
    """The record of a message between two friends."""
    record: Json = await person.ok(
        "message/send", {"type": "text", "talk_mode": 1, "to_from_id": to.user_id, "body": {"content": text}}
    )
    return record


@case("auth/ticket")
async def ticket(world: World) -> Case:
    return Case(await world.person())


@case("auth/logout-all")
async def logout_all(world: World) -> Case:
    person = await world.person()

    async def then(_: Any) -> None:
        # A password logs in again at once.
        await person.login()

    return Case(person, then=then)


@case("sync")
async def sync(world: World) -> Case:
    ann, ben = await world.friends()
    await said(ann, ben)
    versions = {"talk": 0, "contact": 0, "user": 0}
    request = {"epoch": "", "versions": versions, "talks": [[1, 0, 0, 0]], "next": ""}

    async def then(answer: Any) -> None:
        assert len(answer["rows"]["contact"]) >= 1
        (talk,) = answer["talks"]
        assert talk["last_sequence"] == len(talk["records"]) == 2

    return Case(
        ann,
        request,
        refused=[
            Refused({"versions": {"talk": -1, "contact": 0, "user": 0}}, 400, "invalid"),
            Refused({"talks": [[1, 0, 0]]}, 400, "invalid"),
        ],
        then=then,
    )


@case("message/range")
async def message_range(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben)
    stranger = await world.person()
    request = {"talk_id": record["talk_id"], "from": 1, "to": record["sequence"]}

    async def then(answer: Any) -> None:
        assert [each["sequence"] for each in answer["records"]] == [1, 2]

    return Case(
        ann,
        request,
        refused=[
            Refused({"from": 0}, 400, "invalid"),
            Refused({"to": 1000}, 400, "invalid"),
            Refused({"talk_id": 1 << 50}, 404, "unknown_talk"),
            Refused({}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("message/search")
async def message_search(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()
    group_id = await world.group(ben, owner=ann)
    with_ben = {"talk_mode": 1, "to_from_id": ben.user_id}
    record = await said(ann, ben, "明天去<北京>吗")
    await said(ben, ann, "北京 it is")
    gone = await said(ann, ben, "北京, gone")
    await ann.ok("message/revoke", with_ben | {"msg_id": gone["msg_id"]})
    request = with_ben | {
        "keyword": "北京", "from_id": ann.user_id, "msg_type": 1, "since_ms": record["sent_at_ms"],
        "until_ms": 1 << 50, "cursor": f"{(1 << 63) - 1}-1",
    }  # fmt: skip

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert item["record"]["msg_id"] == record["msg_id"]
        assert item["highlights"] == [[4, 6]]
        assert "cursor" not in answer
        everywhere = await ben.ok("message/search", {"keyword": "北京"})
        assert [each["highlights"] for each in everywhere["items"]] == [[[0, 2]], [[4, 6]]]
        assert (await stranger.ok("message/search", {"keyword": "北京"}))["items"] == []
        for number in range(21):
            await said(ann, ben, f"page {number}")
        first = await ben.ok("message/search", {"keyword": "PAGE"})
        last = await ben.ok("message/search", {"keyword": "PAGE", "cursor": first["cursor"]})
        assert (len(first["items"]), len(last["items"])) == (20, 1)

    return Case(
        ann,
        request,
        refused=[
            Refused({"keyword": ""}, 400, "invalid"),
            Refused({"keyword": " "}, 400, "invalid"),
            Refused({"keyword": "x" * 65}, 400, "invalid"),
            Refused({"talk_mode": None}, 400, "invalid"),
            Refused({"to_from_id": 0}, 400, "invalid"),
            Refused({"msg_type": 0}, 400, "invalid"),
            Refused({"since_ms": -1}, 400, "invalid"),
            Refused({"cursor": "first"}, 400, "invalid"),
            Refused({"talk_mode": 2, "to_from_id": group_id}, 403, "not_member", by=stranger),
            Refused({"talk_mode": 2, "to_from_id": 1 << 50}, 404, "unknown_group"),
        ],
        then=then,
    )


@case("talk/members")
async def talk_members(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben)
    stranger = await world.person()

    async def then(answer: Any) -> None:
        assert {each["user_id"] for each in answer["members"]} == {ann.user_id, ben.user_id}

    return Case(
        ann,
        {"talk_id": record["talk_id"], "change": 0},
        refused=[
            Refused({"change": -1}, 400, "invalid"),
            Refused({"talk_id": 1 << 50}, 404, "unknown_talk"),
            Refused({}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("talk/read")
async def talk_read(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ben, ann)
    stranger = await world.person()

    async def then(answer: Any) -> None:
        assert answer["read_sequence"] == record["sequence"]

    return Case(
        ann,
        {"talk_id": record["talk_id"], "sequence": record["sequence"]},
        refused=[
            Refused({"sequence": -1}, 400, "invalid"),
            Refused({"talk_id": 1 << 50}, 404, "unknown_talk"),
            Refused({}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("message/edit")
async def message_edit(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben, "first")
    stranger = await world.person()

    async def then(answer: Any) -> None:
        assert json.loads(answer["extra"])["content"] == "&lt;second&gt;"
        assert (answer["msg_id"], answer["sequence"]) == (record["msg_id"], record["sequence"])
        assert answer["edited_at_ms"] > 0
        page = await ben.ok("message/records", {"talk_mode": 1, "to_from_id": ann.user_id})
        assert page["items"][0] == answer
        await ann.ok("message/revoke", {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": record["msg_id"]})
        again = {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": record["msg_id"], "body": {"content": "third"}}
        await ann.refused("message/edit", again, 404)

    return Case(
        ann,
        {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": record["msg_id"], "body": {"content": "<second>"}},
        refused=[
            Refused({"talk_mode": 3}, 400, "invalid"),
            Refused({"msg_id": "nothing"}, 404, "unknown_message"),
            Refused({"body": {}}, 400, "invalid"),
            Refused({"body": {"content": " "}}, 400, "invalid"),
            Refused({"body": {"content": "x" * 20_000}}, 400, "invalid"),
            Refused({"body": {"lang": "c", "code": "x"}}, 400, "invalid"),
            Refused({"body": {"items": [{"type": 3, "content": "http://elsewhere.example/a.png"}]}}, 400, "invalid"),
            Refused({"to_from_id": ann.user_id}, 403, "forbidden", by=ben),
            Refused({"to_from_id": ann.user_id}, 404, "unknown_talk", by=stranger),
        ],
        then=then,
    )


@case("message/edits")
async def message_edits(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben, "first")
    stranger = await world.person()
    at = {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": record["msg_id"]}
    await ann.ok("message/edit", at | {"body": {"content": "second"}})

    async def then(answer: Any) -> None:
        texts = [json.loads(each["extra"])["content"] for each in answer["items"]]
        assert (texts, answer["items"][0]["edited_at_ms"]) == (["first", "second"], 0)

    return Case(
        ben,
        at | {"to_from_id": ann.user_id},
        refused=[
            Refused({"talk_mode": 3}, 400, "invalid"),
            Refused({"msg_id": "nothing"}, 404, "unknown_message"),
            Refused({"msg_id": "no spaces"}, 400, "invalid"),
            Refused({}, 404, "unknown_talk", by=stranger),
        ],
        then=then,
    )


@case("message/react")
async def message_react(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben)
    stranger = await world.person()

    async def then(answer: Any) -> None:
        assert answer["reactions"] == [{"emoji": "👍", "count": 1, "is_mine": True}]
        for person, other, is_mine in ((ann, ben, False), (ben, ann, True)):
            page = await person.ok("message/records", {"talk_mode": 1, "to_from_id": other.user_id})
            assert page["items"][0]["reactions"] == [{"emoji": "👍", "count": 1, "is_mine": is_mine}]
        back = {"talk_mode": 1, "to_from_id": ann.user_id, "msg_id": record["msg_id"], "emoji": "👍", "action": 2}
        for _ in range(2):
            assert (await ben.ok("message/react", back))["reactions"] == []

    return Case(
        ben,
        {"talk_mode": 1, "to_from_id": ann.user_id, "msg_id": record["msg_id"], "emoji": "👍", "action": 1},
        refused=[
            Refused({"action": 3}, 400, "invalid"),
            Refused({"emoji": ""}, 400, "invalid"),
            Refused({"emoji": "<b>"}, 400, "invalid"),
            Refused({"emoji": "👍" * 20}, 400, "invalid"),
            Refused({"msg_id": "nothing"}, 404, "unknown_message"),
            Refused({}, 404, "unknown_talk", by=stranger),
        ],
        then=then,
    )


@case("message/reactions")
async def message_reactions(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben)
    stranger = await world.person()
    at = {"talk_mode": 1, "to_from_id": ann.user_id, "msg_id": record["msg_id"]}
    for emoji in ("👍", "🎉"):
        await ben.ok("message/react", at | {"emoji": emoji, "action": 1})

    async def then(answer: Any) -> None:
        assert [(each["user_id"], each["emoji"]) for each in answer["items"]] == [(ben.user_id, "🎉")]
        assert len((await ben.ok("message/reactions", at))["items"]) == 2

    return Case(
        ann,
        at | {"to_from_id": ben.user_id, "emoji": "🎉", "cursor": ""},
        refused=[
            Refused({"cursor": "x"}, 400, "invalid"),
            Refused({"msg_id": "nothing"}, 404, "unknown_message"),
            Refused({}, 404, "unknown_talk", by=stranger),
        ],
        then=then,
    )


@case("message/pin")
async def message_pin(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben)
    stranger = await world.person()
    group = {"talk_mode": 2, "to_from_id": await world.group(ben, owner=ann)}
    in_group = await ann.ok("message/send", group | {"type": "text", "body": {"content": "hello"}})

    async def then(_: Any) -> None:
        pinned = await ben.ok("message/pins", {"talk_mode": 1, "to_from_id": ann.user_id})
        assert [each["msg_id"] for each in pinned["items"]] == [record["msg_id"]]

    return Case(
        ann,
        {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": record["msg_id"], "action": 1},
        refused=[
            Refused({"action": 3}, 400, "invalid"),
            Refused({"msg_id": "nothing"}, 404, "unknown_message"),
            Refused(group | {"msg_id": in_group["msg_id"]}, 403, "forbidden", by=ben),
            Refused({}, 404, "unknown_talk", by=stranger),
        ],
        then=then,
    )


@case("message/pins")
async def message_pins(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben)
    stranger = await world.person()
    await ann.ok(
        "message/pin", {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": record["msg_id"], "action": 1}
    )

    async def then(answer: Any) -> None:
        assert [(each["msg_id"], each["is_pinned"]) for each in answer["items"]] == [(record["msg_id"], True)]

    return Case(
        ben,
        {"talk_mode": 1, "to_from_id": ann.user_id},
        refused=[Refused({"talk_mode": 3}, 400, "invalid"), Refused({}, 404, "unknown_talk", by=stranger)],
        then=then,
    )
