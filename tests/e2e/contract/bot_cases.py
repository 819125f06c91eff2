"""`bot/*`."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.e2e.contract.case import Case, Refused, World, case
from tests.e2e.contract.upload_cases import png
from tests.e2e.plain_client import Person


class BotPerson(Person):
    """Who calls with a bot's token, over the session of its owner."""

    def __init__(self, owner: Person, token: str) -> None:
        super().__init__(owner.server, "", "")
        self._session = owner._session
        self.token = token


async def with_bot(world: World) -> tuple[Person, int, str]:
    ann = await world.person()
    made = await ann.ok("bot/create", {"name": "Clock"})
    return ann, made["bot_id"], made["token"]


async def upload(person: Person, picture: bytes) -> str:
    form = aiohttp.FormData()
    form.add_field("file", picture, filename="a.png")
    headers = {"Authorization": f"Bearer {person.token}"}
    url = f"{person.server.http_url}/api/v1/upload/media-file"
    async with person._session.post(url, data=form, headers=headers) as response:
        assert response.status == 200
        return str((await response.json())["src"])


@case("bot/create")
async def create(world: World) -> Case:
    ann, _, token = await with_bot(world)
    url = await upload(ann, png(2, 2))

    async def then(answer: Any) -> None:
        bot = BotPerson(ann, answer["token"])
        assert (await bot.ok("user/detail"))["nickname"] == "Alarm"
        assert (await bot.ok("user/detail"))["avatar"] == url
        sent = {"type": "text", "talk_mode": 1, "to_from_id": ann.user_id, "body": {"content": "Wake up"}}
        assert (await bot.ok("message/send", sent))["from_id"] == answer["bot_id"]
        (session,) = [
            each
            for each in (await ann.ok("talk/session-list"))["items"]
            if (each["talk_mode"], each["to_from_id"]) == (1, answer["bot_id"])
        ]
        assert (session["is_robot"], session["name"], session["msg_text"]) == (1, "Alarm", "Wake up")

    return Case(
        ann,
        {"name": "Alarm", "avatar": url, "webhook_url": ""},
        refused=[
            Refused({"name": "<b>"}, 400, "invalid"),
            Refused({"name": "n" * 65}, 400, "invalid"),
            Refused({"avatar": "http://evil.example/a.png"}, 400, "invalid"),
            # Off, as an operator gets them; where they are on: tests/e2e/test_webhooks.py.
            Refused({"webhook_url": "https://hook.example/"}, 403, "forbidden"),
            Refused({"webhook_url": "https://hook.example/" + "a" * 2048}, 400, "invalid"),
            Refused({}, 403, "forbidden", by=BotPerson(ann, token)),
            Refused({}, 401, "unauthenticated", by=BotPerson(ann, token.removeprefix("bot_"))),
        ],
        then=then,
    )


@case("bot/list")
async def bot_list(world: World) -> Case:
    ann, bot_id, _ = await with_bot(world)

    async def then(answer: Any) -> None:
        assert [(item["bot_id"], item["name"]) for item in answer["items"]] == [(bot_id, "Clock")]

    return Case(ann, then=then)


@case("bot/update")
async def update(world: World) -> Case:
    ann, bot_id, token = await with_bot(world)
    stranger = await world.person()

    async def then(_answer: Any) -> None:
        assert (await BotPerson(ann, token).ok("user/detail"))["nickname"] == "Watch"

    return Case(
        ann,
        {"bot_id": bot_id, "name": "Watch", "avatar": "", "webhook_url": ""},
        refused=[
            Refused({"webhook_url": "https://hook.example/"}, 403, "forbidden"),
            Refused({}, 404, "unknown_bot", by=stranger),
            Refused({"bot_id": ann.user_id}, 404, "unknown_bot"),
            Refused({"bot_id": 0}, 400, "invalid"),
            Refused({"name": "<b>"}, 400, "invalid"),
        ],
        then=then,
    )


async def eventually_refused(person: Person) -> None:
    """A gateway hears of it within seconds."""
    while (await person.send("POST", "/api/v1/user/detail", b"{}")).status != 401:
        await asyncio.sleep(0.2)


@case("bot/token-reset")
async def token_reset(world: World) -> Case:
    ann, bot_id, token = await with_bot(world)
    stranger = await world.person()

    async def then(answer: Any) -> None:
        assert answer["bot_id"] == bot_id
        await BotPerson(ann, answer["token"]).ok("user/detail")
        await eventually_refused(BotPerson(ann, token))

    return Case(
        ann,
        {"bot_id": bot_id},
        refused=[
            Refused({}, 404, "unknown_bot", by=stranger),
            Refused({}, 404, "unknown_bot", by=BotPerson(ann, token)),
            Refused({"bot_id": 1 << 50}, 404, "unknown_bot"),
        ],
        then=then,
    )


@case("bot/delete")
async def delete(world: World) -> Case:
    ann, bot_id, token = await with_bot(world)
    stranger = await world.person()

    async def then(_answer: Any) -> None:
        await ann.refused("bot/delete", {"bot_id": bot_id}, 404)
        await eventually_refused(BotPerson(ann, token))

    return Case(
        ann,
        {"bot_id": bot_id},
        refused=[
            Refused({}, 404, "unknown_bot", by=stranger),
            Refused({}, 404, "unknown_bot", by=BotPerson(ann, token)),
        ],
        then=then,
    )
