"""Use cases of the presence room. It keeps nothing itself: a user is online while routes say so.

Changes for those who watch. A user whose first device came or whose last one left is looked at `SETTLE_S` later: what
is true then is told, so a device that reconnects in the meantime tells nobody anything. All users of one look go
together, in one call a gateway that watches one of them. That is a hint: what is lost on its way, and a gateway that
died without a word, the watching gateway finds by asking again (`watch`). When a user was last seen is a nicety, too:
it may be forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog

from xinyu.base.errors import UNAVAILABLE, XinYuError
from xinyu.delivery.routes import RouteChange, Routes, TalkAbsence
from xinyu.delivery.watches import Watches
from xinyu_services.presence.model import UserPresence

log = structlog.get_logger(__name__)

SETTLE_S: Final = 2.0
# Past it the users that turned first are not told of.
MAX_TURNED: Final = 100_000
MAX_TOGETHER: Final = 2_000


class Watchers(Protocol):
    """The gateways."""

    async def tell(self, gateway: str, states: Sequence[UserPresence]) -> None:
        """Raises XinYuError where the gateway cannot be reached."""
        ...


class PresenceService:
    """`stop` when it is called no more."""

    def __init__(
        self,
        routes: Routes,
        watches: Watches,
        watchers: Watchers,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._routes = routes
        self._watches = watches
        self._watchers = watchers
        self._sleep = sleep
        self._turned: dict[int, None] = {}
        self._looking: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    # ---------------------------------------------------------------- gateways

    async def change_routes(
        self, gateway: str, incarnation: str, changes: Sequence[RouteChange], absences: Sequence[TalkAbsence] = ()
    ) -> None:
        """As `Routes.tell_absences`, then as `Routes.change`: who comes now must be found by the next push."""
        if absences:
            await self._routes.tell_absences(gateway, incarnation, absences)
        for user_id in await self._routes.change(gateway, incarnation, changes):
            self._turned[user_id] = None
        while len(self._turned) > MAX_TURNED:
            del self._turned[next(iter(self._turned))]
        if self._turned and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def renew_gateway(self, gateway: str, incarnations: Sequence[str], user_ids: Sequence[int]) -> bool:
        """As `Routes.renew_gateway`; no incarnation: the gateway is forgotten."""
        if incarnations:
            return await self._routes.renew_gateway(gateway, incarnations, user_ids)
        await self._routes.forget_gateway(gateway)
        await self._watches.forget_gateway(gateway)
        return True

    # ---------------------------------------------------------------- who is online

    async def online(self, user_ids: Sequence[int]) -> set[int]:
        located = await self._routes.locate(user_ids)
        return {user_id for users in located.values() for user_id in users}

    async def states(self, user_ids: Sequence[int]) -> list[UserPresence]:
        """One a user, each once."""
        online, seen = await asyncio.gather(self.online(user_ids), self._routes.last_seen(user_ids))
        return [UserPresence(user_id, user_id in online, seen.get(user_id, 0)) for user_id in dict.fromkeys(user_ids)]

    async def watch(self, user_ids: Sequence[int], gateway: str, incarnation: str) -> list[UserPresence]:
        """The gateway hears of them from now on. Answers how they are: nothing falls between."""
        await self._watches.watch(user_ids, gateway, incarnation)
        return await self.states(user_ids)

    async def unwatch(self, user_ids: Sequence[int], gateway: str, incarnation: str) -> None:
        await self._watches.unwatch(user_ids, gateway, incarnation)

    async def _look(self) -> None:
        """Until nobody has turned for `SETTLE_S`."""
        while self._turned:
            await self._sleep(SETTLE_S)
            turned, self._turned = list(self._turned), {}
            for start in range(0, len(turned), MAX_TOGETHER):
                try:
                    await self._tell(turned[start : start + MAX_TOGETHER])
                except XinYuError as error:
                    log.warning("presence_not_told", error=str(error))
                except Exception:
                    log.exception("presence_not_told")

    async def _tell(self, user_ids: Sequence[int]) -> None:
        watched = await self._watches.watchers(user_ids)
        if not watched:
            return
        wanted = list({user_id for users in watched.values() for user_id in users})
        states = {state.user_id: state for state in await self.states(wanted)}
        await asyncio.gather(
            *(self._tell_gateway(gateway, [states[user] for user in users]) for gateway, users in watched.items())
        )

    async def _tell_gateway(self, gateway: str, states: Sequence[UserPresence]) -> None:
        try:
            await self._watchers.tell(gateway, states)
        except XinYuError as error:
            log.warning("watcher_not_told", gateway=gateway, error=str(error))
            if error.code is UNAVAILABLE:
                await self._watches.forget_gateway(gateway)
