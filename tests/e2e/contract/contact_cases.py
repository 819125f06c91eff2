"""`contact/*`, `contact-apply/*`, `contact-group/*`, and our `contact/block`, `contact/block-list`."""

from __future__ import annotations

from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.plain_client import Json, Person

FAR = 1 << 50


async def friend_of(person: Person, other: Person) -> Json:
    """The line of `other` in `person`'s list."""
    items = (await person.ok("contact/list"))["items"]
    (item,) = [each for each in items if each["user_id"] == other.user_id]
    found: Json = item
    return found


async def folder_of(person: Person, name: str) -> int:
    """A new group of friends, beside what there is."""
    items = (await person.ok("contact-group/list"))["items"]
    await person.ok("contact-group/save", {"items": [*items, {"id": 0, "sort": 9, "name": name}]})
    items = (await person.ok("contact-group/list"))["items"]
    (folder_id,) = [each["id"] for each in items if each["name"] == name]
    found: int = folder_id
    return found


async def asked(asker: Person, target: Person) -> int:
    """A request that waits for `target`."""
    await asker.ok("contact-apply/create", {"user_id": target.user_id, "remark": "hello"})
    items = (await target.ok("contact-apply/list"))["items"]
    (apply_id,) = [each["id"] for each in items if each["friend_id"] == asker.user_id]
    found: int = apply_id
    return found


def text(to: Person) -> Json:
    return {"type": "text", "talk_mode": 1, "to_from_id": to.user_id, "body": {"content": "hello"}}


@case("contact/change-group")
async def change_group(world: World) -> Case:
    ann, ben = await world.friends()
    other, stranger = await world.people(2)
    mine, theirs = await folder_of(ann, "Work"), await folder_of(other, "Work")

    async def then(_: Any) -> None:
        assert (await friend_of(ann, ben))["group_id"] == mine
        (folder,) = (await ann.ok("contact-group/list"))["items"]
        assert folder["count"] == 1
        await ann.ok("contact/change-group", {"user_id": ben.user_id})
        assert (await friend_of(ann, ben))["group_id"] == 0

    return Case(
        ann,
        {"user_id": ben.user_id, "group_id": mine},
        refused=[
            Refused({"group_id": -1}, 400, "invalid"),
            Refused({"group_id": theirs}, 404, "unknown_group"),
            Refused({"group_id": FAR}, 404, "unknown_group"),
            Refused({"user_id": stranger.user_id}, 403, "not_friend"),
        ],
        then=then,
    )


@case("contact/delete")
async def delete(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()

    async def then(_: Any) -> None:
        assert (await ann.ok("contact/list"))["items"] == []
        await ann.ok("contact/delete", {"user_id": ben.user_id})
        for one, other in ((ann, ben), (ben, ann)):
            record = await one.ok("message/send", text(other))
            assert (record["status"], record["sequence"]) == (3, 0)
            assert '"not_friend"' in record["extra"]

    return Case(
        ann,
        {"user_id": ben.user_id},
        refused=[
            Refused({"user_id": 0}, 400, "invalid"),
            Refused({"user_id": ann.user_id}, 400, "self"),
            Refused({"user_id": stranger.user_id}, 403, "not_friend"),
        ],
        then=then,
    )


@case("contact/detail")
async def detail(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()

    async def then(answer: Any) -> None:
        assert (answer["relation"], answer["mobile"]) == (2, ben.mobile)
        of_stranger = await ann.ok("contact/detail", {"user_id": stranger.user_id})
        assert (of_stranger["relation"], of_stranger["mobile"], of_stranger["email"]) == (1, "", "")
        assert (await ann.ok("contact/detail", {"user_id": ann.user_id}))["relation"] == 4

    return Case(
        ann,
        {"user_id": ben.user_id},
        refused=[Refused({"user_id": 0}, 400, "invalid"), Refused({"user_id": FAR}, 404, "unknown_user")],
        then=then,
    )


@case("contact/edit-remark")
async def edit_remark(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()

    async def then(_: Any) -> None:
        assert (await friend_of(ann, ben))["remark"] == "Benny"
        (session,) = (await ann.ok("talk/session-list"))["items"]
        assert session["remark"] == "Benny"
        await ann.ok("contact/edit-remark", {"user_id": ben.user_id})
        assert (await friend_of(ann, ben))["remark"] == ""

    return Case(
        ann,
        {"user_id": ben.user_id, "remark": "Benny"},
        refused=[
            Refused({"remark": "x" * 11}, 400, "invalid"),
            Refused({"remark": "a\x00"}, 400, "invalid"),
            Refused({"user_id": stranger.user_id}, 403, "not_friend"),
            Refused({"user_id": FAR}, 403, "not_friend"),
        ],
        then=then,
    )


@case("contact/list")
async def contact_list(world: World) -> Case:
    ann, ben = await world.friends()

    async def then(answer: Any) -> None:
        assert [each["user_id"] for each in answer["items"]] == [ben.user_id]

    return Case(ann, then=then)


@case("contact/online-status")
async def online_status(world: World) -> Case:
    ann, ben = await world.friends()

    async def then(answer: Any) -> None:
        assert answer == {"online_status": "N"}

    return Case(ann, {"user_id": ben.user_id}, refused=[Refused({"user_id": 0}, 400, "invalid")], then=then)


@case("contact/search")
async def search(world: World) -> Case:
    ann, ben = await world.people(2)

    async def then(answer: Any) -> None:
        assert (answer["user_id"], answer["mobile"]) == (ben.user_id, ben.mobile)

    return Case(
        ann,
        {"mobile": ben.mobile},
        refused=[
            Refused({"mobile": ""}, 400, "invalid"),
            Refused({"mobile": "1" * 21}, 400, "invalid"),
            Refused({"mobile": world.mobile()}, 404, "unknown_user"),
        ],
        then=then,
    )


@case("contact/block")
async def block(world: World) -> Case:
    ann, ben = await world.friends()

    async def then(_: Any) -> None:
        refusal = await ben.call("message/send", text(ann))
        assert (refusal.status, refusal.headers["X-XinYu-Reason"]) == (403, "blocked")
        await ann.ok("contact/block", {"user_id": ben.user_id, "action": 2})
        assert (await ben.ok("message/send", text(ann)))["sequence"] > 0

    return Case(
        ann,
        {"user_id": ben.user_id, "action": 1},
        refused=[
            Refused({"action": 0}, 400, "invalid"),
            Refused({"action": 3}, 400, "invalid"),
            Refused({"user_id": ann.user_id}, 400, "self"),
            Refused({"user_id": FAR}, 404, "unknown_user"),
        ],
        then=then,
    )


@case("contact/block-list")
async def block_list(world: World) -> Case:
    ann, ben = await world.people(2)
    await ann.ok("contact/block", {"user_id": ben.user_id, "action": 1})

    async def then(answer: Any) -> None:
        assert [each["user_id"] for each in answer["items"]] == [ben.user_id]
        assert (await ben.ok("contact/block-list"))["items"] == []

    return Case(ann, then=then)


@case("contact-apply/create")
async def apply_create(world: World) -> Case:
    ann, ben, hostile = await world.people(3)
    await hostile.ok("contact/block", {"user_id": ann.user_id, "action": 1})

    async def then(_: Any) -> None:
        # While one is pending, another changes nothing.
        await ann.ok("contact-apply/create", {"user_id": ben.user_id, "remark": "again"})
        (item,) = (await ben.ok("contact-apply/list"))["items"]
        assert (item["friend_id"], item["remark"]) == (ann.user_id, "it is Ann")

    return Case(
        ann,
        {"user_id": ben.user_id, "remark": "it is Ann"},
        refused=[
            Refused({"user_id": ann.user_id}, 400, "self"),
            Refused({"user_id": FAR}, 404, "unknown_user"),
            Refused({"user_id": hostile.user_id}, 403, "blocked"),
            Refused({"remark": "x" * 256}, 400, "invalid"),
        ],
        then=then,
    )


@case("contact-apply/accept")
async def apply_accept(world: World) -> Case:
    ann, ben, stranger = await world.people(3)
    apply_id = await asked(ben, ann)
    declined = await asked(stranger, ann)
    await ann.ok("contact-apply/decline", {"apply_id": declined})

    async def then(answer: Any) -> None:
        assert (answer["session"]["to_from_id"], answer["session"]["remark"]) == (ben.user_id, "Benny")
        assert (await friend_of(ben, ann))["remark"] == ""

    return Case(
        ann,
        {"apply_id": apply_id, "remark": "Benny"},
        refused=[
            Refused({}, 404, "unknown_application", by=ben),
            Refused({}, 404, "unknown_application", by=stranger),
            Refused({"apply_id": FAR}, 404, "unknown_application"),
            Refused({"apply_id": declined}, 409, "already_handled"),
            Refused({"remark": "x" * 256}, 400, "invalid"),
        ],
        then=then,
    )


@case("contact-apply/decline")
async def apply_decline(world: World) -> Case:
    ann, ben, stranger = await world.people(3)
    apply_id = await asked(ben, ann)
    agreed = await asked(stranger, ann)
    await ann.ok("contact-apply/accept", {"apply_id": agreed})

    async def then(_: Any) -> None:
        assert (await ann.ok("contact-apply/list"))["items"] == []
        assert (await ben.ok("contact/list"))["items"] == []

    return Case(
        ann,
        {"apply_id": apply_id, "remark": "no"},
        refused=[
            Refused({}, 404, "unknown_application", by=ben),
            Refused({}, 404, "unknown_application", by=stranger),
            Refused({"apply_id": FAR}, 404, "unknown_application"),
            Refused({"apply_id": agreed}, 409, "already_handled"),
        ],
        then=then,
    )


@case("contact-apply/list")
async def apply_list(world: World) -> Case:
    ann, ben = await world.people(2)
    apply_id = await asked(ben, ann)

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["id"], item["user_id"], item["friend_id"]) == (apply_id, ann.user_id, ben.user_id)

    return Case(ann, then=then)


@case("contact-apply/unread-num")
async def apply_unread(world: World) -> Case:
    ann, ben = await world.people(2)
    await asked(ben, ann)

    async def then(answer: Any) -> None:
        assert answer == {"num": 1}

    return Case(ann, then=then)


@case("contact-group/list")
async def group_list(world: World) -> Case:
    ann = await world.person()
    folder_id = await folder_of(ann, "Work")

    async def then(answer: Any) -> None:
        assert answer["items"] == [{"id": folder_id, "name": "Work", "count": 0, "sort": 9}]

    return Case(ann, then=then)


@case("contact-group/save")
async def group_save(world: World) -> Case:
    ann, ben = await world.friends()
    other = await world.person()
    gone, kept, theirs = await folder_of(ann, "Gone"), await folder_of(ann, "Kept"), await folder_of(other, "Theirs")
    await ann.ok("contact/change-group", {"user_id": ben.user_id, "group_id": gone})
    wanted = [{"id": kept, "sort": 2, "name": "Still", "count": 9}, {"id": 0, "sort": 1, "name": "New", "count": 0}]

    async def then(_: Any) -> None:
        items = (await ann.ok("contact-group/list"))["items"]
        assert [(each["name"], each["count"], each["sort"]) for each in items] == [("New", 0, 1), ("Still", 0, 2)]
        assert (await friend_of(ann, ben))["group_id"] == 0
        assert [each["name"] for each in (await other.ok("contact-group/list"))["items"]] == ["Theirs"]

    def one(**change: Any) -> Json:
        return {"items": [{"id": 0, "sort": 1, "name": "New"} | change]}

    return Case(
        ann,
        {"items": wanted},
        refused=[
            Refused(one(id=theirs), 404, "unknown_group"),
            Refused(one(id=FAR), 404, "unknown_group"),
            Refused(one(id=-1), 400, "invalid"),
            Refused(one(sort=-1), 400, "invalid"),
            Refused(one(name=""), 400, "invalid"),
            Refused(one(name=" "), 400, "invalid"),
            Refused(one(name="x" * 33), 400, "invalid"),
            Refused({"items": [*wanted, {"id": 0, "sort": 1, "name": "New"}]}, 400, "invalid"),
            Refused({"items": [{"id": 0, "sort": n, "name": str(n)} for n in range(101)]}, 400, "invalid"),
        ],
        then=then,
    )
