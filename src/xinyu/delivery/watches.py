"""Which gateways want to hear that a user came or went: the contract, and its in-process form.

A watch is (user, gateway instance, incarnation), whoever of the gateway's own devices it is for, and ends as a route
does: by `unwatch`, or with the gateway's incarnation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Watches(Protocol):
    """Raises XinYuError where it cannot be asked."""

    async def watch(self, user_ids: Iterable[int], gateway: str, incarnation: str) -> None:
        """Repeats do nothing, but a watch that is not repeated for a day may end."""
        ...

    async def unwatch(self, user_ids: Iterable[int], gateway: str, incarnation: str) -> None: ...

    async def watchers(self, user_ids: Iterable[int]) -> dict[str, list[int]]:
        """Gateway -> those of the users whom it watches."""
        ...

    async def forget_gateway(self, gateway: str) -> None:
        """It is not there any more. Does nothing where a lease says so (`Routes.renew_gateway`)."""
        ...


class MemoryWatches:
    """Watches of one process, whose gateways end with it or by `forget_gateway`."""

    def __init__(self) -> None:
        self._users: dict[int, set[str]] = {}

    async def watch(self, user_ids: Iterable[int], gateway: str, incarnation: str) -> None:
        for user_id in user_ids:
            self._users.setdefault(user_id, set()).add(gateway)

    async def unwatch(self, user_ids: Iterable[int], gateway: str, incarnation: str) -> None:
        for user_id in user_ids:
            gateways = self._users.get(user_id)
            if gateways is not None:
                gateways.discard(gateway)
                if not gateways:
                    del self._users[user_id]

    async def watchers(self, user_ids: Iterable[int]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for user_id in user_ids:
            for gateway in self._users.get(user_id, ()):
                found.setdefault(gateway, []).append(user_id)
        return found

    async def forget_gateway(self, gateway: str) -> None:
        await self.unwatch(list(self._users), gateway, "")
