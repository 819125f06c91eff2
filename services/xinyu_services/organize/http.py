"""REST routes of the organize room (contract: http-api, organize)."""

from __future__ import annotations

from typing import Any

import msgspec

from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import organize_pb2 as wire
from xinyu.wire.v1.organize_rpc import OrganizeStub


def routes(organize: OrganizeStub) -> list[Route]:
    """All routes of this room."""

    async def departments(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        page = await organize.list_departments(wire.OrganizeListRequest(user_id=call.user_id))
        return {"items": msgspec.Raw(page.items)}

    async def personnel(call: HttpCall, _body: Nothing) -> dict[str, Any]:
        page = await organize.list_personnel(wire.OrganizeListRequest(user_id=call.user_id))
        return {"items": msgspec.Raw(page.items)}

    return [
        Route("organize/department-list", Nothing, departments),
        Route("organize/personnel-list", Nothing, personnel),
    ]
