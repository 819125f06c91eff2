"""`user/*`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.plain_client import Json, Person

PASSWORD = "correct horse battery"


@case("user/detail")
async def detail(world: World) -> Case:
    ann = await world.person("Ann")

    async def then(answer: Any) -> None:
        assert (answer["id"], answer["mobile"], answer["nickname"]) == (ann.user_id, ann.mobile, "Ann")
        assert (answer["email"], answer["birthday"], answer["gender"]) == ("", "", 0)

    return Case(ann, then=then)


@case("user/detail-update")
async def detail_update(world: World) -> Case:
    ann, ben = await world.friends()
    values = {"nickname": "Annabel", "gender": 2, "motto": "Onward & up", "birthday": "1990-02-28"}

    async def then(_: Any) -> None:
        shown = await ann.ok("user/detail")
        assert {name: shown[name] for name in values} == values
        assert (await ben.ok("contact/detail", {"user_id": ann.user_id}))["nickname"] == "Annabel"
        # What is absent stays (defect 42); an empty nickname keeps the old one; null takes the birthday away.
        await ann.ok("user/detail-update", {"nickname": "", "birthday": None})
        assert await ann.ok("user/detail") == shown | {"birthday": ""}

    return Case(
        ann,
        values | {"avatar": ""},
        refused=[
            Refused({"gender": 3}, 400, "invalid"),
            Refused({"nickname": "<b>"}, 400, "invalid"),
            Refused({"nickname": "x" * 65}, 400, "invalid"),
            Refused({"motto": "x" * 501}, 400, "invalid"),
            Refused({"birthday": "1990-02-30"}, 400, "invalid"),
            Refused({"avatar": "https://example.org/elsewhere.png"}, 400, "invalid"),
        ],
        then=then,
    )


@case("user/delete")
async def delete(world: World) -> Case:
    ann, ben = await world.friends()
    cat, dan = await world.people(2)
    await ann.befriend(cat)
    await ann.ok("contact-apply/create", {"user_id": dan.user_id, "remark": "hello"})
    said = await said_by(ann, ben)
    shared = await world.group(ben, cat, owner=ann)
    alone = await world.group(owner=ann)
    target = {"talk_mode": 2, "to_from_id": shared}

    async def then(_: Any) -> None:
        await ann.refused("auth/login", {"mobile": ann.mobile, "password": PASSWORD}, 400)
        # What happens in other rooms follows within moments.
        while (await ben.ok("contact/list"))["items"] or (await dan.ok("contact-apply/list"))["items"]:
            await asyncio.sleep(0.02)
        while len(members := (await ben.ok("group/member-list", {"group_id": shared}))["items"]) != 2:
            await asyncio.sleep(0.02)
        assert [member["leader"] for member in members] == [1, 3]
        # What was said stays, and nobody is behind it.
        page = {"talk_mode": 1, "to_from_id": ann.user_id, "cursor": 0, "limit": 30}
        records = (await ben.ok("message/records", page))["items"]
        assert {record["msg_id"] for record in records} >= {said["msg_id"]}
        await ben.refused("contact/search", {"mobile": ann.mobile}, 404)
        await ben.refused("contact/detail", {"user_id": ann.user_id}, 404)
        # The system line of his leaving is the newest of the group.
        newest = (await ben.ok("message/records", target | {"cursor": 0, "limit": 1}))["items"][0]
        assert newest["msg_type"] == 1103
        # The number is free.
        ann_again = await world.person("Ann")
        ann_again.mobile = ann.mobile
        await ann_again.register()
        assert ann_again.user_id != ann.user_id
        await ann_again.refused("group/detail", {"group_id": alone}, 403)

    return Case(
        ann,
        {"password": PASSWORD},
        refused=[Refused({"password": "wrong horse"}, 400, "wrong_password")],
        then=then,
    )


async def said_by(person: Person, to: Person) -> Json:
    record: Json = await person.ok(
        "message/send", {"type": "text", "talk_mode": 1, "to_from_id": to.user_id, "body": {"content": "bye"}}
    )
    return record


@case("user/email-update")
async def email_update(world: World) -> Case:
    ann = await world.person()
    email = f"ann-{ann.user_id}@example.org"
    request = {"email": email, "password": PASSWORD, "code": "123456"}

    async def then(_: Any) -> None:
        assert (await ann.ok("user/detail"))["email"] == email
        assert (await ann.ok("user/setting"))["user_info"]["email"] == email
        await ann.ok("user/email-update", request)

    return Case(
        ann,
        request,
        refused=[
            Refused({"email": "ann"}, 400, "invalid"),
            Refused({"email": ""}, 400, "invalid"),
            Refused({"password": "wrong horse"}, 400, "wrong_password"),
            Refused({"code": "1234567"}, 400, "invalid"),
        ],
        then=then,
    )


@case("user/mobile-update")
async def mobile_update(world: World) -> Case:
    ann, ben = await world.people(2)
    mobile = world.mobile()
    request = {"mobile": mobile, "password": PASSWORD, "sms_code": "123456"}

    async def then(_: Any) -> None:
        assert (await ann.ok("user/detail"))["mobile"] == mobile
        await ann.ok("user/mobile-update", request)
        await ann.refused("auth/login", {"mobile": ann.mobile, "password": PASSWORD}, 400)
        ann.mobile = mobile
        await ann.login()

    return Case(
        ann,
        request,
        refused=[
            Refused({"mobile": ben.mobile}, 400, "mobile_taken"),
            Refused({"mobile": "23800000001"}, 400, "invalid"),
            Refused({"password": "wrong horse"}, 400, "wrong_password"),
            Refused({"sms_code": "1234567"}, 400, "invalid"),
        ],
        then=then,
    )


@case("user/password-update")
async def password_update(world: World) -> Case:
    ann = await world.person()
    old_token = ann.token

    async def then(_: Any) -> None:
        await ann.refused("auth/login", {"mobile": ann.mobile, "password": PASSWORD}, 400)
        await ann.enter(await ann.ok("auth/login", {"mobile": ann.mobile, "password": "a new password"}))
        assert ann.token != old_token

    return Case(
        ann,
        {"old_password": PASSWORD, "new_password": "a new password"},
        refused=[
            Refused({"old_password": "wrong horse"}, 400, "wrong_password"),
            Refused({"new_password": "1234567"}, 400, "invalid"),
            Refused({"new_password": "x" * 129}, 400, "invalid"),
        ],
        then=then,
    )


@case("user/setting")
async def setting(world: World) -> Case:
    ann = await world.person("Ann")

    async def then(answer: Any) -> None:
        assert answer["user_info"]["uid"] == ann.user_id
        assert answer["user_info"]["mobile"] == ann.mobile
        assert answer["setting"]["keyboard_event_notify"] in ("Y", "N")

    return Case(ann, then=then)


@case("user/setting/save")
async def setting_save(world: World) -> Case:
    ann = await world.person()
    values = {
        "theme_mode": "dark",
        "theme_bag_img": "/bag.png",
        "theme_color": "#123456",
        "notify_cue_tone": "Y",
        "keyboard_event_notify": "N",
        "read_receipts": "N",
    }

    async def then(_: Any) -> None:
        assert (await ann.ok("user/setting"))["setting"] == values
        await ann.ok("user/setting/save", {"theme_mode": "light"})
        assert (await ann.ok("user/setting"))["setting"] == values | {"theme_mode": "light"}

    return Case(
        ann,
        values,
        refused=[
            Refused({"theme_mode": "pink"}, 400, "invalid"),
            Refused({"notify_cue_tone": "yes"}, 400, "invalid"),
            Refused({"read_receipts": "n"}, 400, "invalid"),
            Refused({"theme_color": "x" * 33}, 400, "invalid"),
            Refused({"theme_bag_img": "x" * 256}, 400, "invalid"),
        ],
        then=then,
    )


@case("user/export")
async def export(world: World) -> Case:
    ann, ben = await world.friends()
    text = {"type": "text", "talk_mode": 1, "to_from_id": ben.user_id, "body": {"content": "mine & <yours>"}}
    await ann.ok("message/send", text | {"msg_id": "export-1"})

    async def then(content: Any) -> None:
        lines = [json.loads(line) for line in content.splitlines()]
        assert (lines[0]["kind"], lines[0]["user_id"], lines[0]["mobile"]) == ("profile", ann.user_id, ann.mobile)
        assert [line["user_id"] for line in lines if line["kind"] == "contact"] == [ben.user_id]
        messages = [line for line in lines if line["kind"] == "message"]
        assert "mine & <yours>" in [json.loads(line["extra"]).get("content") for line in messages]
        counts = {kind: sum(line["kind"] == kind for line in lines) for kind in {line["kind"] for line in lines}}
        assert lines[-1] == {"kind": "end", **{kind: count for kind, count in counts.items() if kind != "end"}}

    return Case(ann, {}, then=then)
