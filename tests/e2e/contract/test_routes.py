"""Every route of docs/http-api.md, walked with real requests against both forms: SQLite, and MariaDB in a cluster."""

from __future__ import annotations

import importlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.e2e.contract.case import CASES, Case, Refused, World
from tests.e2e.contract.shape import Array, Object, Scalar, Shape, check
from tests.e2e.contract.table import ROUTES, RouteRow
from tests.e2e.plain_client import Answer, Json, Person
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


@pytest.mark.parametrize("path", sorted(ROUTES))
async def test_route(world: World, path: str) -> None:
    row = ROUTES[path]
    tried = await CASES[path](world)
    fields = row.form or tuple(field.name for field in row.request.fields)
    assert set(tried.request) == set(fields) - {"token"}, "a case names every field of the table"
    for refused in [*without_login(row, tried), *wrong_requests(row, tried), *tried.refused]:
        body = {key: value for key, value in (tried.request | refused.change).items() if value is not ABSENT}
        answer = await ask(refused.by or tried.by, row, body)
        seen = (answer.status, answer.headers.get("X-XinYu-Reason"))
        assert seen == (refused.status, refused.reason), (refused.change, answer.data)
        assert set(answer.data) == {"code", "message", "data"}
        assert (answer.data["code"], answer.data["data"]) == (refused.status, None)
        assert answer.data["message"]
        assert answer.headers["X-Trace-Id"]
    answer = await ask(tried.by, row, tried.request)
    if tried.unable is not None:
        assert (answer.status, answer.headers.get("X-XinYu-Reason")) == tried.unable
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


async def ask(person: Person, row: RouteRow, request: Json) -> Answer:
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


async def _send(person: Person, method: str, path: str, *, with_header: bool = True, **more: Any) -> Answer:
    headers = {"Authorization": f"Bearer {person.token}"} if person.token and with_header else {}
    url = person.server.http_url + path
    async with person._session.request(method, url, headers=headers, **more) as response:
        content = await response.read()
        is_json = response.content_type == "application/json"
        return Answer(response.status, response.headers, json.loads(content) if is_json else content)
