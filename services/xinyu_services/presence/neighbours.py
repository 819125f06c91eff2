"""The gateways that watch, as the presence room sees them: its port over their RPC stubs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from xinyu.wire.v1 import presence_pb2
from xinyu.wire.v1.presence_watcher_rpc import PresenceWatcherStub
from xinyu_services.presence.model import UserPresence


class RpcWatchers:
    """`Watchers`. `watcher(instance)` is the stub of that gateway."""

    def __init__(self, watcher: Callable[[str], PresenceWatcherStub]) -> None:
        self._watcher = watcher

    async def tell(self, gateway: str, states: Sequence[UserPresence]) -> None:
        await self._watcher(gateway).presence_changed(wire_states(states))


def wire_states(states: Iterable[UserPresence]) -> presence_pb2.PresenceStates:
    wire = presence_pb2.PresenceStates()
    for state in states:
        wire.states.add(user_id=state.user_id, online=state.is_online, last_seen_ms=state.last_seen_ms)
    return wire
