"""`group/*`."""

from __future__ import annotations

from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.plain_client import Json, Person

NOBODY = 1 << 50
UNKNOWN = [Refused({"group_id": 0}, 400, "invalid"), Refused({"group_id": NOBODY}, 404, "unknown_group")]


async def band(world: World) -> tuple[Person, Person, Person, int]:
    """Owner, a member, a friend of the owner's who is none, and the group."""
    owner, member, friend = await world.people(3)
    await owner.befriend(member)
    await owner.befriend(friend)
    return owner, member, friend, await world.group(member, owner=owner)


async def members(person: Person, group_id: int) -> dict[int, Json]:
    items = (await person.ok("group/member-list", {"group_id": group_id}))["items"]
    return {item["user_id"]: item for item in items}


@case("group/create")
async def create(world: World) -> Case:
    owner, friend = await world.friends()
    stranger = await world.person()

    async def then(answer: Any) -> None:
        found = await members(friend, answer["group_id"])
        assert {user_id: item["leader"] for user_id, item in found.items()} == {owner.user_id: 1, friend.user_id: 3}
        # Committed before the answer: its session, with the line that tells of it.
        (entry,) = [each for each in (await friend.ok("talk/session-list"))["items"] if each["talk_mode"] == 2]
        assert (entry["to_from_id"], entry["name"]) == (answer["group_id"], "The <band>")

    return Case(
        owner,
        {"name": "The <band>", "user_ids": [friend.user_id]},
        refused=[
            Refused({"name": " "}, 400, "invalid"),
            Refused({"name": "x" * 65}, 400, "invalid"),
            Refused({"user_ids": [0]}, 400, "invalid"),
            Refused({"user_ids": [stranger.user_id]}, 403, "not_friend"),
        ],
        then=then,
    )


@case("group/list")
async def group_list(world: World) -> Case:
    owner, member, _, group_id = await band(world)

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["group_id"], item["leader"], item["creator_id"]) == (group_id, 3, owner.user_id)

    return Case(member, then=then)


@case("group/detail")
async def detail(world: World) -> Case:
    owner, _, friend, group_id = await band(world)

    async def then(answer: Any) -> None:
        assert (answer["group_name"], answer["is_manager"], answer["is_mute"]) == ("Band", True, 2)

    return Case(
        owner, {"group_id": group_id}, refused=[*UNKNOWN, Refused({}, 403, "not_member", by=friend)], then=then
    )


@case("group/member-list")
async def member_list(world: World) -> Case:
    owner, _, friend, group_id = await band(world)

    async def then(answer: Any) -> None:
        assert [item["leader"] for item in answer["items"]] == [1, 3]
        assert "cursor" not in answer, "it is the last page"

    return Case(
        owner,
        {"group_id": group_id, "cursor": ""},
        refused=[
            *UNKNOWN,
            Refused({"cursor": "nonsense"}, 400, "invalid"),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group/invite")
async def invite(world: World) -> Case:
    owner, member, friend, group_id = await band(world)
    stranger = await world.person()

    async def then(_: Any) -> None:
        assert friend.user_id in await members(member, group_id)

    return Case(
        owner,
        {"group_id": group_id, "user_ids": [friend.user_id]},
        refused=[
            *UNKNOWN,
            Refused({"user_ids": [0]}, 400, "invalid"),
            Refused({"user_ids": [stranger.user_id]}, 403, "not_friend"),
            Refused({}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


@case("group/remove-member")
async def remove_member(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        assert set(await members(owner, group_id)) == {owner.user_id}
        await member.refused("group/detail", {"group_id": group_id}, 403)

    return Case(
        owner,
        {"group_id": group_id, "user_ids": [member.user_id]},
        refused=[
            *UNKNOWN,
            Refused({"user_ids": [owner.user_id]}, 403, "forbidden", by=member),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group/secede")
async def secede(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        assert set(await members(owner, group_id)) == {owner.user_id}

    return Case(
        member,
        {"group_id": group_id},
        refused=[
            *UNKNOWN,
            Refused({}, 400, "owner_must_stay", by=owner),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group/get-invite-friends")
async def invite_friends(world: World) -> Case:
    owner, _, friend, group_id = await band(world)
    stranger = await world.person()

    async def then(answer: Any) -> None:
        assert [item["user_id"] for item in answer["items"]] == [friend.user_id]

    return Case(
        owner,
        {"group_id": group_id},
        refused=[
            Refused({"group_id": -1}, 400, "invalid"),
            Refused({"group_id": NOBODY}, 404, "unknown_group"),
            Refused({}, 403, "not_member", by=stranger),
        ],
        then=then,
    )


def of_member(owner: Person, member: Person, friend: Person) -> list[Refused]:
    """Of a change that is about one member, by the owner or an admin."""
    return [
        *UNKNOWN,
        Refused({"user_id": 0}, 400, "invalid"),
        Refused({"user_id": NOBODY}, 404, "unknown_user"),
        Refused({"user_id": friend.user_id}, 404, "unknown_user"),
        Refused({"user_id": owner.user_id}, 400, "self"),
        Refused({"user_id": owner.user_id}, 403, "forbidden", by=member),
        Refused({}, 403, "not_member", by=friend),
    ]


def of_switch(member: Person, friend: Person) -> list[Refused]:
    return [
        *UNKNOWN,
        *(Refused({"action": action}, 400, "invalid") for action in (0, 3, -1)),
        Refused({}, 403, "forbidden", by=member),
        Refused({}, 403, "not_member", by=friend),
    ]


async def line(reader: Person, group_id: int) -> Json:
    """The newest record of the group."""
    asked = {"talk_mode": 2, "to_from_id": group_id, "cursor": 0, "limit": 1}
    record: Json = (await reader.ok("message/records", asked))["items"][0]
    return record


@case("group/assign-admin")
async def assign_admin(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        assert (await members(owner, group_id))[member.user_id]["leader"] == 2
        assert (await member.ok("group/detail", {"group_id": group_id}))["is_manager"] is True

    return Case(
        owner,
        {"group_id": group_id, "user_id": member.user_id, "action": 1},
        refused=[*of_member(owner, member, friend), Refused({"action": 3}, 400, "invalid")],
        then=then,
    )


@case("group/handover")
async def handover(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        found = await members(owner, group_id)
        assert (found[member.user_id]["leader"], found[owner.user_id]["leader"]) == (1, 3)
        assert (await line(owner, group_id))["msg_type"] == 1000  # what the reference client can draw of 1113

    return Case(
        owner,
        {"group_id": group_id, "user_id": member.user_id},
        refused=of_member(owner, member, friend),
        then=then,
    )


@case("group/dismiss")
async def dismiss(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        assert group_id not in [each["to_from_id"] for each in (await member.ok("talk/session-list"))["items"]]
        assert (await member.ok("group/list"))["items"] == []
        text = {"type": "text", "talk_mode": 2, "to_from_id": group_id, "body": {"content": "too late"}}
        await member.refused("message/send", text, 403)
        assert (await line(member, group_id))["msg_type"] == 1000

    return Case(
        owner,
        {"group_id": group_id},
        refused=[
            *UNKNOWN,
            Refused({}, 403, "forbidden", by=member),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group/mute")
async def mute(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        assert (await member.ok("group/detail", {"group_id": group_id}))["is_mute"] == 1
        text = {"type": "text", "talk_mode": 2, "to_from_id": group_id, "body": {"content": "hush"}}
        await member.refused("message/send", text, 403)
        await owner.ok("message/send", text)

    return Case(owner, {"group_id": group_id, "action": 1}, refused=of_switch(member, friend), then=then)


@case("group/no-speak")
async def no_speak(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        assert (await members(owner, group_id))[member.user_id]["is_mute"] == 1
        assert (await line(member, group_id))["msg_type"] == 1109
        text = {"type": "text", "talk_mode": 2, "to_from_id": group_id, "body": {"content": "hush"}}
        await member.refused("message/send", text, 403)

    return Case(
        owner,
        {"group_id": group_id, "user_id": member.user_id, "action": 1, "duration_s": 60},
        refused=[
            *of_member(owner, member, friend),
            Refused({"action": 0}, 400, "invalid"),
            Refused({"duration_s": -1}, 400, "invalid"),
            Refused({"duration_s": 1 << 40}, 400, "invalid"),
        ],
        then=then,
    )


@case("group/overt")
async def overt(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        assert (await member.ok("group/detail", {"group_id": group_id}))["is_overt"] == 1

    return Case(owner, {"group_id": group_id, "action": 1}, refused=of_switch(member, friend), then=then)


@case("group/overt-list")
async def overt_list(world: World) -> Case:
    owner, member, _, group_id = await band(world)
    name = f"Public {group_id}"
    await owner.ok("group/setting", {"group_id": group_id, "group_name": name, "profile": "All may come."})
    await owner.ok("group/overt", {"group_id": group_id, "action": 1})

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["group_id"], item["name"], item["count"], item["is_member"]) == (group_id, name, 2, True)
        assert answer["next"] is False

    return Case(
        member,
        {"page": 1, "name": name.upper()},
        refused=[
            Refused({"page": 0}, 400, "invalid"),
            Refused({"page": 501}, 400, "invalid"),
            Refused({"name": "x" * 65}, 400, "invalid"),
        ],
        then=then,
    )


@case("group/remark-update")
async def remark_update(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        assert (await members(owner, group_id))[member.user_id]["remark"] == "At the drums"

    return Case(
        member,
        {"group_id": group_id, "remark": "At the drums"},
        refused=[
            *UNKNOWN,
            Refused({"remark": "<b>"}, 400, "invalid"),
            Refused({"remark": "x" * 65}, 400, "invalid"),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group/setting")
async def setting(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        detail = await member.ok("group/detail", {"group_id": group_id})
        assert (detail["group_name"], detail["avatar"], detail["profile"]) == ("The <Band>", "", "We play.")

    return Case(
        owner,
        {"group_id": group_id, "group_name": "The <Band>", "avatar": "", "profile": "We play."},
        refused=[
            *UNKNOWN,
            Refused({"group_name": ""}, 400, "invalid"),
            Refused({"group_name": "x" * 65}, 400, "invalid"),
            Refused({"profile": "x" * 256}, 400, "invalid"),
            Refused({"avatar": "https://elsewhere.example/a.png"}, 400, "invalid"),
            Refused({}, 403, "forbidden", by=member),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )


@case("group/rules")
async def rules(world: World) -> Case:
    owner, member, friend, group_id = await band(world)

    async def then(_: Any) -> None:
        detail = await member.ok("group/detail", {"group_id": group_id})
        assert (detail["slow_mode_s"], detail["mention_all"]) == (3_600, 1)
        text = {"type": "text", "talk_mode": 2, "to_from_id": group_id, "body": {"content": "@all", "mentions": [0]}}
        await member.refused("message/send", text, 403)
        text["body"] = {"content": "slowly"}
        await member.ok("message/send", text)
        refusal = await member.refused("message/send", text, 429)
        assert 0 < refusal.data["data"]["retry_after_ms"] <= 3_600_000
        assert refusal.headers["X-XinYu-Reason"] == "slow_mode"
        for _ in range(2):
            await owner.ok("message/send", text)

    return Case(
        owner,
        {"group_id": group_id, "slow_mode_s": 3_600, "mention_all": 1},
        refused=[
            *UNKNOWN,
            Refused({"slow_mode_s": -1}, 400, "invalid"),
            Refused({"slow_mode_s": 21_601}, 400, "invalid"),
            Refused({"mention_all": 0}, 400, "invalid"),
            Refused({"mention_all": 3}, 400, "invalid"),
            Refused({}, 403, "forbidden", by=member),
            Refused({}, 403, "not_member", by=friend),
        ],
        then=then,
    )
