"""The Group service on the wire: protobuf to use cases and back."""

from __future__ import annotations

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import contact_pb2, group_pb2, options_pb2
from xinyu_services.group import view
from xinyu_services.group.model import Role
from xinyu_services.group.service import GroupService


class GroupServicer:
    """`xinyu.wire.v1.group_rpc.GroupServicer`."""

    def __init__(self, service: GroupService) -> None:
        self._service = service

    async def create(self, request: group_pb2.CreateGroupRequest, context: Context) -> group_pb2.CreateGroupResponse:
        group_id, talk_id = await self._service.create(
            request.user_id, request.name, request.user_ids, request.request_key, context
        )
        return group_pb2.CreateGroupResponse(group_id=group_id, talk_id=talk_id)

    async def load_detail(self, request: group_pb2.GroupRequest, context: Context) -> group_pb2.GroupDetail:
        group, member = await self._service.detail(request.user_id, request.group_id)
        return group_pb2.GroupDetail(
            group_id=group.group_id,
            name=group.name,
            profile=group.profile,
            avatar=group.avatar,
            created_at_ms=group.created_at_ms,
            is_manager=member.role is not Role.MEMBER,
            visit_card=member.visit_card,
            is_mute=group.mute_all,
            is_overt=group.is_overt,
        )

    async def list(self, request: group_pb2.GroupListRequest, context: Context) -> contact_pb2.ItemsPage:
        return _page([view.group_item(group, role) for group, role in await self._service.groups_of(request.user_id)])

    async def list_members(self, request: group_pb2.GroupRequest, context: Context) -> contact_pb2.ItemsPage:
        members, now_ms = await self._service.members(request.user_id, request.group_id)
        return _page([view.member_item(member, person, now_ms) for member, person in members])

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
            page.names.add(group_id=group.group_id, name=group.name, avatar=group.avatar, mute_all=group.mute_all)
        return page


def _page(items: object) -> contact_pb2.ItemsPage:
    return contact_pb2.ItemsPage(items=msgspec.json.encode(items))
