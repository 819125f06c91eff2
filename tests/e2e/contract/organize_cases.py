"""`organize/*`: what an operator has imported, as its people see it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.e2e.contract.case import Case, World, case
from tests.e2e.plain_client import Json, Person
from tests.forms import EitherServer
from tests.server_process import ServerProcess

DEADLINE_S = 60


def import_chart(server: EitherServer, chart: Json) -> None:
    """By the command line, as an operator does it: an embedded server is stopped for it."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "chart.json"
        file.write_text(json.dumps(chart))
        if isinstance(server, ServerProcess):
            server.stop()
            where = ["--data-directory", str(server.data_directory)]
        else:
            where = ["--config", str(server.config_file), "--cluster"]
        command = [sys.executable, "-m", "xinyu_services", "organize", "import", str(file), *where]
        done = subprocess.run(
            command, env=server.environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == 0, done.stderr
        if isinstance(server, ServerProcess):
            server.start()


async def organisation(world: World) -> tuple[Person, Person, Person]:
    """An engineer, his boss, and somebody who is not in it."""
    ann, ben, outsider = await world.people(3)
    chart = {
        "departments": [{"id": 1, "name": "Head office"}, {"id": 7, "name": "Engineering", "parent": 1, "sort": 3}],
        "positions": [{"code": "cto", "name": "Chief engineer", "sort": 1}],
        "people": [
            {"mobile": ann.mobile, "department": 7, "positions": []},
            {"user_id": ben.user_id, "department": 1, "positions": ["cto"]},
        ],
    }
    await asyncio.to_thread(import_chart, world.server, chart)
    return ann, ben, outsider


@case("organize/department-list")
async def department_list(world: World) -> Case:
    ann, ben, outsider = await organisation(world)

    async def then(answer: Any) -> None:
        assert [(d["dept_id"], d["parent_id"], d["ancestors"], d["count"]) for d in answer["items"]] == [
            (-1, 0, "", 2),
            (1, 0, "", 2),
            (7, 1, "1", 1),
        ]
        assert (await outsider.ok("organize/department-list")) == {"items": []}
        assert (await ann.ok("user/setting"))["user_info"]["is_qiye"] is True
        for one, other, relation in ((ann, ben, 3), (ann, outsider, 1), (outsider, ann, 1)):
            assert (await one.ok("contact/detail", {"user_id": other.user_id}))["relation"] == relation

    return Case(ann, then=then)


@case("organize/personnel-list")
async def personnel_list(world: World) -> Case:
    ann, ben, outsider = await organisation(world)

    async def then(answer: Any) -> None:
        shown = {each["user_id"]: each for each in answer["items"]}
        assert set(shown) == {ann.user_id, ben.user_id}
        assert shown[ann.user_id]["dept_item"] == {"dept_id": 7, "dept_name": "Engineering", "ancestors": "1"}
        assert shown[ann.user_id]["position_items"] == []
        assert shown[ben.user_id]["position_items"] == [{"code": "cto", "name": "Chief engineer", "sort": 1}]
        assert shown[ben.user_id]["nickname"] == ben.name
        assert (await outsider.ok("organize/personnel-list")) == {"items": []}

    return Case(ann, then=then)
