"""`message/*` of the reference's routes."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.ours_cases import said
from tests.e2e.contract.talk_cases import NOBODY, unknown, with_friend
from tests.e2e.plain_client import Person


async def texts(person: Person, friend: Person) -> list[str]:
    """What he reads, newest first; recalled messages are there without a text."""
    page = await person.ok("message/records", with_friend(friend) | {"cursor": 0, "limit": 50})
    return [json.loads(record["extra"]).get("content", "") for record in page["items"]]


async def greeting(person: Person, friend: Person) -> str:
    """What an accepted application wrote, the oldest of their messages."""
    return (await texts(person, friend))[-1]


@case("message/send")
async def send(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()
    quoted = await said(ben, ann, "<quoted>")
    body = {"content": "hello & <b>goodbye</b>"}

    async def then(answer: Any) -> None:
        assert (answer["from_id"], answer["msg_type"], answer["sequence"]) == (ann.user_id, 1, 3)
        assert json.loads(answer["extra"])["content"] == "hello &amp; &lt;b&gt;goodbye&lt;/b&gt;"
        assert json.loads(answer["quote"])["content"] == "<quoted>"
        # The same msg_id again is the same message; another text under it is refused.
        again = with_friend(ben) | {"type": "text", "body": body, "quote_id": quoted["msg_id"], "msg_id": "contract-1"}
        assert (await ann.ok("message/send", again))["sequence"] == 3
        await ann.refused("message/send", again | {"body": {"content": "other"}}, 409)
        assert len(await texts(ben, ann)) == 3

    return Case(
        ann,
        with_friend(ben)
        | {"type": "text", "body": body, "quote_id": quoted["msg_id"], "msg_id": "contract-1"},
        refused=[
            Refused({"type": "nonsense"}, 400, "invalid"),
            Refused({"body": {}}, 400, "invalid"),
            Refused({"body": {"content": ""}}, 400, "invalid"),
            Refused({"body": {"content": "x" * 20_000}}, 400, "invalid"),
            Refused({"msg_id": "no spaces"}, 400, "invalid"),
            Refused({"quote_id": "nothing"}, 404, "unknown_message"),
            Refused({"to_from_id": ann.user_id}, 400, "self"),
            Refused({"to_from_id": NOBODY}, 404, "unknown_user"),
            Refused({"talk_mode": 2, "to_from_id": NOBODY}, 404, "unknown_group"),
            Refused({"talk_mode": 2, "to_from_id": await world.group(ben, owner=ann)}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("message/records")
async def records(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()
    for number in range(3):
        await said(ann, ben, str(number))
    group_id = await world.group(ben, owner=ann)

    async def then(answer: Any) -> None:
        assert [record["sequence"] for record in answer["items"]] == [4, 3]
        older = with_friend(ben) | {"cursor": answer["cursor"], "limit": 50}
        assert [record["sequence"] for record in (await ann.ok("message/records", older))["items"]] == [2, 1]

    return Case(
        ann,
        with_friend(ben) | {"cursor": 0, "limit": 2},
        refused=[
            Refused({"talk_mode": 3}, 400, "invalid"),
            Refused({"limit": 0}, 400, "invalid"),
            Refused({"limit": 201}, 400, "invalid"),
            Refused({"cursor": -1}, 400, "invalid"),
            Refused({"talk_mode": 2, "to_from_id": group_id}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("message/history-records")
async def history(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()
    code = with_friend(ben) | {"type": "code", "body": {"lang": "c", "code": "int x;"}}
    await ann.ok("message/send", code)
    for number in range(3):
        await said(ann, ben, str(number))
    group_id = await world.group(ben, owner=ann)

    async def then(answer: Any) -> None:
        # A rare type is found behind others that fill a page.
        (record,) = answer["items"]
        assert json.loads(record["extra"])["code"] == "int x;"

    return Case(
        ann,
        with_friend(ben) | {"cursor": 0, "limit": 2, "msg_type": 2},
        refused=[
            Refused({"limit": 0}, 400, "invalid"),
            Refused({"msg_type": -1}, 400, "invalid"),
            Refused({"talk_mode": 2, "to_from_id": group_id}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("message/forward-records")
async def forward_records(world: World) -> Case:
    ann, ben = await world.friends()
    cat = await world.person()
    await ben.befriend(cat)
    record = await said(ann, ben, "<pass it on>")
    merged = {"action": 2, "msg_ids": [record["msg_id"]], "user_ids": [cat.user_id]}
    request = with_friend(ann) | {"type": "forward", "body": merged}
    sent = await ben.ok("message/send", request)
    (item,) = sent["items"]
    assert item == {"ok": True, "msg_id": item["msg_id"], "to_talk_mode": 1, "to_id": cat.user_id}
    assert await ben.ok("message/send", request) == sent  # a repeat
    # Its own types one by one, a refusal where one may not send, and nothing of what one cannot read.
    singly = {"action": 1, "msg_ids": [record["msg_id"]], "user_ids": [cat.user_id], "group_ids": [NOBODY]}
    answer = await ben.ok("message/send", request | {"body": singly})
    assert [(each["ok"], each.get("err")) for each in answer["items"]] == [(True, None), (False, "unknown_group")]
    assert await texts(cat, ben) == ["&lt;pass it on&gt;", "", await greeting(cat, ben)]
    for body, status in (
        (merged | {"msg_ids": ["nothing"]}, 404), (merged | {"msg_ids": []}, 400), (merged | {"action": 3}, 400),
        ({"action": 1, "msg_ids": ["x"]}, 400), (merged | {"user_ids": ["x"]}, 400), ({}, 400),
        (merged | {"msg_ids": [f"m{n}" for n in range(101)]}, 400),
    ):  # fmt: skip
        await ben.refused("message/send", request | {"body": body}, status)
    stranger = await world.person()

    async def then(answer: Any) -> None:
        assert [json.loads(each["extra"])["content"] for each in answer["items"]] == ["&lt;pass it on&gt;"]
        assert (await stranger.ok("message/forward-records", {"msg_ids": [record["msg_id"]]}))["items"] == []

    return Case(
        cat,
        {"talk_mode": 0, "to_from_id": 0, "msg_ids": [record["msg_id"]]},
        refused=[
            Refused({"msg_ids": []}, 400, "invalid"),
            Refused({"msg_ids": ["x y"]}, 400, "invalid"),
            Refused({"talk_mode": 3}, 400, "invalid"),
        ],
        then=then,
    )


@case("message/revoke")
async def revoke(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben, "gone soon")
    group_id = await world.group(ben, owner=ann)
    in_group = {"talk_mode": 2, "to_from_id": group_id}
    bens = await ben.ok("message/send", in_group | {"type": "text", "body": {"content": "out of place"}})

    async def then(_: Any) -> None:
        assert (await texts(ben, ann))[0] == ""
        # A group's owner takes back what a member wrote, and a line says so.
        await ann.ok("message/revoke", in_group | {"msg_id": bens["msg_id"]})
        line, gone, _ = (await ben.ok("message/records", in_group))["items"]
        assert (line["msg_type"], gone["is_revoked"], gone["extra"]) == (1000, 1, "{}")
        assert ann.name in json.loads(line["extra"])["content"]

    return Case(
        ann,
        with_friend(ben) | {"msg_id": record["msg_id"]},
        refused=[
            *unknown(),
            Refused({"msg_id": "nothing"}, 404, "unknown_message"),
            Refused({"to_from_id": ann.user_id}, 403, "forbidden", by=ben),
        ],
        then=then,
    )


@case("message/delete")
async def delete(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ann, ben, "not for me")

    async def then(_: Any) -> None:
        assert "not for me" not in await texts(ann, ben)
        assert "not for me" in await texts(ben, ann)

    return Case(
        ann,
        with_friend(ben) | {"msg_ids": [record["msg_id"]]},
        refused=[*unknown(), Refused({"msg_ids": []}, 400, "invalid"), Refused({"msg_ids": ["x y"]}, 400, "invalid")],
        then=then,
    )


@case("message/status")
async def status(world: World) -> Case:
    ann, ben = await world.friends()
    return Case(
        ann,
        with_friend(ben) | {"msg_id": "never-stored", "status": 3},
        refused=[Refused({"status": 2}, 400, "invalid"), Refused({"talk_mode": 3}, 400, "invalid")],
    )
