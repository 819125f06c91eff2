"""Whose coming and going the connections of this gateway want to hear of, and what they were told last.

A connection's subscriptions are a set of the engine's for each user watched (as of a talk, under a number that no talk
has), and one small set here for a connection that has any. The presence room knows only that this gateway watches a
user, not for whom: it says once what changed (`presence_changed`), and the engine hands it to those who asked.

What a user was last told to be stands here, so nobody hears the same twice. A change that is lost on its way is found
by `refresh`, which asks for all watched users at once, every `REFRESH_EVERY_S` and in each new incarnation; it also
lets go of users whom nobody here watches any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import structlog

from xinyu._fast import engine as fast
from xinyu.base.errors import INVALID, XinYuError
from xinyu.gateway.ws import envelope as envelopes
from xinyu.gateway.ws.frames import OurFrames
from xinyu.wire.v1 import options_pb2, presence_pb2
from xinyu.wire.v1.presence_rpc import PresenceStub

log = structlog.get_logger(__name__)

MAX_WATCHED: Final = 500
REFRESH_EVERY_S: Final = 60.0
MAX_TOGETHER: Final = 2_000
# Numbers of talks are below 2**53.
_WATCHED: Final = 1 << 62


class UserPresence(msgspec.Struct, frozen=True):
    """`presence.changed`, and what `presence.subscribe` answers of each user."""

    user_id: int
    online: bool
    last_seen_ms: int


class PresenceWatching:
    """Also the servicer of `xinyu.wire.v1.presence_watcher_rpc.PresenceWatcherServicer`."""

    def __init__(
        self,
        presence: PresenceStub,
        engine: fast.Engine,
        frames: OurFrames,
        *,
        gateway: str,
        incarnation: str,
    ) -> None:
        self._presence = presence
        self._engine = engine
        self._frames = frames
        self._gateway = gateway
        self._incarnation = incarnation
        self._online: dict[int, bool] = {}  # of each user watched, as last told
        self._subscriptions: dict[int, set[int]] = {}  # connection -> users
        self._refresh_now = asyncio.Event()

    # ---------------------------------------------------------------- connections

    async def subscribe(self, connection: int, user_ids: Sequence[int]) -> dict[str, list[UserPresence]]:
        """From now on, and how each is now. Raises INVALID past MAX_WATCHED users a connection."""
        mine = self._subscriptions.get(connection, set())
        if len(mine.union(user_ids)) > MAX_WATCHED:
            raise XinYuError(INVALID, f"A connection watches {MAX_WATCHED} users at most.")
        states = await self._watch(user_ids) if user_ids else []
        mine = self._subscriptions.get(connection, set())  # another call of this connection may have come between
        if len(mine.union(user_ids)) > MAX_WATCHED:
            raise XinYuError(INVALID, f"A connection watches {MAX_WATCHED} users at most.")
        for user_id in user_ids:
            if self._engine.join_talk(connection, _WATCHED | user_id):  # else it has gone
                self._subscriptions.setdefault(connection, mine).add(user_id)
        self._tell(states)
        return {"users": [_presence(state) for state in states]}

    def unsubscribe(self, connection: int, user_ids: Iterable[int]) -> None:
        mine = self._subscriptions.get(connection)
        if mine is None:
            return
        for user_id in mine.intersection(user_ids):
            self._engine.leave_talk(connection, _WATCHED | user_id)
            mine.discard(user_id)
        if not mine:
            del self._subscriptions[connection]

    def closed(self, connection: int) -> None:
        self._subscriptions.pop(connection, None)

    # ---------------------------------------------------------------- the presence room

    async def presence_changed(self, request: presence_pb2.PresenceStates, context: Any) -> options_pb2.Empty:
        self._tell(request.states)
        return options_pb2.Empty()

    def _tell(self, states: Iterable[presence_pb2.PresenceState]) -> None:
        for state in states:
            if self._online.get(state.user_id, state.online) != state.online:
                frames = self._frames.of(envelopes.event("presence.changed", _presence(state)))
                self._engine.fan_out_talk(_WATCHED | state.user_id, frames, ephemeral=True)
            if state.user_id in self._online:
                self._online[state.user_id] = state.online

    async def _watch(self, user_ids: Sequence[int]) -> list[presence_pb2.PresenceState]:
        states = list((await self._presence.watch(self._request(user_ids))).states)
        for state in states:
            self._online.setdefault(state.user_id, state.online)
        return states

    def _request(self, user_ids: Sequence[int]) -> presence_pb2.WatchRequest:
        return presence_pb2.WatchRequest(gateway=self._gateway, incarnation=self._incarnation, user_ids=user_ids)

    def begin(self, incarnation: str) -> None:
        """What was watched in the incarnation before is watched no more, until `refresh` has said it again."""
        self._incarnation = incarnation
        self._refresh_now.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_EVERY_S):
                    await self._refresh_now.wait()
            self._refresh_now.clear()
            try:
                await self.refresh()
            except XinYuError as error:
                log.warning("presence_not_refreshed", error=str(error))

    async def refresh(self) -> None:
        """Raises XinYuError where the presence room cannot be asked; the next one does what is left."""
        unwatched = [user_id for user_id in self._online if not self._engine.connections_of_talk(_WATCHED | user_id)]
        for users in _slices(unwatched):
            await self._presence.unwatch(self._request(users))
            for user_id in users:
                # Who subscribes meanwhile is watched again below.
                if not self._engine.connections_of_talk(_WATCHED | user_id):
                    self._online.pop(user_id, None)
        for users in _slices(list(self._online)):
            self._tell(await self._watch(users))


def _presence(state: presence_pb2.PresenceState) -> UserPresence:
    return UserPresence(state.user_id, state.online, 0 if state.online else state.last_seen_ms)


def _slices(user_ids: list[int]) -> Iterable[list[int]]:
    return (user_ids[start : start + MAX_TOGETHER] for start in range(0, len(user_ids), MAX_TOGETHER))
