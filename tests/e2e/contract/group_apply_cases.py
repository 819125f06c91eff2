"""`group-apply/*`."""

from __future__ import annotations

from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.group_cases import NOBODY, members
from tests.e2e.plain_client import Person

GONE = [Refused({"apply_id": 0}, 400, "invalid"), Refused({"apply_id": NOBODY}, 404, "unknown_application")]


async def public(world: World) -> tuple[Person, Person, Person, int]:
    """Owner and member of a public group, and a stranger."""
    owner, member, stranger = await world.people(3)
    await owner.befriend(member)
    group_id = await world.group(member, owner=owner)
    await owner.ok("group/overt", {"group_id": group_id, "action": 1})
    return owner, member, stranger, group_id


async def asked(world: World) -> tuple[Person, Person, Person, int, int]:
    """The same, and the number of the stranger's request."""
    owner, member, stranger, group_id = await public(world)
    await stranger.ok("group-apply/create", {"group_id": group_id, "remark": "It's <me>"})
    (item,) = (await stranger.ok("group-apply/mine"))["items"]
    return owner, member, stranger, group_id, item["id"]


def not_theirs(member: Person, other: Person) -> list[Refused]:
    return [*GONE, Refused({}, 403, "forbidden", by=member), Refused({}, 404, "unknown_application", by=other)]


@case("group-apply/create")
async def create(world: World) -> Case:
    owner, member, stranger, group_id = await public(world)
    closed = await world.group(owner=member)

    async def then(answer: Any) -> None:
        assert answer == {}
        request = {"group_id": group_id, "remark": "again"}
        assert await stranger.ok("group-apply/create", request) == {}, "one that waits already"
        (item,) = (await owner.ok("group-apply/list", {"group_id": group_id}))["items"]
        assert (item["user_id"], item["remark"]) == (stranger.user_id, "It's <me>")
        assert await member.ok("group-apply/create", request) == {}, "a member has nothing to ask for"
        assert (await owner.ok("group-apply/unread-num"))["num"] == 1

    return Case(
        stranger,
        {"group_id": group_id, "remark": "It's <me>"},
        refused=[
            Refused({"group_id": NOBODY}, 404, "unknown_group"),
            Refused({"group_id": closed}, 403, "not_overt"),
            Refused({"remark": "x" * 256}, 400, "invalid"),
            Refused({"remark": "\x00"}, 400, "invalid"),
        ],
        then=then,
    )


@case("group-apply/agree")
async def agree(world: World) -> Case:
    owner, member, stranger, group_id, apply_id = await asked(world)

    async def then(answer: Any) -> None:
        assert answer == {}
        # Committed before the answer: member, session, and the line that tells of it.
        assert (await members(member, group_id))[stranger.user_id]["leader"] == 3
        records = (await stranger.ok("message/records", {"talk_mode": 2, "to_from_id": group_id}))["items"]
        assert [record["msg_type"] for record in records] == [1102]
        assert group_id in [each["to_from_id"] for each in (await stranger.ok("talk/session-list"))["items"]]
        assert await owner.ok("group-apply/agree", {"apply_id": apply_id}) == {}
        await owner.refused("group-apply/decline", {"apply_id": apply_id}, 409)

    refused = [*not_theirs(member, await world.person()), Refused({}, 404, "unknown_application", by=stranger)]
    return Case(owner, {"apply_id": apply_id}, refused=refused, then=then)


@case("group-apply/decline")
async def decline(world: World) -> Case:
    owner, member, stranger, group_id, apply_id = await asked(world)

    async def then(answer: Any) -> None:
        assert answer == {}
        assert (await owner.ok("group-apply/list", {"group_id": group_id}))["items"] == []
        assert stranger.user_id not in await members(owner, group_id)
        await owner.refused("group-apply/agree", {"apply_id": apply_id}, 409)

    refused = [*not_theirs(member, await world.person()), Refused({"remark": "x" * 256}, 400, "invalid")]
    return Case(owner, {"apply_id": apply_id, "remark": "no"}, refused=refused, then=then)


@case("group-apply/delete")
async def delete(world: World) -> Case:
    owner, member, stranger, group_id, apply_id = await asked(world)

    async def then(answer: Any) -> None:
        assert answer == {}
        assert (await owner.ok("group-apply/list", {"group_id": group_id}))["items"] == []
        assert [item["state"] for item in (await stranger.ok("group-apply/mine"))["items"]] == [4]
        await owner.refused("group-apply/agree", {"apply_id": apply_id}, 409)

    refused = not_theirs(member, await world.person())
    return Case(stranger, {"apply_id": apply_id}, refused=refused, then=then)


@case("group-apply/list")
async def of_group(world: World) -> Case:
    owner, member, stranger, group_id, apply_id = await asked(world)

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["id"], item["user_id"], item["group_id"]) == (apply_id, stranger.user_id, group_id)
        assert (item["remark"], item["nickname"]) == ("It's <me>", stranger.name)

    return Case(
        owner,
        {"group_id": group_id},
        refused=[
            Refused({"group_id": NOBODY}, 404, "unknown_group"),
            Refused({}, 403, "forbidden", by=member),
            Refused({}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("group-apply/all")
async def of_all(world: World) -> Case:
    owner, member, stranger, group_id, apply_id = await asked(world)

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["id"], item["user_id"], item["group_id"]) == (apply_id, stranger.user_id, group_id)
        assert (item["group_name"], item["nickname"]) == ("Band", stranger.name)
        for other in (member, stranger):
            assert await other.ok("group-apply/all") == {"items": []}

    return Case(owner, then=then)


@case("group-apply/mine")
async def mine(world: World) -> Case:
    owner, _, stranger, group_id, apply_id = await asked(world)

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["id"], item["group_id"], item["group_name"], item["state"]) == (apply_id, group_id, "Band", 1)
        assert await owner.ok("group-apply/mine") == {"items": []}

    return Case(stranger, then=then)


@case("group-apply/unread-num")
async def unread(world: World) -> Case:
    owner, member, stranger, _, apply_id = await asked(world)

    async def then(answer: Any) -> None:
        assert answer == {"num": 1}
        assert await member.ok("group-apply/unread-num") == {"num": 0}
        await stranger.ok("group-apply/delete", {"apply_id": apply_id})
        assert await owner.ok("group-apply/unread-num") == {"num": 0}

    return Case(owner, then=then)
