"""`talk/expire-after`."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.talk_cases import NO_TALK, NOBODY


@case("talk/expire-after")
async def expire_after(world: World) -> Case:
    ann, ben = await world.friends()
    stranger = await world.person()
    group = {"talk_mode": 2, "to_from_id": await world.group(ben, owner=ann)}

    async def then(_: Any) -> None:
        said = await ben.ok("message/send", group | {"type": "text", "body": {"content": "not for long"}})
        assert 0 < said["expires_at_ms"] - said["sent_at_ms"] == 60_000
        assert said["expires_at_ms"] > time.time() * 1000
        newest, line = (await ann.ok("message/records", group | {"limit": 2}))["items"]
        assert (newest["msg_id"], newest["expires_at_ms"]) == (said["msg_id"], said["expires_at_ms"])
        # The reference client reads a sentence.
        assert (line["msg_type"], ann.name in json.loads(line["extra"])["content"]) == (1000, True)
        own = {"talk_mode": 1, "to_from_id": ben.user_id, "expire_after_s": 3_600}
        await ann.ok("talk/expire-after", own)
        await ann.ok("talk/expire-after", own | {"expire_after_s": 0})
        await ann.ok("talk/expire-after", own | {"expire_after_s": 0})

    return Case(
        ann,
        group | {"expire_after_s": 60},
        refused=[
            *NO_TALK,
            Refused({"expire_after_s": 59}, 400, "invalid"),
            Refused({"expire_after_s": 400 * 86_400}, 400, "invalid"),
            Refused({"to_from_id": NOBODY}, 404, "unknown_group"),
            Refused({"talk_mode": 1, "to_from_id": stranger.user_id}, 404, "unknown_talk"),
            Refused({}, 403, "forbidden", by=ben),
            Refused({}, 403, "not_member", by=stranger),
        ],
        then=then,
    )
