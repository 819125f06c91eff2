"""`article-annex/*`: what hangs on notes."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.e2e.contract.article_cases import not_mine, note
from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.plain_client import Json, Person

CONTENT = b"all that was said"
NOBODY = 1 << 50


async def attached(person: Person, article_id: int, content: bytes = CONTENT) -> int:
    """The id of an attachment."""
    form = aiohttp.FormData()
    form.add_field("annex", content, filename="minutes.txt", content_type="application/octet-stream")
    form.add_field("article_id", str(article_id))
    headers = {"Authorization": f"Bearer {person.token}"}
    url = f"{person.server.http_url}/api/v1/article-annex/upload"
    async with person._session.post(url, data=form, headers=headers) as response:
        assert response.status == 200, await response.text()
        annex_id: int = (await response.json())["annex_id"]
    return annex_id


async def hanging(person: Person, article_id: int) -> list[Json]:
    found: list[Json] = (await person.ok("article/detail", {"article_id": article_id}))["annex_list"]
    return found


@case("article-annex/upload")
async def upload(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)

    async def then(answer: Any) -> None:
        assert (answer["annex_name"], answer["annex_size"]) == ("minutes.txt", len(CONTENT))
        assert [each["annex_id"] for each in await hanging(ann, article_id)] == [answer["annex_id"]]

    return Case(
        ann,
        {"annex": ("minutes.txt", CONTENT), "article_id": article_id},
        refused=[
            Refused({"article_id": "first"}, 400, "invalid"),
            Refused({"article_id": NOBODY}, 404, "unknown_note"),
            Refused({"annex": ("empty.txt", b"")}, 400, "invalid"),
            Refused({}, 404, "unknown_note", by=stranger),
        ],
        then=then,
    )


@case("article-annex/download")
async def download(world: World) -> Case:
    ann, stranger = await world.people(2)
    annex_id = await attached(ann, await note(ann))

    async def then(content: Any) -> None:
        assert content == CONTENT

    return Case(ann, {"annex_id": annex_id}, refused=not_mine("annex_id", "unknown_file", stranger), then=then)


@case("article-annex/delete")
async def delete(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)
    annex_id = await attached(ann, article_id)

    async def then(_: Any) -> None:
        assert await hanging(ann, article_id) == []

    return Case(ann, {"annex_id": annex_id}, refused=not_mine("annex_id", "unknown_file", stranger), then=then)


@case("article-annex/recover-list")
async def recover_list(world: World) -> Case:
    ann = await world.person()
    annex_id = await attached(ann, await note(ann))
    await ann.ok("article-annex/delete", {"annex_id": annex_id})

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["annex_id"], item["article_title"], item["day"]) == (annex_id, "Walk", 30)
        assert answer["paginate"]["total"] == 1

    return Case(ann, {"page": 1}, refused=[Refused({"page": 0}, 400, "invalid")], then=then)


@case("article-annex/recover")
async def recover(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)
    annex_id = await attached(ann, article_id)
    await ann.ok("article-annex/delete", {"annex_id": annex_id})

    async def then(_: Any) -> None:
        assert [each["annex_id"] for each in await hanging(ann, article_id)] == [annex_id]

    return Case(ann, {"annex_id": annex_id}, refused=not_mine("annex_id", "unknown_file", stranger), then=then)


@case("article-annex/forever-delete")
async def forever_delete(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)
    annex_id, alive = await attached(ann, article_id), await attached(ann, article_id, b"other")
    await ann.ok("article-annex/delete", {"annex_id": annex_id})

    async def then(_: Any) -> None:
        assert (await ann.ok("article-annex/recover-list"))["items"] == []

    return Case(
        ann,
        {"annex_id": annex_id},
        refused=[
            *not_mine("annex_id", "unknown_file", stranger),
            Refused({"annex_id": alive}, 400, "invalid"),
        ],
        then=then,
    )
