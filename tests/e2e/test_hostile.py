"""What no honest client sends, over real sockets to a real server: refused with a stable code, the connection kept,
and not a row of the database changed by any of it."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.plain_client import Events, Person
from tests.server_process import ServerProcess

pytestmark = pytest.mark.e2e

# What changes by itself: leases are renewed, events are handed on, logins are written down.
# The search index follows what was stored before.
MOVING = {"lease", "login_log", "verification_code", "sqlite_sequence", "message_term", "message_indexed"} | {
    f"{room}_outbox" for room in ("message", "talk", "user", "contact", "group")
}
HUGE = 2**53
DEEP = "[" * 20_000 + "]" * 20_000


def stored(server: ServerProcess) -> dict[str, list[Any]]:
    """Every row of every table that a request could have changed."""
    path = server.data_directory / "xinyu.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: sorted(map(repr, database.execute(f'SELECT * FROM "{name}"'))) for name in names if name not in MOVING
        }


@pytest.fixture
async def house(
    server: ServerProcess, mobile: Callable[[], str]
) -> AsyncIterator[tuple[Person, Person, Person, int]]:
    """Ann and Ben are friends and a group, which Eve is not in."""
    async with (
        Person(server, "Ann", mobile()) as ann,
        Person(server, "Ben", mobile()) as ben,
        Person(server, "Eve", mobile()) as eve,
    ):
        for person in (ann, ben, eve):
            await person.register()
        await ann.befriend(ben)
        yield ann, ben, eve, (await ann.ok("group/create", {"name": "We", "user_ids": [ben.user_id]}))["group_id"]


async def test_rest(server: ServerProcess, house: tuple[Person, Person, Person, int]) -> None:
    ann, ben, eve, group_id = house
    text = {"type": "text", "talk_mode": 1, "to_from_id": ben.user_id, "body": {"content": "x"}, "msg_id": "m"}
    target = {"talk_mode": 1, "to_from_id": ben.user_id}
    group = {"talk_mode": 2, "to_from_id": group_id}
    records = target | {"cursor": 0, "limit": 30}
    talk_id = (await ann.ok("talk/session-create", target))["id"]
    bad: list[tuple[Person, str, Any, int]] = [
        *[(ann, "message/send", text | wrong, 400) for wrong in (
            {"talk_mode": 3}, {"talk_mode": "1"}, {"talk_mode": 1.5}, {"talk_mode": True}, {"to_from_id": 0},
            {"to_from_id": -1}, {"to_from_id": HUGE}, {"to_from_id": None}, {"to_from_id": ann.user_id},
            {"type": "nonsense"}, {"type": 1}, {"body": {}}, {"body": []}, {"body": None}, {"body": {"content": ""}},
            {"body": {"content": 5}}, {"body": {"content": "a", "text": "b"}}, {"body": {"content": "y" * 20_000}},
            {"msg_id": "has a blank"}, {"msg_id": "m" * 65}, {"msg_id": 7}, {"quote_id": "q" * 65},
            {"body": {"content": "x", "mentions": ["all"]}}, {"body": {"content": "x", "mentions": [-1]}},
        )],
        (ann, "message/send", text | {"quote_id": "nobody-said-that"}, 404),
        (ann, "message/send", text | {"to_from_id": 888_888}, 404),
        (ann, "message/send", text | {"talk_mode": 2, "to_from_id": 888_888}, 404),
        (eve, "message/send", text | group, 403),
        *[(ann, "message/records", records | wrong, 400) for wrong in (
            {"limit": 0}, {"limit": -1}, {"limit": 201}, {"cursor": -1}, {"cursor": "0"}, {"limit": HUGE},
        )],
        (eve, "message/records", records | group, 403),
        (eve, "message/history-records", records | group | {"msg_type": 0}, 403),
        (ann, "message/revoke", target | {"msg_id": "nobody-said-that"}, 404),
        (eve, "message/revoke", group | {"msg_id": "m"}, 403),
        (ann, "message/status", target | {"msg_id": "m", "status": 7}, 400),
        (ann, "message/range", {"talk_id": talk_id, "from": 1, "to": 201}, 400),
        (ann, "message/range", {"talk_id": talk_id, "from": 5, "to": 1}, 400),
        (eve, "message/range", {"talk_id": talk_id, "from": 1, "to": 2}, 403),
        (eve, "talk/members", {"talk_id": talk_id, "change": 0}, 403),
        (eve, "talk/read", {"talk_id": talk_id, "sequence": 1}, 403),
        (ann, "talk/read", {"talk_id": 888_888, "sequence": 1}, 404),
        (ann, "talk/session-create", {"talk_mode": 1, "to_from_id": ann.user_id}, 400),
        (eve, "talk/session-create", group, 403),
        (ann, "sync", {"epoch": 5}, 400),
        (ann, "sync", {"epoch": "", "talks": [[1, 2, 3]]}, 400),
        (ann, "sync", {"epoch": "", "talks": [[1, -2, 3, 4]]}, 400),
        (ann, "sync", {"epoch": "", "talks": [], "next": "made up"}, 400),
        (ann, "contact-apply/create", {"user_id": ann.user_id, "remark": "me"}, 400),
        (ann, "contact-apply/create", {"user_id": 888_888, "remark": "you"}, 404),
        (ann, "contact-apply/create", {"user_id": eve.user_id, "remark": "z" * 300}, 400),
        (eve, "contact-apply/accept", {"apply_id": 1}, 404),
        (ann, "group/create", {"name": "", "user_ids": [ben.user_id]}, 400),
        (ann, "group/create", {"name": "We", "user_ids": [str(ben.user_id)]}, 400),
        (eve, "group/invite", {"group_id": group_id, "user_ids": [eve.user_id]}, 403),
        (eve, "group/member-list", {"group_id": group_id}, 403),
        (ben, "group/remove-member", {"group_id": group_id, "user_ids": [ann.user_id]}, 403),
        (ann, "user/detail-update", {"nickname": "<script>"}, 400),
        (ann, "no/such/route", {}, 404),
    ]  # fmt: skip
    before = stored(server)
    for person, path, body, status in bad:
        answer = await person.call(path, body)
        assert (path, body, answer.status) == (path, body, status), answer.data
        assert answer.data["code"] == status
        assert answer.data["message"]
        assert answer.headers["X-XinYu-Reason"]
    for raw in (b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe{}", b'{"a":' + DEEP.encode() + b"}", b"{} {}"):
        answer = await ann.send("POST", "/api/v1/message/send", raw, {"Content-Type": "application/json"})
        assert answer.status == 400, (raw[:20], answer.data)
    answer = await ann.send("POST", "/api/v1/message/send", io.BytesIO(b"[" * 2_000_000))
    assert answer.status == 413
    answer = await ann.send("GET", "/api/v1/message/send")
    assert answer.status == 405
    assert stored(server) == before
    assert (await ann.ok("message/send", text))["sequence"] == 2


async def test_websocket(server: ServerProcess, house: tuple[Person, Person, Person, int]) -> None:
    ann, ben, eve, group_id = house
    send = {"msg_id": "m", "talk_mode": 1, "to_from_id": ben.user_id, "type": "text", "body": {"content": "x"}}
    talk_id = (await ann.ok("talk/session-create", {"talk_mode": 1, "to_from_id": ben.user_id}))["id"]
    bad: list[tuple[str, Any, int]] = [
        *[("im.message.send", send | wrong, 400) for wrong in (
            {"talk_mode": 0}, {"to_from_id": "2"}, {"to_from_id": HUGE}, {"msg_id": ""}, {"body": "x"}, {"type": "no"},
        )],
        ("im.message.send", [], 400),
        ("im.message.send", "text", 400),
        ("im.message.send", {}, 400),
        ("im.message.send", send | {"talk_mode": 2, "to_from_id": 888_888}, 404),
        ("im.message.revoke", {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": "nobody-said-that"}, 404),
        ("im.talk.read", {"talk_id": 888_888, "sequence": 1}, 404),
        ("im.talk.read", {"talk_id": talk_id, "sequence": -1}, 400),
        ("im.message.range", {"talk_id": talk_id, "from": 0, "to": 5}, 400),
        ("sync", {"epoch": "", "versions": {"talk": -1}, "talks": []}, 400),
        ("sync", {"epoch": "", "talks": "all"}, 400),
        ("no.such.event", {}, 400),
        ("", {}, 400),
    ]  # fmt: skip
    before = stored(server)
    async with await Events.ours(server, "", {"Authorization": f"Bearer {ann.token}"}) as events:
        for number, (event, payload, status) in enumerate(bad):
            answer = await events.ask(event, payload, f"r{number}")
            assert answer["event"] == "event_error", (event, payload, answer)
            assert answer["payload"]["error_code"] == status, (event, payload, answer)
            assert answer["payload"]["error_message"]
            assert answer["payload"]["reason"]
        for raw in ("", "{", "[]", "null", '{"payload":{}}', '{"event":5}', '{"event":"sync","ackid":5}', DEEP, "\x00"):
            await events.socket.send(raw)
            assert (await events.take("event_error"))["payload"]["error_code"] == 400, raw[:30]
        await events.socket.send(b"\x00\x01binary")
        assert (await events.take("event_error"))["payload"]["reason"]
        async with await Events.ours(server, "", {"Authorization": f"Bearer {eve.token}"}) as eves:
            group = send | {"talk_mode": 2, "to_from_id": group_id}
            for event, payload in (
                ("im.message.send", group),
                ("im.talk.read", {"talk_id": talk_id, "sequence": 1}),
                ("im.message.range", {"talk_id": talk_id, "from": 1, "to": 2}),
            ):
                answer = await eves.ask(event, payload, "e1")
                assert (answer["event"], answer["payload"]["error_code"]) == ("event_error", 403), (event, answer)
                assert answer["payload"]["reason"] == "not_member"
            # Typing at somebody who is no friend, or about nothing, reaches nobody.
            await eves.say("im.message.keyboard", {"talk_mode": 1, "to_from_id": ann.user_id})
            await eves.drain()
        await events.drain()
        assert [m for m in events.heard if m["event"] not in ("session.ready",)] == []
        assert stored(server) == before
        assert (await events.ask("im.message.send", send, "last"))["payload"]["sequence"] == 2


async def test_what_breaks_the_protocol_itself_ends_the_connection(
    server: ServerProcess, house: tuple[Person, Person, Person, int]
) -> None:
    ann, *_ = house
    headers = {"Authorization": f"Bearer {ann.token}"}
    before = stored(server)
    async with await Events.ours(server, "", headers) as events:
        ready = (await events.take("session.ready"))["payload"]
        await events.socket.send(json.dumps({"event": "echo", "payload": "x" * (ready["max_message_bytes"] + 1)}))
        with pytest.raises(ConnectionClosed):
            while True:
                await events.receive()
        assert events.socket.close_code == 1009
    async with connect(server.websocket_url, subprotocols=["xinyu.v1.json"], additional_headers=headers) as socket:  # type: ignore[list-item]
        await socket.recv()
        socket.transport.write(b"\x81\x85\x00\x00\x00\x00\xff\xff\xff\xff\xff")  # a text that is no UTF-8
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1007
    async with connect(server.websocket_url, subprotocols=["xinyu.v1.json"], additional_headers=headers) as socket:  # type: ignore[list-item]
        await socket.recv()
        socket.transport.write(b"\x81\x02hi")  # not masked
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1002
    assert stored(server) == before
