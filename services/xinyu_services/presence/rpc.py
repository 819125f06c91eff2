"""The Presence service on the wire, over the route table (`xinyu.delivery.routes`): there is nothing else to it."""

from __future__ import annotations

from xinyu.base.errors import INVALID, XinYuError
from xinyu.delivery.routes import Routes
from xinyu.rpc.context import Context
from xinyu.wire.v1 import options_pb2, presence_pb2

MAX_USERS = 10_000


class PresenceServicer:
    """`xinyu.wire.v1.presence_rpc.PresenceServicer`. Presence is what routes say: a device is online while a gateway
    holds it, whatever other devices of its user come and go."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    async def change_routes(
        self, request: presence_pb2.ChangeRoutesRequest, context: Context
    ) -> options_pb2.Empty:
        users = [user_id for change in request.changes for user_id in change.user_ids]
        if not request.gateway or (users and min(users) <= 0):
            raise XinYuError(INVALID, "A route needs a user and a gateway.")
        if len(users) > MAX_USERS:
            raise XinYuError(INVALID, f"More than {MAX_USERS} users at once.")
        for change in request.changes:
            make = self._routes.disconnect if change.gone else self._routes.connect
            await make(change.user_ids, request.gateway, change.codec)
        return options_pb2.Empty()

    async def load_online(
        self, request: presence_pb2.OnlineRequest, context: Context
    ) -> presence_pb2.OnlineResponse:
        if len(request.user_ids) > MAX_USERS:
            raise XinYuError(INVALID, f"More than {MAX_USERS} users at once.")
        located = await self._routes.locate(request.user_ids)
        online = {user_id for users in located.values() for user_id in users}
        return presence_pb2.OnlineResponse(online_user_ids=sorted(online))
