"""Codes by SMS, through a webhook of whoever runs the server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import aiohttp
import msgspec

from xinyu.base.clock import Clock
from xinyu.base.config import SmsSettings
from xinyu_services.user.codes import Turns, not_sent
from xinyu_services.user.sessions import Sessions


class WebhookCodeSender:
    """POSTs `{"mobile", "channel", "code", "sent_at_ms"}` to the operator's address. With a secret, X-XinYu-Signature
    is the hex HMAC-SHA256 of the body's bytes under it. Any 2xx means that the service has taken it over; a redirect
    does not."""

    is_real = True

    def __init__(self, settings: SmsSettings, sessions: Sessions, clock: Clock) -> None:
        self._settings = settings
        self._sessions = sessions
        self._clock = clock
        self._turns = Turns()

    async def send(self, target: str, channel: str, code: str) -> None:
        content = msgspec.json.encode(
            {"mobile": target, "channel": channel, "code": code, "sent_at_ms": self._clock.now_ms()}
        )
        headers = {"Content-Type": "application/json"}
        if self._settings.webhook_secret:
            secret = self._settings.webhook_secret.encode()
            headers["X-XinYu-Signature"] = hmac.new(secret, content, hashlib.sha256).hexdigest()
        try:
            async with asyncio.timeout(self._settings.timeout_s), self._turns.take():
                async with self._sessions.get().post(
                    self._settings.webhook_url, data=content, headers=headers, allow_redirects=False
                ) as response:
                    if not 200 <= response.status < 300:
                        raise not_sent("sms", f"the webhook answered {response.status}")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise not_sent("sms", type(error).__name__) from error
