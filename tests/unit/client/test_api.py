"""REST calls against an aiohttp server of the tests' own: shapes, headers, refusals, answers that are none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from xinyu.client.api import Api
from xinyu.client.errors import ApiError, NetworkError, NotLoggedIn, ProtocolError


class Answers:
    """What the server answers, by path; and what it was asked."""

    def __init__(self) -> None:
        self.by_path: dict[str, web.Response | Any] = {}
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json() if request.method == "POST" else None
        self.asked.append((request.path, dict(request.headers), body))
        answer = self.by_path[request.path]
        return answer if isinstance(answer, web.Response) else web.json_response(answer)


@pytest.fixture
async def answers() -> AsyncIterator[Answers]:
    answers = Answers()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    answers.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield answers
    await runner.cleanup()


@pytest.fixture
async def api(answers: Answers) -> AsyncIterator[Api]:
    api = Api(answers.url + "/", token="t0k3n", timeout_s=5)
    yield api
    await api.close()


async def test_login_and_the_headers_of_a_call(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/auth/login"] = {"type": "Bearer", "access_token": "abc", "expires_in": 9, "new": 1}
    token = await api.login("13800000001", "secret", platform="pc")
    assert (token.access_token, token.expires_in) == ("abc", 9)
    path, headers, body = answers.asked[0]
    assert path == "/api/v1/auth/login"
    assert headers["X-XinYu-Text"] == "plain"
    assert headers["Authorization"] == "Bearer t0k3n"
    assert body == {"mobile": "13800000001", "password": "secret", "platform": "pc"}


async def test_lists_come_as_structs(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/contact/list"] = {"items": [{"user_id": 2, "nickname": "Ada <3"}]}
    answers.by_path["/api/v1/contact-apply/list"] = {"items": []}
    answers.by_path["/api/v1/group/member-list"] = {"items": [{"user_id": 2, "leader": 1}]}
    assert (await api.contacts())[0].nickname == "Ada <3"
    assert await api.applications() == []
    assert (await api.group_members(5))[0].leader == 1


async def test_a_search_names_only_what_narrows_it(answers: Answers, api: Api) -> None:
    record = {"talk_id": 1, "msg_id": "m", "sequence": 3, "msg_type": 1, "from_id": 2}
    found = {"items": [{"record": record, "highlights": [[0, 2]]}], "cursor": "9-1"}
    answers.by_path["/api/v1/message/search"] = found
    page = await api.search_messages("你好")
    assert (page.items[0].record.msg_id, page.items[0].highlights, page.cursor) == ("m", [(0, 2)], "9-1")
    answers.by_path["/api/v1/message/search"] = {"items": []}
    last = await api.search_messages("你好", talk=(2, 7), from_id=2, since_ms=0, cursor=page.cursor)
    assert (last.items, last.cursor) == ([], "")
    assert [asked[2] for asked in answers.asked] == [
        {"keyword": "你好"},
        {"keyword": "你好", "talk_mode": 2, "to_from_id": 7, "from_id": 2, "since_ms": 0, "cursor": "9-1"},
    ]


async def test_accept_and_create_answer_what_they_made(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/contact-apply/accept"] = {"session": {"id": 9, "talk_mode": 1, "to_from_id": 2}}
    answers.by_path["/api/v1/group/create"] = {"group_id": 4}
    assert (await api.accept(3)).id == 9
    assert await api.create_group("g", [2, 3]) == 4


async def test_a_forward_says_what_became_of_each_copy(answers: Answers, api: Api) -> None:
    sent = {"ok": True, "msg_id": "c1", "to_talk_mode": 1, "to_id": 3}
    refused = {"ok": False, "err": "muted", "to_talk_mode": 2, "to_id": 7}
    answers.by_path["/api/v1/message/send"] = {"items": [sent, refused]}
    one, other = await api.forward(1, 2, ["m1"], user_ids=[3], group_ids=[7], is_merged=True)
    assert (one.ok, one.msg_id, other.ok, other.err, other.to_id) == (True, "c1", False, "muted", 7)
    body = answers.asked[-1][2]
    assert body["body"] == {"action": 2, "msg_ids": ["m1"], "user_ids": [3], "group_ids": [7]}
    assert (body["type"], body["talk_mode"], body["to_from_id"]) == ("forward", 1, 2)
    record = {"talk_id": 9, "msg_id": "m1", "sequence": 4, "msg_type": 1, "from_id": 2}
    answers.by_path["/api/v1/message/forward-records"] = {"items": [record]}
    assert [each.msg_id for each in await api.forward_records(["m1"])] == ["m1"]


async def test_bots(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/bot/create"] = {"bot_id": 7, "token": "bot_x"}
    answers.by_path["/api/v1/bot/token-reset"] = {"bot_id": 7, "token": "bot_y"}
    answers.by_path["/api/v1/bot/list"] = {"items": [{"bot_id": 7, "name": "Clock", "avatar": "", "created_at": "t"}]}
    answers.by_path["/api/v1/bot/update"] = answers.by_path["/api/v1/bot/delete"] = {}
    made = await api.create_bot("Clock")
    assert (made.token, made.webhook_secret) == ("bot_x", "")
    assert (await api.reset_bot_token(7)).token == "bot_y"
    assert [(bot.bot_id, bot.name) for bot in await api.bots()] == [(7, "Clock")]
    assert (await api.update_bot(7, name="Watch")).webhook_secret == ""
    await api.delete_bot(7)
    assert [body for _, _, body in answers.asked] == [
        {"name": "Clock", "avatar": ""}, {"bot_id": 7}, {}, {"bot_id": 7, "name": "Watch"}, {"bot_id": 7},
    ]  # fmt: skip
    url = "https://hook.example/"
    answers.by_path["/api/v1/bot/create"] |= {"webhook_secret": "s1"}
    answers.by_path["/api/v1/bot/update"] = {"webhook_secret": "s2"}
    assert (await api.create_bot("Clock", webhook_url=url)).webhook_secret == "s1"
    assert (await api.update_bot(7, webhook_url=url)).webhook_secret == "s2"
    assert [body for _, _, body in answers.asked[5:]] == [
        {"name": "Clock", "avatar": "", "webhook_url": url}, {"bot_id": 7, "webhook_url": url},
    ]  # fmt: skip


async def test_a_preview(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/message/preview"] = {"url": "https://a/b", "title": "T", "site_name": ""}
    found = await api.preview("https://a")
    assert (found.url, found.title, found.image) == ("https://a/b", "T", "")
    assert answers.asked[0][2] == {"url": "https://a"}


async def test_the_texts_of_a_message(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/message/edits"] = {"items": [{"extra": "{}", "edited_at_ms": 0}, {"extra": "[]"}]}
    assert [each.extra for each in await api.edits(2, 7, "m1")] == ["{}", "[]"]
    assert answers.asked[-1][2] == {"talk_mode": 2, "to_from_id": 7, "msg_id": "m1"}


async def test_who_reacted_to_the_last_page(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/message/reactions"] = {"items": [{"user_id": 2, "emoji": "👍", "nickname": "Bob"}]}
    (who,) = await api.reactors(2, 7, "m1", "👍")
    assert (who.user_id, who.emoji, who.nickname) == (2, "👍", "Bob")
    body = {"talk_mode": 2, "to_from_id": 7, "msg_id": "m1", "emoji": "👍", "cursor": ""}
    assert answers.asked[-1][2] == body


async def test_what_is_pinned(answers: Answers, api: Api) -> None:
    record = {"talk_id": 9, "msg_id": "m1", "sequence": 4, "msg_type": 1, "from_id": 2, "is_pinned": True}
    answers.by_path["/api/v1/message/pins"] = {"items": [record]}
    assert [(each.msg_id, each.is_pinned) for each in await api.pins(1, 2)] == [("m1", True)]
    assert answers.asked[-1][2] == {"talk_mode": 1, "to_from_id": 2}


async def test_requests_to_join_groups(answers: Answers, api: Api) -> None:
    of_other = {"id": 5, "user_id": 2, "group_id": 4, "remark": "hi", "avatar": "", "nickname": "Ada", "created_at": ""}
    answers.by_path |= {
        "/api/v1/group-apply/list": {"items": [of_other]},
        "/api/v1/group-apply/all": {"items": [of_other | {"group_name": "Band"}]},
        "/api/v1/group-apply/mine": {"items": [{"id": 5, "group_id": 4, "group_name": "Band", "state": 3}]},
        "/api/v1/group-apply/unread-num": {"num": 7},
    }
    answers.by_path |= {f"/api/v1/group-apply/{name}": {} for name in ("create", "agree", "decline", "delete")}
    assert [each.nickname for each in await api.group_applications(4)] == ["Ada"]
    assert [each.group_name for each in await api.group_applications()] == ["Band"]
    assert [each.state for each in await api.own_group_applications()] == [3]
    assert await api.count_group_applications() == 7
    answers.asked.clear()
    await api.apply_to_group(4, "hi")
    await api.agree_group_application(5)
    await api.decline_group_application(5, "no")
    await api.delete_group_application(5)
    assert [(path.rsplit("/", 1)[1], body) for path, _, body in answers.asked] == [
        ("create", {"group_id": 4, "remark": "hi"}),
        ("agree", {"apply_id": 5}),
        ("decline", {"apply_id": 5, "remark": "no"}),
        ("delete", {"apply_id": 5}),
    ]


async def test_notices_of_groups(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/group-notice/edit"] = {}
    answers.by_path["/api/v1/group-notice/history"] = {"items": [{"content": "", "user_id": 2, "nickname": "Ada"}]}
    answers.by_path["/api/v1/group/detail"] = {"group_id": 4, "group_name": "Band", "notice": {"content": "Rules"}}
    await api.edit_notice(4, "Rules")
    assert answers.asked[0][2] == {"group_id": 4, "content": "Rules"}
    assert [each.nickname for each in await api.notice_history(4)] == ["Ada"]
    notice = (await api.group_detail(4)).notice
    assert notice is not None
    assert notice.content == "Rules"
    answers.by_path["/api/v1/group/detail"] = {"group_id": 4}
    assert (await api.group_detail(4)).notice is None


async def test_votes_of_groups(answers: Answers, api: Api) -> None:
    answers.by_path |= {f"/api/v1/group-vote/{name}": {} for name in ("create", "submit", "finish")}
    answers.by_path["/api/v1/group-vote/list"] = {"items": [{"vote_id": 9, "title": "?", "is_voted": True}]}
    answers.by_path["/api/v1/group-vote/detail"] = {
        "vote_id": 9,
        "group_id": 4,
        "title": "?",
        "answer_options": [{"key": "A", "value": "yes", "num": 1, "is_checked": True}],
        "answered_users": [{"user_id": 0, "nickname": "", "options": ["A"], "answer_time": ""}],
        "answer_num": 3,
        "answered_num": 1,
        "cursor": "1",
    }
    assert [vote.is_voted for vote in await api.votes(4)] == [True]
    found = await api.vote_detail(9, "0")
    assert (found.answer_options[0].num, found.answered_users[0].options, found.cursor) == (1, ["A"], "1")
    answers.asked.clear()
    await api.create_vote(4, "?", ["yes", "no"], secret=True)
    await api.submit_vote(9, ["A"])
    await api.finish_vote(9)
    assert [body for _, _, body in answers.asked] == [
        {"group_id": 4, "title": "?", "options": ["yes", "no"], "mode": 1, "is_anonymous": 2},
        {"vote_id": 9, "options": ["A"]},
        {"vote_id": 9},
    ]


async def test_an_export_is_read_line_by_line_and_must_have_its_end(answers: Answers, api: Api) -> None:
    note = {"kind": "note", "md_content": "x" * 500_000}
    lines = [json.dumps(line) for line in ({"kind": "profile", "user_id": 1}, note, {"kind": "end", "note": 1})]
    answers.by_path["/api/v1/user/export"] = web.Response(text="\n".join(lines) + "\n")
    assert [line async for line in api.export()] == [{"kind": "profile", "user_id": 1}, note]
    answers.by_path["/api/v1/user/export"] = web.Response(text="\n".join(lines[:2]) + "\n")
    with pytest.raises(ProtocolError, match="before its end"):
        [line async for line in api.export()]
    refusal = {"code": 429, "message": "m", "data": None}
    headers = {"X-XinYu-Reason": "too_many"}
    answers.by_path["/api/v1/user/export"] = web.json_response(refusal, status=429, headers=headers)
    with pytest.raises(ApiError) as caught:
        [line async for line in api.export()]
    assert caught.value.reason == "too_many"


async def test_the_servers_config(answers: Answers, api: Api) -> None:
    answers.by_path["/config.json"] = {"websocket_url": "ws://127.0.0.1:1/ws", "version": "1"}
    assert (await api.server_config()).websocket_url == "ws://127.0.0.1:1/ws"


async def test_a_refusal_carries_status_reason_and_wait(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/contact/search"] = web.json_response(
        {"code": 429, "message": "slow down", "data": {"retry_after_ms": 40}},
        status=429,
        headers={"X-XinYu-Reason": "too_many"},
    )
    with pytest.raises(ApiError) as caught:
        await api.search("13800000009")
    error = caught.value
    assert (error.status, error.code, error.reason, error.message, error.retry_after_ms) == (
        429,
        429,
        "too_many",
        "slow down",
        40,
    )


@pytest.mark.parametrize("text", ["", "<html>bad gateway</html>", "[1]", '{"code": "x"}'])
async def test_a_refusal_that_is_not_ours_is_one_all_the_same(answers: Answers, api: Api, text: str) -> None:
    answers.by_path["/api/v1/user/detail"] = web.Response(status=500, text=text)
    with pytest.raises(ApiError) as caught:
        await api.own_detail()
    assert caught.value.status == 500
    assert caught.value.is_retryable


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxy_that_does_not_reach_the_server_is_a_loss_on_the_way(
    answers: Answers, api: Api, status: int
) -> None:
    answers.by_path["/api/v1/user/detail"] = web.Response(status=status, text="<html>bad gateway</html>")
    with pytest.raises(NetworkError):
        await api.own_detail()
    answers.by_path["/api/v1/user/detail"] = web.Response(
        status=status, headers={"X-XinYu-Reason": "unavailable"}, text="{}"
    )
    with pytest.raises(ApiError):
        await api.own_detail()


@pytest.mark.parametrize("text", ["", "nonsense", '{"items": null}', '{"items": [{"user_id": "2"}]}', "\xff"])
async def test_an_answer_that_does_not_fit_is_a_protocol_error(answers: Answers, api: Api, text: str) -> None:
    answers.by_path["/api/v1/contact/list"] = web.Response(body=text.encode("latin-1"))
    with pytest.raises(ProtocolError):
        await api.contacts()


async def test_without_a_token_nothing_is_sent(answers: Answers) -> None:
    api = Api(answers.url)
    with pytest.raises(NotLoggedIn):
        await api.contacts()
    assert answers.asked == []
    await api.close()


async def test_a_server_that_is_away_is_a_network_error() -> None:
    api = Api("http://127.0.0.1:1", token="t", timeout_s=2)
    with pytest.raises(NetworkError):
        await api.contacts()
    await api.close()


async def test_readers_of_a_message_and_whether_one_shows_what_one_reads(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/message/readers"] = {
        "items": [{"user_id": 2, "nickname": "Ada", "avatar": "", "read": True}], "read_num": 1, "unread_num": 4,
        "cursor": "2",
    }  # fmt: skip
    answers.by_path["/api/v1/user/setting/save"] = {}
    page = await api.readers(2, 7, "m1")
    assert (page.items[0].user_id, page.items[0].read) == (2, True)
    assert (page.read_num, page.unread_num, page.cursor) == (1, 4, "2")
    await api.show_reads(is_shown=False)
    assert [body for _, _, body in answers.asked] == [
        {"talk_mode": 2, "to_from_id": 7, "msg_id": "m1", "cursor": ""},
        {"read_receipts": "N"},
    ]


async def test_messages_that_are_sent_later(answers: Answers, api: Api) -> None:
    item = {
        "scheduled_id": "ab", "talk_id": 5, "talk_mode": 1, "to_from_id": 2, "type": "text", "quote_id": "",
        "body": {"content": "later"}, "send_at_ms": 9, "state": "failed", "reason": "not_friend",
    }  # fmt: skip
    answers.by_path["/api/v1/message/schedule"] = {"scheduled_id": "ab"}
    answers.by_path["/api/v1/message/schedule-list"] = {"items": [item]}
    answers.by_path["/api/v1/message/schedule-cancel"] = {}
    assert await api.schedule(1, 2, "text", {"content": "later"}, 9) == "ab"
    (found,) = await api.scheduled()
    assert (found.body, found.state, found.reason) == ({"content": "later"}, "failed", "not_friend")
    await api.cancel_scheduled("ab")
    asked = {"type": "text", "talk_mode": 1, "to_from_id": 2, "body": {"content": "later"}}
    more = {"quote_id": "", "msg_id": "", "send_at_ms": 9}
    assert [body for _, _, body in answers.asked] == [asked | more, {}, {"scheduled_id": "ab"}]


async def test_how_long_messages_live(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/talk/expire-after"] = {}
    await api.expire_after(2, 7, 60)
    assert [body for _, _, body in answers.asked] == [{"talk_mode": 2, "to_from_id": 7, "expire_after_s": 60}]


async def test_running_a_group(answers: Answers, api: Api) -> None:
    public = {"group_id": 5, "name": "Band", "type": 1, "count": 4, "max_num": 10, "is_member": True}
    answers.by_path["/api/v1/group/overt-list"] = {"items": [public], "next": True}
    answers.by_path["/api/v1/group/detail"] = {"group_id": 5, "group_name": "Band", "slow_mode_s": 30}
    (found,), more = await api.public_groups("and", 2)
    assert (found.name, found.count, found.is_member, more) == ("Band", 4, True, True)
    assert answers.asked[-1][2] == {"page": 2, "name": "and"}
    detail = await api.group_detail(5)
    assert (detail.group_name, detail.slow_mode_s, detail.mention_all) == ("Band", 30, 1)

    for call, path, body in (
        (api.assign_admin(5, 2), "assign-admin", {"user_id": 2, "action": 1}),
        (api.assign_admin(5, 2, is_admin=False), "assign-admin", {"user_id": 2, "action": 2}),
        (api.hand_over_group(5, 2), "handover", {"user_id": 2}),
        (api.dismiss_group(5), "dismiss", {}),
        (api.mute_group(5), "mute", {"action": 1}),
        (api.mute_group(5, is_muted=False), "mute", {"action": 2}),
        (api.mute_member(5, 2, duration_s=60), "no-speak", {"user_id": 2, "action": 1, "duration_s": 60}),
        (api.publish_group(5), "overt", {"action": 1}),
        (api.set_visit_card(5, "Bob"), "remark-update", {"remark": "Bob"}),
        (api.change_group(5, "Band", profile=""), "setting", {"group_name": "Band", "profile": ""}),
        (api.change_group_rules(5, slow_mode_s=0), "rules", {"slow_mode_s": 0}),
        (api.change_group_rules(5, mention_all=2), "rules", {"mention_all": 2}),
    ):
        answers.by_path[f"/api/v1/group/{path}"] = {}
        await call
        assert (answers.asked[-1][0], answers.asked[-1][2]) == (f"/api/v1/group/{path}", {"group_id": 5} | body)
