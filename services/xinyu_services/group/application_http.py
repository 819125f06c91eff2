"""REST routes of requests to join a group (contract: http-api, group-apply)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import group_pb2
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu_services.group.application_model import REMARK_CHARACTERS

Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
Remark = Annotated[str, Meta(max_length=REMARK_CHARACTERS)]


class Create(msgspec.Struct):
    group_id: Id
    remark: Remark = ""


class OfGroup(msgspec.Struct):
    group_id: Id


class OfApplication(msgspec.Struct):
    apply_id: Id


class Decline(msgspec.Struct):
    """`remark` is told to nobody."""

    apply_id: Id
    remark: Remark = ""


def application_routes(group: GroupStub) -> list[Route]:
    def of_application(call: HttpCall, apply_id: int) -> group_pb2.GroupApplyRequest:
        return group_pb2.GroupApplyRequest(user_id=call.user_id, apply_id=apply_id)

    def asker(call: HttpCall) -> group_pb2.GroupListRequest:
        return group_pb2.GroupListRequest(user_id=call.user_id, codec=call.codec)  # type: ignore[arg-type]

    async def create(call: HttpCall, body: Create) -> None:
        request = group_pb2.CreateGroupApplyRequest(
            user_id=call.user_id, group_id=body.group_id, remark=body.remark
        )
        await group.create_apply(request)

    async def agree(call: HttpCall, body: OfApplication) -> None:
        await group.agree_apply(of_application(call, body.apply_id))

    async def decline(call: HttpCall, body: Decline) -> None:
        await group.decline_apply(of_application(call, body.apply_id))

    async def delete(call: HttpCall, body: OfApplication) -> None:
        await group.delete_apply(of_application(call, body.apply_id))

    async def of_group(call: HttpCall, body: OfGroup) -> dict[str, Any]:
        request = group_pb2.GroupRequest(
            user_id=call.user_id, group_id=body.group_id, codec=call.codec  # type: ignore[arg-type]
        )
        return {"items": msgspec.Raw((await group.list_applies(request)).items)}

    async def of_all(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        return {"items": msgspec.Raw((await group.list_managed_applies(asker(call))).items)}

    async def mine(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        return {"items": msgspec.Raw((await group.list_own_applies(asker(call))).items)}

    async def unread(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        return {"num": (await group.count_managed_applies(asker(call))).count}

    return [
        Route("group-apply/create", Create, create),
        Route("group-apply/agree", OfApplication, agree),
        Route("group-apply/decline", Decline, decline),
        Route("group-apply/delete", OfApplication, delete),
        Route("group-apply/list", OfGroup, of_group),
        Route("group-apply/all", Nothing, of_all),
        Route("group-apply/mine", Nothing, mine),
        Route("group-apply/unread-num", Nothing, unread),
    ]
