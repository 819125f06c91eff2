"""`upload/*` and `message/preview`."""

from __future__ import annotations

import json
import zlib
from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.talk_cases import with_friend

CONTENT = b"x" * 10


def png(width: int, height: int) -> bytes:
    """A black picture of that size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    rows = zlib.compress((b"\0" + bytes(3 * width)) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@case("upload/media-file")
async def media_file(world: World) -> Case:
    ann, ben = await world.friends()

    async def then(answer: Any) -> None:
        assert answer["src"] == answer["data"]["src"]
        assert answer["src"].startswith(ann.server.http_url)
        assert answer["src"].endswith("_3x2.png")
        async with ann._session.get(answer["src"]) as response:
            assert (response.status, response.content_type) == (200, "image/png")
        body = {"url": answer["src"], "width": 3, "height": 2, "size": 10000, "thumbnail": "http://evil", "blur": "x"}
        record = await ann.ok("message/send", with_friend(ben) | {"type": "image", "body": body})
        extra = json.loads(record["extra"])
        assert extra["thumbnail"] == answer["src"].replace(".png", "_small.webp")
        assert len(extra["blur"]) == 28
        async with ann._session.get(extra["thumbnail"]) as response:
            assert (response.status, response.content_type) == (200, "image/webp")

    return Case(
        ann,
        {"file": ("dot.png", png(3, 2))},
        refused=[
            Refused({"file": ("page.html", b"<html>")}, 415, "unsupported_media"),
            Refused({"file": ("cut.png", png(3, 2)[:40])}, 415, "unsupported_media"),
        ],
        then=then,
    )


@case("upload/init-multipart")
async def init_multipart(world: World) -> Case:
    return Case(
        await world.person(),
        {"file_name": "a.bin", "file_size": 10},
        refused=[
            Refused({"file_size": 0}, 400, "invalid"),
            Refused({"file_size": 1 << 40}, 413, "too_large"),
            Refused({"file_name": ""}, 400, "invalid"),
            Refused({"file_name": "x" * 1000}, 400, "invalid"),
        ],
    )


@case("upload/multipart")
async def multipart(world: World) -> Case:
    ann, stranger = await world.people(2)
    made = await ann.ok("upload/init-multipart", {"file_name": "a.bin", "file_size": len(CONTENT)})

    async def then(answer: Any) -> None:
        assert answer["is_completed"] is True
        assert answer["upload_id"] == made["upload_id"]

    return Case(
        ann,
        {"file": ("a.bin", CONTENT), "upload_id": made["upload_id"], "split_index": 1, "split_num": 1},
        refused=[
            Refused({"split_index": "one"}, 400, "invalid"),
            Refused({"split_index": 2}, 400, "invalid"),
            Refused({"upload_id": "0" * 32}, 404, "unknown_upload"),
            Refused({}, 404, "unknown_upload", by=stranger),
        ],
        then=then,
    )


@case("upload/parts")
async def parts(world: World) -> Case:
    ann, stranger = await world.people(2)
    made = await ann.ok("upload/init-multipart", {"file_name": "a.bin", "file_size": len(CONTENT)})

    async def then(answer: Any) -> None:
        assert (answer["file_size"], answer["split_num"], answer["split_indexes"]) == (len(CONTENT), 1, [])

    return Case(
        ann,
        {"upload_id": made["upload_id"]},
        refused=[
            Refused({"upload_id": "0" * 32}, 404, "unknown_upload"),
            Refused({}, 404, "unknown_upload", by=stranger),
        ],
        then=then,
    )


@case("message/preview")
async def preview(world: World) -> Case:
    """Off, as an operator gets it; where it is on: tests/integration/services/media/test_previews.py."""
    return Case(
        await world.person(),
        {"url": "http://127.0.0.1/"},
        refused=[Refused({"url": ""}, 400, "invalid"), Refused({"url": "http://a/" + "a" * 2048}, 400, "invalid")],
        unable=(404, "not_found"),
    )
