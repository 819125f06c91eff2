"""The stored organisation, who may see it, and the command that writes it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from tests.database_storage import Storage
from tests.integration.services.house import House, open_house
from xinyu.gateway.http.route import HttpCall
from xinyu.wire.v1 import organize_pb2, organize_rpc, user_rpc
from xinyu_services.cli.app import app
from xinyu_services.organize import http as organize_http
from xinyu_services.organize import store as organize_store
from xinyu_services.organize.model import Chart, Department, Member, Position
from xinyu_services.organize.neighbours import RpcPeople
from xinyu_services.organize.rpc import OrganizeServicer
from xinyu_services.organize.service import OrganizeService
from xinyu_services.organize.store import OrganizeStore


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage) as opened:
        yield opened


def room(house: House, *, enabled: bool) -> organize_rpc.OrganizeStub:
    platform = house.platform
    people = RpcPeople(user_rpc.UserStub(platform.network.channel("organize")))
    service = OrganizeService(platform.database, OrganizeStore(platform.dialect), people, enabled=enabled)
    platform.network.serve(organize_rpc.METHODS, OrganizeServicer(service))
    return organize_rpc.OrganizeStub(platform.network.channel("test"))


async def both_lists(organize: organize_rpc.OrganizeStub, user_id: int) -> tuple[list[Any], list[Any]]:
    request = organize_pb2.OrganizeListRequest(user_id=user_id)
    departments, personnel = await organize.list_departments(request), await organize.list_personnel(request)
    return json.loads(departments.items), json.loads(personnel.items)


async def put(house: House, chart: Chart) -> None:
    store = OrganizeStore(house.platform.dialect)
    await house.platform.database.write(lambda connection: store.replace(connection, chart))


async def test_its_people_see_it_and_nobody_else(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organize_store, "CHUNK", 1)
    ann, bob, cat = [await house.user.register(f"1390000{n:04d}", name) for n, name in enumerate(("Ann", "Bob", "Cat"))]
    organize = room(house, enabled=True)
    assert await both_lists(organize, ann) == ([], [])
    chart = Chart.of(
        [Department(2, 1, "Tech", 5), Department(1, 0, "Head", 9)],
        [Position("b", "Second", 2), Position("a", "First", 2)],
        [Member(ann, 2, ("a", "b")), Member(bob, 1), Member(1 << 40, 1)],
    )
    await put(house, chart)
    departments, personnel = await both_lists(organize, ann)
    assert [(d["dept_id"], d["count"]) for d in departments] == [(-1, 3), (2, 1), (1, 3)]
    # Whose account is gone is left out.
    assert [(p["user_id"], p["nickname"]) for p in personnel] == [(ann, "Ann"), (bob, "Bob")]
    assert [each["code"] for each in personnel[0]["position_items"]] == ["a", "b"]
    assert await both_lists(organize, cat) == ([], [])
    asked = organize_pb2.FilterMembersRequest(user_ids=[ann, bob, cat])
    assert list((await organize.filter_members(asked)).user_ids) == [ann, bob]
    # Replaced as a whole.
    await put(house, Chart.of([Department(3, 0, "Only")], [], [Member(cat, 3)]))
    assert await both_lists(organize, ann) == ([], [])
    assert [d["dept_id"] for d in (await both_lists(organize, cat))[0]] == [-1, 3]


async def test_defect_29_an_organisation_that_is_not_there_is_items(house: House) -> None:
    ann = await house.user.register("13900000000", "Ann")
    routes = organize_http.routes(room(house, enabled=True))
    for route in routes:
        answer = await route.handler(HttpCall(ann, 0, "127.0.0.1", "test", True), None)
        assert json.loads(msgspec.json.encode(answer)) == {"items": []}


async def test_switched_off_it_is_empty(house: House) -> None:
    ann = await house.user.register("13900000000", "Ann")
    await put(house, Chart.of([Department(1, 0, "Head")], [], [Member(ann, 1)]))
    organize = room(house, enabled=False)
    assert await both_lists(organize, ann) == ([], [])
    asked = organize_pb2.FilterMembersRequest(user_ids=[ann])
    assert list((await organize.filter_members(asked)).user_ids) == []


def test_the_command_imports_all_or_nothing(tmp_path: Path) -> None:
    where = ["--data-directory", str(tmp_path / "data")]
    runner = CliRunner()
    assert runner.invoke(app, ["migrate", "apply", *where]).exit_code == 0
    file = tmp_path / "chart.yaml"
    file.write_text("departments: [{id: 1, name: Head}]\npositions: [{code: cto, name: Chief}]\n")
    dry = runner.invoke(app, ["organize", "import", str(file), *where, "--dry-run"])
    assert dry.exit_code == 0 and "+ department 1" in dry.output and "nothing was changed" in dry.output
    shown = runner.invoke(app, ["organize", "show", *where]).output
    assert "Head" not in shown
    assert "+ position cto" in runner.invoke(app, ["organize", "import", str(file), *where]).output
    shown = runner.invoke(app, ["organize", "show", *where]).output
    assert "Head" in shown
    # What is shown is what can be read.
    file.write_text(shown)
    assert "nothing changes" in runner.invoke(app, ["organize", "import", str(file), *where]).output
    file.write_text("departments: [{id: 2, name: Other}]\npeople: [{user_id: 9, department: 2}, {department: 1}]\n")
    failed = runner.invoke(app, ["organize", "import", str(file), *where])
    assert failed.exit_code == 1 and "people 2: either mobile or user_id" in failed.output
    file.write_text("departments: [{id: 2, name: Other}]\npeople: [{user_id: 9, department: 2}]\n")
    failed = runner.invoke(app, ["organize", "import", str(file), *where])
    assert failed.exit_code == 1 and "people 1: nobody has the user_id 9" in failed.output
    assert runner.invoke(app, ["organize", "show", *where]).output == shown
