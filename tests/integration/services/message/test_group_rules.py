"""Slow mode and mentions of everybody: rules of a group that hold wherever its members send."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.rooms import GATEWAY, Neighbours, Rooms, refused, target
from xinyu.base.errors import XinYuError
from xinyu.wire.v1 import message_pb2

OWNER, ADMIN, MEMBER, OTHER = 1, 2, 3, 4
EVERYBODY = [(OWNER, 1, 1, 1), (ADMIN, 1, 2, 1), (MEMBER, 1, 3, 1), (OTHER, 1, 3, 1)]


async def opened(traced: Any, clock: SettableClock, incarnation: str = "first", lanes: int = 1) -> Rooms:
    neighbours = Neighbours()
    neighbours.users = {1: "Ann", 2: "Bob", 3: "Cid", 4: "Dan"}
    neighbours.groups = {7: "Team"}
    rooms = Rooms(traced, clock=clock, incarnation=incarnation, neighbours=neighbours, lanes=lanes)
    await rooms.start()
    return rooms


def text(user_id: int, content: str, mentions: list[int] | None = None, *, mode: int = 2, to: int = 7) -> Any:
    body: dict[str, Any] = {"content": content} | ({"mentions": mentions} if mentions else {})
    return message_pb2.NewMessage(
        user_id=user_id,
        talk_mode=mode,
        to_from_id=to,
        msg_type=1,
        body=json.dumps(body, separators=(",", ":")).encode(),
        codec=1,  # type: ignore[arg-type]
    )


# ---------------------------------------------------------------- slow mode


async def test_a_member_waits_between_his_messages(traced: Any) -> None:
    clock = SettableClock()
    rooms = await opened(traced, clock)
    try:
        await rooms.roster(7, EVERYBODY, profile_revision=1, slow_mode_s=10)
        await rooms.send(MEMBER, 2, 7, "first", msg_id="m1")
        clock.advance_s(4)
        with pytest.raises(XinYuError) as caught:
            await rooms.send(MEMBER, 2, 7, "too soon", msg_id="m2")
        assert (caught.value.reason, caught.value.status, caught.value.retry_after_ms) == ("slow_mode", 429, 6_000)
        # What is stored is answered again; others have a time of their own, and those who run the group none.
        assert (await rooms.send(MEMBER, 2, 7, "first", msg_id="m1"))["sequence"] == 1
        await rooms.send(OTHER, 2, 7, "my first")
        for _ in range(3):
            await rooms.send(OWNER, 2, 7, "order!")
            await rooms.send(ADMIN, 2, 7, "order!")
        assert await refused(rooms.send(MEMBER, 2, 7, "still too soon")) == "slow_mode"
        clock.advance_s(6)
        await rooms.send(MEMBER, 2, 7, "too soon", msg_id="m2")
        assert await refused(rooms.send(MEMBER, 2, 7, "again")) == "slow_mode"
        await rooms.roster(7, [], profile_revision=2, slow_mode_s=0)
        await rooms.send(MEMBER, 2, 7, "free")
    finally:
        await rooms.stop()


async def test_it_counts_from_what_was_sent_before_it_was_on(traced: Any) -> None:
    clock = SettableClock()
    rooms = await opened(traced, clock)
    try:
        await rooms.roster(7, EVERYBODY, profile_revision=1)
        await rooms.send(MEMBER, 2, 7, "fast")
        await rooms.send(MEMBER, 2, 7, "faster")
        await rooms.roster(7, [], profile_revision=2, slow_mode_s=10)
        assert await refused(rooms.send(MEMBER, 2, 7, "fastest")) == "slow_mode"
        # Going and coming is no way out of it.
        await rooms.roster(7, [(MEMBER, 2, 3, 2)])
        await rooms.roster(7, [(MEMBER, 1, 3, 3)])
        assert await refused(rooms.send(MEMBER, 2, 7, "fastest")) == "slow_mode"
        await rooms.roster(7, [(MEMBER, 1, 2, 4)])
        await rooms.send(MEMBER, 2, 7, "an admin does not wait")
    finally:
        await rooms.stop()


async def test_of_many_at_once_one_is_stored(traced: Any) -> None:
    """In one batch of one lane, too."""
    rooms = await opened(traced, SettableClock())
    try:
        await rooms.roster(7, EVERYBODY, profile_revision=1, slow_mode_s=10)
        response = await rooms.messages.send(
            message_pb2.SendRequest(messages=[text(MEMBER, str(n)) for n in range(20)])
        )
        stored = [result.sequence for result in response.results if not result.HasField("refusal")]
        refusals = [result.refusal for result in response.results if result.HasField("refusal")]
        assert stored == [1] and len(refusals) == 19
        assert {(refusal.reason, refusal.retry_after_ms) for refusal in refusals} == {("slow_mode", 10_000)}
    finally:
        await rooms.stop()


async def test_it_holds_across_processes(storage: Storage) -> None:
    clock = SettableClock()
    one, other = await storage.open(), await storage.open()
    first, second = await opened(one, clock), await opened(other, clock, "second")
    try:
        await first.roster(7, EVERYBODY, profile_revision=1, slow_mode_s=10)
        for _ in range(3):
            answers = await asyncio.gather(
                *(rooms.send(MEMBER, 2, 7, "me") for rooms in (first, second) for _ in range(5)),
                return_exceptions=True,
            )
            reasons = [answer.reason for answer in answers if isinstance(answer, XinYuError)]
            assert reasons == ["slow_mode"] * 9
            clock.advance_s(10)
        assert [record["sequence"] for record in await second.records(OWNER, 2, 7)] == [3, 2, 1]
    finally:
        await second.stop()
        await first.stop()
        await other.close()
        await one.close()


# ---------------------------------------------------------------- mentions of everybody


async def test_who_may_mention_everybody(rooms: Rooms) -> None:
    await rooms.roster(7, EVERYBODY, profile_revision=1)
    for user_id in (OWNER, ADMIN):
        await rooms.send_new(text(user_id, "@all", [MEMBER, 0]))
    assert await refused(rooms.send_new(text(MEMBER, "@all", [0]))) == "mention_all_refused"
    await rooms.send_new(text(MEMBER, "@Dan", [OTHER]))
    await rooms.send(MEMBER, 2, 7, 'not one: "mentions":[0]')
    await rooms.roster(7, [], profile_revision=2, mention_all=2)
    await rooms.send_new(text(MEMBER, "@all", [0]))
    await rooms.roster(7, [], profile_revision=3, mention_all=1)
    assert await refused(rooms.send_new(text(MEMBER, "@all", [0]))) == "mention_all_refused"
    # Nor by way of an edit.
    sent = await rooms.send(MEMBER, 2, 7, "all")
    edit = message_pb2.EditRequest(user_id=MEMBER, target=target(2, 7), msg_id=sent["msg_id"], msg_type=1)
    edit.body = b'{"content":"@all","mentions":[0]}'
    assert await refused(rooms.messages.edit(edit)) == "mention_all_refused"
    # There is no everybody of two.
    await rooms.befriend(MEMBER, OTHER)
    await rooms.send_new(text(MEMBER, "@all", [0], mode=1, to=OTHER))


async def test_a_device_that_was_away_is_told_of_the_newest_one(rooms: Rooms) -> None:
    await rooms.roster(7, EVERYBODY[:3], profile_revision=1)
    await rooms.routes.connect([MEMBER], GATEWAY, 1)

    async def told(user_id: int) -> Any:
        (talk,) = (await rooms.sync(user_id))["talks"]
        return talk.get("mention_all_sequence")

    await rooms.send(OWNER, 2, 7, "hello")
    assert await told(MEMBER) is None
    await rooms.send_new(text(OWNER, "@all", [0]))
    for n in range(30):
        await rooms.send(OWNER, 2, 7, str(n))
    assert await told(MEMBER) == 2
    await rooms.settle()
    (pushed,) = [
        payload for payload in rooms.gateway.of(MEMBER, 1, "im.message") if "mentions" in payload["body"]["extra"]
    ]
    assert (pushed["sequence"], json.loads(pushed["body"]["extra"])["mentions"]) == (2, [0])
    await rooms.send_new(text(ADMIN, "@all again", [0]))
    assert await told(MEMBER) == 33
    # Who came later, or left before, does not hear of what he may not read.
    await rooms.roster(7, [(OTHER, 1, 3, 2), (MEMBER, 2, 3, 2)])
    assert await told(OTHER) is None
    await rooms.send_new(text(ADMIN, "@all of you", [0]))
    assert (await told(OTHER), await told(MEMBER)) == (34, None)
