"""The Group service's calls about requests to join."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import contact_pb2, group_pb2, options_pb2
from xinyu_services.group import view
from xinyu_services.group.applications import Applications


class ApplicationCalls:
    """A part of GroupServicer."""

    _applications: Applications
    _zone: ZoneInfo

    async def create_apply(
        self, request: group_pb2.CreateGroupApplyRequest, context: Context
    ) -> group_pb2.GroupApplyRef:
        apply_id = await self._applications.create(request.user_id, request.group_id, request.remark, context)
        return group_pb2.GroupApplyRef(apply_id=apply_id)

    async def agree_apply(self, request: group_pb2.GroupApplyRequest, context: Context) -> options_pb2.Empty:
        await self._applications.agree(request.user_id, request.apply_id, context)
        return options_pb2.Empty()

    async def decline_apply(self, request: group_pb2.GroupApplyRequest, context: Context) -> options_pb2.Empty:
        await self._applications.decline(request.user_id, request.apply_id, context)
        return options_pb2.Empty()

    async def delete_apply(self, request: group_pb2.GroupApplyRequest, context: Context) -> options_pb2.Empty:
        await self._applications.delete(request.user_id, request.apply_id, context)
        return options_pb2.Empty()

    async def list_applies(self, request: group_pb2.GroupRequest, context: Context) -> contact_pb2.ItemsPage:
        found = await self._applications.of_group(request.user_id, request.group_id)
        items = [view.application_item(each, None, person, self._zone, request.codec) for each, person in found]
        return contact_pb2.ItemsPage(items=msgspec.json.encode(items))

    async def list_managed_applies(
        self, request: group_pb2.GroupListRequest, context: Context
    ) -> contact_pb2.ItemsPage:
        found = await self._applications.of_manager(request.user_id)
        items = [
            view.application_item(each, name, person, self._zone, request.codec) for each, name, person in found
        ]
        return contact_pb2.ItemsPage(items=msgspec.json.encode(items))

    async def list_own_applies(self, request: group_pb2.GroupListRequest, context: Context) -> contact_pb2.ItemsPage:
        found = await self._applications.of_applicant(request.user_id)
        items = [view.own_application_item(each, group, self._zone, request.codec) for each, group in found]
        return contact_pb2.ItemsPage(items=msgspec.json.encode(items))

    async def count_managed_applies(
        self, request: group_pb2.GroupListRequest, context: Context
    ) -> group_pb2.GroupApplyCount:
        return group_pb2.GroupApplyCount(count=await self._applications.count(request.user_id))
