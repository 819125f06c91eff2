"""Codes by mail, through a mail server."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import aiosmtplib

from xinyu.base.clock import Clock
from xinyu.base.config import MailSettings
from xinyu_services.user.codes import Turns, not_sent
from xinyu_services.user.model import CODE_TTL_S, utc


class SmtpCodeSender:
    """Mails codes through the operator's mail server (RFC 5321), one connection a message. A server's certificate is
    checked."""

    is_real = True

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._turns = Turns()
        self.address = settings.sender

    async def send(self, target: str, channel: str, code: str) -> None:
        minutes = CODE_TTL_S // 60
        await self._mail(
            target,
            f"Your verification code: {code}",
            f"Your verification code is {code}. It is good for {minutes} minutes and for one use.\n\n"
            "If you did not ask for it, ignore this message, and give the code to nobody.\n",
        )

    async def send_test(self, target: str) -> None:
        await self._mail(target, "Test message", "Mail from this server arrives.\n")

    async def _mail(self, target: str, subject: str, text: str) -> None:
        settings, message = self._settings, EmailMessage()
        message["From"] = settings.sender
        message["To"] = target
        message["Subject"] = subject
        message["Date"] = format_datetime(utc(self._clock.now_ms()))
        message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(text)
        try:
            async with asyncio.timeout(settings.timeout_s), self._turns.take():
                await aiosmtplib.send(
                    message,
                    hostname=settings.host,
                    port=settings.port,
                    username=settings.user or None,
                    password=settings.password if settings.user else None,
                    use_tls=settings.security == "tls",
                    start_tls=settings.security == "starttls",
                    timeout=settings.timeout_s,
                )
        except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
            raise not_sent("mail", f"{type(error).__name__}: {error}") from error
