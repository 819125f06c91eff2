"""The Organize service on the wire: protobuf to use cases and back."""

from __future__ import annotations

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import organize_pb2 as wire
from xinyu_services.organize import view
from xinyu_services.organize.service import OrganizeService


class OrganizeServicer:
    """`xinyu.wire.v1.organize_rpc.OrganizeServicer`."""

    def __init__(self, service: OrganizeService) -> None:
        self._service = service

    async def list_departments(self, request: wire.OrganizeListRequest, context: Context) -> wire.OrganizeItems:
        chart = await self._service.chart_for(request.user_id)
        return wire.OrganizeItems(items=msgspec.json.encode(view.departments(chart)))

    async def list_personnel(self, request: wire.OrganizeListRequest, context: Context) -> wire.OrganizeItems:
        chart = await self._service.chart_for(request.user_id)
        return wire.OrganizeItems(items=msgspec.json.encode(view.personnel(chart, await self._service.faces(chart))))

    async def filter_members(self, request: wire.FilterMembersRequest, context: Context) -> wire.MemberIds:
        return wire.MemberIds(user_ids=sorted(await self._service.members_among(request.user_ids)))
