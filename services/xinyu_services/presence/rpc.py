"""The Presence service on the wire: wire types to use cases, and what is refused before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from xinyu.base.errors import INVALID, XinYuError
from xinyu.delivery.routes import RouteChange, TalkAbsence
from xinyu.rpc.context import Context
from xinyu.wire.v1 import options_pb2, presence_pb2
from xinyu_services.presence.neighbours import wire_states
from xinyu_services.presence.service import PresenceService

MAX_USERS: Final = 10_000


class PresenceServicer:
    """`xinyu.wire.v1.presence_rpc.PresenceServicer`."""

    def __init__(self, service: PresenceService) -> None:
        self._service = service

    async def change_routes(
        self, request: presence_pb2.ChangeRoutesRequest, context: Context
    ) -> options_pb2.Empty:
        _check_gateway(request.gateway)
        _check([user_id for change in request.changes for user_id in change.user_ids])
        changes = [RouteChange(change.gone, change.codec, change.user_ids) for change in request.changes]
        absences = [TalkAbsence(each.talk_id, each.change, each.number) for each in request.absences]
        if len(absences) > MAX_USERS:
            raise XinYuError(INVALID, f"More than {MAX_USERS} talks at once.")
        await self._service.change_routes(request.gateway, request.incarnation, changes, absences)
        return options_pb2.Empty()

    async def load_online(
        self, request: presence_pb2.OnlineRequest, context: Context
    ) -> presence_pb2.OnlineResponse:
        if len(request.user_ids) > MAX_USERS:
            raise XinYuError(INVALID, f"More than {MAX_USERS} users at once.")
        online = await self._service.online(request.user_ids)
        return presence_pb2.OnlineResponse(online_user_ids=sorted(online))

    async def renew_gateway(
        self, request: presence_pb2.RenewGatewayRequest, context: Context
    ) -> presence_pb2.RenewGatewayResponse:
        _check_gateway(request.gateway)
        _check(request.user_ids)
        held = await self._service.renew_gateway(request.gateway, request.incarnations, request.user_ids)
        return presence_pb2.RenewGatewayResponse(held=held)

    async def watch(self, request: presence_pb2.WatchRequest, context: Context) -> presence_pb2.PresenceStates:
        _check_gateway(request.gateway)
        _check(request.user_ids)
        return wire_states(await self._service.watch(request.user_ids, request.gateway, request.incarnation))

    async def unwatch(self, request: presence_pb2.WatchRequest, context: Context) -> options_pb2.Empty:
        _check_gateway(request.gateway)
        _check(request.user_ids)
        await self._service.unwatch(request.user_ids, request.gateway, request.incarnation)
        return options_pb2.Empty()


def _check_gateway(gateway: str) -> None:
    if not gateway:
        raise XinYuError(INVALID, "A gateway has a name.")


def _check(user_ids: Sequence[int]) -> None:
    if user_ids and min(user_ids) <= 0:
        raise XinYuError(INVALID, "A user has a number above 0.")
    if len(user_ids) > MAX_USERS:
        raise XinYuError(INVALID, f"More than {MAX_USERS} users at once.")
