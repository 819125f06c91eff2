"""REST routes of the group room (contract: http-api, group)."""

from __future__ import annotations

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from xinyu.base.errors import XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.base.text_time import text_time
from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import group_pb2, talk_pb2
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.talk_rpc import TalkStub

Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
# More than any group holds is refused by the room; this only bounds what it looks at.
Ids = Annotated[list[Id], Meta(max_length=2_000)]
GROUP: Final = 2
YES, NO = 1, 2


class Create(msgspec.Struct):
    name: Annotated[str, Meta(max_length=1024)]
    user_ids: Ids


class OfGroup(msgspec.Struct):
    group_id: Id


class OfGroupOrNew(msgspec.Struct):
    group_id: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0


class Members(msgspec.Struct):
    group_id: Id
    user_ids: Ids


class _Switches(msgspec.Struct):
    """What a Session says that a group's detail repeats."""

    is_disturb: int = NO


def routes(group: GroupStub, talk: TalkStub, zone: ZoneInfo) -> list[Route]:
    """All routes of this room. `zone`: of the times that clients read as text."""

    def of_group(call: HttpCall, group_id: int) -> group_pb2.GroupRequest:
        return group_pb2.GroupRequest(user_id=call.user_id, group_id=group_id, codec=call.codec)  # type: ignore[arg-type]

    def members_of(call: HttpCall, body: Members) -> group_pb2.GroupMembersRequest:
        return group_pb2.GroupMembersRequest(user_id=call.user_id, group_id=body.group_id, user_ids=body.user_ids)

    async def create(call: HttpCall, body: Create) -> dict[str, Any]:
        request = group_pb2.CreateGroupRequest(user_id=call.user_id, name=body.name, user_ids=body.user_ids)
        return {"group_id": (await group.create(request)).group_id}

    async def detail(call: HttpCall, body: OfGroup) -> dict[str, Any]:
        found = await group.load_detail(of_group(call, body.group_id))
        return {
            "group_id": found.group_id,
            "group_name": found.name,
            "profile": found.profile,
            "avatar": found.avatar,
            "created_at": text_time(found.created_at_ms, zone),
            "is_manager": found.is_manager,
            "is_disturb": await is_disturb(call, body.group_id),
            "visit_card": found.visit_card,
            "is_mute": YES if found.is_mute else NO,
            "is_overt": YES if found.is_overt else NO,
        }

    async def is_disturb(call: HttpCall, group_id: int) -> int:
        request = talk_pb2.CreateSessionRequest(user_id=call.user_id, codec=call.codec)  # type: ignore[arg-type]
        request.target.talk_mode = GROUP
        request.target.to_from_id = group_id
        try:
            session = (await talk.load_session(request)).session
        except XinYuError:
            # The switch is the talk room's; a panel without it is better than none.
            return NO
        return msgspec.json.decode(session, type=_Switches).is_disturb

    async def group_list(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        request = group_pb2.GroupListRequest(user_id=call.user_id, codec=call.codec)  # type: ignore[arg-type]
        return {"items": msgspec.Raw((await group.list(request)).items)}

    async def member_list(call: HttpCall, body: OfGroup) -> dict[str, Any]:
        return {"items": msgspec.Raw((await group.list_members(of_group(call, body.group_id))).items)}

    async def invite(call: HttpCall, body: Members) -> None:
        await group.invite(members_of(call, body))

    async def remove_member(call: HttpCall, body: Members) -> None:
        await group.remove_members(members_of(call, body))

    async def secede(call: HttpCall, body: OfGroup) -> None:
        await group.leave(of_group(call, body.group_id))

    async def invite_friends(call: HttpCall, body: OfGroupOrNew) -> dict[str, Any]:
        return {"items": msgspec.Raw((await group.list_invitable(of_group(call, body.group_id))).items)}

    return [
        Route("group/create", Create, create),
        Route("group/detail", OfGroup, detail),
        Route("group/list", Nothing, group_list),
        Route("group/member-list", OfGroup, member_list),
        Route("group/invite", Members, invite),
        Route("group/remove-member", Members, remove_member),
        Route("group/secede", OfGroup, secede),
        Route("group/get-invite-friends", OfGroupOrNew, invite_friends),
    ]
