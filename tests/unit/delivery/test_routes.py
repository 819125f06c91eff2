"""Where devices are, in one process."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from xinyu.delivery.routes import Located, MemoryRoutes, TalkAbsence

USERS, GATEWAYS, CODECS = range(1, 4), ("a", "b"), range(3)
operations = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from((1, 1, -1)), st.sampled_from(USERS), st.sampled_from(GATEWAYS), st.sampled_from(CODECS)
        ),
        st.tuples(st.just(0), st.just(0), st.sampled_from(GATEWAYS), st.just(0)),
    ),
    max_size=40,
)


async def test_routes_count_devices_by_gateway_and_codec() -> None:
    routes = MemoryRoutes()
    for codec in (0, 1, 1):
        await routes.connect([7], "a", codec)
    await routes.connect([7], "b", 1)
    assert await routes.locate([7, 8]) == {"a": {7: 3}, "b": {7: 2}}
    await routes.disconnect([7], "a", 1)
    assert await routes.locate([7]) == {"a": {7: 3}, "b": {7: 2}}
    await routes.disconnect([7], "a", 1)
    assert await routes.locate([7]) == {"a": {7: 1}, "b": {7: 2}}
    await routes.forget_gateway("b")
    await routes.disconnect([7], "a", 0)
    await routes.disconnect([7], "a", 0)  # once too often
    assert await routes.locate([7]) == {}
    assert routes._users == {}


@given(operations=operations)
def test_they_agree_with_a_counter(operations: list[tuple[int, int, str, int]]) -> None:
    plain: Counter[tuple[int, str, int]] = Counter()

    async def run() -> MemoryRoutes:
        routes = MemoryRoutes()
        for by, user, gateway, codec in operations:
            if by > 0:
                await routes.connect([user], gateway, codec)
                plain[user, gateway, codec] += 1
            elif by < 0:
                await routes.disconnect([user], gateway, codec)
                plain[user, gateway, codec] = max(0, plain[user, gateway, codec] - 1)
            else:
                await routes.forget_gateway(gateway)
                for key in [key for key in plain if key[1] == gateway]:
                    del plain[key]
            expected: Located = {}
            for (user, gateway, codec), count in plain.items():
                if count:
                    users = expected.setdefault(gateway, {})
                    users[user] = users.get(user, 0) | 1 << codec
            assert await routes.locate(USERS) == expected
        return routes

    routes = asyncio.run(run())
    assert set(routes._users) == {user for (user, _, _), count in plain.items() if count}
    assert len(routes._kinds) <= len(routes._users), "what nobody has any more is forgotten"


async def test_a_user_costs_his_place_in_a_dict() -> None:
    """Some 40 bytes of the dict and the 32 of his number, whether he has one device or, as here, two."""
    routes = MemoryRoutes()
    users = 10_000
    tracemalloc.start()
    try:
        for user in range(1_000, 1_000 + users):
            await routes.connect([user], "a", 1)
            await routes.connect([user], "a", 2)
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size_bytes < 100 * users
    assert len(routes._kinds) == 1


async def test_every_gateway_with_a_device_may_hold_a_member() -> None:
    routes = MemoryRoutes()
    assert await routes.locate_talks({5: 1}) == {}
    await routes.connect([7, 8], "a", 0)
    await routes.connect([8], "b", 1)
    assert await routes.locate_talks({5: 1, 6: 0}) == {"a": {5, 6}, "b": {5, 6}}
    await routes.disconnect([8], "b", 1)
    assert await routes.locate_talks({5: 1}) == {"a": {5}}


async def test_what_a_gateway_said_goes_with_it() -> None:
    routes = MemoryRoutes()
    await routes.connect([7], "a", 0)
    await routes.tell_absences("a", "first", [TalkAbsence(5, 3, 1)])
    await routes.forget_gateway("a")
    assert await routes.locate_talks({5: 1}) == {}
    await routes.connect([7], "a", 0)
    assert await routes.locate_talks({5: 1}) == {"a": {5}}
