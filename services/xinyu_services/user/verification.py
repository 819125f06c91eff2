"""Verification codes: six digits, good for five minutes and for one use; made, sent, and checked.

Where a code counts. One that opens an account which may be somebody's (`PROVING_CHANNELS`) is checked always. One for
a new mail address, where a mail server is configured; all others, where `accounts.verify_mobile` is on. A code is
answered only where it counts for nothing and no SMS service carries it, so that a newcomer's form can be filled in;
else it goes its own way alone (defect 22). Sends are bounded by target and by address, tries by the code itself.

Codes stand in the database: every process of a cluster finds them, and comparing and spending are one step.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import AccountSettings
from xinyu.base.errors import INVALID, WRONG_CODE, XinYuError
from xinyu.storage.database import Database
from xinyu.storage.transact import transact
from xinyu_services.user.codes import CodeSender, MailSender
from xinyu_services.user.limits import CODES_OF_ADDRESS, CODES_TO_EMAIL, CODES_TO_MOBILE, Limits
from xinyu_services.user.model import (
    CODE_CHANNELS,
    CODE_TTL_S,
    MAIL_CHANNEL,
    MOBILE,
    PROVING_CHANNELS,
    email_problem,
)
from xinyu_services.user.store import UserStore


class Verification:
    """`sms` and `mail`: the ways to a mobile and to a mail address."""

    def __init__(
        self,
        database: Database,
        store: UserStore,
        limits: Limits,
        sms: CodeSender,
        mail: MailSender,
        clock: Clock,
        settings: AccountSettings,
    ) -> None:
        self._database = database
        self._store = store
        self._limits = limits
        self._sms = sms
        self._mail = mail
        self._clock = clock
        self._settings = settings

    def counts(self, channel: str) -> bool:
        """Whether a code of this channel is asked for."""
        if channel == MAIL_CHANNEL:
            return self._mail.is_real
        return channel in PROVING_CHANNELS or self._settings.verify_mobile

    def spend(self, connection: Connection, target: str, channel: str, code: str) -> bool:
        """Inside a transaction: whether what the code is for may be done. Where False, a wrong try was counted, and
        must be committed."""
        if not self.counts(channel):
            return True
        return self._store.spend_code(connection, target, channel, code, self._clock.now_ms())

    async def send_sms(self, mobile: str, channel: str, address: str) -> str:
        """Answers the code, or "". Whether the mobile has an account makes no difference that can be seen. Raises
        INVALID, TOO_MANY, UNAVAILABLE, OVERLOADED."""
        if channel not in CODE_CHANNELS:
            raise XinYuError(INVALID, "There is no such kind of code.")
        if not MOBILE.fullmatch(mobile):
            raise XinYuError(INVALID, "A mobile number is 1 and ten digits.")
        await self._limits.count(CODES_OF_ADDRESS, address)
        await self._limits.count(CODES_TO_MOBILE, mobile)
        code = await self._keep_new(mobile, channel)
        await self._sms.send(mobile, channel, code)
        return "" if self.counts(channel) or self._sms.is_real else code

    async def send_email(self, email: str, channel: str, address: str) -> None:
        """Raises INVALID, TOO_MANY, UNAVAILABLE, OVERLOADED."""
        _check_email(email, channel)
        await self._limits.count(CODES_OF_ADDRESS, address)
        await self._limits.count(CODES_TO_EMAIL, email.lower())
        await self._mail.send(email, MAIL_CHANNEL, await self._keep_new(email, MAIL_CHANNEL))

    async def send_test(self, email: str, address: str) -> None:
        """A message without a code, to see that mail arrives; `email` "" = to the server's own address. It counts as a
        code. Raises as `send_email`."""
        target = email or self._mail.address
        if email or not target:
            _check_email(target, MAIL_CHANNEL)
        await self._limits.count(CODES_OF_ADDRESS, address)
        await self._limits.count(CODES_TO_EMAIL, target.lower())
        await self._mail.send_test(target)

    async def check_email(self, email: str, channel: str, code: str) -> None:
        """Whether a code is right, before it is used: it stays good. A wrong try counts. Raises INVALID, WRONG_CODE."""
        _check_email(email, channel)
        now_ms = self._clock.now_ms()
        right = await transact(
            self._database,
            lambda connection: self._store.spend_code(connection, email, MAIL_CHANNEL, code, now_ms, spend=False),
        )
        if not right:
            raise XinYuError(WRONG_CODE)

    async def _keep_new(self, target: str, channel: str) -> str:
        code = f"{secrets.randbelow(10**6):06d}"
        now_ms = self._clock.now_ms()
        expires_at_ms = now_ms + CODE_TTL_S * 1000
        await transact(
            self._database,
            lambda connection: self._store.put_code(connection, target, channel, code, expires_at_ms, now_ms),
        )
        return code


def _check_email(email: str, channel: str) -> None:
    if channel != MAIL_CHANNEL:
        raise XinYuError(INVALID, "There is no such kind of code.")
    if problem := email_problem(email):
        raise XinYuError(INVALID, problem)
