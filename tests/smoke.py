"""The reference's core flow against a server that runs: two people, two pages, as the reference client would.

    python -m tests.smoke [http://127.0.0.1:9000]      `make smoke`

They register, find and befriend each other, chat over REST with pushes to the legacy WebSocket, take a message back,
make a group, and come back with a new login; beside it a device of our own dialect syncs to the same. Each step is
printed when it has been done; the first that fails ends the run with exit code 1.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import aiohttp

from tests.e2e.plain_client import Events, Person

DEFAULT_URL: Final = "http://127.0.0.1:9000"
WITHIN_S: Final = 60.0
SINGLE, GROUP = 1, 2


@dataclass(frozen=True)
class Address:
    """A running server: `websocket_url` is what it tells its page."""

    http_url: str
    websocket_url: str

    @property
    def legacy_websocket_url(self) -> str:
        return self.websocket_url.removesuffix("/ws") + "/wss/default.io"


async def smoke(address: Address) -> None:
    """Raises AssertionError, OSError or a client library's error at the first step that fails."""
    number = secrets.randbelow(10**7)
    async with (
        Person(address, "Ann", f"137{number:07d}1") as ann,
        Person(address, "Ben", f"137{number:07d}2") as ben,
        AsyncExitStack() as pages,
    ):
        for person in (ann, ben):
            await person.register()
            await person.listen()
            pages.push_async_callback(person.events.socket.close)
        done("two people registered and listen on the legacy WebSocket")

        found = await ann.ok("contact/search", {"mobile": ben.mobile})
        assert found["user_id"] == ben.user_id, found
        await ann.ok("contact-apply/create", {"user_id": ben.user_id, "remark": "it is Ann"})
        await ben.events.take("im.contact.apply")
        [application] = (await ben.ok("contact-apply/list"))["items"]
        await ben.ok("contact-apply/accept", {"apply_id": application["id"], "remark": "Ann"})
        await ann.events.take("im.contact.accept")
        done("they are friends")

        talk = {"talk_mode": SINGLE, "to_from_id": ben.user_id}
        sent = await ann.ok("message/send", {**talk, "type": "text", "body": {"content": "hello"}})
        heard = await ben.events.take("im.message", lambda payload: payload["body"]["msg_id"] == sent["msg_id"])
        assert heard["payload"]["from_id"] == ann.user_id, heard
        done("a message was stored, answered and pushed")

        other = {"talk_mode": SINGLE, "to_from_id": ann.user_id}
        items = (await ben.ok("message/records", {**other, "cursor": 0, "limit": 30}))["items"]
        assert items[0]["msg_id"] == sent["msg_id"], items
        sessions = (await ben.ok("talk/session-list"))["items"]
        assert sessions[0]["unread_num"] >= 1, sessions
        await ben.ok("talk/session-clear-unread-num", other)
        assert (await ben.ok("talk/session-list"))["items"][0]["unread_num"] == 0
        done("history, list and unread count agree")

        await ann.ok("message/revoke", {**talk, "msg_id": sent["msg_id"]})
        await ben.events.take("im.message.revoke", lambda payload: payload["msg_id"] == sent["msg_id"])
        done("it was taken back on both sides")

        group = await ann.ok("group/create", {"name": "Smoke", "user_ids": [ben.user_id]})
        await ben.events.take("im.session.create", lambda payload: payload["to_from_id"] == group["group_id"])
        to_group = {"talk_mode": GROUP, "to_from_id": group["group_id"]}
        sent = await ben.ok("message/send", {**to_group, "type": "text", "body": {"content": "hello all"}})
        await ann.events.take("im.message", lambda payload: payload["body"]["msg_id"] == sent["msg_id"])
        done("a group of two talks")

        await ben.events.socket.close()
        await ann.ok("message/send", {**to_group, "type": "text", "body": {"content": "while Ben is away"}})
        await ben.login()
        async with await Events.ours(address, headers={"Authorization": f"Bearer {ben.token}"}) as device:
            ready = await device.take("session.ready")
            assert ready["payload"]["uid"] == ben.user_id, ready
            page = await ben.ok("sync", {"epoch": "", "versions": {"talk": 0, "contact": 0, "user": 0}, "talks": []})
            texts = [record["extra"] for talk_page in page["talks"] for record in talk_page["records"]]
            assert any("while Ben is away" in text for text in texts), texts
        done("a device that was away has caught up")


def done(step: str) -> None:
    print(f"ok  {step}", flush=True)


async def _run(url: str) -> None:
    async with asyncio.timeout(WITHIN_S):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/config.json") as response:
            websocket_url = (await response.json())["websocket_url"]
        await smoke(Address(url, websocket_url))


def main(arguments: Sequence[str]) -> int:
    url = (arguments[0] if arguments else DEFAULT_URL).rstrip("/")
    try:
        asyncio.run(_run(url))
    except Exception as error:
        print(f"FAILED  {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"{url} works")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
