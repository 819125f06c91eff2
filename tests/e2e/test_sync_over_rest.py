"""Our dialect on a real server: a sync has one answer, whichever way it is asked; the ways in, and out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.plain_client import ANSWER_DEADLINE_S, Events, Json, Person
from tests.forms import FORMS, EitherServer, running
from tests.server_process import ServerProcess
from xinyu.base.clock import SystemClock
from xinyu.base.token import AccessTokens
from xinyu_services.user.keys import load_or_create_keys

pytestmark = pytest.mark.e2e

NOTHING: Json = {"epoch": "", "versions": {"talk": 0, "contact": 0, "user": 0}, "talks": []}


def bearer(person: Person) -> Json:
    return {"Authorization": f"Bearer {person.token}"}


async def closing_code(events: Events) -> int:
    """Of a connection that the server is about to close; what it says before is heard."""
    try:
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            while True:
                await events.receive()
    except ConnectionClosed:
        code = events.socket.close_code
        assert code is not None
        return code


async def refused_with(attempt: Callable[[], Awaitable[Events]]) -> int:
    """The status with which a connection is refused; 0: it was not."""
    try:
        events = await attempt()
    except InvalidStatus as refusal:
        return refusal.response.status_code
    await events.socket.close()
    return 0


@pytest.fixture(scope="module", params=FORMS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EitherServer]:
    with running(request.param, request, tmp_path_factory.mktemp("server") / "data") as process:
        yield process


@pytest.fixture
async def friends(server: EitherServer, mobile: Callable[[], str]) -> AsyncIterator[tuple[Person, Person]]:
    async with Person(server, "Ann", mobile()) as ann, Person(server, "Ben", mobile()) as ben:
        for person in (ann, ben):
            await person.register()
        await ann.befriend(ben)
        yield ann, ben


async def say(person: Person, mode: int, to_from_id: int, text: str, msg_id: str) -> Json:
    body = {"type": "text", "talk_mode": mode, "to_from_id": to_from_id, "body": {"content": text}, "msg_id": msg_id}
    record: Json = await person.ok("message/send", body)
    return record


async def test_one_answer_both_ways(friends: tuple[Person, Person]) -> None:
    ann, ben = friends
    group_id = (await ann.ok("group/create", {"name": "We <3", "user_ids": [ben.user_id]}))["group_id"]
    for n in range(30):
        await say(ann, 1, ben.user_id, f"<{n}>", f"a{n}")
        await say(ben, 2, group_id, f"<{n}>", f"b{n}")
    ours, theirs = {"talk_mode": 1, "to_from_id": ben.user_id}, {"talk_mode": 2, "to_from_id": group_id}
    await ann.ok("message/revoke", ours | {"msg_id": "a29"})
    await ann.ok("message/delete", theirs | {"msg_ids": ["b28", "b5"]})
    await ann.ok("talk/session-clear-unread-num", theirs | {"sequence": 20})
    async with await Events.ours(ann.server, "device_id=one", bearer(ann)) as events:

        async def both(path: str, event: str, request: Json) -> Json:
            over_rest = await ann.ok(path, request)
            answer = await events.ask(event, request, f"{event}-{len(str(request))}")
            assert answer["event"] == "ack", answer
            assert answer["payload"] == over_rest
            return dict(over_rest)

        whole = await both("sync", "sync", NOTHING)
        assert (whole["reset"], "next" in whole) == (True, False)
        talks = {talk["talk_id"]: talk for talk in whole["talks"]}
        assert {row["talk_id"] for row in whole["rows"]["talk"]} == set(talks)
        for talk in talks.values():
            assert talk["last_sequence"] == 31
            assert talk["base"] == 11
            shown = {record["sequence"] for record in talk["records"]}
            void = {n for low, high in talk["voids"] for n in range(low, high + 1)}
            assert shown | void == set(range(12, 32))
            assert not shown & void
            assert talk["member"]["state"] == "in"
        texts = [record["extra"] for talk in talks.values() for record in talk["records"]]
        assert '{"content":"<20>"}' in texts  # as typed
        (pair,) = [row["talk_id"] for row in whole["rows"]["talk"] if row["talk_mode"] == 1]
        (group,) = [row["talk_id"] for row in whole["rows"]["talk"] if row["talk_mode"] == 2]
        assert talks[pair]["records"][-1]["is_revoked"] == 1
        assert talks[group]["read_sequence"] == 20
        assert talks[group]["voids"] == [[30, 30]]
        held = {
            "epoch": whole["epoch"],
            "versions": whole["versions"],
            "talks": [[t["talk_id"], t["last_sequence"], t["last_change"], t["own"]] for t in whole["talks"]],
        }
        nothing_new = await both("sync", "sync", held)
        assert (nothing_new["reset"], nothing_new["talks"]) == (False, [])
        assert not any(nothing_new["rows"].values())
        behind = held | {"talks": [[pair, 28, 0, 0], [group, 31, 0, 0]]}
        answer = await both("sync", "sync", behind)
        caught_up = {talk["talk_id"]: talk for talk in answer["talks"]}
        assert [record["sequence"] for record in caught_up[pair]["records"]] == [29, 30, 31]
        assert sorted(map(tuple, caught_up[group]["voids"])) == [(7, 7), (30, 30)]
        foreign = await both("sync", "sync", held | {"epoch": "of another database"})
        assert foreign["reset"] is True
        page = await both("message/range", "im.message.range", {"talk_id": group, "from": 1, "to": 31})
        assert [record["sequence"] for record in page["records"]] == [n for n in range(1, 32) if n not in (7, 30)]
        assert page["voids"] == [[7, 7], [30, 30]]
        found = await both("message/search", "im.message.search", {"keyword": "<20>"})
        assert {item["record"]["extra"] for item in found["items"]} == {'{"content":"<20>"}'}
        assert all(item["highlights"] == [[0, 4]] for item in found["items"])
        roster = await both("talk/members", "im.talk.members", {"talk_id": group, "change": 0})
        assert {member["user_id"]: member["role"] for member in roster["members"]} == {ann.user_id: 1, ben.user_id: 3}


async def test_what_all_devices_hear(friends: tuple[Person, Person]) -> None:
    ann, ben = friends
    async with (
        await Events.ours(ann.server, "device_id=one&platform=pc", bearer(ann)) as one,
        await Events.ours(ann.server, "device_id=two", bearer(ann)) as two,
        await Events.ours(ben.server, "device_id=bens", bearer(ben)) as bens,
    ):
        ready = (await one.take("session.ready"))["payload"]
        assert (ready["uid"], ready["device_id"]) == (ann.user_id, "one")
        assert ready.keys() >= {"session_id", "epoch", "heartbeat_ms", "server_time_ms", "max_message_bytes"}
        request: Json = {"msg_id": "m1", "type": "text", "body": {"content": "<hi>"}, "talk_mode": 1}
        request["to_from_id"] = ben.user_id
        answer = await one.ask("im.message.send", request, "r1")
        record = answer["payload"]
        assert (answer["event"], record["sequence"], record["extra"]) == ("ack", 2, '{"content":"<hi>"}')
        for events in (two, bens):
            heard = await events.take("im.message")
            assert "ackid" not in heard
            assert heard["payload"]["body"] == record
            assert (heard["payload"]["sequence"], heard["payload"]["talk_id"]) == (2, record["talk_id"])
        again = await two.ask("im.message.send", request, "r2")
        assert again["payload"] == record
        read = await bens.ask("im.talk.read", {"talk_id": record["talk_id"], "sequence": 2}, "r3")
        assert read["payload"] == {"read_sequence": 2, "own": 1}
        own = (await bens.take("talk.own"))["payload"]
        assert (own["own"], own["read_sequence"], own["talk_id"]) == (1, 2, record["talk_id"])
        await one.ask("im.message.revoke", {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": "m1"}, "r4")
        for events in (one, two, bens):
            # The read was told before, by its number.
            changed = (await events.take("talk.changed", lambda payload: payload["records"]))["payload"]
            (recalled,) = changed["records"]
            assert (recalled["sequence"], recalled["is_revoked"], recalled["extra"]) == (2, 1, "{}")
        beat = await one.ask("heartbeat", {}, "r5")
        assert type(beat["payload"]["server_time_ms"]) is int
        refused = await one.ask("im.message.send", request | {"to_from_id": 999_999, "msg_id": "m2"}, "r6")
        assert refused["event"] == "event_error"
        assert (refused["payload"]["error_code"], refused["payload"]["reason"]) == (404, "unknown_user")


async def test_who_is_online(friends: tuple[Person, Person], mobile: Callable[[], str]) -> None:
    ann, ben = friends
    async with Person(ann.server, "Cid", mobile()) as cid:
        await cid.register()
        async with await Events.ours(ann.server, "device_id=one", bearer(ann)) as events:
            wanted = {"user_ids": [ben.user_id, ann.user_id, cid.user_id, ben.user_id, 999_999]}
            answer = await events.ask("presence.subscribe", wanted, "r1")
            users = {state["user_id"]: state for state in answer["payload"]["users"]}
            # A stranger is not seen, and not told of.
            assert users == {
                ben.user_id: {"user_id": ben.user_id, "online": False, "last_seen_ms": 0},
                ann.user_id: {"user_id": ann.user_id, "online": True, "last_seen_ms": 0},
            }
            async with await Events.legacy(cid.server, cid.token), await Events.legacy(ben.server, ben.token) as page:
                await page.take("connect")
                came = (await events.take("presence.changed"))["payload"]
                assert came == {"user_id": ben.user_id, "online": True, "last_seen_ms": 0}
            left = (await events.take("presence.changed"))["payload"]
            assert (left["user_id"], left["online"]) == (ben.user_id, False)
            assert left["last_seen_ms"] > 0
            again = await events.ask("presence.subscribe", wanted, "r2")
            assert left in again["payload"]["users"]
            ended = await events.ask("presence.unsubscribe", wanted, "r3")
            assert (ended["event"], ended["payload"]) == ("ack", {})
            for wrong in ({"user_ids": list(range(1, 502))}, {"user_ids": [0]}, {"user_ids": "all"}, {}):
                refused = await events.ask("presence.subscribe", wrong, f"wrong {len(str(wrong))}")
                assert (refused["event"], refused["payload"]["error_code"]) == ("event_error", 400)


async def test_all_logins_end(server: ServerProcess, mobile: Callable[[], str]) -> None:
    async with Person(server, "Ann", mobile()) as ann:
        await ann.register()
        old_token = ann.token
        page = await Events.legacy(server, old_token)
        app = await Events.ours(server, "device_id=one", bearer(ann))
        await app.take("session.ready")
        unused = (await ann.ok("auth/ticket"))["ticket"]
        assert await ann.ok("auth/logout-all") == {}
        await ann.login()
        async with await Events.ours(server, "device_id=two", bearer(ann)) as again:
            await again.take("session.ready")
            for events in (page, app):
                assert await closing_code(events) == 4403
            assert [message["event"] for message in app.heard] == ["session.kicked"]
            # The new login is not touched, the old one is no more.
            assert (await again.ask("sync", NOTHING, "r1"))["event"] == "ack"
            await ann.ok("user/setting", {})
        ann.token = old_token
        again_old = bearer(ann)
        # In a cluster each gateway hears of it by itself.
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            while (await ann.call("user/setting")).status != 401:
                await asyncio.sleep(0.1)
            for attempt in (
                lambda: Events.legacy(server, old_token),
                lambda: Events.ours(server, "", again_old),
            ):
                while (status := await refused_with(attempt)) == 0:
                    await asyncio.sleep(0.1)
                assert status == 401
        assert await refused_with(lambda: Events.ours(server, f"ticket={unused}")) == 401


async def test_a_ticket_is_good_once(friends: tuple[Person, Person]) -> None:
    ann, _ = friends
    ticket = (await ann.ok("auth/ticket"))["ticket"]
    async with await Events.ours(ann.server, f"ticket={ticket}&device_id=d") as events:
        assert (await events.take("session.ready"))["payload"]["uid"] == ann.user_id
    with pytest.raises(InvalidStatus) as refusal:
        await Events.ours(ann.server, f"ticket={ticket}&device_id=d")
    assert refusal.value.response.status_code == 401


async def test_session_open(friends: tuple[Person, Person]) -> None:
    ann, _ = friends
    async with await Events.ours(ann.server) as events:
        early = await events.ask("sync", NOTHING, "r1")
        assert (early["event"], early["payload"]["error_code"]) == ("event_error", 401)
        wrong = await events.ask("session.open", {"token": "no.such.token", "device_id": "d", "platform": "web"}, "r2")
        assert (wrong["event"], wrong["payload"]["error_code"]) == ("event_error", 401)
        await events.say("session.open", {"token": ann.token, "device_id": "d", "platform": "web"})
        ready = await events.take("session.ready")
        assert (ready["payload"]["uid"], ready["payload"]["device_id"]) == (ann.user_id, "d")
        assert (await events.ask("sync", NOTHING, "r3"))["event"] == "ack"


async def test_who_does_not_log_in_or_whose_token_ends_is_put_out(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", environment={"XINYU_WEBSOCKET__LOGIN_TIMEOUT_S": "1"}) as server:
        async with Person(server, "Ann", "13600000001") as ann:
            await ann.register()
            secret = load_or_create_keys(server.data_directory).token_secret
            async with await Events.ours(server) as nobody:
                assert await closing_code(nobody) == 4408
            short = AccessTokens(secret, 2, SystemClock()).mint(ann.user_id, "pc")
            async with await Events.ours(server, "", {"Authorization": f"Bearer {short}"}) as events:
                assert (await events.take("session.ready"))["payload"]["uid"] == ann.user_id
                assert await closing_code(events) == 4401
            with pytest.raises(InvalidStatus) as refusal:
                await Events.ours(server, "", {"Authorization": f"Bearer {short}"})
            assert refusal.value.response.status_code == 401
            ann.token = short
            await ann.refused("user/setting", {}, 401)
        assert "Traceback" not in server.log
