"""The front, end to end against the oracle behind a scripted gateway: catching up, sending through drops, histories."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.unit.client.gateway import Peer, ScriptedGateway, within
from tests.unit.client.oracle_server import OracleServer
from xinyu.client import (
    ApiError,
    Client,
    ClosedError,
    NetworkError,
    NotConnected,
    NoticesDropped,
    NotLoggedIn,
    RecordAdded,
    RecordRemoved,
    SendQueueFull,
    SendRefused,
    SendStored,
    Typing,
)
from xinyu.client import client as client_module
from xinyu.client.backoff import Backoff
from xinyu.client.errors import ClientError
from xinyu.client.shapes import MembersRequest, RangeRequest, SyncRequest

ME, PEER = 1, 2


def as_json(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


class OracleGateway:
    """Speaks the dialect for user ME from an OracleServer. `refusals` answers sends first, `drop_after_store` counts
    sends whose answer is lost with the connection."""

    def __init__(self) -> None:
        self.server = OracleServer()
        self.server.make_talk(7, [ME, PEER])
        self.by_msg_id: dict[str, int] = {}
        self.order: list[str] = []
        self.refusals: list[dict[str, Any]] = []
        self.drop_after_store = 0
        self.garble_sync = 0
        self.peers: set[Peer] = set()
        self.syncs = 0

    async def script(self, peer: Peer) -> None:
        self.peers.add(peer)
        await peer.ready(uid=ME, epoch=str(self.server.epoch))
        try:
            while True:
                await self.answer(peer, await peer.hear())
        except Exception:
            if peer.websocket.close_code is None:
                raise
        finally:
            self.peers.discard(peer)

    async def answer(self, peer: Peer, request: dict[str, Any]) -> None:
        event, payload = request["event"], request["payload"]
        if event == "sync":
            self.syncs += 1
            if self.garble_sync:
                self.garble_sync -= 1
                await peer.ack(request, {"epoch": 5})
                return
            await peer.ack(request, as_json(self.server.sync(ME, msgspec.convert(payload, SyncRequest))))
        elif event == "im.message.range":
            await peer.ack(request, as_json(self.server.range(ME, msgspec.convert(payload, RangeRequest))))
        elif event == "im.talk.members":
            await peer.ack(request, as_json(self.server.members(msgspec.convert(payload, MembersRequest))))
        elif event == "im.talk.read":
            self.server.read(payload["talk_id"], ME, payload["sequence"])
            member = self.server.talks[7].members[ME]
            await peer.ack(request, {"read_sequence": max(member.read, member.sent), "own": member.own})
            await self.dispatch()
        elif event == "im.message.revoke":
            self.server.alter(7, int(payload["msg_id"].split("-")[1], 16), "recalled")
            await peer.ack(request, {})
            await self.dispatch()
        elif event == "im.message.keyboard":
            await peer.say(event, {"talk_mode": 1, "to_from_id": ME, "from_id": payload["to_from_id"]})
        elif self.refusals:
            await peer.say("event_error", self.refusals.pop(0), ackid=request["ackid"])
        else:
            await self.store(peer, request)

    async def store(self, peer: Peer, request: dict[str, Any]) -> None:
        payload = request["payload"]
        sequence = self.by_msg_id.get(payload["msg_id"])
        if sequence is None:
            sequence = self.server.send(7, ME, payload["body"]["content"])
            self.by_msg_id[payload["msg_id"]] = sequence
            self.order.append(payload["body"]["content"])
        if self.drop_after_store:
            self.drop_after_store -= 1
            peer.websocket.transport.abort()
            return
        await peer.ack(request, {**(self.server.record(self.server.talks[7], sequence) or {})})
        await self.dispatch()

    async def dispatch(self) -> None:
        while self.server.pending:
            for user, event, payload in self.server.dispatch():
                if user == ME:
                    for peer in list(self.peers):
                        await peer.say(event, payload)


@pytest.fixture
def oracle() -> OracleGateway:
    return OracleGateway()


def make_client(gateway: ScriptedGateway, **options: Any) -> Client:
    options.setdefault("backoff", Backoff(base_ms=1, cap_ms=5))
    return Client("http://127.0.0.1:9", gateway.url, token="t", **options)


async def until(client: Client, condition: Any) -> None:
    async def wait() -> None:
        stream = client.events()
        while not condition():
            await anext(stream)

    await within(wait())


async def test_catches_up_and_reads_history_by_range(oracle: OracleGateway) -> None:
    for _ in range(70):
        oracle.server.send(7, PEER)
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway) as client:
        await client.start()
        [talk] = client.conversations()
        assert (talk.talk_id, talk.unread, talk.name) == (7, 70, "group")
        assert len(client.replica.records(7)) == 3
        newest = await client.history(7, limit=30)
        assert [record.sequence for record in newest] == list(range(70, 40, -1))
        older = await client.history(7, before=41, limit=100)
        assert [record.sequence for record in older] == list(range(40, 0, -1))
        assert await client.history(7, before=1) == []
        assert oracle.server.differences(ME, client.replica) == []
        assert [member.user_id for member in await client.members(7)] == [ME, PEER]
        await client.mark_read(7)
        assert client.unread(7) == 0


async def test_a_send_is_stored_once_though_its_answers_are_lost(oracle: OracleGateway) -> None:
    oracle.drop_after_store = 3
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway) as client:
        await client.start()
        sends = [client.send_text(1, PEER, f"text {n}") for n in range(10)]
        records = await within(asyncio.gather(*sends))
        assert [record.text for record in records] == oracle.order == [f"text {n}" for n in range(10)]
        assert [record.sequence for record in records] == list(range(1, 11))
        await client.wait_synced()
        await until(client, lambda: len(client.replica.records(7)) == 10)
        assert client.unread(7) == 0
        assert client.unsent == []
        assert gateway.connections == 4


async def test_refusals_that_pass_and_one_that_does_not(oracle: OracleGateway) -> None:
    busy = {"error_code": 429, "error_message": "", "reason": "too_many", "retry_after_ms": 10}
    oracle.refusals = [busy, {**busy, "error_code": 503}]
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway) as client:
        await client.start()
        assert (await within(client.send_text(1, PEER, "at last"))).text == "at last"
        oracle.refusals = [{"error_code": 403, "error_message": "muted", "reason": "muted"}]
        stream = client.events()
        with pytest.raises(ApiError, match="muted"):
            await within(client.send_text(1, PEER, "no"))
        notices = [await anext(stream)]
        assert isinstance(notices[0], SendRefused)
        assert oracle.order == ["at last"]


async def test_the_same_msg_id_again_waits_for_the_same_send(oracle: OracleGateway) -> None:
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway) as client:
        await client.start()
        twice = await within(asyncio.gather(*(client.send_text(1, PEER, "once", msg_id="m-1") for _ in range(2))))
        assert twice[0] == twice[1]
        again = await within(client.send_text(1, PEER, "once", msg_id="m-1"))
        assert again.sequence == 1
        assert oracle.order == ["once"]


async def test_unsent_messages_survive_a_restart_with_their_ids(oracle: OracleGateway) -> None:
    oracle.drop_after_store = 1
    async with ScriptedGateway(oracle.script) as gateway:
        first = make_client(gateway)
        await first.start()
        waiting = asyncio.ensure_future(first.send_text(1, PEER, "kept"))
        await until(first, lambda: oracle.order == ["kept"])  # stored, answer lost with the connection
        await first.stop()
        state = first.state()
        await first.close()
        with pytest.raises(ClosedError):
            await waiting
        async with make_client(gateway, state=state) as second:
            assert second.device_id == first.device_id
            await second.start()
            await until(second, lambda: not second.unsent)
            assert oracle.order == ["kept"]
            assert [record.text for record in second.replica.records(7)] == ["kept"]


async def test_a_full_queue_is_said_at_once(oracle: OracleGateway) -> None:
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway, max_unsent=1) as client:
        waiting = asyncio.ensure_future(client.send_text(1, PEER, "one"))
        await asyncio.sleep(0)
        with pytest.raises(SendQueueFull):
            await client.send_text(1, PEER, "two")
        await client.start()
        assert (await within(waiting)).text == "one"


async def test_pushes_recalls_and_typing_reach_the_application(oracle: OracleGateway) -> None:
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway) as client:
        await client.start()
        stream = client.events()
        oracle.server.send(7, PEER, "hello")
        await oracle.dispatch()
        added = await within(anext(stream))
        assert isinstance(added, RecordAdded)
        assert added.record.text == "hello"
        mine = await within(client.send_text(2, 70, "mine"))
        await client.revoke(2, 70, mine.msg_id)
        await until(client, lambda: client.replica.records(7)[-1].recalled)
        client.typing(1, PEER)
        notices = []
        while not any(isinstance(notice, Typing) for notice in notices):
            notices.append(await within(anext(stream)))
        assert any(isinstance(notice, SendStored) for notice in notices)


async def test_a_malformed_push_and_a_garbled_sync_are_survived(oracle: OracleGateway) -> None:
    oracle.garble_sync = 1
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway) as client:
        await client.start()
        oracle.server.send(7, PEER)
        oracle.server.dispatch()  # lost
        before = oracle.syncs
        [peer] = oracle.peers
        await peer.say("im.message", {"talk_id": "seven"})
        await until(client, lambda: len(client.replica.records(7)) == 1)
        assert oracle.syncs > before
        await peer.say("sync.required", {"reason": "behind"})
        await peer.say("something.new", {"a": 1})
        await until(client, lambda: oracle.syncs > before + 1 and client.is_synced)


async def test_a_slow_reader_of_events_loses_notices_and_is_told(oracle: OracleGateway) -> None:
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway, max_events=5) as client:
        await client.start()
        slow = client.events()
        for _ in range(20):
            oracle.server.send(7, PEER)
        await oracle.dispatch()
        await until(client, lambda: len(client.replica.records(7)) == 20)
        first = await within(anext(slow))
        assert isinstance(first, NoticesDropped)
        rest = [await within(anext(slow)) for _ in range(len(slow._queue))]
        assert first.count + len(rest) == 20


async def test_events_end_when_the_client_is_closed(oracle: OracleGateway) -> None:
    async with ScriptedGateway(oracle.script) as gateway:
        client = make_client(gateway)
        stream = client.events()
        await client.start()
        await client.close()
        names = [type(notice).__name__ async for notice in stream]
        assert names[0] == "ConnectionChanged"
        assert "Synced" in names


async def test_going_offline_and_on_again(oracle: OracleGateway) -> None:
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway) as client:
        await client.start()
        await client.stop()
        assert not client.is_connected
        with pytest.raises(NotConnected):
            await client.revoke(1, PEER, "x")
        oracle.server.send(7, PEER, "while away")
        await client.start()
        assert [record.text for record in client.replica.records(7)] == ["while away"]


async def test_a_refused_login_ends_start_and_everything_that_waits() -> None:
    async def nobody(peer: Peer) -> None:
        raise AssertionError("nobody gets in")

    async with ScriptedGateway(nobody, refusals=[401]) as gateway, make_client(gateway) as client:
        waiting = asyncio.ensure_future(client.send_text(1, PEER, "x"))
        with pytest.raises(ApiError) as caught:
            await within(client.start())
        assert caught.value.status == 401
        with pytest.raises(ApiError):
            await waiting
        with pytest.raises(ApiError):
            await client.send_text(1, PEER, "y")


async def test_a_new_login_starts_again_and_sends_what_waited(oracle: OracleGateway) -> None:
    async with ScriptedGateway(oracle.script, refusals=[401]) as gateway, make_client(gateway) as client:
        waiting = asyncio.ensure_future(client.send_text(1, PEER, "kept"))
        with pytest.raises(ApiError):
            await within(client.start())
        with pytest.raises(ApiError):
            await waiting
        client.api.token = "a new one"
        await within(client.start())
        await until(client, lambda: not client.unsent)
        assert oracle.order == ["kept"]


async def test_start_says_when_it_takes_too_long() -> None:
    async def mute(peer: Peer) -> None:
        await peer.wait_closed()

    async with ScriptedGateway(mute) as gateway, make_client(gateway) as client:
        with pytest.raises(NetworkError, match="caught up"):
            await client.start(timeout_s=0.05)


async def test_misuse_is_said_clearly() -> None:
    client = Client("http://127.0.0.1:9", "ws://127.0.0.1:9/ws")
    with pytest.raises(NotLoggedIn):
        await client.start()
    with pytest.raises(ClosedError):
        await client.wait_synced()
    with pytest.raises(NotConnected):
        await client.mark_read(7)
    await client.close()
    with pytest.raises(ValueError, match="state"):
        Client("http://127.0.0.1:9", state=b"nonsense")
    assert issubclass(ApiError, ClientError)


async def test_a_message_disappears_by_the_devices_own_clock(
    oracle: OracleGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "EXPIRE_EVERY_S", 0.01)
    async with ScriptedGateway(oracle.script) as gateway, make_client(gateway) as client:
        await client.start()
        stream = client.events()
        oracle.server.send(7, PEER, "stays")
        await oracle.dispatch()
        oracle.server.send(7, PEER, "secret")
        record = as_json(oracle.server.record(oracle.server.talks[7], 2))
        oracle.server.pending.clear()
        for peer in oracle.peers:
            body = record | {"expires_at_ms": 1_000}
            await peer.say("im.message", {"talk_id": 7, "sequence": 2, "body": body})

        async def removed() -> int:
            async for notice in stream:
                if isinstance(notice, RecordRemoved):
                    return notice.sequence
            raise AssertionError("the stream has ended")

        assert await within(removed()) == 2
        assert [record.text for record in client.replica.records(7)] == ["stays"]
