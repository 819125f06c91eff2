"""Sends that come together: one call to each message service that they belong to, answered in their order."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.unit.rpc.carriers import loopback
from xinyu.base.errors import MUTED, OVERLOADED, XinYuError
from xinyu.discovery.memory import MemoryRegistry
from xinyu.discovery.registry import Instance
from xinyu.gateway.ws.event import EventCall
from xinyu.rpc.context import Context
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.service_channels import ServiceChannels
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import message_pb2
from xinyu.wire.v1.emoticon_rpc import EmoticonStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.message_rpc import SEND, MessageStub
from xinyu_services.message.http import MessageCalls, SendBody
from xinyu_services.talk_key import talk_key

MUTED_GROUP = 13


class Room:
    """A message service that says which one it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests: list[message_pb2.SendRequest] = []
        self.is_overloaded = False

    async def send(self, request: message_pb2.SendRequest, context: Context) -> message_pb2.SendResponse:
        self.requests.append(request)
        if self.is_overloaded:
            raise XinYuError(OVERLOADED)
        response = message_pb2.SendResponse()
        for message in request.messages:
            if message.to_from_id == MUTED_GROUP:
                response.results.add().refusal.reason = MUTED.reason
            else:
                response.results.add(record=msgspec.json.encode([self.name, message.to_from_id, message.msg_id]))
        return response


class Rooms:
    def __init__(self) -> None:
        self.rooms = [Room("a"), Room("b")]
        self.registry = MemoryRegistry()
        self.servers: list[RockServer] = []
        self.channels = ServiceChannels(
            self.registry, lambda instance: RockChannel(instance.host, instance.port, caller="test")
        )
        channels = self.channels
        self.calls = MessageCalls(MessageStub(channels), MediaStub(channels), EmoticonStub(channels), 100)

    async def start(self) -> None:
        for room in self.rooms:
            servicers = Servicers()
            servicers.serve([SEND], room)
            server = RockServer(servicers)
            await server.start(loopback())
            self.servers.append(server)
            self.registry.put(Instance("message", f"127.0.0.1:{server.port}", "rock", instance_id=room.name))

    async def stop(self) -> None:
        await self.channels.close()
        for server in self.servers:
            await server.stop()

    async def send(self, groups: list[int], msg_id: str = "") -> list[object]:
        body = msgspec.Raw(b'{"content": "hi"}')
        sends = [(EventCall(user_id=1, codec=1), SendBody("text", 2, group, body, msg_id=msg_id)) for group in groups]
        answers = await self.calls.send(sends)
        return [answer.reason if isinstance(answer, XinYuError) else msgspec.json.decode(answer) for answer in answers]


@pytest.fixture
async def rooms() -> AsyncIterator[Rooms]:
    made = Rooms()
    await made.start()
    yield made
    await made.stop()


async def test_each_room_gets_its_own_in_one_call_and_the_answers_stand_in_order(rooms: Rooms) -> None:
    groups = [*range(20, 60), MUTED_GROUP, 20, 20]
    answers = await rooms.send(groups, "m1")
    assert answers[40] == "muted"
    told = [answer for answer in answers if isinstance(answer, list)]
    assert [group for _, group, _ in told] == [group for group in groups if group != MUTED_GROUP]
    assert {name for name, _, _ in told} == {"a", "b"}
    for room in rooms.rooms:
        (request,) = room.requests
        mine = [message.to_from_id for message in request.messages if message.to_from_id != MUTED_GROUP]
        assert mine == [group for name, group, _ in told if name == room.name]
    # The same talk goes to the same room every time.
    owner = {group: name for name, group, _ in told}
    assert [name for name, _, _ in await rooms.send([20, 31])] == [owner[20], owner[31]]  # type: ignore[misc]


async def test_what_becomes_of_one_call_is_its_own_messages_only(rooms: Rooms) -> None:
    rooms.rooms[0].is_overloaded = True
    answers = await rooms.send(list(range(20, 40)))
    assert "overloaded" in answers
    assert {answer[0] for answer in answers if isinstance(answer, list)} == {"b"}


async def test_every_message_has_an_id_so_that_its_call_may_be_repeated(rooms: Rooms) -> None:
    assert SEND.repeatable
    first, second = await rooms.send([20, 20])
    assert isinstance(first, list) and isinstance(second, list) and len(first[2]) == 32 and first[2] != second[2]


async def test_within_one_process_it_is_one_call() -> None:
    room, network = Room("a"), InProcessNetwork(serialise=True)
    network.serve([SEND], room)
    channel = network.channel("test")
    calls = MessageCalls(MessageStub(channel), MediaStub(channel), EmoticonStub(channel), 100)
    body = msgspec.Raw(b'{"content": "hi"}')
    sends = [(EventCall(user_id=1, codec=1), SendBody("text", 2, group, body)) for group in range(20, 40)]
    assert len(await calls.send([*sends, (sends[0][0], SendBody("nonsense", 2, 1, body))])) == 21
    assert len(room.requests) == 1
    assert await calls.send([]) == []


@pytest.mark.parametrize(
    ("user_id", "mode", "to_from_id", "key"), [(7, 1, 9, "p7-9"), (9, 1, 7, "p7-9"), (9, 2, 7, "g7"), (7, 2, 7, "g7")]
)
def test_both_of_a_pair_and_all_of_a_group_have_one_key(user_id: int, mode: int, to_from_id: int, key: str) -> None:
    assert talk_key(user_id, mode, to_from_id) == key
