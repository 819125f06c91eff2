"""Every route of docs/http-api.md, walked with real requests against both forms: SQLite, and MariaDB in a cluster; and
over a WebSocket, where a route is an event, too."""

from __future__ import annotations

import html
import importlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.contract.case import CASES, Case, Refused, World
from tests.e2e.contract.shape import Array, Object, Scalar, Shape, check
from tests.e2e.contract.table import ROUTES, RouteRow
from tests.e2e.plain_client import Events, Json, Person
from tests.forms import FORMS, EitherServer, running
from tests.openid_provider import SmallProvider

pytestmark = pytest.mark.e2e

for _file in sorted(Path(__file__).parent.glob("*_cases.py")):
    importlib.import_module(f"tests.e2e.contract.{_file.stem}")

# What codes are answered for, bodies of a case's people, and settings that the cases count on.
ENVIRONMENT: Final = {
    "XINYU_LIMITS__SENDS_PER_S": "2000",
    "XINYU_LIMITS__SEND_BURST": "2000",
    "XINYU_ORGANIZE__ENABLED": "true",
}


@pytest.fixture(scope="module", params=FORMS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, openid_provider: SmallProvider
) -> Iterator[EitherServer]:
    environment = ENVIRONMENT | openid_provider.environment
    with running(request.param, request, tmp_path_factory.mktemp("contract") / "data", environment) as process:
        yield process


@pytest.fixture
async def world(server: EitherServer, mobile: Callable[[], str]) -> AsyncIterator[World]:
    made = World(server, mobile)
    yield made
    await made.close()


def test_every_route_has_a_case() -> None:
    assert set(ROUTES) == set(CASES)


# What is not one (docs/protocol.md): without a login, with files or a password, with an event of its own.
NO_EVENTS: Final = frozenset(
    {path for path, row in ROUTES.items() if row.is_open or row.is_get or row.form}
    | {"user/password-update", "user/mobile-update", "user/email-update", "user/delete", "auth/logout-all"}
    | {f"message/{name}" for name in ("send", "edit", "react", "pin", "revoke", "range", "search")}
    | {"talk/members", "talk/read", "sync", "auth/ticket"}
)


# Whose cases send what looks like HTML, and look at what becomes of it.
LOOKED_AT_ESCAPED: Final = ("message/forward-records", "talk/session-list")


class Outcome(NamedTuple):
    """Of an answered request `reason` is None."""

    status: int
    reason: str | None
    data: Any


Ask = Callable[[Person, RouteRow, Json], Awaitable[Outcome]]


@pytest.mark.parametrize("path", sorted(ROUTES))
async def test_route(world: World, path: str) -> None:
    row = ROUTES[path]
    tried = await CASES[path](world)
    await walk(row, tried, ask, [*without_login(row, tried), *wrong_requests(row, tried), *tried.refused])


# All of them in one process; in a cluster one of each room: there the gateway is another process than that of REST.
BY_EVENT: Final = [("embedded", path) for path in sorted(ROUTES.keys() - NO_EVENTS)] + [
    ("cluster", path)
    for path in ("user/detail", "contact/list", "group/detail", "message/records", "message/schedule", "article/list")
]


@pytest.mark.parametrize(("server", "path"), BY_EVENT, indirect=["server"], scope="module")
async def test_route_as_an_event(world: World, path: str) -> None:
    row = ROUTES[path]
    tried = await CASES[path](world)
    await walk(row, tried, ask_by_event, [*wrong_requests(row, tried), *tried.refused])


@pytest.mark.parametrize(("server", "path"), [("embedded", path) for path in sorted(NO_EVENTS - {"sync"})],
                         indirect=["server"], scope="module")
async def test_what_is_no_event(world: World, path: str) -> None:
    seen = await ask_by_event(await world.person(), ROUTES[path], {})
    assert (seen.status, seen.reason) == (400, "unknown_event")


async def walk(row: RouteRow, tried: Case, ask: Ask, refusals: list[Refused]) -> None:
    fields = row.form or tuple(field.name for field in row.request.fields)
    assert set(tried.request) == set(fields) - {"token"}, "a case names every field of the table"
    for refused in refusals:
        body = {key: value for key, value in (tried.request | refused.change).items() if value is not ABSENT}
        seen = await ask(refused.by or tried.by, row, body)
        assert (seen.status, seen.reason) == (refused.status, refused.reason), (refused.change, seen.data)
    answer = await ask(tried.by, row, tried.request)
    if tried.unable is not None:
        assert (answer.status, answer.reason) == tried.unable
        return
    assert answer.status == 200, (tried.request, answer.data)
    if row.answer is not None:
        check(answer.data, row.answer)
        for name in lists_of(row.answer):
            assert answer.data[name], f"a case makes `{name}` hold something, or its fields are not looked at"
    if tried.then is not None:
        await tried.then(answer.data)


ABSENT: Final = object()


def without_login(row: RouteRow, tried: Case) -> list[Refused]:
    if row.is_open:
        return []
    nobody = _Nobody(tried.by)
    return [Refused({}, 401, "unauthenticated", nobody)]


class _Nobody(Person):
    """Who calls with the same session, but without a token."""

    def __init__(self, other: Person) -> None:
        super().__init__(other.server, "", "")
        self._session = other._session


def wrong_requests(row: RouteRow, tried: Case) -> list[Refused]:
    """Each field missing, and each of the wrong type. Query fields are all text, so only numbers can be wrong there."""
    if row.form:
        return [Refused({name: ABSENT}, 400, "invalid") for name in row.form]
    found: list[Refused] = []
    for field in row.request.fields:
        if field.name == "token":
            continue
        if not field.optional:
            found.append(Refused({field.name: ABSENT}, 400, "invalid"))
        if not row.is_get or field.shape == Scalar("int"):
            found.append(Refused({field.name: wrong_value(field.shape)}, 400, "invalid"))
    return found


def wrong_value(shape: Shape) -> Any:
    if isinstance(shape, Array):
        return [wrong_value(shape.of)]
    if isinstance(shape, Object):
        return "text"
    return 1.5 if shape.kind == "str" else "text"


def lists_of(shape: Object) -> list[str]:
    """Of an answer, where it is a list of things: `items`."""
    return [field.name for field in shape.fields if isinstance(field.shape, Array) and field.name == "items"]


async def ask_by_event(person: Person, row: RouteRow, request: Json) -> Outcome:
    """On a connection of its own."""
    try:
        async with await Events.ours(person.server, headers={"Authorization": f"Bearer {person.token}"}) as events:
            answer = await events.ask(row.path, request, "1")
    except InvalidStatus as error:
        return Outcome(error.response.status_code, error.response.headers["X-XinYu-Reason"], None)
    except ConnectionClosed as error:
        if error.rcvd is None or error.rcvd.code != 1009:
            raise
        return Outcome(413, "too_large", None)
    payload = answer["payload"]
    if answer["event"] == "ack":
        return Outcome(200, None, escaped(payload) if row.path in LOOKED_AT_ESCAPED else payload)
    assert answer["event"] == "event_error" and payload["error_message"]
    assert set(payload) <= {"error_code", "error_message", "reason", "retry_after_ms"}
    return Outcome(payload["error_code"], payload["reason"], payload)


def escaped(answer: Any) -> Any:
    """As REST answers these where nothing else is asked for: over this dialect texts come as they were typed."""
    if isinstance(answer, dict):
        return {key: escaped(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [escaped(each) for each in answer]
    return html.escape(answer, quote=False) if isinstance(answer, str) else answer


async def ask(person: Person, row: RouteRow, request: Json) -> Outcome:
    """As the route wants it: a JSON object, a form, or a query."""
    path = f"/api/v1/{row.path}"
    if row.form is not None:
        form = aiohttp.FormData()
        for name, value in request.items():
            if isinstance(value, tuple):
                form.add_field(name, value[1], filename=value[0], content_type="application/octet-stream")
            else:
                form.add_field(name, str(value))
        if not request:
            form.add_field("nothing", "")
        return await _send(person, "POST", path, data=form)
    if row.is_get:
        token = {"token": person.token} if person.token else {}
        return await _send(person, "GET", f"{path}?{urlencode(request | token)}", with_header=False)
    return await _send(person, "POST", path, json=request)


async def _send(person: Person, method: str, path: str, *, with_header: bool = True, **more: Any) -> Outcome:
    headers = {"Authorization": f"Bearer {person.token}"} if person.token and with_header else {}
    url = person.server.http_url + path
    async with person._session.request(method, url, headers=headers, **more) as response:
        content = await response.read()
        data = json.loads(content) if response.content_type == "application/json" else content
        if response.status != 200:
            assert set(data) == {"code", "message", "data"}
            assert (data["code"], data["data"]) == (response.status, None)
            assert data["message"]
            assert response.headers["X-Trace-Id"]
        return Outcome(response.status, response.headers.get("X-XinYu-Reason"), data)
