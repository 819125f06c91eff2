"""Stub and servicer of the Group service. Generated from xinyu/wire/v1/group.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import contact_pb2
from xinyu.wire.v1 import group_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

CREATE = Method("Group", "create", 601, group_pb2.CreateGroupRequest, group_pb2.CreateGroupResponse, 5.0)
LOAD_DETAIL = Method("Group", "load_detail", 603, group_pb2.GroupRequest, group_pb2.GroupDetail, 3.0)
LIST = Method("Group", "list", 604, group_pb2.GroupListRequest, contact_pb2.ItemsPage, 3.0)
LIST_MEMBERS = Method("Group", "list_members", 611, group_pb2.GroupRequest, contact_pb2.ItemsPage, 3.0)
INVITE = Method("Group", "invite", 612, group_pb2.GroupMembersRequest, options_pb2.Empty, 5.0)
REMOVE_MEMBERS = Method("Group", "remove_members", 613, group_pb2.GroupMembersRequest, options_pb2.Empty, 5.0)
LEAVE = Method("Group", "leave", 614, group_pb2.GroupRequest, options_pb2.Empty, 5.0)
LOAD_NAMES = Method("Group", "load_names", 629, group_pb2.LoadGroupNamesRequest, group_pb2.GroupNamesPage, 3.0)
LIST_INVITABLE = Method("Group", "list_invitable", 630, group_pb2.GroupRequest, contact_pb2.ItemsPage, 3.0)

SERVICE = "Group"
METHODS = (CREATE, LOAD_DETAIL, LIST, LIST_MEMBERS, INVITE, REMOVE_MEMBERS, LEAVE, LOAD_NAMES, LIST_INVITABLE,)


class GroupStub:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(
        self, request: group_pb2.CreateGroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.CreateGroupResponse:
        response: group_pb2.CreateGroupResponse = await self._channel.call(CREATE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_detail(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.GroupDetail:
        response: group_pb2.GroupDetail = await self._channel.call(LOAD_DETAIL, request, timeout_s=timeout_s, key=key)
        return response

    async def list(
        self, request: group_pb2.GroupListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self._channel.call(LIST, request, timeout_s=timeout_s, key=key)
        return response

    async def list_members(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self._channel.call(LIST_MEMBERS, request, timeout_s=timeout_s, key=key)
        return response

    async def invite(
        self, request: group_pb2.GroupMembersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(INVITE, request, timeout_s=timeout_s, key=key)
        return response

    async def remove_members(
        self, request: group_pb2.GroupMembersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(REMOVE_MEMBERS, request, timeout_s=timeout_s, key=key)
        return response

    async def leave(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(LEAVE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_names(
        self, request: group_pb2.LoadGroupNamesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.GroupNamesPage:
        response: group_pb2.GroupNamesPage = await self._channel.call(LOAD_NAMES, request, timeout_s=timeout_s, key=key)
        return response

    async def list_invitable(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self._channel.call(LIST_INVITABLE, request, timeout_s=timeout_s, key=key)
        return response


class GroupServicer(Protocol):
    async def create(self, request: group_pb2.CreateGroupRequest, context: Any) -> group_pb2.CreateGroupResponse: ...

    async def load_detail(self, request: group_pb2.GroupRequest, context: Any) -> group_pb2.GroupDetail: ...

    async def list(self, request: group_pb2.GroupListRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def list_members(self, request: group_pb2.GroupRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def invite(self, request: group_pb2.GroupMembersRequest, context: Any) -> options_pb2.Empty: ...

    async def remove_members(self, request: group_pb2.GroupMembersRequest, context: Any) -> options_pb2.Empty: ...

    async def leave(self, request: group_pb2.GroupRequest, context: Any) -> options_pb2.Empty: ...

    async def load_names(self, request: group_pb2.LoadGroupNamesRequest, context: Any) -> group_pb2.GroupNamesPage: ...

    async def list_invitable(self, request: group_pb2.GroupRequest, context: Any) -> contact_pb2.ItemsPage: ...
