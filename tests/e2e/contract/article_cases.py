"""`article/*`: notes."""

from __future__ import annotations

from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.plain_client import Json, Person

NOBODY = 1 << 50
TEXT = "# Walk\n\nAround the **lake** <b>\n\n![map](http://127.0.0.1/media/map.png)"


async def note(person: Person, title: str = "Walk", **more: Any) -> int:
    """The id of a new one."""
    made = await person.ok("article/editor", {"article_id": 0, "title": title, "md_content": TEXT, **more})
    article_id: int = made["article_id"]
    return article_id


async def listed(person: Person, **search: Any) -> list[Json]:
    items: list[Json] = (await person.ok("article/list", {"find_type": 1, **search}))["items"]
    return items


async def note_class(person: Person, name: str = "Trips") -> int:
    class_id: int = (await person.ok("article/classify/edit", {"name": name}))["classify_id"]
    return class_id


async def default_class(person: Person) -> int:
    classes = (await person.ok("article/classify/list"))["items"]
    (class_id,) = [each["id"] for each in classes if each["is_default"] == 1]
    return int(class_id)


def not_mine(field: str, reason: str, stranger: Person) -> list[Refused]:
    return [
        Refused({field: 0}, 400, "invalid"),
        Refused({field: NOBODY}, 404, reason),
        Refused({}, 404, reason, by=stranger),
    ]


@case("article/editor")
async def editor(world: World) -> Case:
    ann, stranger = await world.people(2)
    class_id = await note_class(ann)
    article_id = await note(ann)
    request = {
        "article_id": article_id,
        "classify_id": class_id,
        "title": "Longer walk",
        "abstract": "not looked at",
        "md_content": TEXT,
    }

    async def then(answer: Any) -> None:
        assert answer == {
            "article_id": article_id,
            "title": "Longer walk",
            "abstract": "Walk Around the lake",
            "image": "http://127.0.0.1/media/map.png",
        }
        # The same new note within 30 s is the same one.
        assert await note(ann, "Twice") == await note(ann, "Twice")
        assert len(await listed(ann)) == 2

    return Case(
        ann,
        request,
        refused=[
            Refused({"article_id": NOBODY}, 404, "unknown_note"),
            Refused({"classify_id": NOBODY}, 404, "unknown_note_class"),
            Refused({"title": "x" * 1000}, 400, "invalid"),
            Refused({"md_content": "x" * 600_000}, 413, "too_large"),
            Refused({}, 404, "unknown_note", by=stranger),
        ],
        then=then,
    )


@case("article/detail")
async def detail(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)

    async def then(answer: Any) -> None:
        assert (answer["title"], answer["md_content"]) == ("Walk", TEXT)
        assert (answer["is_asterisk"], answer["classify_id"]) == (2, await default_class(ann))

    return Case(
        ann, {"article_id": article_id}, refused=not_mine("article_id", "unknown_note", stranger), then=then
    )


@case("article/list")
async def article_list(world: World) -> Case:
    ann, _ = await world.people(2)
    class_id = await note_class(ann)
    tag_id = (await ann.ok("article/tag/edit", {"tag_name": "lake"}))["tag_id"]
    wanted = await note(ann, "Lake", classify_id=class_id)
    await ann.ok("article/tags", {"article_id": wanted, "tag_ids": [tag_id]})
    await note(ann, "Other", md_content="nothing")

    async def then(answer: Any) -> None:
        (item,) = answer["items"]
        assert (item["article_id"], item["class_name"], item["tags_id"]) == (wanted, "Trips", str(tag_id))
        assert [each["title"] for each in await listed(ann)] == ["Other", "Lake"]
        assert await listed(ann, find_type=2) == []

    return Case(
        ann,
        {"keyword": "LAKE", "find_type": 3, "classify_id": class_id, "tag_id": tag_id},
        refused=[
            Refused({"find_type": 9}, 400, "invalid"),
            Refused({"keyword": "x" * 1000}, 400, "invalid"),
            Refused({"classify_id": -1}, 400, "invalid"),
        ],
        then=then,
    )


@case("article/asterisk")
async def asterisk(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)

    async def then(_: Any) -> None:
        assert [each["article_id"] for each in await listed(ann, find_type=2)] == [article_id]

    return Case(
        ann,
        {"article_id": article_id, "action": 1},
        refused=[*not_mine("article_id", "unknown_note", stranger), Refused({"action": 3}, 400, "invalid")],
        then=then,
    )


@case("article/move")
async def move(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id, class_id = await note(ann), await note_class(ann)

    async def then(_: Any) -> None:
        assert [each["classify_id"] for each in await listed(ann)] == [class_id]

    return Case(
        ann,
        {"article_id": article_id, "classify_id": class_id},
        refused=[
            *not_mine("article_id", "unknown_note", stranger),
            Refused({"classify_id": NOBODY}, 404, "unknown_note_class"),
        ],
        then=then,
    )


@case("article/tags")
async def tags(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)
    tag_id = (await ann.ok("article/tag/edit", {"tag_name": "lake"}))["tag_id"]

    async def then(_: Any) -> None:
        assert (await ann.ok("article/detail", {"article_id": article_id}))["tag_ids"] == [{"id": tag_id}]

    return Case(
        ann,
        {"article_id": article_id, "tag_ids": [tag_id]},
        refused=[
            *not_mine("article_id", "unknown_note", stranger),
            Refused({"tag_ids": [NOBODY]}, 404, "unknown_note_tag"),
        ],
        then=then,
    )


@case("article/delete")
async def delete(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)

    async def then(_: Any) -> None:
        assert await listed(ann) == []
        (gone,) = (await ann.ok("article/recover-list"))["items"]
        assert (gone["article_id"], gone["day"]) == (article_id, 30)

    return Case(
        ann, {"article_id": article_id}, refused=not_mine("article_id", "unknown_note", stranger), then=then
    )


@case("article/recover-list")
async def recover_list(world: World) -> Case:
    ann = await world.person()
    article_id = await note(ann)
    await ann.ok("article/delete", {"article_id": article_id})

    async def then(answer: Any) -> None:
        assert [each["article_id"] for each in answer["items"]] == [article_id]

    return Case(ann, {"page": 1}, refused=[Refused({"page": 0}, 400, "invalid")], then=then)


@case("article/recover")
async def recover(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id = await note(ann)
    await ann.ok("article/delete", {"article_id": article_id})

    async def then(_: Any) -> None:
        assert [each["article_id"] for each in await listed(ann)] == [article_id]

    return Case(
        ann, {"article_id": article_id}, refused=not_mine("article_id", "unknown_note", stranger), then=then
    )


@case("article/forever-delete")
async def forever_delete(world: World) -> Case:
    ann, stranger = await world.people(2)
    article_id, alive = await note(ann), await note(ann, "Alive")
    await ann.ok("article/delete", {"article_id": article_id})

    async def then(_: Any) -> None:
        assert (await ann.ok("article/recover-list"))["items"] == []
        await ann.refused("article/recover", {"article_id": article_id}, 404)

    return Case(
        ann,
        {"article_id": article_id},
        refused=[
            *not_mine("article_id", "unknown_note", stranger),
            Refused({"article_id": alive}, 400, "invalid"),
        ],
        then=then,
    )


@case("article/classify/list")
async def classify_list(world: World) -> Case:
    ann = await world.person()

    async def then(answer: Any) -> None:
        (only,) = answer["items"]
        assert (only["is_default"], only["count"]) == (1, 0)

    return Case(ann, then=then)


@case("article/classify/edit")
async def classify_edit(world: World) -> Case:
    ann, stranger = await world.people(2)
    class_id = await note_class(ann)

    async def then(answer: Any) -> None:
        assert answer["classify_id"] == class_id
        names = [each["class_name"] for each in (await ann.ok("article/classify/list"))["items"]]
        assert "Journeys" in names
        assert "Trips" not in names

    return Case(
        ann,
        {"classify_id": class_id, "name": "Journeys"},
        refused=[
            Refused({"name": ""}, 400, "invalid"),
            Refused({"name": "x" * 1000}, 400, "invalid"),
            Refused({"classify_id": NOBODY}, 404, "unknown_note_class"),
            Refused({}, 404, "unknown_note_class", by=stranger),
        ],
        then=then,
    )


@case("article/classify/delete")
async def classify_delete(world: World) -> Case:
    ann, stranger = await world.people(2)
    class_id = await note_class(ann)
    await note(ann, classify_id=class_id)

    async def then(_: Any) -> None:
        assert [each["classify_id"] for each in await listed(ann)] == [await default_class(ann)]

    return Case(
        ann,
        {"classify_id": class_id},
        refused=[
            *not_mine("classify_id", "unknown_note_class", stranger),
            Refused({"classify_id": await default_class(ann)}, 400, "invalid"),
        ],
        then=then,
    )


@case("article/classify/sort")
async def classify_sort(world: World) -> Case:
    ann, stranger = await world.people(2)
    first, second = await note_class(ann, "One"), await note_class(ann, "Two")

    async def then(_: Any) -> None:
        order = [each["id"] for each in (await ann.ok("article/classify/list"))["items"]]
        assert order[:2] == [second, first]

    return Case(
        ann,
        {"classify_ids": [second, first]},
        refused=[
            Refused({"classify_ids": [first, first]}, 400, "invalid"),
            Refused({"classify_ids": [NOBODY]}, 404, "unknown_note_class"),
            Refused({}, 404, "unknown_note_class", by=stranger),
        ],
        then=then,
    )


@case("article/tag/list")
async def tag_list(world: World) -> Case:
    ann = await world.person()
    tag_id = (await ann.ok("article/tag/edit", {"tag_name": "lake"}))["tag_id"]

    async def then(answer: Any) -> None:
        assert answer["items"] == [{"id": tag_id, "tag_name": "lake", "count": 0}]

    return Case(ann, then=then)


@case("article/tag/edit")
async def tag_edit(world: World) -> Case:
    ann, stranger = await world.people(2)
    tag_id = (await ann.ok("article/tag/edit", {"tag_name": "lake"}))["tag_id"]

    async def then(answer: Any) -> None:
        assert answer["tag_id"] == tag_id
        assert [each["tag_name"] for each in (await ann.ok("article/tag/list"))["items"]] == ["hill"]

    return Case(
        ann,
        {"tag_id": tag_id, "tag_name": "hill"},
        refused=[
            Refused({"tag_name": ""}, 400, "invalid"),
            Refused({"tag_id": NOBODY}, 404, "unknown_note_tag"),
            Refused({}, 404, "unknown_note_tag", by=stranger),
        ],
        then=then,
    )


@case("article/tag/delete")
async def tag_delete(world: World) -> Case:
    ann, stranger = await world.people(2)
    tag_id = (await ann.ok("article/tag/edit", {"tag_name": "lake"}))["tag_id"]

    async def then(_: Any) -> None:
        assert (await ann.ok("article/tag/list"))["items"] == []

    return Case(ann, {"tag_id": tag_id}, refused=not_mine("tag_id", "unknown_note_tag", stranger), then=then)
