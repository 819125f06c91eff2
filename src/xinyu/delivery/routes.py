"""Which gateway holds devices of which user, and in which codecs: the contract, and its in-process form.

A route is (user, gateway instance, codec) with a count of connections. Routes of a gateway vanish together when it
goes (`forget_gateway`). A lookup takes many users at once, so that a batch of events costs one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

# gateway -> user -> bit mask of the codecs that his devices there speak (1 << codec)
Located = dict[str, dict[int, int]]


class Routes(Protocol):
    """Where devices are. What it says may be stale: pushes are hints."""

    async def connect(self, user_id: int, gateway: str, codec: int) -> None: ...

    async def disconnect(self, user_id: int, gateway: str, codec: int) -> None: ...

    async def locate(self, user_ids: Iterable[int]) -> Located: ...

    async def forget_gateway(self, gateway: str) -> None: ...


class MemoryRoutes:
    """Routes of one process. A user costs one small dict while he is connected."""

    def __init__(self) -> None:
        self._users: dict[int, dict[tuple[str, int], int]] = {}

    async def connect(self, user_id: int, gateway: str, codec: int) -> None:
        routes = self._users.setdefault(user_id, {})
        routes[gateway, codec] = routes.get((gateway, codec), 0) + 1

    async def disconnect(self, user_id: int, gateway: str, codec: int) -> None:
        routes = self._users.get(user_id)
        if routes is None:
            return
        left = routes.get((gateway, codec), 0) - 1
        if left > 0:
            routes[gateway, codec] = left
            return
        routes.pop((gateway, codec), None)
        if not routes:
            del self._users[user_id]

    async def locate(self, user_ids: Iterable[int]) -> Located:
        located: Located = {}
        for user_id in user_ids:
            for gateway, codec in self._users.get(user_id, ()):
                users = located.setdefault(gateway, {})
                users[user_id] = users.get(user_id, 0) | (1 << codec)
        return located

    async def forget_gateway(self, gateway: str) -> None:
        for user_id in list(self._users):
            routes = self._users[user_id]
            for key in [key for key in routes if key[0] == gateway]:
                del routes[key]
            if not routes:
                del self._users[user_id]
