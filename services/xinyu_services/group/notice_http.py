"""REST routes of groups' notices (contract: http-api, group-notice)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.route import HttpCall, Route
from xinyu.wire.v1 import group_pb2
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu_services.group.notice_model import NOTICE_CHARACTERS

Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]


class Edit(msgspec.Struct):
    """`content` "" removes the notice."""

    group_id: Id
    content: Annotated[str, Meta(max_length=NOTICE_CHARACTERS)]


class OfGroup(msgspec.Struct):
    group_id: Id


def notice_routes(group: GroupStub) -> list[Route]:
    async def edit(call: HttpCall, body: Edit) -> None:
        request = group_pb2.EditNoticeRequest(user_id=call.user_id, group_id=body.group_id, content=body.content)
        await group.edit_notice(request)

    async def history(call: HttpCall, body: OfGroup) -> dict[str, Any]:
        request = group_pb2.GroupRequest(
            user_id=call.user_id, group_id=body.group_id, codec=call.codec  # type: ignore[arg-type]
        )
        return {"items": msgspec.Raw((await group.list_notice_edits(request)).items)}

    return [Route("group-notice/edit", Edit, edit), Route("group-notice/history", OfGroup, history)]
