"""The reference client's dialect against a real server, by a client written from the contract's text alone."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.plain_client import Events, Json, Person
from tests.forms import FORMS, EitherServer, running

pytestmark = pytest.mark.e2e

SINGLE, GROUP = 1, 2
TEXT_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
RECORD = {
    "msg_id": str,
    "sequence": int,
    "msg_type": int,
    "from_id": int,
    "nickname": str,
    "avatar": str,
    "is_revoked": int,
    "status": int,
    "send_time": str,
    "extra": str,
    "quote": str,
}
SESSION = {
    "id": int,
    "talk_mode": int,
    "to_from_id": int,
    "is_top": int,
    "is_disturb": int,
    "is_robot": int,
    "name": str,
    "avatar": str,
    "remark": str,
    "unread_num": int,
    "msg_text": str,
    "updated_at": str,
}


def check(shape: dict[str, type], value: Any) -> None:
    """All fields are there and of the right type; a bool is no int."""
    wrong = {name: value.get(name) for name, kind in shape.items() if type(value.get(name)) is not kind}
    assert not wrong, (wrong, value)


def check_record(record: Json) -> None:
    check(RECORD, record)
    assert TEXT_TIME.fullmatch(record["send_time"])
    assert isinstance(json.loads(record["extra"]), dict)
    assert isinstance(json.loads(record["quote"]), dict)


def check_session(session: Json) -> None:
    check(SESSION, session)
    assert TEXT_TIME.fullmatch(session["updated_at"])


@pytest.fixture(scope="module", params=FORMS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EitherServer]:
    with running(request.param, request, tmp_path_factory.mktemp("server") / "data") as process:
        yield process


@pytest.fixture
async def people(server: EitherServer, mobile: Callable[[], str]) -> AsyncIterator[list[Person]]:
    """Ann, Ben and Cy, registered and listening; nobody knows anybody."""
    async with (
        Person(server, "Ann", mobile()) as ann,
        Person(server, "Ben", mobile()) as ben,
        Person(server, "Cy", mobile()) as cy,
    ):
        for person in (ann, ben, cy):
            await person.register()
            await person.listen()
        yield [ann, ben, cy]
        for person in (ann, ben, cy):
            await person.events.socket.close()


async def send(person: Person, mode: int, to_from_id: int, text: str, msg_id: str = "") -> Json:
    body: Json = {
        "type": "text",
        "talk_mode": mode,
        "to_from_id": to_from_id,
        "body": {"content": text, "text": text, "mentions": []},
        "quote_id": "",
    }
    record: Json = await person.ok("message/send", body | ({"msg_id": msg_id} if msg_id else {}))
    check_record(record)
    return record


async def session_of(person: Person, mode: int, to_from_id: int) -> Json | None:
    items = (await person.ok("talk/session-list"))["items"]
    for item in items:
        check_session(item)
    found = [item for item in items if (item["talk_mode"], item["to_from_id"]) == (mode, to_from_id)]
    return found[0] if found else None


async def test_registering_and_logging_in(server: EitherServer, mobile: Callable[[], str]) -> None:
    async with Person(server, "Ann", mobile()) as ann:
        code = await ann.ok("common/send-sms", {"mobile": ann.mobile, "channel": "register"})
        assert re.fullmatch(r"\d{6}", code["sms_code"])
        for token in (await ann.register(), await ann.login()):
            check({"type": str, "access_token": str, "expires_in": int}, token)
            assert token["type"] == "Bearer"
            assert re.fullmatch(r"[0-9A-Za-z_.-]+", token["access_token"])
        setting = await ann.ok("user/setting")
        check(
            {"uid": int, "nickname": str, "avatar": str, "motto": str, "gender": int, "is_qiye": bool}
            | {"mobile": str, "email": str},
            setting["user_info"],
        )
        info = setting["user_info"]
        assert (info["uid"], info["nickname"], info["mobile"]) == (ann.user_id, "Ann", ann.mobile)
        switches = {"notify_cue_tone": str, "keyboard_event_notify": str, "read_receipts": str}
        check({"theme_mode": str, "theme_bag_img": str, "theme_color": str} | switches, setting["setting"])
        detail = await ann.ok("user/detail")
        check(
            {"id": int, "mobile": str, "nickname": str, "avatar": str, "gender": int, "motto": str, "email": str}
            | {"birthday": str},
            detail,
        )
        for path in ("talk/session-list", "contact/list", "contact-apply/list"):
            assert (await ann.ok(path))["items"] == []
        assert (await ann.ok("contact-apply/unread-num")) == {"num": 0}
        login = {"mobile": ann.mobile, "password": "correct horse battery", "platform": "web"}
        await ann.refused("auth/login", login | {"password": "not this one"}, 400)
        await ann.refused("auth/login", login | {"mobile": mobile()}, 400)
        taken = {"nickname": "Eve", "mobile": ann.mobile, "password": "long enough", "platform": "web", "sms_code": "1"}
        await ann.refused("auth/register", taken, 400)
        ann.token = ""
        await ann.refused("user/setting", {}, 401)
        ann.token = "ey.not.mine"
        await ann.refused("user/setting", {}, 401)


async def test_becoming_friends(people: list[Person]) -> None:
    ann, ben, _ = people
    found = await ann.ok("contact/search", {"mobile": ben.mobile})
    check({"user_id": int, "mobile": str, "nickname": str, "avatar": str, "gender": int, "motto": str}, found)
    assert found["user_id"] == ben.user_id
    await ann.refused("contact/search", {"mobile": "19999999999"}, 404)
    detail = await ann.ok("contact/detail", {"user_id": ben.user_id})
    assert (detail["relation"], detail["online_status"], detail["mobile"]) == (1, "Y", "")
    assert (await ann.ok("contact/detail", {"user_id": ann.user_id}))["relation"] == 4
    await ann.ok("contact-apply/create", {"user_id": ben.user_id, "remark": "It is <me>"})
    await ann.ok("contact-apply/create", {"user_id": ben.user_id, "remark": "again"})  # changes nothing
    told = (await ben.events.take("im.contact.apply"))["payload"]
    check({"nickname": str, "remark": str, "apply_time": int, "apply_id": int, "user_id": int, "avatar": str}, told)
    assert (told["nickname"], told["remark"], told["user_id"]) == ("Ann", "It is <me>", ann.user_id)
    assert (await ben.ok("contact-apply/unread-num")) == {"num": 1}
    (asked,) = (await ben.ok("contact-apply/list"))["items"]
    check({"id": int, "user_id": int, "friend_id": int, "remark": str, "nickname": str, "created_at": str}, asked)
    assert (asked["user_id"], asked["friend_id"], asked["id"]) == (ben.user_id, ann.user_id, told["apply_id"])
    await ann.refused("contact-apply/accept", {"apply_id": asked["id"]}, 404)  # not Ann's to accept
    session = (await ben.ok("contact-apply/accept", {"apply_id": asked["id"], "remark": "sure"}))["session"]
    check_session(session)
    assert (session["talk_mode"], session["to_from_id"], session["name"]) == (SINGLE, ann.user_id, "Ann")
    accepted = (await ann.events.take("im.contact.accept"))["payload"]
    check({"acceptor_id": int, "acceptor_name": str, "acceptor_avatar": str, "accept_time": int}, accepted)
    assert accepted["acceptor_id"] == ben.user_id
    made = (await ann.events.take("im.session.create"))["payload"]
    check_session(made)
    assert (made["talk_mode"], made["to_from_id"]) == (SINGLE, ben.user_id)
    for one, other in ((ann, ben), (ben, ann)):
        (friend,) = (await one.ok("contact/list"))["items"]
        check({"user_id": int, "nickname": str, "gender": int, "motto": str, "remark": str, "group_id": int}, friend)
        assert friend["user_id"] == other.user_id
        assert (await one.ok("contact/detail", {"user_id": other.user_id}))["relation"] == 2
        # The greeting of the one who accepted is the one message that this stores.
        place = {"talk_mode": 1, "to_from_id": other.user_id}
        records = await one.ok("message/records", place | {"cursor": 0, "limit": 30})
        (greeting,) = records["items"]
        check_record(greeting)
        assert (greeting["from_id"], greeting["sequence"], records["cursor"]) == (ben.user_id, 1, 1)
    in_anns_list = await session_of(ann, SINGLE, ben.user_id)
    assert in_anns_list is not None
    assert in_anns_list["unread_num"] == 1


async def test_chatting(people: list[Person]) -> None:
    ann, ben, _ = people
    assert (await ann.events.take("connect"))["payload"].keys() >= {"uid", "platform", "ts"}
    await ann.befriend(ben)
    second_page = await Events.legacy(ann.server, (await ann.login())["access_token"])
    async with second_page:
        msg_id = "0123456789abcdef0123456789abcdef"
        text = "a < b && \"c\" > 'd'"
        escaped = "a &lt; b &amp;&amp; &#34;c&#34; &gt; &#39;d&#39;"
        record = await send(ann, SINGLE, ben.user_id, text, msg_id)
        assert (record["msg_id"], record["sequence"], record["from_id"]) == (msg_id, 2, ann.user_id)
        assert json.loads(record["extra"])["content"] == escaped
        assert (record["is_revoked"], record["status"], record["quote"]) == (2, 1, "{}")
        # Both sides and the sender's other page hear it once, with the receiver's id in to_from_id.
        ackids = set()
        for events in (ann.events, second_page, ben.events):
            heard = await events.take("im.message", lambda payload: payload["body"]["msg_id"] == msg_id)
            payload = heard["payload"]
            check({"to_from_id": int, "from_id": int, "talk_mode": int, "body": dict}, payload)
            assert (payload["to_from_id"], payload["from_id"]) == (ben.user_id, ann.user_id)
            check_record(payload["body"])
            assert json.loads(payload["body"]["extra"])["content"] == escaped
            assert re.fullmatch(r"[0-9A-Za-z_-]+", heard["ackid"])
            ackids.add(heard["ackid"])
        assert len(ackids) == 1
        for person, peer in ((ann, ben), (ben, ann)):
            update = (
                await person.events.take("im.session.update", lambda payload: payload["msg_text"] == escaped)
            )["payload"]
            check({"talk_mode": int, "to_from_id": int, "sender_id": int, "msg_text": str, "updated_at": int}, update)
            assert (update["to_from_id"], update["sender_id"]) == (peer.user_id, ann.user_id)
        # The client repeats what failed: the answer is the stored one; other content is a conflict.
        assert await send(ann, SINGLE, ben.user_id, text, msg_id) == record
        other = {"type": "text", "talk_mode": 1, "to_from_id": ben.user_id, "body": {"content": "x"}, "msg_id": msg_id}
        await ann.refused("message/send", other, 409)
        status = {"talk_mode": 1, "to_from_id": ben.user_id, "msg_id": msg_id, "status": 1}
        assert await ann.ok("message/status", status) == {}
        assert await ann.ok("message/status", status | {"msg_id": "never-stored", "status": 3}) == {}
        # Unread numbers, and reading them away.
        session = await session_of(ben, SINGLE, ann.user_id)
        assert session is not None
        assert (session["unread_num"], session["msg_text"]) == (1, escaped)
        await ben.ok("talk/session-clear-unread-num", {"talk_mode": 1, "to_from_id": ann.user_id})
        session = await session_of(ben, SINGLE, ann.user_id)
        assert session is not None
        assert session["unread_num"] == 0
        # A quote is plain text, and a plain client reads texts as typed.
        quoting = other | {"msg_id": "quoting", "quote_id": msg_id, "body": {"content": "yes"}}
        quote = json.loads((await ben.ok("message/send", quoting | {"to_from_id": ann.user_id}))["quote"])
        assert quote == {"quote_id": msg_id, "from_id": ann.user_id, "content": text}
        plain = await ann.send(
            *("POST", "/api/v1/message/records"),
            json.dumps({"talk_mode": 1, "to_from_id": ben.user_id, "cursor": 3, "limit": 1}).encode(),
            {"Content-Type": "application/json", "X-XinYu-Text": "plain"},
        )
        (as_typed,) = plain.data["items"]
        assert json.loads(as_typed["extra"])["content"] == text
        # Nothing was told twice.
        await ben.events.drain()
        again = [m["payload"]["body"]["msg_id"] for m in ben.events.heard if m["event"] == "im.message"]
        assert msg_id not in again


async def test_recalling_hiding_and_clearing(people: list[Person]) -> None:
    ann, ben, _ = people
    await ann.befriend(ben)
    records = [await send(ann, SINGLE, ben.user_id, f"<{n}>", f"m{n}") for n in range(1, 4)]
    to_ben, to_ann = {"talk_mode": 1, "to_from_id": ben.user_id}, {"talk_mode": 1, "to_from_id": ann.user_id}
    await ben.refused("message/revoke", to_ann | {"msg_id": "m3"}, 403)  # not Ben's
    await ann.ok("message/revoke", to_ben | {"msg_id": "m3"})
    for person in (ann, ben):
        payload = (await person.events.take("im.message.revoke"))["payload"]
        check({"talk_mode": int, "to_from_id": int, "from_id": int, "msg_id": str, "remark": str}, payload)
        assert (payload["msg_id"], payload["from_id"]) == ("m3", ann.user_id)
        assert payload["remark"]
    page = await ben.ok("message/records", to_ann | {"cursor": 0, "limit": 30})
    newest = page["items"][0]
    assert (newest["msg_id"], newest["is_revoked"], newest["extra"]) == ("m3", 1, "{}")
    # Hidden from oneself only; the digest is re-made.
    await ben.ok("message/delete", to_ann | {"msg_ids": ["m3", "m2"]})
    update = await ben.events.take("im.session.update", lambda payload: payload["msg_text"] == "&lt;1&gt;")
    assert update["payload"]["to_from_id"] == ann.user_id
    seen = [r["msg_id"] for r in (await ben.ok("message/records", to_ann | {"cursor": 0, "limit": 30}))["items"]]
    assert seen[0] == "m1"
    assert "m2" not in seen
    assert len((await ann.ok("message/records", to_ben | {"cursor": 0, "limit": 30}))["items"]) == 4
    # Pages: the cursor is the page's smallest sequence, also on the last page.
    page = await ann.ok("message/records", to_ben | {"cursor": 0, "limit": 3})
    assert [r["sequence"] for r in page["items"]] == [4, 3, 2]
    assert page["cursor"] == 2
    page = await ann.ok("message/records", to_ben | {"cursor": 2, "limit": 3})
    assert ([r["sequence"] for r in page["items"]], page["cursor"]) == ([1], 1)
    assert await ann.ok("message/records", to_ben | {"cursor": 1, "limit": 3}) == {"items": [], "cursor": 1}
    history = await ann.ok("message/history-records", to_ben | {"cursor": 0, "limit": 30, "msg_type": 1})
    assert [r["msg_id"] for r in history["items"]][:2] == ["m2", "m1"]
    await ann.ok("talk/session-clear-records", to_ben)
    assert (await ann.ok("message/records", to_ben | {"cursor": 0, "limit": 30}))["items"] == []
    await ann.ok("talk/session-delete", to_ben)
    assert await session_of(ann, SINGLE, ben.user_id) is None
    await send(ben, SINGLE, ann.user_id, "are you there?")
    back = await session_of(ann, SINGLE, ben.user_id)
    assert back is not None
    assert (back["unread_num"], back["msg_text"]) == (1, "are you there?")
    assert records[0]["sequence"] == 2


async def test_strangers(people: list[Person]) -> None:
    ann, _, cy = people
    record = await send(ann, SINGLE, cy.user_id, "do you know me?", "s1")
    extra = json.loads(record["extra"])
    assert (record["status"], record["sequence"]) == (3, 0)
    assert (extra["invalid"], extra["invalid_reason"], extra["content"]) == (True, "not_friend", "do you know me?")
    update = (await ann.events.take("im.session.update"))["payload"]
    assert (update["invalid"], update["msg_text"], update["to_from_id"]) == (True, "发送失败", cy.user_id)
    await cy.events.drain()
    assert not [m for m in cy.events.heard if m["event"] in ("im.message", "im.session.update")]
    await ann.befriend(cy)
    assert (await send(ann, SINGLE, cy.user_id, "do you know me?", "s1"))["sequence"] == 2
    await ann.refused(
        "message/send", {"type": "text", "talk_mode": 1, "to_from_id": 999_999, "body": {"content": "x"}}, 404
    )


async def test_events_of_the_client(people: list[Person]) -> None:
    ann, ben, _ = people
    await ann.befriend(ben)
    connect_event = await ann.events.take("connect")
    check({"uid": int, "platform": str, "ts": int}, connect_event["payload"])
    assert (connect_event["payload"]["uid"], connect_event["payload"]["platform"]) == (ann.user_id, "web")
    await ann.events.say("ping")
    assert type((await ann.events.take("pong"))["payload"]["ts"]) is int
    await ann.events.say("echo", {"any": ["thing", 1, None]})
    assert (await ann.events.take("echo"))["payload"] == {"any": ["thing", 1, None]}
    await ann.events.say("im.message.keyboard", {"talk_mode": 1, "to_from_id": ben.user_id})
    typing = (await ben.events.take("im.message.keyboard"))["payload"]
    assert typing == {"talk_mode": 1, "to_from_id": ben.user_id, "from_id": ann.user_id}
    await ann.events.say("no.such.event", {})
    error = (await ann.events.take("event_error"))["payload"]
    check({"error_code": int, "error_message": str}, error)
    await ann.events.say("pong")
    await ann.events.say("ack", ackid="unknown")
    await ann.events.drain()
    assert not [m for m in ann.events.heard if m["event"] == "event_error"]


async def test_groups(people: list[Person]) -> None:
    ann, ben, cy = people
    await ann.befriend(ben)
    await ann.befriend(cy)
    invitable = (await ann.ok("group/get-invite-friends", {"group_id": 0}))["items"]
    assert {item["user_id"] for item in invitable} == {ben.user_id, cy.user_id}
    group_id = (await ann.ok("group/create", {"name": "We", "user_ids": [ben.user_id]}))["group_id"]
    created = (await ben.events.take("im.group.create"))["payload"]
    assert (created["group_id"], created["name"], created["operator_id"]) == (group_id, "We", ann.user_id)
    in_list = (await ben.events.take("im.session.create", lambda payload: payload["talk_mode"] == GROUP))["payload"]
    check_session(in_list)
    assert (in_list["to_from_id"], in_list["name"]) == (group_id, "We")
    made = await ben.events.take("im.message", lambda payload: payload["body"]["msg_type"] == 1101)
    extra = json.loads(made["payload"]["body"]["extra"])
    assert (extra["owner_id"], extra["owner_name"]) == (ann.user_id, "Ann")
    assert {"user_id": ben.user_id, "nickname": "Ben"} in extra["members"]
    await send(ann, GROUP, group_id, "hello, all", "g1")
    heard = (await ben.events.take("im.message", lambda payload: payload["body"]["msg_id"] == "g1"))["payload"]
    assert (heard["talk_mode"], heard["to_from_id"], heard["from_id"]) == (GROUP, group_id, ann.user_id)
    await ben.refused("message/records", {"talk_mode": 2, "to_from_id": 999_999, "cursor": 0, "limit": 30}, 404)
    await cy.refused("message/records", {"talk_mode": 2, "to_from_id": group_id, "cursor": 0, "limit": 30}, 403)
    await cy.refused(
        "message/send", {"type": "text", "talk_mode": 2, "to_from_id": group_id, "body": {"content": "let me in"}}, 403
    )
    await ann.ok("group/invite", {"group_id": group_id, "user_ids": [cy.user_id]})
    await cy.events.take("im.session.create", lambda payload: payload["talk_mode"] == GROUP)
    joined = await ben.events.take("im.message", lambda payload: payload["body"]["msg_type"] == 1102)
    assert json.loads(joined["payload"]["body"]["extra"])["members"] == [{"user_id": cy.user_id, "nickname": "Cy"}]
    members = (await cy.ok("group/member-list", {"group_id": group_id}))["items"]
    for member in members:
        check({"user_id": int, "nickname": str, "avatar": str, "gender": int, "leader": int, "is_mute": int}, member)
    assert {m["user_id"]: m["leader"] for m in members} == {ann.user_id: 1, ben.user_id: 3, cy.user_id: 3}
    # Cy sees what was said since he came, not before.
    records = await cy.ok("message/records", {"talk_mode": 2, "to_from_id": group_id, "cursor": 0, "limit": 30})
    assert [r["msg_type"] for r in records["items"]] == [1102]
    detail = await cy.ok("group/detail", {"group_id": group_id})
    assert (detail["group_id"], detail["group_name"], detail["is_manager"]) == (group_id, "We", False)
    await ben.refused("group/remove-member", {"group_id": group_id, "user_ids": [cy.user_id]}, 403)
    await ann.ok("group/remove-member", {"group_id": group_id, "user_ids": [cy.user_id]})
    await ben.events.take("im.message", lambda payload: payload["body"]["msg_type"] == 1104)
    await ann.refused("group/secede", {"group_id": group_id}, 400)  # the owner
    await ben.ok("group/secede", {"group_id": group_id})
    await ann.events.take("im.message", lambda payload: payload["body"]["msg_type"] == 1103)
    for gone in (ben, cy):
        await gone.refused(
            "message/send", {"type": "text", "talk_mode": 2, "to_from_id": group_id, "body": {"content": "?"}}, 403
        )
    assert [item["user_id"] for item in (await ann.ok("group/member-list", {"group_id": group_id}))["items"]] == [
        ann.user_id
    ]


async def test_the_origin_of_a_page(server: EitherServer) -> None:
    async with Person(server, "nobody", "") as page:
        asked = {
            "Origin": "http://127.0.0.1:5173",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = await page.send("OPTIONS", "/api/v1/talk/session-list", headers=asked)
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:5173"
        assert {"GET", "POST", "OPTIONS"} <= set(re.split(r",\s*", answer.headers["Access-Control-Allow-Methods"]))
        allowed = set(re.split(r",\s*", answer.headers["Access-Control-Allow-Headers"].lower()))
        assert {"content-type", "authorization", "x-xinyu-text", "x-trace-id", "traceparent"} <= allowed
        assert int(answer.headers["Access-Control-Max-Age"]) > 0
        real = await page.send("POST", "/api/v1/talk/session-list", b"{}", {"Origin": "http://localhost:3000"})
        assert (real.status, real.headers["Access-Control-Allow-Origin"]) == (401, "http://localhost:3000")
        exposed = real.headers["Access-Control-Expose-Headers"].lower()
        assert "x-xinyu-reason" in exposed
        assert "x-trace-id" in exposed
        foreign = await page.send("POST", "/api/v1/talk/session-list", b"{}", {"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in foreign.headers


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c"])
async def test_a_bad_token_is_refused_before_the_upgrade(server: EitherServer, token: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"{server.legacy_websocket_url}?token={token}&platform=web")
    assert refusal.value.response.status_code == 401


@pytest.mark.parametrize("form", FORMS)
async def test_everything_is_there_after_a_restart(
    form: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with running(form, request, tmp_path / "data") as server:
        async with Person(server, "Ann", "13700000001") as ann, Person(server, "Ben", "13700000002") as ben:
            for person in (ann, ben):
                await person.register()
            await ann.befriend(ben)
            group_id = (await ann.ok("group/create", {"name": "We", "user_ids": [ben.user_id]}))["group_id"]
            for number in range(5):
                await send(ann, SINGLE, ben.user_id, f"to you {number}")
                await send(ben, GROUP, group_id, f"to all {number}")
            await ann.ok(
                "talk/session-clear-unread-num", {"talk_mode": GROUP, "to_from_id": group_id, "sequence": 3}
            )
            await ann.ok("contact-apply/list")

            async def everything() -> list[Any]:
                seen: list[Any] = []
                for person, peer in ((ann, ben), (ben, ann)):
                    for path in ("user/setting", "contact/list", "talk/session-list", "contact-apply/list"):
                        seen.append(await person.ok(path))
                    for mode, target in ((SINGLE, peer.user_id), (GROUP, group_id)):
                        page = {"talk_mode": mode, "to_from_id": target, "cursor": 0, "limit": 30}
                        seen.append(await person.ok("message/records", page))
                    seen.append(await person.ok("group/member-list", {"group_id": group_id}))
                return seen

            before = await everything()
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            assert await everything() == before  # the tokens are still good, too
            await ben.login()
            await ben.listen()
            record = await send(ann, SINGLE, ben.user_id, "still here")
            assert record["sequence"] == 7
            await ben.events.take("im.message", lambda payload: payload["body"]["sequence"] == 7)
            await ben.events.socket.close()
