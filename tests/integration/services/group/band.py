"""A group of four that can talk, and what its tests ask of it."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.services.house import House
from xinyu.base.errors import XinYuError
from xinyu.wire.v1 import message_pb2, options_pb2, talk_pb2


class Band:
    """Ann owns it, Bob, Cat and Dan are plain members; the last of the house, Eve, is not in it."""

    def __init__(self, house: House, users: list[int], group_id: int) -> None:
        self.house = house
        self.ann, self.bob, self.cat, self.dan, self.eve = users
        self.group_id = group_id

    @classmethod
    async def of(cls, house: House) -> Band:
        names = ("Ann", "Bob", "Cat", "Dan", "Eve")
        users = [await house.user.register(f"1370000000{n}", name) for n, name in enumerate(names)]
        made = await house.post("group/create", users[0], name="Band", user_ids=users[1:4])
        await house.platform.settled()  # who comes online now hears nothing of how it was made
        return cls(house, users, made["group_id"])

    async def post(self, path: str, user_id: int, /, **body: Any) -> Any:
        """`path` without its room, about this group."""
        return await self.house.post(f"group/{path}", user_id, group_id=self.group_id, **body)

    async def leaders(self) -> dict[int, int]:
        """user_id -> leader."""
        return {item["user_id"]: item["leader"] for item in (await self.post("member-list", self.bob))["items"]}

    async def member(self, user_id: int) -> dict[str, Any]:
        """As another reads of him."""
        items = (await self.post("member-list", self.bob))["items"]
        (found,) = [item for item in items if item["user_id"] == user_id]
        return dict(found)

    async def lines(self, reader: int) -> list[tuple[int, dict[str, Any]]]:
        """(msg_type, extra) of what was said after the group was made, oldest first."""
        records = await self.house.records(reader, 2, self.group_id)
        return [(record["msg_type"], json.loads(record["extra"])) for record in reversed(records)][1:]

    async def say(self, user_id: int, text: str, mentions: list[int] | None = None) -> int:
        """The sequence of what was stored; raises the refusal."""
        body: dict[str, Any] = {"content": text} | ({"mentions": mentions} if mentions else {})
        message = message_pb2.NewMessage(
            user_id=user_id,
            talk_mode=2,
            to_from_id=self.group_id,
            msg_type=1,
            body=json.dumps(body, separators=(",", ":")).encode(),
        )
        (result,) = (await self.house.message.send(message_pb2.SendRequest(messages=[message]))).results
        if result.HasField("refusal"):
            refusal = result.refusal
            raise XinYuError.from_wire(
                refusal.reason, refusal.message, refusal.retry_after_ms if refusal.HasField("retry_after_ms") else None
            )
        return int(result.sequence)

    async def synced(self, user_id: int) -> dict[str, Any]:
        """What a device that held nothing learns of the talk."""
        request = talk_pb2.SyncRequest(user_id=user_id, codec=options_pb2.CODEC_V1_JSON)
        (talk,) = json.loads((await self.house.talk.sync(request)).answer)["talks"]
        return dict(talk)

    async def changes(self, user_id: int) -> list[dict[str, Any]]:
        """The `talk.changed` that the user's devices were told so far."""
        await self.house.platform.settled()
        told = self.house.platform.gateway.told(user_id, 1)
        return [event["payload"] for event in told if event["event"] == "talk.changed"]

    async def revision(self) -> int:
        """Of the group: each change that others are told of takes one."""
        (group,) = await self.house.group_service.names([self.group_id])
        return group.revision
