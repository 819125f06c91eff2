"""Edits: whose, how long, how often; what is kept; and who hears of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.rooms import GATEWAY, Rooms, refused, target
from xinyu.base.config import MessageSettings
from xinyu.wire.v1 import gateway_pb2, gateway_rpc, message_pb2, options_pb2


@dataclass
class House:
    """Rooms in which a message may be edited for 100 s, three times; Ann and Bob are friends, and the clock is ours."""

    rooms: Rooms
    clock: SettableClock
    talk_id: int = 0

    async def edit(self, user_id: int, mode: int, to_from_id: int, msg_id: str, body: Any, msg_type: int = 1) -> Any:
        request = message_pb2.EditRequest(
            user_id=user_id,
            target=target(mode, to_from_id),
            msg_id=msg_id,
            msg_type=msg_type,
            body=json.dumps({"content": body} if isinstance(body, str) else body).encode(),
            codec=1,  # type: ignore[arg-type]
        )
        return json.loads((await self.rooms.messages.edit(request)).record)

    async def versions(self, user_id: int, to_from_id: int, msg_id: str, codec: int = 1) -> list[Any]:
        request = message_pb2.LoadVersionsRequest(
            user_id=user_id,
            target=target(1, to_from_id),
            msg_id=msg_id,
            codec=codec,  # type: ignore[arg-type]
        )
        items: list[Any] = json.loads((await self.rooms.messages.load_versions(request)).items)
        return items


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    database = await storage.open()
    clock = SettableClock()
    rooms = Rooms(database, clock=clock, settings=MessageSettings(edit_window_s=100, max_edits=3))
    rooms.neighbours.users = {1: "Ann", 2: "Bob", 3: "Cid"}
    await rooms.start()
    house = House(rooms, clock)
    house.talk_id = await rooms.befriend(1, 2)
    yield house
    await rooms.stop()
    await database.close()


async def test_everybody_reads_the_new_text_and_all_texts_are_kept(house: House) -> None:
    rooms = house.rooms
    sent = await rooms.send(1, 1, 2, "<one>", msg_id="m1")
    page = await rooms.sync(2)
    house.clock.advance_s(10)
    record = await house.edit(1, 1, 2, "m1", "two")
    assert record == sent | {"extra": '{"content": "two"}', "edited_at_ms": sent["sent_at_ms"] + 10_000}
    assert await rooms.records(2, 1, 1) == [record]
    assert (await rooms.list(2, 1))[0]["msg_text"] == "two"
    # A device that was away gets it by its change, and nothing twice.
    cursors = [(house.talk_id, 1, 0, 0)]
    (talk,) = (await rooms.sync(2, epoch=page["epoch"], versions=page["versions"], talks=cursors))["talks"]
    assert (talk["records"], talk["last_change"]) == ([record], 1)
    await house.edit(1, 1, 2, "m1", "three")
    texts = [(json.loads(each["extra"])["content"], each["edited_at_ms"]) for each in await house.versions(2, 1, "m1")]
    assert texts == [("<one>", 0), ("two", record["edited_at_ms"]), ("three", record["edited_at_ms"])]
    assert json.loads((await house.versions(2, 1, "m1", codec=0))[0]["extra"])["content"] == "&lt;one&gt;"
    # A late repeat of the send is still known, and answers what is there now.
    assert json.loads((await rooms.send(1, 1, 2, "<one>", msg_id="m1"))["extra"])["content"] == "three"
    assert await refused(rooms.send(1, 1, 2, "three", msg_id="m1")) == "conflict"


async def test_the_same_text_again_changes_nothing(house: House) -> None:
    await house.rooms.send(1, 1, 2, "one", msg_id="m1")
    first = await house.edit(1, 1, 2, "m1", "two")
    house.clock.advance_s(1_000)
    assert await house.edit(1, 1, 2, "m1", "two") == first
    assert len(await house.versions(1, 2, "m1")) == 2
    (talk,) = (await house.rooms.sync(2))["talks"]
    assert talk["last_change"] == 1


async def test_within_the_window_and_so_many_times(house: House) -> None:
    await house.rooms.send(1, 1, 2, "one", msg_id="m1")
    for text in ("two", "three", "four"):
        await house.edit(1, 1, 2, "m1", text)
    assert await refused(house.edit(1, 1, 2, "m1", "five")) == "too_many_edits"
    await house.rooms.send(1, 1, 2, "other", msg_id="m2")
    house.clock.advance_s(100)
    await house.edit(1, 1, 2, "m2", "just in time")
    house.clock.advance_s(1)
    assert await refused(house.edit(1, 1, 2, "m2", "too late")) == "edit_too_late"
    assert [json.loads(r["extra"])["content"] for r in await house.rooms.records(2, 1, 1)] == ["just in time", "four"]


async def test_ones_own_of_its_own_type_and_not_recalled(house: House) -> None:
    rooms = house.rooms
    await rooms.send(1, 1, 2, "one", msg_id="m1")
    file = await rooms.send_file(1, 1, 2, "a.bin")
    assert await refused(house.edit(2, 1, 1, "m1", "not mine")) == "forbidden"
    assert await refused(house.edit(3, 1, 1, "m1", "nothing to me")) == "unknown_talk"
    assert await refused(house.edit(1, 1, 2, "nothing", "x")) == "unknown_message"
    assert await refused(house.edit(1, 1, 2, "m1", {"lang": "c", "code": "x"}, 2)) == "invalid"
    assert await refused(house.edit(1, 1, 2, file["msg_id"], {"path": "b.bin"}, 6)) == "invalid"
    await house.edit(1, 1, 2, "m1", "two")
    await rooms.recall(1, 1, 2, "m1")
    assert await refused(house.edit(1, 1, 2, "m1", "three")) == "unknown_message"
    for user_id, peer in ((1, 2), (2, 1)):
        assert await refused(house.versions(user_id, peer, "m1")) == "unknown_message"
    assert [r["extra"] for r in await rooms.records(2, 1, 1) if r["msg_id"] == "m1"] == ["{}"]


async def test_who_may_not_write_there_now_may_not_edit(house: House) -> None:
    rooms = house.rooms
    await rooms.send(1, 1, 2, "one", msg_id="m1")
    for revision, may_send, reason in ((2, 2, "blocked"), (3, 1, "not_friend")):
        await rooms.messages.change_pair(
            message_pb2.ChangePairRequest(user_low=1, user_high=2, low_may_send=may_send, revision=revision)
        )
        assert await refused(house.edit(1, 1, 2, "m1", "two")) == reason
    await rooms.roster(7, [(1, 1, 3, 1), (2, 1, 1, 1)], profile_revision=1)
    await rooms.send(1, 2, 7, "in the group", msg_id="g1")
    await rooms.roster(7, [], profile_revision=2, mute_all=True)
    assert await refused(house.edit(1, 2, 7, "g1", "shout")) == "muted"
    await rooms.roster(7, [], profile_revision=3, dismissed=True)
    assert await refused(house.edit(1, 2, 7, "g1", "shout")) == "dismissed"
    await rooms.roster(7, [(1, 2, 3, 2)], profile_revision=4)
    assert await refused(house.edit(1, 2, 7, "g1", "shout")) == "not_member"
    assert [json.loads(r["extra"])["content"] for r in await rooms.records(2, 2, 7)] == ["in the group"]


async def test_who_hid_a_message_reads_none_of_its_texts(house: House) -> None:
    await house.rooms.send(1, 1, 2, "one", msg_id="m1")
    await house.rooms.hide(2, 1, 1, "m1")
    assert await refused(house.versions(2, 1, "m1")) == "unknown_message"
    assert len(await house.versions(1, 2, "m1")) == 1
    assert await refused(house.versions(3, 1, "m1")) == "unknown_talk"


class Listener:
    """A gateway that keeps what it is to deliver: codec, to whom (users, or the audience of a large talk), envelope."""

    def __init__(self) -> None:
        self.told: list[tuple[int, list[int] | int, dict[str, Any]]] = []

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Any) -> options_pb2.Empty:
        for delivery in request.deliveries:
            to = delivery.members.audience if delivery.HasField("members") else list(delivery.user_ids)
            self.told.extend((event.codec, to, json.loads(event.payload)) for event in delivery.events)
        return options_pb2.Empty()


@pytest.mark.parametrize("is_large", [False, True])
async def test_both_dialects_hear_of_it(storage: Storage, is_large: bool) -> None:
    """In a group whose members are named, and in one that is told by talk. Dan joins after the messages."""
    database = await storage.open()
    rooms = Rooms(database, settings=MessageSettings(fan_out_by_talk_above=0 if is_large else 500))
    rooms.neighbours.users, rooms.neighbours.groups = {1: "Ann", 2: "Bob", 4: "Dan"}, {7: "Team"}
    listener = Listener()
    rooms.network.serve(gateway_rpc.METHODS, listener, instance=GATEWAY)
    await rooms.start()
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    first, last = [await rooms.send(1, 2, 7, text) for text in ("one", "two")]
    await rooms.roster(7, [(4, 1, 3, 1)])
    for codec in (0, 1):
        await rooms.routes.connect([2, 4], GATEWAY, codec)
    house = House(rooms, SettableClock())
    seeing: list[int] | int = gateway_pb2.AUDIENCE_SEEING if is_large else [2]
    others: list[int] | int = gateway_pb2.AUDIENCE_OTHERS if is_large else [4]
    for record in (first, last):
        await rooms.settle()
        listener.told.clear()
        edited = await house.edit(1, 2, 7, record["msg_id"], "<new>")
        await rooms.settle()
        ours = [(to, told["payload"]) for codec, to, told in listener.told if codec == 1]
        change = ours[0][1]["change"]
        assert ours == [
            (seeing, {"talk_id": record["talk_id"], "change": change, "records": [edited], "voids": []}),
            (others, {"talk_id": record["talk_id"], "change": change, "records": [], "voids": []}),
        ]
        theirs = [(to, told["event"], told["payload"]) for codec, to, told in listener.told if codec == 0]
        # The list shows the last message, so only its edit makes another line of it.
        assert [(to, event) for to, event, _ in theirs] == [
            (seeing, "im.message.update"), *([(seeing, "im.session.update")] if record is last else [])
        ]  # fmt: skip
        update = theirs[0][2]
        assert (update["talk_mode"], update["to_from_id"], update["msg_id"]) == (2, 7, record["msg_id"])
        assert json.loads(update["body"]["extra"])["content"] == "&lt;new&gt;"
        assert {payload["msg_text"] for _, event, payload in theirs[1:]} <= {"&lt;new&gt;"}
        ackids = [told["ackid"] for codec, _, told in listener.told if codec == 0]
        assert len(set(ackids)) == len(ackids)
    await rooms.stop()
    await database.close()
