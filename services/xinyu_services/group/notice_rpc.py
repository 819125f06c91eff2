"""The Group service's calls about notices."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import contact_pb2, group_pb2, options_pb2
from xinyu_services.group import view
from xinyu_services.group.notices import Notices


class NoticeCalls:
    """A part of GroupServicer."""

    _notices: Notices
    _zone: ZoneInfo

    async def edit_notice(self, request: group_pb2.EditNoticeRequest, context: Context) -> options_pb2.Empty:
        await self._notices.edit(request.user_id, request.group_id, request.content, context)
        return options_pb2.Empty()

    async def list_notice_edits(self, request: group_pb2.GroupRequest, context: Context) -> contact_pb2.ItemsPage:
        edits = await self._notices.history(request.user_id, request.group_id)
        items = [view.notice_item(edit, editor, self._zone) for edit, editor in edits]
        return contact_pb2.ItemsPage(items=msgspec.json.encode(items))
