"""The dialect `xinyu.v1.protobuf` on real sockets, beside connections that speak JSON."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.integration.gateway.small_rooms import EPOCH, WebSocketDoor, World, websocket_door
from xinyu.dialect.protobuf import from_json, to_json
from xinyu.wire.v1 import client_pb2

JSON, PROTOBUF = Subprotocol("xinyu.v1.json"), Subprotocol("xinyu.v1.protobuf")


@pytest.fixture
async def door() -> AsyncIterator[WebSocketDoor]:
    async with websocket_door(World()) as opened:
        yield opened


def opening(door: WebSocketDoor, user_id: int = 0, dialect: Subprotocol = PROTOBUF, query: str = "") -> connect:
    headers = {"Authorization": f"Bearer {door.world.token(user_id)}"} if user_id else {}
    return connect(f"{door.url}/ws{query}", subprotocols=[dialect], additional_headers=headers)


async def receive(socket: ClientConnection) -> dict[str, Any]:
    message = await asyncio.wait_for(socket.recv(), 10)
    assert isinstance(message, bytes)
    decoded = json.loads(to_json(message))
    assert isinstance(decoded, dict)
    return decoded


async def ask(socket: ClientConnection, event: str, payload: dict[str, Any], ackid: str = "a1") -> dict[str, Any]:
    envelope = {"event": event, "payload": payload, "ackid": ackid}
    await socket.send(from_json(json.dumps(envelope).encode()))
    return await receive(socket)


async def test_ready_is_the_first_message_and_requests_are_answered(door: WebSocketDoor) -> None:
    async with opening(door, 7, query="?device_id=d1") as socket:
        assert socket.subprotocol == PROTOBUF
        message = await asyncio.wait_for(socket.recv(), 10)
        assert isinstance(message, bytes)
        ready = client_pb2.Envelope.FromString(message).session_ready
        assert (ready.uid, ready.device_id, ready.epoch) == (7, "d1", EPOCH)
        assert ready.heartbeat_ms > 0 and ready.max_message_bytes > 0
        # The rooms know it as one of our dialect.
        assert await door.world.routes.locate([7]) == {"one": {7: 1 << 1}}

        answer = await ask(socket, "heartbeat", {})
        assert (answer["event"], answer["ackid"]) == ("ack", "a1") and answer["payload"]["server_time_ms"] > 0
        answer = await ask(socket, "echo", {"a": [1, {"b": "你好"}]}, "a2")
        assert answer == {"event": "ack", "ackid": "a2", "payload": {"a": [1, {"b": "你好"}]}}
        refusal = await ask(socket, "test.refuse", {}, "a3")
        assert (refusal["event"], refusal["ackid"], refusal["payload"]["error_code"]) == ("event_error", "a3", 403)
    async with asyncio.timeout(10):
        while await door.world.routes.locate([7]):
            await asyncio.sleep(0.005)


async def test_a_login_after_the_upgrade_and_a_second_token(door: WebSocketDoor) -> None:
    async with opening(door) as socket:
        assert (await ask(socket, "heartbeat", {}))["payload"]["reason"] == "unauthenticated"
        ready = await ask(socket, "session.open", {"token": door.world.token(8), "device_id": "d", "platform": "pc"})
        assert (ready["event"], ready["payload"]["uid"]) == ("session.ready", 8)
        await ask(socket, "session.open", {"token": door.world.token(8)})
        await door.push([8], ours=b'{"event":"new","payload":{"n":1}}')
        assert await receive(socket) == {"event": "new", "payload": {"n": 1}}
    async with opening(door, 8, JSON) as other:
        await other.recv()
        # Nobody speaks protobuf any more, and pushes are made for who is there.
        await door.push([8], ours=b'{"event":"last","payload":{}}')
        assert json.loads(await asyncio.wait_for(other.recv(), 10))["event"] == "last"


async def test_a_push_reaches_each_in_its_own_bytes(door: WebSocketDoor) -> None:
    record = {"talk_id": 7, "msg_id": "m", "sequence": 1, "msg_type": 1, "from_id": 2, "extra": '{"content":"<b>"}'}
    payload = {"talk_id": 7, "sequence": 1, "to_from_id": 1, "from_id": 2, "talk_mode": 1, "body": record}
    envelope = {"event": "im.message", "payload": payload}
    async with opening(door, 1) as binary, opening(door, 1, JSON) as text:
        await receive(binary)
        await text.recv()
        await door.push([1], legacy=b'{"event":"old","payload":{}}', ours=json.dumps(envelope).encode())
        message = await asyncio.wait_for(binary.recv(), 10)
        assert isinstance(message, bytes)
        pushed = client_pb2.Envelope.FromString(message).im_message
        assert (pushed.sequence, pushed.body.msg_id, pushed.body.extra) == (1, "m", '{"content":"<b>"}')
        assert json.loads(await asyncio.wait_for(text.recv(), 10)) == envelope


async def test_what_is_no_envelope_is_refused_and_the_connection_kept(door: WebSocketDoor) -> None:
    async with opening(door, 1) as socket:
        await receive(socket)
        for message, reason in [
            ("text", "text_frame"),
            ('{"event":"heartbeat"}', "text_frame"),
            (b"\xff\xff\xff", "invalid"),
            (client_pb2.Envelope(event="echo", json=b"{").SerializeToString(), "invalid"),
            (client_pb2.Envelope(event="unheard").SerializeToString(), "unknown_event"),
            (b"", "unknown_event"),
        ]:
            await socket.send(message)
            answer = await receive(socket)
            assert (answer["event"], answer["payload"]["reason"]) == ("event_error", reason)
        assert (await ask(socket, "heartbeat", {}))["event"] == "ack"


async def test_a_login_that_is_ended_says_so_first(door: WebSocketDoor) -> None:
    async with opening(door, 9) as socket:
        await receive(socket)
        door.world.tokens.ended[9] = int(time.time() * 1000) + 10**9
        door.gateway.end_logins([9])
        assert await receive(socket) == {"event": "session.kicked", "payload": {"reason": "login_ended"}}
        with pytest.raises(ConnectionClosed) as caught:
            await asyncio.wait_for(socket.recv(), 10)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 4403
