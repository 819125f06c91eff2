"""The Group service on the wire: protobuf to use cases and back."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import contact_pb2, group_pb2, options_pb2
from xinyu_services.group import view
from xinyu_services.group.administration import GroupAdministration
from xinyu_services.group.application_rpc import ApplicationCalls
from xinyu_services.group.applications import Applications
from xinyu_services.group.model import Role
from xinyu_services.group.notice_rpc import NoticeCalls
from xinyu_services.group.notices import Notices
from xinyu_services.group.service import GroupService
from xinyu_services.group.vote_rpc import VoteCalls
from xinyu_services.group.votes import Votes


class GroupServicer(ApplicationCalls, NoticeCalls, VoteCalls):
    """`xinyu.wire.v1.group_rpc.GroupServicer`. `zone`: of the times that clients read as text."""

    def __init__(
        self,
        service: GroupService,
        administration: GroupAdministration,
        applications: Applications,
        notices: Notices,
        votes: Votes,
        zone: ZoneInfo,
    ) -> None:
        self._service = service
        self._administration = administration
        self._applications = applications
        self._notices = notices
        self._votes = votes
        self._zone = zone

    async def create(self, request: group_pb2.CreateGroupRequest, context: Context) -> group_pb2.CreateGroupResponse:
        group_id, talk_id = await self._service.create(
            request.user_id, request.name, request.user_ids, request.request_key, context
        )
        return group_pb2.CreateGroupResponse(group_id=group_id, talk_id=talk_id)

    async def forget_user(
        self, request: contact_pb2.ForgetUserRequest, context: Context
    ) -> contact_pb2.ForgetUserResponse:
        more = await self._applications.forget_user(request.user_id)
        more |= await self._service.forget_user(request.user_id, context)
        return contact_pb2.ForgetUserResponse(more=more)

    async def load_detail(self, request: group_pb2.GroupRequest, context: Context) -> group_pb2.GroupDetail:
        group, member = await self._service.detail(request.user_id, request.group_id)
        detail = group_pb2.GroupDetail(
            group_id=group.group_id,
            name=group.name,
            profile=group.profile,
            avatar=group.avatar,
            created_at_ms=group.created_at_ms,
            is_manager=member.role is not Role.MEMBER,
            visit_card=member.visit_card,
            is_mute=group.mute_all,
            is_overt=group.is_overt,
            slow_mode_s=group.slow_mode_s,
            mention_all=group.mention_all,
        )
        notice = await self._notices.current(request.group_id)
        if notice is not None:
            edit, editor = notice
            detail.notice.CopyFrom(
                group_pb2.GroupNotice(
                    content=edit.content,
                    created_at_ms=edit.created_at_ms,
                    edited_at_ms=edit.edited_at_ms,
                    editor_name=editor.nickname,
                )
            )
        return detail

    async def list(self, request: group_pb2.GroupListRequest, context: Context) -> contact_pb2.ItemsPage:
        return _page([view.group_item(group, role) for group, role in await self._service.groups_of(request.user_id)])

    async def list_members(
        self, request: group_pb2.ListMembersRequest, context: Context
    ) -> group_pb2.ListMembersResponse:
        members, now_ms, cursor = await self._service.members(request.user_id, request.group_id, request.cursor)
        items = [view.member_item(member, person, now_ms) for member, person in members]
        return group_pb2.ListMembersResponse(items=msgspec.json.encode(items), cursor=cursor)

    async def list_invitable(self, request: group_pb2.GroupRequest, context: Context) -> contact_pb2.ItemsPage:
        friends = await self._service.invitable(request.user_id, request.group_id)
        return _page([view.invitable_item(friend, person) for friend, person in friends])

    async def invite(self, request: group_pb2.GroupMembersRequest, context: Context) -> options_pb2.Empty:
        await self._service.invite(request.user_id, request.group_id, request.user_ids, context)
        return options_pb2.Empty()

    async def remove_members(self, request: group_pb2.GroupMembersRequest, context: Context) -> options_pb2.Empty:
        await self._service.remove_members(request.user_id, request.group_id, request.user_ids, context)
        return options_pb2.Empty()

    async def leave(self, request: group_pb2.GroupRequest, context: Context) -> options_pb2.Empty:
        await self._service.leave(request.user_id, request.group_id, context)
        return options_pb2.Empty()

    async def load_names(self, request: group_pb2.LoadGroupNamesRequest, context: Context) -> group_pb2.GroupNamesPage:
        page = group_pb2.GroupNamesPage()
        for group in await self._service.names(request.group_ids):
            page.names.add(
                group_id=group.group_id,
                name=group.name,
                avatar=group.avatar,
                mute_all=group.mute_all,
                profile_revision=group.profile_revision,
            )
        return page

    async def list_public(
        self, request: group_pb2.ListPublicRequest, context: Context
    ) -> group_pb2.ListPublicResponse:
        groups, more = await self._service.public_groups(request.user_id, request.name, request.page)
        response = group_pb2.ListPublicResponse(more=more)
        for group, is_member in groups:
            response.groups.add(
                group_id=group.group_id,
                name=group.name,
                avatar=group.avatar,
                profile=group.profile,
                member_count=group.member_count,
                max_members=group.max_members,
                is_member=is_member,
                created_at_ms=group.created_at_ms,
            )
        return response

    # ---------------------------------------------------------------- administration

    async def assign_admin(self, request: group_pb2.AssignAdminRequest, context: Context) -> options_pb2.Empty:
        await self._administration.assign_admin(
            request.user_id, request.group_id, request.member_id, is_admin=request.is_admin, context=context
        )
        return options_pb2.Empty()

    async def dismiss(self, request: group_pb2.GroupRequest, context: Context) -> options_pb2.Empty:
        await self._administration.dismiss(request.user_id, request.group_id, context)
        return options_pb2.Empty()

    async def hand_over(self, request: group_pb2.HandOverRequest, context: Context) -> options_pb2.Empty:
        await self._administration.hand_over(request.user_id, request.group_id, request.heir_id, context)
        return options_pb2.Empty()

    async def mute_all(self, request: group_pb2.MuteAllRequest, context: Context) -> options_pb2.Empty:
        await self._administration.mute_all(
            request.user_id, request.group_id, is_muted=request.is_muted, context=context
        )
        return options_pb2.Empty()

    async def mute_member(self, request: group_pb2.MuteMemberRequest, context: Context) -> options_pb2.Empty:
        await self._administration.mute_member(
            request.user_id,
            request.group_id,
            request.member_id,
            is_muted_now=request.is_muted,
            duration_s=request.duration_s,
            context=context,
        )
        return options_pb2.Empty()

    async def publish(self, request: group_pb2.PublishRequest, context: Context) -> options_pb2.Empty:
        await self._administration.publish(
            request.user_id, request.group_id, is_overt=request.is_overt, context=context
        )
        return options_pb2.Empty()

    async def set_visit_card(self, request: group_pb2.SetVisitCardRequest, context: Context) -> options_pb2.Empty:
        await self._administration.set_visit_card(request.user_id, request.group_id, request.visit_card, context)
        return options_pb2.Empty()

    async def change_profile(self, request: group_pb2.ChangeProfileRequest, context: Context) -> options_pb2.Empty:
        await self._administration.change_profile(
            request.user_id,
            request.group_id,
            request.name,
            request.avatar if request.HasField("avatar") else None,
            request.profile if request.HasField("profile") else None,
            context,
        )
        return options_pb2.Empty()

    async def change_rules(self, request: group_pb2.ChangeRulesRequest, context: Context) -> options_pb2.Empty:
        await self._administration.change_rules(
            request.user_id,
            request.group_id,
            request.slow_mode_s if request.HasField("slow_mode_s") else None,
            request.mention_all if request.HasField("mention_all") else None,
            context,
        )
        return options_pb2.Empty()


def _page(items: object) -> contact_pb2.ItemsPage:
    return contact_pb2.ItemsPage(items=msgspec.json.encode(items))
