"""REST routes of the group room (contract: http-api, group); those of requests, notices and votes stand in
files beside this one."""

from __future__ import annotations

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType

from xinyu.base.errors import XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.base.text_time import text_time
from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import group_pb2, talk_pb2
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu_services.group.application_http import application_routes
from xinyu_services.group.model import MAX_MUTE_S, MAX_SLOW_MODE_S
from xinyu_services.group.notice_http import notice_routes
from xinyu_services.group.vote_http import vote_routes

Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
# More than any group holds is refused by the room; this only bounds what it looks at.
Ids = Annotated[list[Id], Meta(max_length=2_000)]
GROUP: Final = 2
YES, NO = 1, 2
# The only type of group that there is.
ORDINARY: Final = 1


class Create(msgspec.Struct):
    name: Annotated[str, Meta(max_length=1024)]
    user_ids: Ids


class OfGroup(msgspec.Struct):
    group_id: Id


class MembersOfGroup(msgspec.Struct):
    """`cursor`: of the page before. The reference client asks for the first only."""

    group_id: Id
    cursor: Annotated[str, Meta(max_length=64)] = ""


class OfGroupOrNew(msgspec.Struct):
    group_id: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0


class Members(msgspec.Struct):
    group_id: Id
    user_ids: Ids


# 1 sets, 2 clears.
Action = Annotated[int, Meta(ge=1, le=2)]


class Switch(msgspec.Struct):
    group_id: Id
    action: Action


class OfMember(msgspec.Struct):
    group_id: Id
    user_id: Id


class AssignAdmin(OfMember):
    action: Action


class MuteMember(OfMember):
    """`duration_s` 0 = until the member is unmuted."""

    action: Action
    duration_s: Annotated[int, Meta(ge=0, le=MAX_MUTE_S)] = 0


class PublicList(msgspec.Struct):
    """`name`: a part of the names looked for."""

    page: Annotated[int, Meta(ge=1, le=500)] = 1
    name: Annotated[str, Meta(max_length=64)] = ""


class VisitCard(msgspec.Struct):
    group_id: Id
    remark: Annotated[str, Meta(max_length=1024)]


class Setting(msgspec.Struct):
    """What is absent stays as it is; "" empties it."""

    group_id: Id
    group_name: Annotated[str, Meta(max_length=1024)]
    avatar: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    profile: Annotated[str, Meta(max_length=4096)] | UnsetType = UNSET


class Rules(msgspec.Struct):
    """What is absent stays as it is."""

    group_id: Id
    slow_mode_s: Annotated[int, Meta(ge=0, le=MAX_SLOW_MODE_S)] | UnsetType = UNSET
    mention_all: Annotated[int, Meta(ge=1, le=2)] | UnsetType = UNSET


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
        shown: dict[str, Any] = {
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
            "slow_mode_s": found.slow_mode_s,
            "mention_all": found.mention_all,
        }
        if found.HasField("notice"):
            shown["notice"] = {
                "content": found.notice.content,
                "created_at": text_time(found.notice.created_at_ms, zone),
                "updated_at": text_time(found.notice.edited_at_ms, zone),
                "modify_user_name": found.notice.editor_name,
            }
        return shown

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

    async def member_list(call: HttpCall, body: MembersOfGroup) -> dict[str, Any]:
        page = await group.list_members(
            group_pb2.ListMembersRequest(
                user_id=call.user_id, group_id=body.group_id, codec=call.codec, cursor=body.cursor  # type: ignore[arg-type]
            )
        )
        shown: dict[str, Any] = {"items": msgspec.Raw(page.items)}
        return shown | {"cursor": page.cursor} if page.cursor else shown

    async def invite(call: HttpCall, body: Members) -> None:
        await group.invite(members_of(call, body))

    async def remove_member(call: HttpCall, body: Members) -> None:
        await group.remove_members(members_of(call, body))

    async def secede(call: HttpCall, body: OfGroup) -> None:
        await group.leave(of_group(call, body.group_id))

    async def invite_friends(call: HttpCall, body: OfGroupOrNew) -> dict[str, Any]:
        return {"items": msgspec.Raw((await group.list_invitable(of_group(call, body.group_id))).items)}

    async def assign_admin(call: HttpCall, body: AssignAdmin) -> None:
        await group.assign_admin(
            group_pb2.AssignAdminRequest(
                user_id=call.user_id, group_id=body.group_id, member_id=body.user_id, is_admin=body.action == YES
            )
        )

    async def dismiss(call: HttpCall, body: OfGroup) -> None:
        await group.dismiss(of_group(call, body.group_id))

    async def handover(call: HttpCall, body: OfMember) -> None:
        await group.hand_over(
            group_pb2.HandOverRequest(user_id=call.user_id, group_id=body.group_id, heir_id=body.user_id)
        )

    async def mute(call: HttpCall, body: Switch) -> None:
        await group.mute_all(
            group_pb2.MuteAllRequest(user_id=call.user_id, group_id=body.group_id, is_muted=body.action == YES)
        )

    async def no_speak(call: HttpCall, body: MuteMember) -> None:
        await group.mute_member(
            group_pb2.MuteMemberRequest(
                user_id=call.user_id,
                group_id=body.group_id,
                member_id=body.user_id,
                is_muted=body.action == YES,
                duration_s=body.duration_s,
            )
        )

    async def overt(call: HttpCall, body: Switch) -> None:
        await group.publish(
            group_pb2.PublishRequest(user_id=call.user_id, group_id=body.group_id, is_overt=body.action == YES)
        )

    async def overt_list(call: HttpCall, body: PublicList) -> dict[str, Any]:
        found = await group.list_public(
            group_pb2.ListPublicRequest(user_id=call.user_id, page=body.page, name=body.name)
        )
        items = [
            {
                "group_id": each.group_id,
                "type": ORDINARY,
                "name": each.name,
                "avatar": each.avatar,
                "profile": each.profile,
                "count": each.member_count,
                "max_num": each.max_members,
                "is_member": each.is_member,
                "created_at": text_time(each.created_at_ms, zone),
            }
            for each in found.groups
        ]
        return {"items": items, "next": found.more}

    async def remark_update(call: HttpCall, body: VisitCard) -> None:
        await group.set_visit_card(
            group_pb2.SetVisitCardRequest(user_id=call.user_id, group_id=body.group_id, visit_card=body.remark)
        )

    async def setting(call: HttpCall, body: Setting) -> None:
        request = group_pb2.ChangeProfileRequest(user_id=call.user_id, group_id=body.group_id, name=body.group_name)
        if body.avatar is not UNSET:
            request.avatar = body.avatar
        if body.profile is not UNSET:
            request.profile = body.profile
        await group.change_profile(request)

    async def rules(call: HttpCall, body: Rules) -> None:
        request = group_pb2.ChangeRulesRequest(user_id=call.user_id, group_id=body.group_id)
        if body.slow_mode_s is not UNSET:
            request.slow_mode_s = body.slow_mode_s
        if body.mention_all is not UNSET:
            request.mention_all = body.mention_all
        await group.change_rules(request)

    return [
        Route("group/create", Create, create),
        Route("group/detail", OfGroup, detail),
        Route("group/list", Nothing, group_list),
        Route("group/member-list", MembersOfGroup, member_list),
        Route("group/invite", Members, invite),
        Route("group/remove-member", Members, remove_member),
        Route("group/secede", OfGroup, secede),
        Route("group/get-invite-friends", OfGroupOrNew, invite_friends),
        Route("group/assign-admin", AssignAdmin, assign_admin),
        Route("group/dismiss", OfGroup, dismiss),
        Route("group/handover", OfMember, handover),
        Route("group/mute", Switch, mute),
        Route("group/no-speak", MuteMember, no_speak),
        Route("group/overt", Switch, overt),
        Route("group/overt-list", PublicList, overt_list),
        Route("group/remark-update", VisitCard, remark_update),
        Route("group/setting", Setting, setting),
        Route("group/rules", Rules, rules),
        *application_routes(group),
        *notice_routes(group),
        *vote_routes(group),
    ]
