"""`message/schedule`, `-list`, `-cancel`."""

from __future__ import annotations

import time
from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.ours_cases import said
from tests.e2e.contract.talk_cases import NO_TALK, NOBODY, session, with_friend
from tests.e2e.plain_client import Json, Person


def later(friend: Person, text: str = "later") -> Json:
    return with_friend(friend) | {"type": "text", "body": {"content": text}, "send_at_ms": in_an_hour_ms()}


def in_an_hour_ms() -> int:
    return int(time.time() * 1000) + 3_600_000


@case("message/schedule")
async def schedule(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()
    quoted = await said(ben, ann)
    group_id = await world.group(ben, owner=ann)
    request = later(ben) | {"quote_id": quoted["msg_id"], "msg_id": "one"}

    async def then(answer: Any) -> None:
        assert await ann.ok("message/schedule", request) == answer  # a repeat
        (item,) = (await ann.ok("message/schedule-list"))["items"]
        assert (item["scheduled_id"], item["state"], item["talk_id"]) == (
            answer["scheduled_id"],
            "waits",
            (await session(ann, ben))["id"],
        )

    return Case(
        ann,
        request,
        refused=[
            *NO_TALK,
            Refused({"type": "nonsense"}, 400, "invalid"),
            Refused({"body": {"content": ""}}, 400, "invalid"),
            Refused({"type": "file", "body": {"upload_id": "0" * 32}}, 404, "unknown_upload"),
            Refused({"send_at_ms": 1}, 400, "invalid"),
            Refused({"send_at_ms": in_an_hour_ms() + 400 * 86_400_000}, 400, "invalid"),
            Refused({"to_from_id": ann.user_id}, 400, "self"),
            Refused({"to_from_id": NOBODY}, 404, "unknown_user"),
            Refused({"to_from_id": stranger.user_id}, 403, "not_friend"),
            Refused({"talk_mode": 2, "to_from_id": NOBODY}, 404, "unknown_group"),
            Refused({"talk_mode": 2, "to_from_id": group_id}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("message/schedule-list")
async def schedule_list(world: World) -> Case:
    ann, ben = await world.friends()
    await ann.ok("message/schedule", later(ben, "<later>"))

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["type"], item["body"], item["to_from_id"]) == ("text", {"content": "<later>"}, ben.user_id)
        assert (await ben.ok("message/schedule-list"))["items"] == []

    return Case(ann, then=then)


@case("message/schedule-cancel")
async def schedule_cancel(world: World) -> Case:
    ann, ben = await world.friends()
    scheduled = await ann.ok("message/schedule", later(ben))

    async def then(_: Any) -> None:
        assert (await ann.ok("message/schedule-list"))["items"] == []
        await ann.refused("message/schedule-cancel", scheduled, 404)

    return Case(
        ann,
        scheduled,
        refused=[
            Refused({"scheduled_id": "0" * 32}, 404, "unknown_scheduled"),
            Refused({"scheduled_id": "x"}, 400, "invalid"),
            Refused({}, 404, "unknown_scheduled", by=ben),
        ],
        then=then,
    )
