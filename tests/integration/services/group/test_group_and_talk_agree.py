"""Whatever happens, and in whatever order it reaches the message room: its members are the group room's members, and
each change has its line."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.database_storage import Storage
from tests.integration.services.house import open_house
from xinyu.base.errors import XinYuError
from xinyu.wire.v1 import message_pb2

STEPS = 12


@pytest.mark.parametrize("seed", range(4))
async def test_members_and_lines_agree(storage: Storage, seed: int) -> None:
    choose = random.Random(seed)
    async with open_house(storage, require_friendship=False) as house:
        users = [await house.user.register(f"1360000{n:04d}", f"U{n}") for n in range(5)]
        owner = users[0]
        group_id = (await house.post("group/create", owner, name="G", user_ids=users[1:3]))["group_id"]

        async def change() -> None:
            kind = choose.choice(["invite", "remove", "leave"])
            some = choose.sample(users[1:], choose.randint(1, 3))
            if kind == "invite":
                await house.post("group/invite", owner, group_id=group_id, user_ids=some)
            elif kind == "remove":
                await house.post("group/remove-member", owner, group_id=group_id, user_ids=some)
            else:
                await house.post("group/secede", some[0], group_id=group_id)

        for _ in range(STEPS):
            answers = await asyncio.gather(*(change() for _ in range(3)), return_exceptions=True)
            assert all(answer is None or isinstance(answer, XinYuError) for answer in answers), answers
            # What one step changed is old enough to be no repeat in the next.
            house.platform.clock.advance_s(31)
        await house.platform.settled()

        items = (await house.post("group/member-list", owner, group_id=group_id))["items"]
        inside = {item["user_id"] for item in items}
        target = message_pb2.TalkTarget(talk_mode=2, to_from_id=group_id)
        for user_id in users:
            head = await house.message.open_talk(message_pb2.OpenTalkRequest(user_id=user_id, target=target))
            assert head.is_member is (user_id in inside), user_id

        group = (await house.group_service.detail(owner, group_id))[0]
        lines = await house.records(owner, 2, group_id)
        assert [line["msg_id"] for line in reversed(lines)] == [
            f"group-{group_id}-{revision}" for revision in range(1, group.revision + 1)
        ]
