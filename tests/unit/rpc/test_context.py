"""A call waits for what it caused only as long as its caller waits."""

from __future__ import annotations

import asyncio

import pytest

from xinyu.base.errors import DEADLINE, XinYuError
from xinyu.rpc.context import Context


def context(left_s: float) -> Context:
    return Context(asyncio.get_running_loop().time() + left_s, "trace", "test")


async def test_done_in_time() -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await context(60).wait(done)


async def test_the_deadline_ends_the_wait_and_not_the_work() -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(XinYuError) as caught:
        await context(0.01).wait(done)
    assert caught.value.code is DEADLINE
    assert not done.cancelled()
    done.set_result(None)


async def test_what_is_done_already_passes_any_deadline() -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    await context(-1).wait(done)


async def test_no_work_begins_after_the_deadline() -> None:
    context(60).check_deadline_now()
    with pytest.raises(XinYuError) as caught:
        context(-1).check_deadline_now()
    assert caught.value.code is DEADLINE
