"""A bot's webhook against whole servers: the example of docs/examples takes all that is sent, each message once, though
what delivers is killed and the receiver itself goes away."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster_process import ClusterProcess
from tests.e2e.contract.bot_cases import BotPerson
from tests.e2e.plain_client import Person
from tests.forms import EitherServer
from tests.server_process import ServerProcess
from xinyu.client.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EXAMPLE = Path(__file__).parents[2] / "docs/examples/webhook_receiver.py"
DEADLINE_S = 60.0
ON = {"XINYU_WEBHOOKS__ENABLED": "true", "XINYU_WEBHOOKS__PRIVATE_ADDRESSES": "true"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@asynccontextmanager
async def example(port: int, secret: str, database: Path, lines: list[str]) -> AsyncIterator[None]:
    """The receiver, whose lines go into `lines`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(EXAMPLE), str(port), str(database)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"XINYU_WEBHOOK_SECRET": secret},
    )
    assert process.stdout is not None
    output = process.stdout

    async def read() -> None:
        while line := await output.readline():
            lines.append(line.decode().rstrip())

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
            await reading


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.05)


async def one_by_one(server: EitherServer, mobile: Callable[[], str], tmp_path: Path, kill: Callable[[], None]) -> None:
    """Ann writes to her bot while the receiver is not there yet, is there, and has gone; and `kill` happens."""
    lines: list[str] = []
    port, database = free_port(), tmp_path / "taken.db"
    url = f"http://127.0.0.1:{port}/hook"
    async with Person(server, "Ann", mobile()) as ann:
        await ann.register()
        api = Api(server.http_url, token=ann.token)
        made = await api.create_bot("Echo", webhook_url=url)
        secret = made.webhook_secret
        target = {"talk_mode": 1, "to_from_id": made.bot_id}
        sent: list[str] = []

        async def write() -> None:
            body = {"type": "text", **target, "body": {"content": f"text {len(sent) + 1}"}}
            record = await ann.ok("message/send", body)
            sent.append(f"{record['talk_id']}/{record['sequence']} Ann: text {len(sent) + 1}")

        await write()  # nobody is there
        async with example(port, secret, database, lines):
            await eventually(lambda: lines == sent)
            for _ in range(20):
                await write()
            await asyncio.to_thread(kill)
            await eventually(lambda: lines == sent)
            await write()
            await eventually(lambda: lines == sent)
            (bot,) = await api.bots()
            assert (bot.webhook_url, bot.webhook_state, bot.webhook_failure) == (url, "ok", "")
            own = {"type": "text", "talk_mode": 1, "to_from_id": ann.user_id, "body": {"content": "I hear"}}
            await BotPerson(ann, made.token).ok("message/send", own)
        # Gone, with another secret when it comes back: what is signed with that is taken, and nothing is missing.
        await write()
        updated = await api.update_bot(made.bot_id, webhook_url=url)
        assert updated.webhook_secret not in ("", secret)
        async with example(port, updated.webhook_secret, database, lines):
            await eventually(lambda: lines == sent)
            assert (await api.update_bot(made.bot_id, webhook_url="")).webhook_secret == ""
            (bot,) = await api.bots()
            assert (bot.webhook_url, bot.webhook_state) == ("", "")
            await write()
        assert lines == sent[:-1]
        await ann.refused("bot/update", {"bot_id": made.bot_id, "webhook_url": "ftp://127.0.0.1/"}, 400)
        await api.delete_bot(made.bot_id)
        await api.close()


async def test_from_the_embedded_form(mobile: Callable[[], str], tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", environment=ON) as server:

        def kill() -> None:
            server.kill()
            server.start()

        await one_by_one(server, mobile, tmp_path, kill)
        assert "Traceback" not in server.log


async def test_from_a_cluster_whose_message_services_die(mobile: Callable[[], str], tmp_path: Path) -> None:
    cluster = ClusterProcess(counts={"svc-message": 2}, environment=ON)
    try:
        await asyncio.to_thread(cluster.start)

        def kill() -> None:
            for name in ("svc-message-1", "svc-message-2"):
                cluster.kill_process(name)
                cluster.start_process(name)

        await one_by_one(cluster, mobile, tmp_path, kill)
        await asyncio.to_thread(cluster.stop)
        assert "Traceback" not in cluster.log
    finally:
        await asyncio.to_thread(cluster.close)


async def test_private_addresses_are_refused_unless_an_operator_means_it(
    mobile: Callable[[], str], tmp_path: Path
) -> None:
    with ServerProcess(tmp_path / "data", environment={"XINYU_WEBHOOKS__ENABLED": "true"}) as server:
        async with Person(server, "Ann", mobile()) as ann:
            await ann.register()
            for url in ("http://127.0.0.1/", "http://[::1]/", "http://10.0.0.1/", "https://hook.example:8443/"):
                await ann.refused("bot/create", {"name": "Echo", "webhook_url": url}, 400)
            made = await ann.ok("bot/create", {"name": "Echo", "webhook_url": "http://localhost/"})
            target = {"talk_mode": 1, "to_from_id": made["bot_id"]}
            await ann.ok("message/send", {"type": "text", **target, "body": {"content": "hello"}})
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    (bot,) = (await ann.ok("bot/list"))["items"]
                    if bot["webhook_state"] == "failing":
                        break
                    await asyncio.sleep(0.05)
            assert bot["webhook_failure"] == "It could not be reached, or did not answer in time."
