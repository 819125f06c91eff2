"""A gateway's lease on its routes: kept alive, and what is done where it was lost.

Every `RENEW_EVERY_S` the gateway says that it lives (`Presence.RenewGateway`). The answer tells whether the lease was
still there. If not, what stood under it may be lost (FLUSHALL, a new Redis, a gateway that was silent for too long),
and the gateway begins anew:

1. It takes a new incarnation. From that moment on routes are made in it, and the connections of that moment are noted:
   those that come or go later speak for themselves, so nothing is counted twice and nothing left out.
2. It says that the new incarnation lives, and tells the routes of the connections noted, `MAX_TOGETHER` at a time.
3. Only then it tells the devices that pushes may have been missed: `sync.required`, or `im.session.reload` to the
   reference client, spread over `TELL_WITHIN_S` in an order of chance, so that their questions come spread as well.

Where the presence room did not answer for `AWAY_AFTER` renewals, routes may be whole but pushes were lost: 1 to 3, too.
A call that ended without telling what it came to leaves routes in doubt (`RouteChanges.on_uncertain`): 1 and 2, with
the old incarnation alive until the new one is complete, so that no push misses its device; devices are told nothing.

All of it is one task. What fails is begun again with another incarnation; losing the lease in the middle is failing.
Cost: a call in 3 s; beginning anew costs one call for 2,000 connections, and 16 bytes a connection while it lasts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import structlog

from xinyu._fast import engine as fast
from xinyu.base.errors import UNAVAILABLE, XinYuError
from xinyu.base.ids import new_incarnation
from xinyu.gateway.ws import envelope as envelopes
from xinyu.gateway.ws.envelope import CODEC_LEGACY, routed_codec
from xinyu.gateway.ws.frames import in_both
from xinyu.gateway.ws.route_changes import PRESENCE_TIMEOUT_S, RouteChanges
from xinyu.wire.v1 import presence_pb2
from xinyu.wire.v1.presence_rpc import PresenceStub

log = structlog.get_logger(__name__)

RENEW_EVERY_S: Final = 3.0
AGAIN_AFTER_S: Final = 1.0
AWAY_AFTER: Final = 2
# Routes in doubt are no harm but to presence: telling them anew is not worth more than that.
DOUBT_EVERY_S: Final = 30.0
MAX_TOGETHER: Final = 2_000
# Each user's routes are named to be kept for another day.
KEEP_EVERY_S: Final = 6 * 3600.0
KEEP_TOGETHER: Final = 500
END_WITHIN_S: Final = 0.5
TELL_WITHIN_S: Final = 15.0
TELL_RATE_PER_S: Final = (500, 2_000)
TELL_STEP_S: Final = 0.05
_CODEC_MASK: Final = 3
_TOLD: Final = {
    CODEC_LEGACY: fast.encode_frame(envelopes.event("im.session.reload", {})),
    **in_both(envelopes.event("sync.required", {"reason": "routes_lost"})),
}


class GatewayLease:
    """Of the gateway `gateway` whose connections `engine` has. `on_begin(incarnation)` is called with each new one."""

    def __init__(
        self,
        presence: PresenceStub,
        routes: RouteChanges[Any],
        engine: fast.Engine,
        *,
        gateway: str,
        on_begin: Callable[[str], None] = lambda _incarnation: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._presence = presence
        self._routes = routes
        self._engine = engine
        self._gateway = gateway
        self._on_begin = on_begin
        self._sleep = sleep
        routes.on_uncertain = self._doubt
        self._complete = routes.incarnation  # the last one whose routes have all been told
        self._is_lost = self._is_in_doubt = False
        self._doubt_after_s = 0.0
        self._to_keep: list[int] = []
        self._keep_again_s = 0.0
        self._telling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            await self._first()
            away = 0
            while True:
                await self._sleep(AGAIN_AFTER_S if self._is_lost else RENEW_EVERY_S)
                try:
                    held = await self._renew([self._routes.incarnation], self._next_to_keep())
                except XinYuError as error:
                    away += 1
                    log.warning("gateway_lease_not_renewed", error=str(error))
                    continue
                self._is_lost = self._is_lost or not held or away >= AWAY_AFTER
                away = 0
                if self._is_lost or (self._is_in_doubt and self._now_s() >= self._doubt_after_s):
                    await self._begin_anew()
        finally:
            self._stop_telling()

    async def end(self) -> None:
        """The gateway holds nobody any more."""
        try:
            await self._renew([], timeout_s=END_WITHIN_S)
        except XinYuError as error:  # it ends by itself
            log.warning("gateway_lease_not_ended", error=str(error))

    async def _first(self) -> None:
        """Whoever logs in before the lease is there may have missed something."""
        while True:
            try:
                await self._renew([self._routes.incarnation])
            except XinYuError as error:
                log.warning("gateway_lease_not_begun", error=str(error))
                await self._sleep(AGAIN_AFTER_S)
            else:
                self._is_lost = bool(self._engine.bound_sessions())
                return

    def _doubt(self) -> None:
        self._is_in_doubt = True

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def _renew(
        self, incarnations: Sequence[str], user_ids: Sequence[int] = (), timeout_s: float | None = None
    ) -> bool:
        request = presence_pb2.RenewGatewayRequest(
            gateway=self._gateway, incarnations=incarnations, user_ids=user_ids
        )
        return (await self._presence.renew_gateway(request, timeout_s=timeout_s)).held

    def _next_to_keep(self) -> list[int]:
        if not self._to_keep and self._now_s() >= self._keep_again_s:
            self._keep_again_s = self._now_s() + KEEP_EVERY_S
            self._to_keep = self._engine.user_ids()
        kept = self._to_keep[-KEEP_TOGETHER:]
        del self._to_keep[-KEEP_TOGETHER:]
        return kept

    # ---------------------------------------------------------------- beginning anew

    async def _begin_anew(self) -> None:
        is_lost, self._is_in_doubt = self._is_lost, False
        incarnation = new_incarnation()
        self._routes.begin(incarnation)
        self._on_begin(incarnation)
        sessions = memoryview(self._engine.bound_sessions()).cast("Q")
        living = [incarnation] if is_lost else [incarnation, self._complete]
        log.warning("routes_told_anew", connections=len(sessions) // 2, lost=is_lost)
        try:
            await self._renew(living)
            await self._tell_routes(incarnation, sessions, living)
            if not is_lost:
                await self._renew([incarnation])
        except XinYuError as error:
            log.warning("routes_not_told", error=str(error))
            self._is_in_doubt = True
        else:
            self._complete = incarnation
            self._is_lost = False
            if is_lost:
                self._stop_telling()
                self._telling = asyncio.get_running_loop().create_task(self._tell_devices())
        self._doubt_after_s = self._now_s() + DOUBT_EVERY_S

    async def _tell_routes(self, incarnation: str, sessions: Sequence[int], living: Sequence[str]) -> None:
        renew_s = self._now_s() + RENEW_EVERY_S
        for users in _slices(sessions):
            request = presence_pb2.ChangeRoutesRequest(gateway=self._gateway, incarnation=incarnation)
            for codec, user_ids in users.items():
                request.changes.add(codec=codec, user_ids=user_ids)
            await self._presence.change_routes(request, timeout_s=PRESENCE_TIMEOUT_S)
            if self._now_s() >= renew_s:
                renew_s += RENEW_EVERY_S
                if not await self._renew(living):
                    self._is_lost = True
                    raise XinYuError(UNAVAILABLE, "The lease was lost again.")

    def _stop_telling(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    async def _tell_devices(self) -> None:
        engine = self._engine
        connections = engine.connection_ids()
        random.shuffle(connections)
        slowest, fastest = TELL_RATE_PER_S
        rate_per_s = min(fastest, max(slowest, len(connections) / TELL_WITHIN_S))
        together = max(1, int(rate_per_s * TELL_STEP_S))
        for start in range(0, len(connections), together):
            if start:
                await self._sleep(TELL_STEP_S)
            by_codec: dict[int, list[int]] = {}
            for connection in connections[start : start + together]:
                codec = engine.codec_of(connection)
                if codec in _TOLD and engine.user_of(connection):
                    by_codec.setdefault(codec, []).append(connection)
            for codec, ids in by_codec.items():
                engine.fan_out(ids, _TOLD[codec])


def _slices(sessions: Sequence[int]) -> Iterator[dict[int, list[int]]]:
    """Users by codec, of the pairs (user, session), `MAX_TOGETHER` connections at a time."""
    for start in range(0, len(sessions), 2 * MAX_TOGETHER):
        users: dict[int, list[int]] = {}
        pairs = sessions[start : start + 2 * MAX_TOGETHER]
        for user_id, session in zip(pairs[::2], pairs[1::2], strict=True):
            users.setdefault(routed_codec(session & _CODEC_MASK), []).append(user_id)
        yield users
