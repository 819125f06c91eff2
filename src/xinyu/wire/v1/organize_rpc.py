"""Stub and servicer of the Organize service. Generated from xinyu/wire/v1/organize.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import organize_pb2
from xinyu.wire.v1.method import Channel, Method

LIST_DEPARTMENTS = Method("Organize", "list_departments", 1201, organize_pb2.OrganizeListRequest, organize_pb2.OrganizeItems, 5.0, "/xinyu.wire.v1.Organize/ListDepartments", repeatable=True)
LIST_PERSONNEL = Method("Organize", "list_personnel", 1202, organize_pb2.OrganizeListRequest, organize_pb2.OrganizeItems, 5.0, "/xinyu.wire.v1.Organize/ListPersonnel", repeatable=True)
FILTER_MEMBERS = Method("Organize", "filter_members", 1203, organize_pb2.FilterMembersRequest, organize_pb2.MemberIds, 1.5, "/xinyu.wire.v1.Organize/FilterMembers", repeatable=True)

SERVICE = "Organize"
METHODS = (LIST_DEPARTMENTS, LIST_PERSONNEL, FILTER_MEMBERS,)


class OrganizeStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def list_departments(
        self, request: organize_pb2.OrganizeListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> organize_pb2.OrganizeItems:
        response: organize_pb2.OrganizeItems = await self.channel.call(LIST_DEPARTMENTS, request, timeout_s=timeout_s, key=key)
        return response

    async def list_personnel(
        self, request: organize_pb2.OrganizeListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> organize_pb2.OrganizeItems:
        response: organize_pb2.OrganizeItems = await self.channel.call(LIST_PERSONNEL, request, timeout_s=timeout_s, key=key)
        return response

    async def filter_members(
        self, request: organize_pb2.FilterMembersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> organize_pb2.MemberIds:
        response: organize_pb2.MemberIds = await self.channel.call(FILTER_MEMBERS, request, timeout_s=timeout_s, key=key)
        return response


class OrganizeServicer(Protocol):
    async def list_departments(self, request: organize_pb2.OrganizeListRequest, context: Any) -> organize_pb2.OrganizeItems: ...

    async def list_personnel(self, request: organize_pb2.OrganizeListRequest, context: Any) -> organize_pb2.OrganizeItems: ...

    async def filter_members(self, request: organize_pb2.FilterMembersRequest, context: Any) -> organize_pb2.MemberIds: ...
