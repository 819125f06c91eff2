"""Codes that leave the house: to a mail server and to a webhook, both real."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.house import refused
from xinyu.base.config import MailSettings, SmsSettings
from xinyu.base.errors import OVERLOADED, UNAVAILABLE
from xinyu_services.user import codes
from xinyu_services.user.sessions import Sessions
from xinyu_services.user.sms_webhook import WebhookCodeSender
from xinyu_services.user.smtp import SmtpCodeSender

pytestmark = pytest.mark.filterwarnings(
    "ignore:Requiring AUTH while not requiring TLS:UserWarning"  # aiosmtpd, on loopback
)


class Mailbox:
    """A mail server's handler: keeps what arrives."""

    def __init__(self) -> None:
        self.arrived: list[Envelope] = []
        self.refuses = False

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, to: str, options: Any) -> str:
        if self.refuses:
            return "550 nobody here"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.arrived.append(envelope)
        return "250 OK"


@asynccontextmanager
async def mail_server(mailbox: Mailbox) -> AsyncIterator[int]:
    """Its port. It takes mail of who logs in as `xinyu`."""

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"xinyu", b"pass word")
        return AuthResult(success=right, handled=False)

    controller = UnthreadedController(
        mailbox,
        hostname="127.0.0.1",
        port=0,
        authenticator=check,
        auth_required=True,
        auth_require_tls=False,
        loop=asyncio.get_running_loop(),
    )
    server = await asyncio.get_running_loop().create_server(controller._factory_invoker, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def mail_sender(port: int, **values: Any) -> SmtpCodeSender:
    asked = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "user": "xinyu",
        "password": "pass word",
        "sender": "chat@example.org",
    }
    return SmtpCodeSender(MailSettings(**(asked | values)), SettableClock())


async def test_a_code_by_mail() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        sender = mail_sender(port)
        await sender.send("ann@example.org", "update_email", "123456")
        await sender.send_test(sender.address)
    first, second = mailbox.arrived
    assert (first.mail_from, first.rcpt_tos) == ("chat@example.org", ["ann@example.org"])
    assert isinstance(first.content, bytes)
    assert b"123456" in first.content
    assert b"Auto-Submitted: auto-generated" in first.content
    assert second.rcpt_tos == ["chat@example.org"]


async def test_mail_that_is_refused_or_goes_nowhere() -> None:
    mailbox = Mailbox()
    mailbox.refuses = True
    async with mail_server(mailbox) as port:
        await refused(mail_sender(port).send("ann@example.org", "update_email", "123456"), UNAVAILABLE)
        await refused(mail_sender(port, password="wrong").send("a@b.org", "update_email", "123456"), UNAVAILABLE)
        # Encryption that is asked for is not done without.
        secure = mail_sender(port, security="starttls")
        await refused(secure.send("ann@example.org", "update_email", "123456"), UNAVAILABLE)
    await refused(mail_sender(port).send("ann@example.org", "update_email", "123456"), UNAVAILABLE)
    assert mailbox.arrived == []


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Takes connections and says nothing."""
    open_ended: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ended.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for writer in open_ended:
            writer.close()
        server.close()
        await server.wait_closed()


async def test_a_mail_server_that_says_nothing_costs_the_deadline_only() -> None:
    async with silent_server() as port:
        await refused(mail_sender(port, timeout_s=0.1).send("ann@example.org", "update_email", "1"), UNAVAILABLE)


@asynccontextmanager
async def webhook(answer: Callable[[web.Request], Any], **values: Any) -> AsyncIterator[WebhookCodeSender]:
    app = web.Application()
    app.router.add_post("/sms", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sessions = Sessions()
    settings = SmsSettings(webhook_url=f"http://127.0.0.1:{runner.addresses[0][1]}/sms", **values)
    try:
        yield WebhookCodeSender(settings, sessions, SettableClock())
    finally:
        await sessions.close()
        await runner.cleanup()


async def test_a_code_by_sms_is_signed() -> None:
    seen: list[tuple[bytes, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((await request.read(), request.headers["X-XinYu-Signature"]))
        return web.Response(status=202)

    async with webhook(answer, webhook_secret="sésame") as sender:
        await sender.send("13800000001", "register", "012345")
    ((content, signature),) = seen
    assert json.loads(content) == {
        "mobile": "13800000001",
        "channel": "register",
        "code": "012345",
        "sent_at_ms": SettableClock().now_ms(),
    }
    assert signature == hmac.new("sésame".encode(), content, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_a_webhook_that_refuses(status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/sms"})

    async with webhook(answer) as sender:
        await refused(sender.send("13800000001", "register", "012345"), UNAVAILABLE)


async def test_those_who_wait_for_a_slow_webhook_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "AT_ONCE", 1)
    monkeypatch.setattr(codes, "MAX_WAITING", 1)
    go_on, came = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        came.set()
        await go_on.wait()
        return web.Response()

    async with webhook(answer) as sender:
        under_way = asyncio.create_task(sender.send("13800000001", "register", "1"))
        await came.wait()
        waiting = asyncio.create_task(sender.send("13800000002", "register", "2"))
        await asyncio.sleep(0)
        await refused(sender.send("13800000003", "register", "3"), OVERLOADED)
        go_on.set()
        await asyncio.gather(under_way, waiting)


async def test_a_webhook_that_says_nothing_costs_the_deadline_only() -> None:
    async with silent_server() as port:
        sessions = Sessions()
        settings = SmsSettings(webhook_url=f"http://127.0.0.1:{port}/sms", timeout_s=0.1)
        await refused(WebhookCodeSender(settings, sessions, SettableClock()).send("1", "register", "1"), UNAVAILABLE)
        await sessions.close()
