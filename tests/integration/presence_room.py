"""The presence room as tests need it: over the routes that they give."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from xinyu.delivery.routes import Routes
from xinyu.delivery.watches import MemoryWatches, Watches
from xinyu.wire.v1.presence_watcher_rpc import PresenceWatcherStub
from xinyu_services.presence.neighbours import RpcWatchers
from xinyu_services.presence.rpc import PresenceServicer
from xinyu_services.presence.service import PresenceService


def _nobody(gateway: str) -> PresenceWatcherStub:
    raise AssertionError(f"{gateway} watches nobody")


def presence_servicer(
    routes: Routes,
    watches: Watches | None = None,
    watcher: Callable[[str], PresenceWatcherStub] = _nobody,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> PresenceServicer:
    """`watcher(instance)`: the stub of a gateway that watches."""
    return PresenceServicer(PresenceService(routes, watches or MemoryWatches(), RpcWatchers(watcher), sleep))
