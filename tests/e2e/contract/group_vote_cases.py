"""`group-vote/*`."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.group_cases import NOBODY, UNKNOWN, band
from tests.e2e.plain_client import Person

GONE = [Refused({"vote_id": 0}, 400, "invalid"), Refused({"vote_id": NOBODY}, 404, "unknown_vote")]


async def vote(world: World, **more: Any) -> tuple[Person, Person, Person, int, int]:
    """Owner, member, somebody else, the group, and the member's vote, as its message tells it."""
    owner, member, friend, group_id = await band(world)
    body = {"group_id": group_id, "title": "Where <to>?", "options": ["Sea", "Hills"]} | more
    await member.ok("group-vote/create", body)
    return owner, member, friend, group_id, await told(owner, group_id)


async def told(person: Person, group_id: int) -> int:
    """The vote of the group's newest message."""
    newest = (await person.ok("message/records", {"talk_mode": 2, "to_from_id": group_id}))["items"][0]
    assert newest["msg_type"] == 11
    extra = json.loads(newest["extra"])
    assert set(extra) == {"vote_id"}
    vote_id: int = extra["vote_id"]
    return vote_id


@case("group-vote/create")
async def create(world: World) -> Case:
    owner, member, friend, group_id = await band(world)
    request = {
        "group_id": group_id,
        "title": "Where <to>?",
        "mode": 2,
        "is_anonymous": 2,
        "options": ["Sea", "Hills", "Home"],
    }

    async def then(answer: Any) -> None:
        assert answer == {}
        found = await member.ok("group-vote/detail", {"vote_id": await told(member, group_id)})
        assert (found["title"], found["answer_mode"], found["is_anonymous"]) == ("Where <to>?", 2, 2)
        options = [(option["key"], option["value"]) for option in found["answer_options"]]
        assert options == [("A", "Sea"), ("B", "Hills"), ("C", "Home")]
        await owner.ok("group-vote/create", request)
        items = (await owner.ok("group-vote/list", {"group_id": group_id}))["items"]
        assert len(items) == 1, "the same request, sent again"

    return Case(
        owner,
        request,
        refused=[
            *UNKNOWN,
            Refused({"title": ""}, 400, "invalid"),
            Refused({"title": "x" * 51}, 400, "invalid"),
            Refused({"mode": 3}, 400, "invalid"),
            Refused({"is_anonymous": -1}, 400, "invalid"),
            Refused({"options": ["one"]}, 400, "invalid"),
            Refused({"options": list("abcdefg")}, 400, "invalid"),
            Refused({"options": ["same", "same"]}, 400, "invalid"),
            Refused({"options": ["x" * 101, "y"]}, 400, "invalid"),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group-vote/detail")
async def detail(world: World) -> Case:
    owner, member, friend, group_id, vote_id = await vote(world)
    await member.ok("group-vote/submit", {"vote_id": vote_id, "options": ["B"]})

    async def then(answer: Any) -> None:
        assert (answer["vote_id"], answer["group_id"], answer["title"]) == (vote_id, group_id, "Where <to>?")
        assert (answer["answer_mode"], answer["is_anonymous"], answer["status"]) == (1, 1, 1)
        assert (answer["answer_num"], answer["answered_num"], answer["is_submit"]) == (2, 1, False)
        assert [option["num"] for option in answer["answer_options"]] == [0, 1]
        (answered,) = answer["answered_users"]
        assert (answered["user_id"], answered["nickname"]) == (member.user_id, member.name)
        assert answered["options"] == ["B"] and answered["answer_time"]
        own = await member.ok("group-vote/detail", {"vote_id": vote_id})
        assert [option["is_checked"] for option in own["answer_options"]] == [False, True]
        assert own["is_submit"] is True
        assert "cursor" not in answer, "it is the last page"

    return Case(
        owner,
        {"vote_id": vote_id, "cursor": ""},
        refused=[*GONE, Refused({"cursor": "x"}, 400, "invalid"), Refused({}, 403, "not_member", by=friend)],
        then=then,
    )


@case("group-vote/submit")
async def submit(world: World) -> Case:
    owner, member, friend, _, vote_id = await vote(world, is_anonymous=2)
    request = {"vote_id": vote_id, "options": ["A"]}

    async def then(answer: Any) -> None:
        assert answer == {}
        assert await owner.ok("group-vote/submit", request) == {}, "the same answer again"
        again = await owner.refused("group-vote/submit", request | {"options": ["B"]}, 409)
        assert again.headers["X-XinYu-Reason"] == "already_voted"
        found = await member.ok("group-vote/detail", {"vote_id": vote_id})
        assert [option["num"] for option in found["answer_options"]] == [1, 0]
        assert found["answered_users"] == [{"user_id": 0, "nickname": "", "options": ["A"], "answer_time": ""}]
        await member.ok("group-vote/finish", {"vote_id": vote_id})
        late = await member.refused("group-vote/submit", request, 409)
        assert late.headers["X-XinYu-Reason"] == "vote_ended"

    return Case(
        owner,
        request,
        refused=[
            *GONE,
            Refused({"options": []}, 400, "invalid"),
            Refused({"options": ["A", "B"]}, 400, "invalid"),
            Refused({"options": ["C"]}, 400, "invalid"),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group-vote/list")
async def of_group(world: World) -> Case:
    owner, member, friend, group_id, vote_id = await vote(world)
    await owner.ok("group-vote/submit", {"vote_id": vote_id, "options": ["A"]})

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["vote_id"], item["title"], item["status"]) == (vote_id, "Where <to>?", 1)
        assert (item["created_by"], item["is_voted"]) == (member.user_id, True)
        (seen,) = (await member.ok("group-vote/list", {"group_id": group_id}))["items"]
        assert seen["is_voted"] is False

    return Case(
        owner,
        {"group_id": group_id, "cursor": 0},
        refused=[*UNKNOWN, Refused({"cursor": -1}, 400, "invalid"), Refused({}, 403, "not_member", by=friend)],
        then=then,
    )


@case("group-vote/finish")
async def finish(world: World) -> Case:
    owner, member, friend, group_id, vote_id = await vote(world)
    await owner.ok("group-vote/create", {"group_id": group_id, "title": "Mine", "options": ["a", "b"]})
    owners = await told(owner, group_id)

    async def then(answer: Any) -> None:
        assert answer == {}
        assert await owner.ok("group-vote/finish", {"vote_id": vote_id}) == {}, "again"
        assert (await member.ok("group-vote/detail", {"vote_id": vote_id}))["status"] == 2

    return Case(
        owner,
        {"vote_id": vote_id},
        refused=[
            *GONE,
            Refused({"vote_id": owners}, 403, "forbidden", by=member),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )
