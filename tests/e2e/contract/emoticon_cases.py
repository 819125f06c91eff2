"""`emoticon/*`, and an emoticon as a message."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.table import ROUTES
from tests.e2e.plain_client import Person

FAR = 1 << 50


def png(width: int = 12, height: int = 10) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((width, height), 90).convert("RGB").save(file, "PNG")
    return file.getvalue()


async def upload(person: Person, path: str = "upload/media-file") -> Any:
    from tests.e2e.contract.test_routes import ask

    answer = await ask(person, ROUTES[path], {"file": ("a.png", png())})
    assert answer.status == 200, answer.data
    return answer.data


async def listed(person: Person) -> list[int]:
    return [each["emoticon_id"] for each in (await person.ok("emoticon/customize/list"))["items"]]


@case("emoticon/customize/create")
async def create(world: World) -> Case:
    ann = await world.person()
    url = (await upload(ann))["src"]

    async def then(answer: Any) -> None:
        assert answer["url"] == url
        again = await ann.ok("emoticon/customize/create", {"url": url})
        assert again == answer
        assert await listed(ann) == [answer["emoticon_id"]]

    return Case(
        ann,
        {"url": url},
        refused=[
            Refused({"url": ""}, 400, "invalid"),
            Refused({"url": "http://evil.example/media/a.png"}, 400, "invalid"),
            Refused({"url": url + "x"}, 400, "invalid"),
            Refused({"url": "x" * 1025}, 400, "invalid"),
        ],
        then=then,
    )


@case("emoticon/customize/upload")
async def upload_emoticon(world: World) -> Case:
    ann, ben = await world.friends()

    async def then(answer: Any) -> None:
        assert await listed(ann) == [answer["emoticon_id"]]
        body = {"emoticon_id": answer["emoticon_id"]}
        message = {"type": "emoticon", "talk_mode": 1, "to_from_id": ben.user_id, "body": body}
        record = await ann.ok("message/send", message)
        assert record["msg_type"] == 3
        extra = json.loads(record["extra"])
        assert (extra["url"], extra["width"], extra["height"]) == (answer["url"], 12, 10)
        # It is hers, not his; and it may be sent twice.
        refusal = await ben.call("message/send", message | {"to_from_id": ann.user_id})
        assert (refusal.status, refusal.headers["X-XinYu-Reason"]) == (404, "unknown_emoticon")
        assert (await ann.ok("message/send", message))["msg_id"] != record["msg_id"]

    return Case(
        ann,
        {"file": ("smile.png", png())},
        refused=[Refused({"file": ("smile.png", b"no picture at all")}, 415, "unsupported_media")],
        then=then,
    )


@case("emoticon/customize/delete")
async def delete(world: World) -> Case:
    ann, ben = await world.people(2)
    emoticon_id = (await upload(ann, "emoticon/customize/upload"))["emoticon_id"]

    async def then(_: Any) -> None:
        assert await listed(ann) == []
        refusal = await ann.call("emoticon/customize/delete", {"emoticon_id": emoticon_id})
        assert (refusal.status, refusal.headers["X-XinYu-Reason"]) == (404, "unknown_emoticon")

    return Case(
        ann,
        {"emoticon_id": emoticon_id},
        refused=[
            Refused({"emoticon_id": 0}, 400, "invalid"),
            Refused({"emoticon_id": FAR}, 404, "unknown_emoticon"),
            Refused({}, 404, "unknown_emoticon", by=ben),
        ],
        then=then,
    )


@case("emoticon/customize/list")
async def emoticon_list(world: World) -> Case:
    ann, ben = await world.people(2)
    first = await upload(ann, "emoticon/customize/upload")
    second = await upload(ann, "emoticon/customize/upload")

    async def then(answer: Any) -> None:
        assert answer["items"] == [second, first]
        assert await listed(ben) == []

    return Case(ann, then=then)
