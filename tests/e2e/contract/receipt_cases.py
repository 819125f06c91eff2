"""`message/readers`."""

from __future__ import annotations

from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.ours_cases import said
from tests.e2e.contract.talk_cases import NO_TALK, NOBODY, with_friend


@case("message/readers")
async def readers(world: World) -> Case:
    ann, ben = await world.friends()
    cid, stranger = await world.people(2)
    await ann.befriend(cid)
    group = {"talk_mode": 2, "to_from_id": await world.group(ben, cid, owner=ann)}
    record = await ann.ok("message/send", group | {"type": "text", "body": {"content": "read me"}})
    await ben.ok("talk/session-clear-unread-num", group)
    request = group | {"msg_id": record["msg_id"], "cursor": ""}

    async def then(answer: Any) -> None:
        assert {each["user_id"]: each["read"] for each in answer["items"]} == {ben.user_id: True, cid.user_id: False}
        assert {each["nickname"] for each in answer["items"]} == {ben.name, cid.name}
        assert (answer["read_num"], answer["unread_num"]) == (1, 1)
        own = await said(ann, ben, "to you")
        asked = with_friend(ben) | {"msg_id": own["msg_id"]}
        assert [each["read"] for each in (await ann.ok("message/readers", asked))["items"]] == [False]
        await ben.ok("user/setting/save", {"read_receipts": "N"})
        await ann.refused("message/readers", asked, 403)
        await ben.refused("message/readers", request, 403)
        assert [each["user_id"] for each in (await ann.ok("message/readers", request))["items"]] == [cid.user_id]

    return Case(
        ann,
        request,
        refused=[
            *NO_TALK,
            Refused({"to_from_id": NOBODY}, 404, "unknown_group"),
            Refused({"talk_mode": 1, "to_from_id": stranger.user_id}, 404, "unknown_talk"),
            Refused({"msg_id": "nothing"}, 404, "unknown_message"),
            Refused({"msg_id": "no spaces"}, 400, "invalid"),
            Refused({"cursor": "x"}, 400, "invalid"),
            Refused({}, 403, "not_member", by=stranger),
        ],
        then=then,
    )
