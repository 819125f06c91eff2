"""REST calls against an aiohttp server of the tests' own: shapes, headers, refusals, answers that are none."""

from __future__ import annotations

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


async def test_accept_and_create_answer_what_they_made(answers: Answers, api: Api) -> None:
    answers.by_path["/api/v1/contact-apply/accept"] = {"session": {"id": 9, "talk_mode": 1, "to_from_id": 2}}
    answers.by_path["/api/v1/group/create"] = {"group_id": 4}
    assert (await api.accept(3)).id == 9
    assert await api.create_group("g", [2, 3]) == 4


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
    answers.by_path["/api/v1/user/detail"] = web.Response(status=502, text=text)
    with pytest.raises(ApiError) as caught:
        await api.own_detail()
    assert caught.value.status == 502
    assert caught.value.is_retryable


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
