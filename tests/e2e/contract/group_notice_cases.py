"""`group-notice/*`."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.group_cases import UNKNOWN, band


@case("group-notice/edit")
async def edit(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(answer: Any) -> None:
        assert answer == {}
        notice = (await member.ok("group/detail", {"group_id": group_id}))["notice"]
        assert set(notice) == {"content", "created_at", "updated_at", "modify_user_name"}
        assert (notice["content"], notice["modify_user_name"]) == ("# Be <kind>", owner.name)
        (said, _) = (await member.ok("message/records", {"talk_mode": 2, "to_from_id": group_id}))["items"]
        assert said["msg_type"] == 13
        extra = json.loads(said["extra"])
        assert extra == {
            "owner_id": owner.user_id,
            "owner_name": owner.name,
            "title": "群公告",
            "content": "# Be <kind>",
        }
        assert await owner.ok("group-notice/edit", {"group_id": group_id, "content": ""}) == {}
        assert "notice" not in await member.ok("group/detail", {"group_id": group_id})

    return Case(
        owner,
        {"group_id": group_id, "content": "# Be <kind>"},
        refused=[
            *UNKNOWN,
            Refused({"content": "x" * 10_001}, 400, "invalid"),
            Refused({"content": "\x00"}, 400, "invalid"),
            Refused({}, 403, "forbidden", by=member),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group-notice/history")
async def history(world: World) -> Case:
    owner, member, friend, group_id = await band(world)
    for content in ("one", "two"):
        await owner.ok("group-notice/edit", {"group_id": group_id, "content": content})

    async def then(answer: Any) -> None:
        assert [(item["content"], item["user_id"]) for item in answer["items"]] == [
            ("two", owner.user_id),
            ("one", owner.user_id),
        ]

    refused = [*UNKNOWN, Refused({}, 403, "not_member", by=friend)]
    return Case(member, {"group_id": group_id}, refused=refused, then=then)
