"""`talk/*` of the reference's routes."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.ours_cases import said
from tests.e2e.plain_client import Json, Person

NOBODY = 1 << 50


def with_friend(friend: Person) -> Json:
    return {"talk_mode": 1, "to_from_id": friend.user_id}


async def session(person: Person, friend: Person) -> Json:
    """The entry of the list with that friend."""
    (found,) = [
        entry
        for entry in (await person.ok("talk/session-list"))["items"]
        if (entry["talk_mode"], entry["to_from_id"]) == (1, friend.user_id)
    ]
    return dict(found)


NO_TALK = [Refused({"talk_mode": 3}, 400, "invalid"), Refused({"to_from_id": 0}, 400, "invalid")]


def unknown() -> list[Refused]:
    """What routes refuse that change something of a conversation."""
    return [*NO_TALK, Refused({"talk_mode": 2, "to_from_id": NOBODY}, 404, "unknown_group")]


@case("talk/session-list")
async def session_list(world: World) -> Case:
    ann, ben = await world.friends()
    await said(ben, ann, "<hi>")

    async def then(answer: Any) -> None:
        (entry,) = answer["items"]
        assert (entry["name"], entry["unread_num"], entry["msg_text"]) == (ben.name, 2, "&lt;hi&gt;")

    return Case(ann, then=then)


@case("talk/session-create")
async def session_create(world: World) -> Case:
    ann, ben = await world.friends()
    await ann.ok("talk/session-delete", with_friend(ben))
    assert (await ann.ok("talk/session-list"))["items"] == []

    async def then(answer: Any) -> None:
        assert (answer["talk_mode"], answer["to_from_id"], answer["name"]) == (1, ben.user_id, ben.name)
        assert (await session(ann, ben))["id"] == answer["id"]

    return Case(
        ann,
        with_friend(ben),
        refused=[
            Refused({"talk_mode": 3}, 400, "invalid"),
            Refused({"to_from_id": ann.user_id}, 400, "self"),
            Refused({"to_from_id": NOBODY}, 404, "unknown_user"),
            Refused({"talk_mode": 2, "to_from_id": NOBODY}, 404, "unknown_group"),
        ],
        then=then,
    )


async def row(person: Person, friend: Person) -> Json:
    """What a device that was away learns of the entry with that friend."""
    rows = (await person.ok("sync", {}))["rows"]["talk"]
    (found,) = [each for each in rows if (each["talk_mode"], each["to_from_id"]) == (1, friend.user_id)]
    return dict(found)


@case("talk/session-top")
async def session_top(world: World) -> Case:
    ann, ben = await world.friends()
    cy = await world.person()
    await ann.befriend(cy)

    async def then(_: Any) -> None:
        listed = (await ann.ok("talk/session-list"))["items"]
        assert [(each["to_from_id"], each["is_top"]) for each in listed] == [(ben.user_id, 1), (cy.user_id, 2)]
        assert (await row(ann, ben))["is_top"] == 1
        await ann.ok("talk/session-top", with_friend(ben) | {"action": 2})
        assert (await session(ann, ben))["is_top"] == 2

    return Case(
        ann,
        with_friend(ben) | {"action": 1},
        refused=[
            *NO_TALK,
            Refused({"action": 3}, 400, "invalid"),
            Refused({"talk_mode": 2, "to_from_id": NOBODY}, 404, "unknown_talk"),
        ],
        then=then,
    )


@case("talk/session-disturb")
async def session_disturb(world: World) -> Case:
    ann, ben = await world.friends()

    async def then(_: Any) -> None:
        assert (await session(ann, ben))["is_disturb"] == (await row(ann, ben))["is_disturb"] == 1
        await ann.ok("talk/session-disturb", with_friend(ben) | {"action": 2})
        assert (await session(ann, ben))["is_disturb"] == 2

    return Case(
        ann,
        with_friend(ben) | {"action": 1},
        refused=[
            *NO_TALK,
            Refused({"action": 0}, 400, "invalid"),
            Refused({"talk_mode": 2, "to_from_id": NOBODY}, 404, "unknown_talk"),
        ],
        then=then,
    )


@case("talk/draft")
async def draft(world: World) -> Case:
    ann, ben = await world.friends()

    async def then(_: Any) -> None:
        assert (await row(ann, ben))["draft"] == "half a <thought>"
        assert (await row(ben, ann))["draft"] == ""
        await ann.ok("talk/draft", with_friend(ben) | {"draft": ""})
        assert (await row(ann, ben))["draft"] == ""

    return Case(
        ann,
        with_friend(ben) | {"draft": "half a <thought>"},
        refused=[
            *NO_TALK,
            Refused({"draft": "x" * 1001}, 400, "invalid"),
            Refused({"talk_mode": 2, "to_from_id": NOBODY}, 404, "unknown_talk"),
        ],
        then=then,
    )


@case("talk/session-delete")
async def session_delete(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ben, ann)

    async def then(_: Any) -> None:
        assert (await ann.ok("talk/session-list"))["items"] == []
        # A new message brings it back.
        await said(ben, ann)
        assert (await session(ann, ben))["unread_num"] > 0

    return Case(ann, with_friend(ben) | {"sequence": record["sequence"]}, refused=NO_TALK, then=then)


@case("talk/session-clear-unread-num")
async def clear_unread(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ben, ann)
    assert (await session(ann, ben))["unread_num"] == 2

    async def then(_: Any) -> None:
        assert (await session(ann, ben))["unread_num"] == 0

    return Case(ann, with_friend(ben) | {"sequence": record["sequence"]}, refused=NO_TALK, then=then)


@case("talk/session-clear-records")
async def clear_records(world: World) -> Case:
    ann, ben = await world.friends()
    record = await said(ben, ann)

    async def then(_: Any) -> None:
        page = with_friend(ben) | {"cursor": 0, "limit": 10}
        assert (await ann.ok("message/records", page))["items"] == []
        theirs = {"talk_mode": 1, "to_from_id": ann.user_id, "cursor": 0, "limit": 10}
        assert len((await ben.ok("message/records", theirs))["items"]) == 2

    return Case(ann, with_friend(ben) | {"sequence": record["sequence"]}, refused=unknown(), then=then)


@case("talk/file-download")
async def file_download(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()
    record = await sent_file(ann, ben, b"the whole file")

    async def then(content: Any) -> None:
        assert content == b"the whole file"

    return Case(
        ben,
        {"msg_id": record["msg_id"]},
        refused=[
            Refused({"msg_id": "nothing"}, 404, "unknown_file"),
            Refused({}, 404, "unknown_file", by=stranger),
        ],
        then=then,
    )


async def sent_file(person: Person, friend: Person, content: bytes) -> Json:
    """The record of a file message."""
    made = await person.ok("upload/init-multipart", {"file_name": "a.txt", "file_size": len(content)})
    form = aiohttp.FormData()
    form.add_field("file", content, filename="a.txt", content_type="application/octet-stream")
    for name, value in (("upload_id", made["upload_id"]), ("split_index", "1"), ("split_num", "1")):
        form.add_field(name, value)
    headers = {"Authorization": f"Bearer {person.token}"}
    url = f"{person.server.http_url}/api/v1/upload/multipart"
    async with person._session.post(url, data=form, headers=headers) as response:
        assert (await response.json())["is_completed"]
    record: Json = await person.ok(
        "message/send", with_friend(friend) | {"type": "file", "body": {"upload_id": made["upload_id"]}}
    )
    return record
