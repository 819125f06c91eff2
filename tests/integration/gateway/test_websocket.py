"""The WebSocket gateway on real sockets (contract: ws-events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.integration.gateway.small_rooms import EPOCH, WebSocketDoor, World, websocket_door
from xinyu._fast.frames import build_frame
from xinyu.base.errors import OVERLOADED, XinYuError
from xinyu.base.token import AccessToken, AccessTokens
from xinyu.gateway.ws import gateway as gateway_module
from xinyu.wire.v1 import presence_rpc

OURS = Subprotocol("xinyu.v1.json")
TRACE = "c0ffee" + "0" * 26


@pytest.fixture
async def door() -> AsyncIterator[WebSocketDoor]:
    async with websocket_door(World()) as opened:
        yield opened


def legacy(door: WebSocketDoor, token: str | None = None, path: str = "/wss/default.io", **options: Any) -> connect:
    query = f"?token={door.world.token() if token is None else token}"
    return connect(door.url + path + query, **options)


def ours(door: WebSocketDoor, *, user_id: int = 0, query: str = "", **options: Any) -> connect:
    """With an Authorization header where a user is named."""
    headers = {"Authorization": f"Bearer {door.world.token(user_id)}"} if user_id else {}
    return connect(f"{door.url}/ws{query}", subprotocols=[OURS], additional_headers=headers, **options)


async def receive(socket: ClientConnection) -> dict[str, Any]:
    message = await asyncio.wait_for(socket.recv(), 10)
    assert isinstance(message, str)
    decoded = json.loads(message)
    assert isinstance(decoded, dict)
    return decoded


async def ask(socket: ClientConnection, event: str, payload: Any = None, ackid: str = "a1") -> dict[str, Any]:
    await socket.send(json.dumps({"event": event, "payload": {} if payload is None else payload, "ackid": ackid}))
    return await receive(socket)


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Reads to the end; the close code and reason."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await asyncio.wait_for(socket.recv(), 10)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def refused(opening: connect, status: int, reason: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with opening:
            pass
    response = caught.value.response
    assert (response.status_code, response.headers["X-XinYu-Reason"]) == (status, reason)
    assert response.body is not None
    body = json.loads(response.body)
    assert set(body) == {"code", "message", "data"}
    assert body["code"] == status


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def routed(door: WebSocketDoor, user_id: int) -> int:
    """The codecs in which the user can be reached here."""
    return (await door.world.routes.locate([user_id])).get("one", {}).get(user_id, 0)


async def route_gone(door: WebSocketDoor, user_id: int) -> None:
    async with asyncio.timeout(10):
        while await routed(door, user_id):
            await asyncio.sleep(0.005)


# ---------------------------------------------------------------- the reference client's dialect


async def test_connect_is_the_first_event(door: WebSocketDoor) -> None:
    async with legacy(door, door.world.token(7), path="/wss/any/path") as socket:
        first = await receive(socket)
        assert first["event"] == "connect"
        assert set(first["payload"]) == {"uid", "platform", "ts"}
        assert (first["payload"]["uid"], first["payload"]["platform"]) == (7, "web")
        assert socket.subprotocol is None
        assert await routed(door, 7) == 1 << 0
    await route_gone(door, 7)


async def test_ping_pong_echo_ack(door: WebSocketDoor) -> None:
    async with legacy(door) as socket:
        await receive(socket)
        for text in ('{"event":"ping"}', '{ "payload": null, "event" : "ping" }'):
            await socket.send(text)
            pong = await receive(socket)
            assert pong["event"] == "pong"
            assert isinstance(pong["payload"]["ts"], int)
        await socket.send('{"event":"ack","ackid":"m-1-2"}')
        await socket.send('{"event":"pong","payload":null}')
        for anything in ([1, "two"], None, "text", {"a": {"b": 1.5}}):
            await socket.send(json.dumps({"event": "echo", "payload": anything}))
            assert await receive(socket) == {"event": "echo", "payload": anything}


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c", "expired"])
async def test_defect_25_a_bad_token_is_refused_before_the_upgrade(door: WebSocketDoor, token: str) -> None:
    value = door.world.expired_token() if token == "expired" else token
    await refused(legacy(door, value), 401, "token_expired" if token == "expired" else "unauthenticated")
    await refused(connect(f"{door.url}/wss/default.io"), 401, "unauthenticated")


async def test_the_legacy_dialect_gets_two_fields_and_no_acks(door: WebSocketDoor) -> None:
    async with legacy(door) as socket:
        await receive(socket)
        answer = await ask(socket, "test.refuse")
        assert answer == {
            "event": "event_error",
            "payload": {"error_code": 403, "error_message": "You are muted in this group."},
        }
        await socket.send('{"event":"test.say","payload":{"text":"a"},"ackid":"x"}')
        await socket.send('{"event":"echo","payload":1}')
        assert (await receive(socket))["event"] == "echo"
        assert door.world.calls[0][0].codec == 0
        # What only our dialect has does not exist here.
        for event in ("test.raw", "heartbeat", "session.open", "sync"):
            assert (await ask(socket, event))["payload"]["error_code"] == 400


# ---------------------------------------------------------------- logging in, our dialect


READY_FIELDS = {"session_id", "uid", "device_id", "epoch", "heartbeat_ms", "server_time_ms", "max_message_bytes"}


async def test_with_a_header(door: WebSocketDoor) -> None:
    async with ours(door, user_id=5, query="?device_id=phone-1&platform=app") as socket:
        ready = await receive(socket)
        assert (ready["event"], set(ready["payload"])) == ("session.ready", READY_FIELDS)
        assert (ready["payload"]["uid"], ready["payload"]["device_id"]) == (5, "phone-1")
        assert ready["payload"]["epoch"] == EPOCH
        assert socket.subprotocol == "xinyu.v1.json"
        assert await routed(door, 5) == 1 << 1
    await route_gone(door, 5)


async def test_with_a_ticket_once(door: WebSocketDoor) -> None:
    ticket = await door.world.tickets.issue(door.world.tokens.verify(door.world.token(6)))
    async with ours(door, query=f"?ticket={ticket}") as socket:
        assert (await receive(socket))["payload"]["uid"] == 6
    await refused(ours(door, query=f"?ticket={ticket}"), 401, "unauthenticated")
    await refused(ours(door, query="?ticket=nonsense"), 401, "unauthenticated")


async def test_with_session_open(door: WebSocketDoor) -> None:
    async with ours(door) as socket:
        before = await ask(socket, "test.say", {"text": "too early"})
        assert before["event"] == "event_error"
        assert (before["ackid"], before["payload"]["reason"]) == ("a1", "unauthenticated")
        refusal = await ask(socket, "session.open", {"token": "garbage"})
        assert refusal["payload"]["reason"] == "unauthenticated"
        refusal = await ask(socket, "session.open", {"token": door.world.expired_token()})
        assert refusal["payload"]["reason"] == "token_expired"
        for payload in ({}, {"token": 1}, [], {"token": door.world.token(), "device_id": "ä" * 200}):
            assert (await ask(socket, "session.open", payload))["payload"]["reason"] == "invalid"
        assert await routed(door, 8) == 0
        ready = await ask(socket, "session.open", {"token": door.world.token(8), "device_id": "d", "platform": "pc"})
        assert (ready["event"], ready["payload"]["uid"]) == ("session.ready", 8)
        assert await routed(door, 8) == 1 << 1
        assert (await ask(socket, "test.say", {"text": "now"}))["event"] == "ack"
        assert door.world.calls[-1][0].user_id == 8
    await route_gone(door, 8)


async def test_a_session_is_renewed_by_its_own_user_only(door: WebSocketDoor) -> None:
    async with ours(door, user_id=8) as socket:
        first = await receive(socket)
        again = await ask(socket, "session.open", {"token": door.world.token(8)})
        assert again["payload"]["session_id"] == first["payload"]["session_id"]
        other = await ask(socket, "session.open", {"token": door.world.token(9)})
        assert other["payload"]["reason"] == "forbidden"
        assert await routed(door, 9) == 0
    await route_gone(door, 8)


async def test_the_login_deadline() -> None:
    async with websocket_door(World(), login_timeout_s=0.4) as door:
        async with ours(door) as socket:
            assert (await ask(socket, "heartbeat"))["payload"]["reason"] == "unauthenticated"
            assert (await closed(socket))[0] == 4408


async def test_a_token_that_expires_closes_4401(door: WebSocketDoor) -> None:
    now_ms = door.world.clock.now_ms()
    ticket = await door.world.tickets.issue(AccessToken(6, "t", "web", now_ms + 600))
    async with ours(door, query=f"?ticket={ticket}") as socket:
        assert (await receive(socket))["event"] == "session.ready"
        assert (await closed(socket))[0] == 4401
    await route_gone(door, 6)


async def test_too_many_connections_of_one_user() -> None:
    async with websocket_door(World(), connections_per_user=2) as door:
        async with ours(door, user_id=5) as one, legacy(door, door.world.token(5)) as two:
            await receive(one)
            await receive(two)
            async with ours(door, user_id=5) as three:
                assert (await closed(three))[0] == 4429
            async with ours(door) as four:
                await four.send(json.dumps({"event": "session.open", "payload": {"token": door.world.token(5)}}))
                assert (await closed(four))[0] == 4429
            assert await routed(door, 5) == 0b11
            assert (await ask(one, "test.raw"))["event"] == "ack"
        await route_gone(door, 5)
        async with ours(door, user_id=5) as five:
            assert (await receive(five))["event"] == "session.ready"


async def test_many_logins_at_once_leave_the_right_routes(door: WebSocketDoor) -> None:
    async def once(number: int) -> None:
        async with ours(door, user_id=1 + number % 3) as socket:
            if number % 2:
                await receive(socket)

    async with ours(door, user_id=1) as kept:
        await receive(kept)
        await asyncio.gather(*(once(number) for number in range(40)))
        await route_gone(door, 2)
        await route_gone(door, 3)
        await until(lambda: door.gateway.engine.stats()["open"] == 1)
        assert await routed(door, 1) == 1 << 1
        await door.push([1], ours=b'{"event":"x","payload":{}}')
        assert (await receive(kept))["event"] == "x"
    await route_gone(door, 1)


async def test_when_presence_is_away_nobody_comes_in_and_nothing_leaks(door: WebSocketDoor) -> None:
    class Away:
        async def change_routes(self, _request: object, _context: object) -> None:
            raise XinYuError(OVERLOADED)

        load_online = renew_gateway = watch = unwatch = change_routes

    door.world.network.serve(presence_rpc.METHODS, Away())
    await refused(legacy(door), 503, "overloaded")
    async with ours(door) as socket:
        answer = await ask(socket, "session.open", {"token": door.world.token(4)})
        assert answer["payload"]["reason"] == "overloaded"


async def test_logins_that_were_ended(door: WebSocketDoor) -> None:
    old, new = door.world.token(7), AccessTokens(b"0" * 32, 7200, door.world.clock).mint(7, "web")
    async with (
        legacy(door, old) as page,
        ours(door, user_id=7) as app,
        legacy(door, new) as later,
        legacy(door, door.world.token(8)) as other,
    ):
        for socket in (page, app, later, other):
            await receive(socket)
        unused = await door.world.tickets.issue(door.world.tokens.verify(old))
        door.world.tokens.ended[7] = door.world.tokens.verify(old).expires_at_ms + 1000
        for _ in range(2):
            door.gateway.end_logins([7, 9])
        assert await receive(app) == {"event": "session.kicked", "payload": {"reason": "login_ended"}}
        for socket in (page, app):
            assert await closed(socket) == (4403, "login ended")
        # Neither by the engine alone, nor in any other way.
        await refused(legacy(door, old), 401, "unauthenticated")
        await refused(ours(door, user_id=7), 401, "unauthenticated")
        await refused(ours(door, query=f"?ticket={unused}"), 401, "unauthenticated")
        async with ours(door) as late:
            answer = await ask(late, "session.open", {"token": old})
            assert answer["payload"]["reason"] == "unauthenticated"
        # Who has logged in since, and everybody else, stays.
        for socket in (later, other):
            await socket.send('{"event":"echo","payload":1}')
            assert (await receive(socket))["event"] == "echo"
        async with legacy(door, new) as again:
            assert (await receive(again))["event"] == "connect"


# ---------------------------------------------------------------- negotiation and origins


async def test_ws_needs_our_subprotocol(door: WebSocketDoor) -> None:
    await refused(connect(f"{door.url}/ws?token={door.world.token()}"), 400, "invalid")
    for offered in (["xinyu.v2.json"], ["chat"]):
        await refused(connect(f"{door.url}/ws", subprotocols=[Subprotocol(name) for name in offered]), 400, "invalid")
    both = [Subprotocol("xinyu.v1.protobuf"), OURS]
    async with connect(f"{door.url}/wss/default.io", subprotocols=both) as socket:
        assert socket.subprotocol == "xinyu.v1.json"
        assert (await ask(socket, "session.open", {"token": door.world.token()}))["event"] == "session.ready"


async def test_other_paths_do_not_exist(door: WebSocketDoor) -> None:
    for path in ("/", "/wss", "/ws/", "/other"):
        await refused(connect(door.url + path, subprotocols=[OURS]), 404, "not_found")


async def test_origins(door: WebSocketDoor) -> None:
    async with ours(door, user_id=1, origin=Origin("http://localhost:8080")) as socket:
        await receive(socket)
    await refused(ours(door, user_id=1, origin=Origin("https://elsewhere.example")), 403, "origin_refused")
    await refused(legacy(door, origin=Origin("null")), 403, "origin_refused")
    assert await routed(door, 1) in (0, 1 << 1)


@pytest.mark.parametrize(
    "query", ["?platform=fridge", "?device_id=" + "x" * 65, "?" + "&".join("a=1" for _ in range(40))]
)
async def test_bad_queries(door: WebSocketDoor, query: str) -> None:
    await refused(ours(door, user_id=1, query=query), 400, "invalid")


# ---------------------------------------------------------------- events


async def test_requests_are_answered(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        assert await ask(socket, "test.say", {"text": "hello", "more": 1}, 'odd "\\ ackid') == {
            "event": "ack",
            "ackid": 'odd "\\ ackid',
            "payload": {"said": "hello"},
        }
        assert (await ask(socket, "test.raw"))["payload"] == {"raw": [1, 2]}
        beat = await ask(socket, "heartbeat")
        assert (beat["event"], beat["ackid"], set(beat["payload"])) == ("ack", "a1", {"server_time_ms"})
        assert await ask(socket, "echo", [1]) == {"event": "ack", "ackid": "a1", "payload": [1]}
        assert set((await ask(socket, "ping"))["payload"]) == {"ts"}


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("", 400, "bad_json"),
        ("nonsense", 400, "bad_json"),
        ("[]", 400, "bad_json"),
        ("1", 400, "bad_json"),
        ('"text"', 400, "bad_json"),
        ("null", 400, "bad_json"),
        ('{"event":"test.say"', 400, "bad_json"),
        ('{"event":"test.say","payload":{"text":"\\ud800"}}', 400, "bad_json"),
        ("[" * 50_000, 400, "bad_json"),
        ('{"event":"test.say","payload":' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}", 400, "bad_json"),
        ("{}", 400, "invalid"),
        ('{"event":1}', 400, "invalid"),
        ('{"event":null,"payload":{}}', 400, "invalid"),
        ('{"event":"test.say","ackid":7}', 400, "invalid"),
        ('{"event":"test.say","ackid":"' + "a" * 200 + '"}', 400, "invalid"),
        ('{"event":"nope"}', 400, "unknown_event"),
        ('{"event":"session.ready"}', 400, "unknown_event"),
        ('{"event":"im.message","payload":{}}', 400, "unknown_event"),
        ('{"event":"test.say"}', 400, "invalid"),
        ('{"event":"test.say","payload":null}', 400, "invalid"),
        ('{"event":"test.say","payload":[]}', 400, "invalid"),
        ('{"event":"test.say","payload":{"text":1}}', 400, "invalid"),
        ('{"event":"test.say","payload":{"text":"' + "x" * 1_001 + '"}}', 400, "invalid"),
        ('{"event":"test.refuse"}', 403, "muted"),
        ('{"event":"test.fail"}', 500, "internal"),
    ],
)
async def test_what_is_wrong_is_said_and_the_connection_kept(
    door: WebSocketDoor, text: str, status: int, reason: str
) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        await socket.send(text)
        answer = await receive(socket)
        assert answer["event"] == "event_error"
        assert (answer["payload"]["error_code"], answer["payload"]["reason"]) == (status, reason)
        assert "secret" not in json.dumps(answer)
        assert (await ask(socket, "test.raw"))["event"] == "ack"
    assert door.world.calls == []


async def test_a_binary_frame_is_refused_and_the_connection_kept(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        await socket.send(b'{"event":"test.raw"}')
        assert (await receive(socket))["payload"]["reason"] == "binary_frame"
        assert (await ask(socket, "test.raw"))["event"] == "ack"


async def test_a_message_that_is_too_large_closes_1009() -> None:
    async with websocket_door(World(), max_message_bytes=2048) as door:
        async with ours(door, user_id=3) as socket:
            await receive(socket)
            await socket.send(json.dumps({"event": "echo", "payload": "x" * 3000}))
            assert (await closed(socket))[0] == 1009
        await route_gone(door, 3)


async def test_the_rate_of_sends(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        answers = [await ask(socket, "test.send") for _ in range(12)]
        assert [answer["event"] for answer in answers[:3]] == ["ack"] * 3
        limited = [answer for answer in answers if answer["event"] == "event_error"]
        assert limited
        assert {answer["payload"]["reason"] for answer in limited} == {"too_many"}
        assert all(answer["payload"]["retry_after_ms"] >= 1 for answer in limited)


async def test_credit_comes_back_whatever_happens() -> None:
    """More failures than the credit: were one of them not given back, the connection would fall silent."""
    async with websocket_door(World(), in_flight_per_connection=4) as door:
        async with ours(door, user_id=3) as socket:
            await receive(socket)
            for _ in range(10):
                for text in (
                    '{"event":"test.fail","ackid":"1"}',
                    '{"event":"test.refuse","ackid":"1"}',
                    '{"event":"test.say","ackid":"1"}',
                    '{"event":"nope"}',
                    "nonsense",
                    '{"event":"session.open","payload":{"token":"x"}}',
                    '{"event":"session.open","payload":1}',
                ):
                    await socket.send(text)
                    assert (await receive(socket))["event"] == "event_error"
                await socket.send('{"event":"ack"}')
                await socket.send(b"binary")
                assert (await receive(socket))["event"] == "event_error"
            connection = door.gateway.engine.connection_ids()[0]
            await until(lambda: door.gateway.engine.credit_of(connection) == 4)


async def test_events_in_flight_are_bounded_and_in_order() -> None:
    async with websocket_door(World(), in_flight_per_connection=4) as door:
        async with ours(door, user_id=3) as socket:
            await receive(socket)
            for number in range(20):
                await socket.send(json.dumps({"event": "test.slow", "payload": {"text": str(number)}, "ackid": "s"}))
            await until(lambda: len(door.world.calls) >= 4)
            await asyncio.sleep(0.05)
            assert door.world.calls == ["0", "1", "2", "3"]
            door.world.gate.set()
            for _ in range(20):
                assert (await receive(socket))["event"] == "ack"
            assert door.world.calls == [str(number) for number in range(20)]


async def test_defect_15_a_slow_event_does_not_hold_up_the_others(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        await socket.send('{"event":"test.slow","payload":{"text":"1"},"ackid":"slow"}')
        await door.world.entered.wait()
        assert (await ask(socket, "test.raw"))["ackid"] == "a1"
        door.world.gate.set()
        assert (await receive(socket))["ackid"] == "slow"


# ---------------------------------------------------------------- events that are answered together


def together(text: str, ackid: str = "", trace_id: str = "") -> str:
    event = {"event": "test.together", "payload": {"text": text}, "ackid": ackid, "trace_id": trace_id}
    return json.dumps(event)


async def send_at_once(socket: ClientConnection, texts: Sequence[str]) -> None:
    """In one segment, so that the gateway has them in one turn."""
    frames = [build_frame(1, text.encode(), mask=b"mask") for text in texts]
    socket.transport.write(b"".join(frames))


async def test_what_arrives_together_is_answered_together(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        await send_at_once(socket, [together("a", "1"), together("refuse", "2"), together("b"), together("c", "3")])
        answers = [await receive(socket) for _ in range(3)]
        assert [(answer["event"], answer["ackid"]) for answer in answers] == [
            ("ack", "1"), ("event_error", "2"), ("ack", "3"),
        ]  # fmt: skip
        assert [answer["payload"].get("said") for answer in answers] == ["a", None, "c"]
        (call,) = door.world.calls
        assert [(user_id, text) for user_id, text, _ in call] == [(3, "a"), (3, "refuse"), (3, "b"), (3, "c")]


async def test_they_start_in_the_order_of_arrival_with_the_others(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        say = json.dumps({"event": "test.say", "payload": {"text": "between"}, "ackid": "s"})
        await send_at_once(socket, [together("a"), together("b"), say, together("c", "1")])
        await receive(socket)
        await receive(socket)
        shown = [[text for _, text, _ in call] if isinstance(call, list) else call[1] for call in door.world.calls]
        assert shown == [["a", "b"], "between", ["c"]]


async def test_one_with_a_trace_id_goes_alone(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        await send_at_once(socket, [together("a"), together("b", trace_id=TRACE), together("c", "1")])
        await receive(socket)
        assert [[text for _, text, _ in call] for call in door.world.calls] == [["a"], ["b"], ["c"]]
        traces = [call[0][2] for call in door.world.calls]
        assert traces[1] == TRACE and len(set(traces)) == 3 and all(traces)


@pytest.mark.parametrize(("text", "reason"), [("fail", "internal"), ("refuse all", "muted"), ("too few", "internal")])
async def test_what_the_room_raises_refuses_all_and_the_credit_comes_back(text: str, reason: str) -> None:
    async with websocket_door(World(), in_flight_per_connection=4) as door, ours(door, user_id=3) as socket:
        await receive(socket)
        await send_at_once(socket, [together(text, "1"), together("with it", "2")] * 10)
        for _ in range(20):
            answer = await receive(socket)
            assert (answer["event"], answer["payload"]["reason"]) == ("event_error", reason)
        connection = door.gateway.engine.connection_ids()[0]
        await until(lambda: door.gateway.engine.credit_of(connection) == 4)


async def test_they_gather_while_two_calls_are_under_way_but_not_for_long(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        for number in (1, 2):
            await socket.send(together("slow", str(number)))
            await until(lambda number=number: len(door.world.calls) == number)  # type: ignore[misc]
        await send_at_once(socket, [together("a", "3"), together("b", "4")])
        # The two hang; the others go on after a few milliseconds all the same.
        assert [(await receive(socket))["ackid"] for _ in range(2)] == ["3", "4"]
        assert [[text for _, text, _ in call] for call in door.world.calls] == [["slow"], ["slow"], ["a", "b"]]
        door.world.gate.set()
        assert {(await receive(socket))["ackid"] for _ in range(2)} == {"1", "2"}


async def test_what_gathered_goes_when_a_call_ends(
    door: WebSocketDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "COLLECT_AT_MOST_S", 3600.0)
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        for number in (1, 2):
            await socket.send(together("slow", str(number)))
            await until(lambda number=number: len(door.world.calls) == number)  # type: ignore[misc]
        await socket.send(together("a", "3"))
        await socket.send(json.dumps({"event": "echo", "payload": 1, "ackid": "e"}))
        assert (await receive(socket))["ackid"] == "e"
        await socket.send(together("b", "4"))
        await asyncio.sleep(0.05)
        assert len(door.world.calls) == 2
        door.world.gate.set()
        assert {(await receive(socket))["ackid"] for _ in range(4)} == {"1", "2", "3", "4"}
        assert [text for call in door.world.calls[2:] for _, text, _ in call] == ["a", "b"]


async def test_drain_answers_what_was_collected(door: WebSocketDoor) -> None:
    async with ours(door, user_id=3) as socket:
        await receive(socket)
        await send_at_once(socket, [together("slow", "1"), together("b", "2")])
        await door.world.entered.wait()
        stopping = asyncio.ensure_future(door.gateway.stop(5.0))
        await asyncio.sleep(0)
        door.world.gate.set()
        assert [(await receive(socket))["ackid"] for _ in range(2)] == ["1", "2"]
        assert (await closed(socket))[0] == 1012
        await stopping


# ---------------------------------------------------------------- Deliver


async def test_deliver_reaches_all_devices_each_in_its_codec(door: WebSocketDoor) -> None:
    async with (
        ours(door, user_id=1) as one,
        ours(door, user_id=1) as two,
        legacy(door, door.world.token(1)) as old,
        ours(door, user_id=2) as other,
    ):
        for socket in (one, two, old, other):
            await receive(socket)
        await door.push([1, 99], legacy=b'{"event":"old","payload":{}}', ours=b'{"event":"new","payload":{}}')
        await door.push([1], ours=b'{"event":"only-new","payload":{}}')
        await door.push([1, 2], legacy=b'{"event":"last","payload":{}}', ours=b'{"event":"last","payload":{}}')
        for socket, expected in [
            (one, ["new", "only-new", "last"]),
            (two, ["new", "only-new", "last"]),
            (old, ["old", "last"]),
            (other, ["last"]),
        ]:
            assert [(await receive(socket))["event"] for _ in expected] == expected


async def test_a_push_right_after_the_route_is_made_reaches_the_new_connection(door: WebSocketDoor) -> None:
    """Routed first: between Connect and the first event nothing may be lost."""
    connect_route = door.world.routes.connect

    async def connect_and_push(user_ids: Iterable[int], gateway: str, codec: int) -> list[int]:
        came = await connect_route(user_ids, gateway, codec)
        asyncio.get_running_loop().call_soon(
            lambda: asyncio.ensure_future(door.push(list(user_ids), legacy=b'{"event":"early","payload":{}}'))
        )
        return came

    door.world.routes.connect = connect_and_push  # type: ignore[method-assign]
    async with legacy(door) as socket:
        assert [(await receive(socket))["event"] for _ in range(2)] == ["connect", "early"]


# ---------------------------------------------------------------- stopping


async def test_drain_answers_what_runs_and_closes_1012_with_a_delay(door: WebSocketDoor) -> None:
    async with ours(door, user_id=1) as socket, legacy(door, door.world.token(2)) as old:
        await receive(socket)
        await receive(old)
        await socket.send('{"event":"test.slow","payload":{"text":"1"},"ackid":"running"}')
        await door.world.entered.wait()
        stopping = asyncio.create_task(door.gateway.stop(5.0))
        await asyncio.sleep(0)
        late = await ask(socket, "test.say", {"text": "late"}, "late")
        assert (late["ackid"], late["payload"]["reason"]) == ("late", "shutting_down")
        door.world.gate.set()
        assert (await receive(socket))["ackid"] == "running"
        code, reason = await closed(socket)
        assert code == 1012
        assert any(part.isdigit() for part in reason.split())
        assert (await closed(old))[0] == 1012
        await stopping
    with pytest.raises(OSError):
        async with ours(door, user_id=1):
            pass
    assert await routed(door, 1) == 0
    assert await routed(door, 2) == 0
