"""Groups that their owners have made public, and finding them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.services.group.band import Band
from tests.integration.services.house import refused
from xinyu.base.errors import FORBIDDEN, INVALID, NOT_MEMBER
from xinyu.storage.database import cursor
from xinyu.wire.v1 import group_pb2
from xinyu_services.group import service as group_service


async def listed(band: Band, asker: int, **asked: Any) -> list[str]:
    return [item["name"] for item in (await band.house.post("group/overt-list", asker, **asked))["items"]]


async def test_a_group_is_public_as_long_as_its_owner_wants(band: Band) -> None:
    assert await listed(band, band.eve) == []
    await band.post("overt", band.ann, action=1)
    await band.post("setting", band.ann, group_name="The Band", profile="We play.")
    assert (await band.post("detail", band.bob))["is_overt"] == 1
    item = {
        "group_id": band.group_id,
        "type": 1,
        "name": "The Band",
        "avatar": "",
        "profile": "We play.",
        "count": 4,
        "max_num": 10,
        "is_member": False,
        "created_at": "2026-09-21 22:13:20",
    }
    assert await band.house.post("group/overt-list", band.eve) == {"items": [item], "next": False}
    assert (await band.house.post("group/overt-list", band.bob))["items"] == [item | {"is_member": True}]
    await band.post("secede", band.bob)
    await band.post("remove-member", band.ann, user_ids=[band.cat])
    assert (await band.house.post("group/overt-list", band.bob))["items"] == [item | {"count": 2}]
    await band.post("invite", band.ann, user_ids=[band.bob])
    assert (await band.house.post("group/overt-list", band.bob))["items"][0]["count"] == 3
    await band.post("overt", band.ann, action=2)
    assert await listed(band, band.eve) == []
    await band.post("overt", band.ann, action=1)
    await band.post("dismiss", band.ann)
    assert await listed(band, band.eve) == []


async def test_only_the_owner_makes_it_public(band: Band) -> None:
    await band.post("assign-admin", band.ann, user_id=band.bob, action=1)
    for actor in (band.bob, band.cat):
        await refused(band.post("overt", actor, action=1), FORBIDDEN)
    await refused(band.post("overt", band.eve, action=1), NOT_MEMBER)
    assert await listed(band, band.eve) == []


async def insert(band: Band, names: list[str]) -> None:
    """Public groups that nobody is in."""

    def work(connection: Any) -> None:
        c = cursor(connection)
        for number, name in enumerate(names, 1_000):
            c.execute(
                band.house.platform.dialect.sql(
                    "INSERT INTO group_info (group_id, creator_id, state, revision, profile_revision, name, "
                    "search_name, is_overt, max_members, created_at_ms, changed_at_ms) "
                    "VALUES (?, 1, 1, 1, 1, ?, ?, 1, 10, 0, 0)"
                ),
                (number, name, name.casefold()),
            )

    await band.house.platform.database.write(work)


async def test_they_are_found_by_a_part_of_their_name(band: Band) -> None:
    await insert(band, ["Jazz", "JAZZ club", "100%", "100x", "a_b", "axb", "a!b", "Ärzte", "音乐之友"])
    found = {
        "jazz": ["JAZZ club", "Jazz"],
        "ZZ C": ["JAZZ club"],
        "100%": ["100%"],
        "a_b": ["a_b"],
        "a!b": ["a!b"],
        "äRZ": ["Ärzte"],
        "音乐": ["音乐之友"],
        "' OR 1=1 --": [],
        "%": ["100%"],
    }
    assert {words: await listed(band, band.eve, name=words) for words in found} == found


async def test_they_come_in_pages_the_newest_first(band: Band, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"G{n:02d}" for n in range(45)]
    await insert(band, names)
    pages = [await band.house.post("group/overt-list", band.eve, page=page) for page in (1, 2, 3, 4)]
    assert [item["name"] for page in pages for item in page["items"]] == names[::-1]
    assert [(len(page["items"]), page["next"]) for page in pages] == [(20, True), (20, True), (5, False), (0, False)]
    # What is looked through is bounded, and so are the pages.
    monkeypatch.setattr(group_service, "MAX_PUBLIC", 40)
    assert await listed(band, band.eve, name="G00") == []
    assert await listed(band, band.eve, name="G05") == ["G05"]
    for page in (0, -1, 3):
        request = group_pb2.ListPublicRequest(user_id=band.eve, page=page)
        await refused(band.house.group.list_public(request), INVALID)
