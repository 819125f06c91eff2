"""Which gateway holds devices of which user, and in which codecs: the contract, and its in-process form.

A route is (user, gateway instance, codec) with a count of connections. Routes of a gateway vanish together when it
goes (`forget_gateway`). Each call takes many users at once, so that a batch of logins or events costs one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from weakref import WeakValueDictionary

# gateway -> user -> bit mask of the codecs that his devices there speak (1 << codec)
Located = dict[str, dict[int, int]]
# ((gateway, codec), connections), in order
_Counts = tuple[tuple[tuple[str, int], int], ...]


class Routes(Protocol):
    """Where devices are. What it says may be stale: pushes are hints."""

    async def connect(self, user_ids: Iterable[int], gateway: str, codec: int) -> None:
        """One device of each came; who is named twice has two."""
        ...

    async def disconnect(self, user_ids: Iterable[int], gateway: str, codec: int) -> None: ...

    async def locate(self, user_ids: Iterable[int]) -> Located: ...

    async def forget_gateway(self, gateway: str) -> None: ...


class _Devices:
    """What the connections of one user are. Never changed: users with the same ones share it."""

    __slots__ = ("__weakref__", "counts")

    def __init__(self, counts: _Counts) -> None:
        self.counts = counts


class MemoryRoutes:
    """Routes of one process. While connected, a user costs his place in one dict: what he has there, say one device on
    this gateway, is an object for all who have the same, and lives as long as one of them.

    `connect` and `disconnect` cost O(routes of each user named), `forget_gateway` O(users)."""

    def __init__(self) -> None:
        self._users: dict[int, _Devices] = {}
        self._kinds: WeakValueDictionary[_Counts, _Devices] = WeakValueDictionary()

    async def connect(self, user_ids: Iterable[int], gateway: str, codec: int) -> None:
        users, route = self._users, (gateway, codec)
        first = self._kind(((route, 1),))
        for user_id in user_ids:
            if user_id in users:
                self._add(user_id, route, 1)
            else:
                users[user_id] = first

    async def disconnect(self, user_ids: Iterable[int], gateway: str, codec: int) -> None:
        users, route = self._users, (gateway, codec)
        last = self._kind(((route, 1),))
        for user_id in user_ids:
            if users.get(user_id) is last:
                del users[user_id]
            else:
                self._add(user_id, route, -1)

    async def locate(self, user_ids: Iterable[int]) -> Located:
        located: Located = {}
        for user_id in user_ids:
            devices = self._users.get(user_id)
            if devices is None:
                continue
            for (gateway, codec), _ in devices.counts:
                users = located.setdefault(gateway, {})
                users[user_id] = users.get(user_id, 0) | (1 << codec)
        return located

    async def forget_gateway(self, gateway: str) -> None:
        for user_id, devices in list(self._users.items()):
            left = tuple(route for route in devices.counts if route[0][0] != gateway)
            if len(left) != len(devices.counts):
                self._set(user_id, left)

    def _add(self, user_id: int, route: tuple[str, int], connections: int) -> None:
        devices = self._users.get(user_id)
        counts = {} if devices is None else dict(devices.counts)
        counts[route] = counts.get(route, 0) + connections
        if counts[route] <= 0:
            del counts[route]
        self._set(user_id, tuple(sorted(counts.items())))

    def _set(self, user_id: int, counts: _Counts) -> None:
        if not counts:
            self._users.pop(user_id, None)
        else:
            self._users[user_id] = self._kind(counts)

    def _kind(self, counts: _Counts) -> _Devices:
        devices = self._kinds.get(counts)
        if devices is None:
            devices = self._kinds[counts] = _Devices(counts)
        return devices
