"""Where devices are, in one process."""

from __future__ import annotations

from xinyu.delivery.routes import MemoryRoutes


async def test_routes_count_devices_by_gateway_and_codec() -> None:
    routes = MemoryRoutes()
    for codec in (0, 1, 1):
        await routes.connect(7, "a", codec)
    await routes.connect(7, "b", 1)
    assert await routes.locate([7, 8]) == {"a": {7: 3}, "b": {7: 2}}
    await routes.disconnect(7, "a", 1)
    assert await routes.locate([7]) == {"a": {7: 3}, "b": {7: 2}}
    await routes.disconnect(7, "a", 1)
    assert await routes.locate([7]) == {"a": {7: 1}, "b": {7: 2}}
    await routes.forget_gateway("b")
    await routes.disconnect(7, "a", 0)
    await routes.disconnect(7, "a", 0)  # once too often
    assert await routes.locate([7]) == {}
    assert routes._users == {}
