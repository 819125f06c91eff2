"""The socket against a gateway that misbehaves: drops, delays, wrong acks, 1012, 401, silence, fragments."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import pytest

from tests.unit.client.gateway import Peer, ScriptedGateway, stay, within
from xinyu.client import connection as connection_module
from xinyu.client.backoff import Backoff
from xinyu.client.connection import Connection
from xinyu.client.errors import ApiError, ClientError, ClosedError, NetworkError, NotConnected, ProtocolError
from xinyu.client.shapes import SessionReady


class Handler:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.readies: list[SessionReady] = []
        self.events: list[tuple[str, Any]] = []
        self.states: list[tuple[str, str]] = []
        self.losses = 0
        self.error: ClientError | None = None
        self.changed = asyncio.Event()

    def _note(self) -> None:
        self.changed.set()

    def on_ready(self, ready: SessionReady) -> None:
        self.readies.append(ready)
        self._note()

    def on_event(self, event: str, payload: Any) -> None:
        self.events.append((event, payload))
        self._note()

    def on_lost(self) -> None:
        self.losses += 1
        self._note()

    def on_state(self, state: str, detail: str) -> None:
        self.states.append((state, detail))
        self._note()

    def on_stopped(self, error: ClientError) -> None:
        self.error = error
        self._note()

    async def until(self, condition: Callable[[], Any]) -> None:
        async def wait() -> None:
            while not condition():
                self.changed.clear()
                await self.changed.wait()

        await within(wait())


@asynccontextmanager
async def connected(gateway: ScriptedGateway, **options: Any) -> AsyncIterator[tuple[Connection, Handler]]:
    handler = Handler()
    options.setdefault("backoff", Backoff(base_ms=1, cap_ms=5))
    connection = Connection(gateway.url, handler, token=lambda: "t0k3n", device_id="d-1", **options)
    connection.start()
    try:
        yield connection, handler
    finally:
        await connection.close()


async def test_the_upgrade_carries_token_device_platform_and_subprotocol() -> None:
    seen: list[Peer] = []

    async def script(peer: Peer) -> None:
        seen.append(peer)
        await stay(peer)

    async with ScriptedGateway(script) as gateway, connected(gateway, platform="app") as (connection, handler):
        await handler.until(lambda: handler.readies)
        assert connection.is_ready
        assert handler.readies[0].epoch == "e"
    assert seen[0].path == "/ws?device_id=d-1&platform=app"
    assert seen[0].headers["Authorization"] == "Bearer t0k3n"
    assert seen[0].headers["Sec-WebSocket-Protocol"] == "xinyu.v1.json"


async def test_answers_find_their_requests_in_any_order() -> None:
    async def script(peer: Peer) -> None:
        await peer.ready()
        first, second = await peer.hear(), await peer.hear()
        await peer.say("ack", {"wrong": True}, ackid="no-such-ack")
        await peer.say("ack", {"wrong": True})
        await peer.ack(second, {"of": second["payload"]["n"]})
        await peer.ack(first, {"of": first["payload"]["n"]})
        await peer.ack(first, {"of": "twice"})
        await peer.wait_closed()

    async with ScriptedGateway(script) as gateway, connected(gateway) as (connection, handler):
        await handler.until(lambda: connection.is_ready)
        answers = await within(asyncio.gather(*(connection.request("echo", {"n": n}) for n in (1, 2))))
        assert answers == [{"of": 1}, {"of": 2}]


async def test_a_refusal_is_an_api_error() -> None:
    async def script(peer: Peer) -> None:
        await peer.ready()
        request = await peer.hear()
        payload = {"error_code": 429, "error_message": "slow down", "reason": "too_many", "retry_after_ms": 70}
        await peer.say("event_error", payload, ackid=request["ackid"])
        request = await peer.hear()
        await peer.say("event_error", {"error_code": "x"}, ackid=request["ackid"])
        await peer.wait_closed()

    async with ScriptedGateway(script) as gateway, connected(gateway) as (connection, handler):
        await handler.until(lambda: connection.is_ready)
        with pytest.raises(ApiError) as caught:
            await connection.request("im.message.send", {})
        error = caught.value
        assert (error.status, error.reason, error.retry_after_ms, error.is_retryable) == (429, "too_many", 70, True)
        with pytest.raises(ProtocolError):
            await connection.request("im.message.send", {})


async def test_a_request_without_an_answer_ends_at_its_deadline() -> None:
    async with ScriptedGateway(stay) as gateway, connected(gateway) as (connection, handler):
        await handler.until(lambda: connection.is_ready)
        with pytest.raises(NetworkError, match="no answer"):
            await connection.request("sync", {}, timeout_s=0.05)
        assert connection.is_ready


async def test_requests_in_flight_are_bounded() -> None:
    async with ScriptedGateway(stay) as gateway, connected(gateway, max_in_flight=2) as (connection, handler):
        await handler.until(lambda: connection.is_ready)
        waiting = [asyncio.ensure_future(connection.request("sync", {})) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(NetworkError, match="2 requests"):
            await connection.request("sync", {})
        connection.reconnect()
        for result in await within(asyncio.gather(*waiting, return_exceptions=True)):
            assert isinstance(result, NotConnected)


async def test_a_dropped_connection_fails_what_waits_and_is_made_again() -> None:
    async def drop(peer: Peer) -> None:
        await peer.ready()
        await peer.hear()
        peer.websocket.transport.abort()

    async with ScriptedGateway(drop, stay) as gateway, connected(gateway) as (connection, handler):
        with pytest.raises(NotConnected):
            await connection.request("sync", {})
        await handler.until(lambda: connection.is_ready)
        with pytest.raises(NotConnected):
            await within(connection.request("sync", {}))
        await handler.until(lambda: len(handler.readies) == 2)
        assert handler.losses == 1
        assert connection.is_ready


async def test_a_server_that_is_away_is_tried_again() -> None:
    async with ScriptedGateway(stay) as gateway:
        url = gateway.url
    handler = Handler()
    connection = Connection(url, handler, token=lambda: "", device_id="d", backoff=Backoff(base_ms=1, cap_ms=2))
    connection.start()
    await handler.until(lambda: handler.states.count(("connecting", "")) >= 3)
    assert not connection.is_ready
    await connection.close()
    assert handler.states[-1] == ("closed", "")


async def test_a_server_that_goes_before_it_has_answered_is_tried_again() -> None:
    """At once, after the request, within the answer; with FIN or RST."""
    attempts = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        way, attempts = attempts % 6, attempts + 1
        if way % 3:
            await reader.readuntil(b"\r\n\r\n")
        if way % 3 == 2:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")
            await writer.drain()
        if way >= 3:
            socket = writer.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    handler = Handler()
    connection = Connection(
        f"ws://127.0.0.1:{port}/ws", handler, token=lambda: "t", device_id="d", backoff=Backoff(base_ms=1, cap_ms=5)
    )
    connection.start()
    await handler.until(lambda: attempts > 60)
    assert handler.error is None
    await connection.close()
    server.close()
    await server.wait_closed()


async def test_closing_before_the_server_has_answered_leaves_no_socket() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        assert await reader.read() == b""
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(f"ws://127.0.0.1:{port}/ws", Handler(), token=lambda: "t", device_id="d")
    connection.start()
    await within(asked.wait())
    await connection.close()
    await within(gone.wait())
    server.close()
    await server.wait_closed()


async def test_a_mistake_of_ours_costs_a_connection_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = connection_module.ws_connect, 0

    async def fails_once(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise AttributeError("no such thing")
        return await real(*arguments, **named)

    monkeypatch.setattr(connection_module, "ws_connect", fails_once)

    async with ScriptedGateway(stay) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: handler.readies)
        assert ("waiting", "AttributeError: no such thing") in handler.states


async def test_401_stops_and_reports() -> None:
    async with ScriptedGateway(stay, refusals=[401]) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: handler.error)
        assert isinstance(handler.error, ApiError)
        assert (handler.error.status, handler.error.reason, handler.error.message) == (
            401,
            "unauthenticated",
            "no entry",
        )
        assert gateway.connections == 0
        assert handler.states[-1][0] == "closed"


async def test_503_at_the_upgrade_is_tried_again() -> None:
    async with ScriptedGateway(stay, refusals=[503, 503]) as gateway, connected(gateway) as (connection, handler):
        await handler.until(lambda: connection.is_ready)
        waits = [detail for state, detail in handler.states if state == "waiting"]
        assert len(waits) == 2
        assert "503" in waits[0]


def closing(code: int, reason: str = "") -> Callable[[Peer], Awaitable[None]]:
    async def script(peer: Peer) -> None:
        await peer.ready()
        await peer.websocket.close(code, reason)

    return script


async def test_1012_comes_back_after_the_delay_in_its_reason() -> None:
    loop = asyncio.get_running_loop()
    script = closing(1012, "reconnect after 300 ms")
    async with ScriptedGateway(script, stay) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: handler.losses)
        lost_s = loop.time()
        await handler.until(lambda: len(handler.readies) == 2)
        assert loop.time() - lost_s >= 0.29


@pytest.mark.parametrize(("code", "status"), [(4401, 401), (4403, 403), (4409, None), (1008, None), (1000, None)])
async def test_codes_after_which_not_to_come_back(code: int, status: int | None) -> None:
    async with ScriptedGateway(closing(code), stay) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: handler.error)
        if status is None:
            assert isinstance(handler.error, ClosedError)
            assert str(code) in str(handler.error)
        else:
            assert isinstance(handler.error, ApiError)
            assert handler.error.status == status
        assert gateway.connections == 1


@pytest.mark.parametrize("code", [1001, 1011, 1013, 4408, 4429, 4999])
async def test_codes_after_which_to_come_back(code: int) -> None:
    async with ScriptedGateway(closing(code), stay) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: len(handler.readies) == 2)
        assert handler.error is None


async def test_session_migrate_reconnects_after_its_delay() -> None:
    async def migrate(peer: Peer) -> None:
        await peer.ready()
        await peer.say("session.migrate", {"after_ms": 50})
        await peer.wait_closed()

    slow = Backoff(base_ms=60_000, cap_ms=60_000)
    async with ScriptedGateway(migrate, stay) as gateway, connected(gateway, backoff=slow) as (_, handler):
        await handler.until(lambda: len(handler.readies) == 2)


async def test_silence_for_two_heartbeats_is_a_dead_connection() -> None:
    async def silent(peer: Peer) -> None:
        await peer.ready(heartbeat_ms=50)
        await peer.wait_closed()

    async with ScriptedGateway(silent, stay) as gateway, connected(gateway) as (connection, handler):
        await handler.until(lambda: len(handler.readies) == 2)
        assert connection.heartbeats_missed == 1


async def test_pings_count_as_being_heard_and_are_answered() -> None:
    pongs = asyncio.Event()

    async def pinging(peer: Peer) -> None:
        await peer.ready(heartbeat_ms=400)
        for _ in range(12):
            await (await peer.websocket.ping())
            await asyncio.sleep(0.1)
        pongs.set()
        await peer.wait_closed()

    async with ScriptedGateway(pinging) as gateway, connected(gateway) as (connection, handler):
        await within(pongs.wait())
        assert connection.heartbeats_missed == 0
        assert len(handler.readies) == 1


@pytest.mark.parametrize("text", ["no json", "[]", '{"payload": 1}', '{"event": 5}'])
async def test_what_is_no_event_ends_the_connection(text: str) -> None:
    async def babble(peer: Peer) -> None:
        await peer.ready()
        await peer.websocket.send(text)
        await peer.wait_closed()

    async with ScriptedGateway(babble, stay) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: len(handler.readies) == 2)


async def test_a_binary_frame_ends_the_connection() -> None:
    async def binary(peer: Peer) -> None:
        await peer.ready()
        await peer.websocket.send(b"\x00")
        await peer.wait_closed()

    async with ScriptedGateway(binary, stay) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: len(handler.readies) == 2)


async def test_a_bad_session_ready_ends_the_connection() -> None:
    async def bad(peer: Peer) -> None:
        await peer.say("session.ready", {"uid": "one"})
        await peer.wait_closed()

    async with ScriptedGateway(bad, stay) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: len(handler.readies) == 1)
        assert gateway.connections == 2


async def test_fragments_are_put_together_and_events_handed_on_in_order() -> None:
    async def script(peer: Peer) -> None:
        await peer.ready()

        async def parts() -> AsyncIterator[str]:
            for part in ('{"event":"one","pay', 'load":{"text":"zwölf', ' Böxkämpfer"}}'):
                yield part

        await peer.websocket.send(parts())
        await peer.say("two", {"n": 2})
        await peer.say("event_error", {"error_code": 400, "error_message": "of nothing"})
        await peer.say("three", {"n": 3})
        await peer.wait_closed()

    async with ScriptedGateway(script) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: len(handler.events) == 3)
        assert handler.events == [("one", {"text": "zwölf Böxkämpfer"}), ("two", {"n": 2}), ("three", {"n": 3})]


async def test_nothing_is_handed_on_before_the_session_is_ready() -> None:
    async def early(peer: Peer) -> None:
        await peer.say("im.message", {})
        await peer.ready()
        await peer.say("later", {})
        await peer.wait_closed()

    async with ScriptedGateway(early) as gateway, connected(gateway) as (_, handler):
        await handler.until(lambda: handler.events)
        assert handler.events == [("later", {})]


async def test_a_server_that_never_says_ready_is_given_up() -> None:
    async def mute(peer: Peer) -> None:
        await peer.wait_closed()

    async with ScriptedGateway(mute, stay) as gateway, connected(gateway, connect_timeout_s=0.1) as (_, handler):
        await handler.until(lambda: handler.readies)
        assert gateway.connections == 2


async def test_closing_says_goodbye_and_leaves_no_task() -> None:
    codes: list[int | None] = []

    async def script(peer: Peer) -> None:
        await peer.ready()
        await peer.wait_closed()
        codes.append(peer.websocket.close_code)

    before = asyncio.all_tasks()
    async with ScriptedGateway(script) as gateway:
        async with connected(gateway) as (connection, handler):
            await handler.until(lambda: connection.is_ready)
            await connection.close()
            await connection.close()
            assert not connection.is_ready
    assert codes == [1000]
    assert not {task for task in asyncio.all_tasks() - before if "xinyu" in task.get_name()}
