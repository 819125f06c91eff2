"""Bots: accounts of programs, which their owners make.

A bot is an account like any other (it has a name, friends, groups, a conversation list) but for three things: it has no
mobile and no password, so nobody logs in as it; it has a token that lives for ten years; and it belongs to somebody,
who is its friend from the start, and with whose account it ends.

No token is stored. What is stored is when the good one expires: a new token expires a second later than the one before
at least, and the end of logins (`xinyu_services.user.logins`) voids everything up to that one, on every gateway and
with all connections. So a token that has leaked is worth nothing seconds after it was reset.

A bot may have a webhook, an address that the message room tells its messages to. Here stand the address and how often
one was set; the secret is made of that number, so each time there is another one, and none is stored. The message room
hears of it by a command (`webhook`), which is awaited: what is sent after the answer is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import BotSettings, WebhookSettings
from xinyu.base.errors import FORBIDDEN, INVALID, TOO_MANY_BOTS, UNKNOWN_BOT, UNKNOWN_USER, XinYuError
from xinyu.base.token import AccessTokens
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.outward.fetch import Outward, RefusedUrl
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.user.events import BOT, DELETED, ROW, SEEN, WEBHOOK
from xinyu_services.user.logins import LoginEnds
from xinyu_services.user.model import Account, Bot, WebhookStatus, bot_mobile, nickname_problem
from xinyu_services.user.service import Ids, UserService
from xinyu_services.user.store import UserStore

TOKEN_TTL_MS: Final = 10 * 365 * 86_400_000
REPEAT_WITHIN_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class NewToken:
    """Told once. `webhook_secret` is "" where no webhook was set."""

    bot_id: int
    token: str
    webhook_secret: str = ""


class WebhookStates(Protocol):
    """The message room, as this needs it."""

    async def load(self, bot_ids: Sequence[int]) -> dict[int, WebhookStatus]:
        """Those that ever had a webhook."""
        ...


class Bots:
    """Use cases of owners. `users` changes what others see of a bot; `outward` knows which addresses a webhook may
    have; `secret_of(bot_id, webhook_revision)`."""

    def __init__(
        self,
        database: Database,
        store: UserStore,
        user_ids: Ids,
        users: UserService,
        tokens: AccessTokens,
        logins: LoginEnds,
        dispatcher: Dispatcher,
        clock: Clock,
        settings: BotSettings,
        webhook_settings: WebhookSettings,
        outward: Outward,
        webhooks: WebhookStates,
        secret_of: Callable[[int, int], str],
    ) -> None:
        self._database = database
        self._store = store
        self._user_ids = user_ids
        self._users = users
        self._tokens = tokens
        self._logins = logins
        self._dispatcher = dispatcher
        self._clock = clock
        self._settings = settings
        self._webhook_settings = webhook_settings
        self._outward = outward
        self._webhooks = webhooks
        self._secret_of = secret_of

    async def create(self, owner_id: int, name: str, avatar: str, webhook_url: str, context: Context) -> NewToken:
        """A bot, and the friendship with its owner before the answer. Repeated within a minute it is the same one, its
        token another one that is as good, and its webhook's secret a new one. Raises INVALID, FORBIDDEN (for bots; no
        webhooks here), TOO_MANY_BOTS."""
        if problem := nickname_problem(name):
            raise XinYuError(INVALID, problem)
        self._check_webhook(webhook_url)
        url = await self._users.picture(avatar) if avatar else ""
        bot_id, now_ms = await self._user_ids.take(), self._clock.now_ms()
        batch = self._dispatcher.outbox.open()
        context.check_deadline_now()

        def work(connection: Connection) -> Bot:
            # The owner's row is what two of his requests queue for.
            owner = self._store.account(connection, owner_id, lock=True)
            if owner is None or owner.is_deleted:
                raise XinYuError(UNKNOWN_USER)
            if owner.is_robot:
                raise XinYuError(FORBIDDEN, "A bot has no bots.")
            bots = self._store.bots(connection, owner_id)
            found = next(
                (b for b in bots if b.name == name and now_ms - b.created_at_ms <= REPEAT_WITHIN_MS), None
            )
            if found is None:
                if len(bots) >= self._settings.per_user:
                    raise XinYuError(TOO_MANY_BOTS)
                found = Bot(bot_id, owner_id, name, url, _expiry_ms(now_ms), now_ms)
                self._store.insert(
                    connection,
                    Account(bot_id, 0, bot_mobile(bot_id), "", name, url, is_robot=True, created_at_ms=now_ms),
                )
                self._store.insert_bot(connection, found)
            # A repeat says it again: the first answer may have been lost before the two were friends.
            events = [Event(BOT, (found.bot_id, owner_id))]
            if webhook_url:
                found, event = self._set_webhook(connection, found, webhook_url)
                events.append(event)
            batch.write(connection, events)
            return found

        bot = await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))
        secret = self._secret(bot) if webhook_url else ""
        return replace(self._token(bot.bot_id, bot.token_expires_at_ms), webhook_secret=secret)

    async def list(self, owner_id: int) -> list[tuple[Bot, WebhookStatus]]:
        """The oldest first."""
        bots = await query(self._database, lambda connection: self._store.bots(connection, owner_id))
        with_webhook = [bot.bot_id for bot in bots if bot.webhook_url]
        states: dict[int, WebhookStatus] = {}
        if with_webhook:
            try:
                states = await self._webhooks.load(with_webhook)
            except XinYuError:
                pass  # the list is what its owner deletes a bot by: it does not wait for another room
        unknown, none = WebhookStatus("unknown"), WebhookStatus()
        return [(bot, states.get(bot.bot_id, unknown) if bot.webhook_url else none) for bot in bots]

    async def update(
        self, owner_id: int, bot_id: int, values: dict[str, Any], webhook_url: str | None, context: Context
    ) -> str:
        """Changes `nickname` and `avatar`, where they are given, and the webhook, "" takes it away. Answers the secret
        of one that was set: each time a new one. Raises UNKNOWN_BOT, INVALID, FORBIDDEN (no webhooks here)."""
        if webhook_url is not None:
            self._check_webhook(webhook_url)
        await query(self._database, lambda connection: self._own(connection, owner_id, bot_id))
        if values:
            await self._users.update_profile(bot_id, values)
        if webhook_url is None:
            return ""
        batch = self._dispatcher.outbox.open()
        context.check_deadline_now()

        def work(connection: Connection) -> Bot:
            bot = self._own(connection, owner_id, bot_id, lock=True)
            if webhook_url or bot.webhook_revision:
                bot, event = self._set_webhook(connection, bot, webhook_url)
                batch.write(connection, [event])
            return bot

        bot = await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))
        return self._secret(bot)

    def _check_webhook(self, url: str) -> None:
        if not url:
            return
        if not self._webhook_settings.enabled:
            raise XinYuError(FORBIDDEN, "There are no webhooks on this server.")
        try:
            self._outward.check(url)
        except RefusedUrl as error:
            raise XinYuError(INVALID, f"This cannot be a webhook: {error}.") from None

    def _set_webhook(self, connection: Connection, bot: Bot, url: str) -> tuple[Bot, Event]:
        bot = replace(bot, webhook_url=url, webhook_revision=bot.webhook_revision + 1)
        self._store.set_webhook(connection, bot)
        return bot, Event(WEBHOOK, (bot.bot_id, bot.webhook_revision))

    def _secret(self, bot: Bot) -> str:
        return self._secret_of(bot.bot_id, bot.webhook_revision) if bot.webhook_url else ""

    async def reset_token(self, owner_id: int, bot_id: int) -> NewToken:
        """A new token; the one before is void, and what it had opened is closed. Raises UNKNOWN_BOT."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> tuple[int, int]:
            bot = self._own(connection, owner_id, bot_id, lock=True)
            expires_at_ms = max(_expiry_ms(now_ms), bot.token_expires_at_ms + 1000)
            self._store.set_bot_expiry(connection, bot_id, expires_at_ms)
            return expires_at_ms, self._logins.write(connection, bot_id, bot.token_expires_at_ms)

        expires_at_ms, second = await transact(self._database, work)
        await self._logins.tell(second)
        return self._token(bot_id, expires_at_ms)

    async def delete(self, owner_id: int, bot_id: int, context: Context) -> None:
        """The bot leaves its groups and friends as a deleted user does. Raises UNKNOWN_BOT (a repeat, too)."""
        batch = self._dispatcher.outbox.open()
        context.check_deadline_now()

        def work(connection: Connection) -> int:
            bot = self._own(connection, owner_id, bot_id, lock=True)
            events, second = end_bot(connection, self._store, self._logins, bot, self._clock.now_ms())
            batch.write(connection, events)
            return second

        second = await transact(self._database, work)
        self._dispatcher.committed(batch)
        await self._logins.tell(second)

    def _own(self, connection: Connection, owner_id: int, bot_id: int, *, lock: bool = False) -> Bot:
        """Somebody else's is not there."""
        bot = self._store.bot(connection, bot_id, lock=lock)
        if bot is None or bot.owner_id != owner_id:
            raise XinYuError(UNKNOWN_BOT)
        return bot

    def _token(self, bot_id: int, expires_at_ms: int) -> NewToken:
        return NewToken(bot_id, self._tokens.mint_bot(bot_id, expires_at_ms // 1000))


def end_bot(
    connection: Connection, store: UserStore, logins: LoginEnds, bot: Bot, now_ms: int
) -> tuple[list[Event], int]:
    """Inside the transaction: nothing of the bot is left but its row; answers what the rooms are told, and the second
    for `logins.tell`."""
    version = store.anonymise(connection, bot.bot_id, now_ms)
    store.delete_bot(connection, bot.bot_id)
    second = logins.write(connection, bot.bot_id, bot.token_expires_at_ms)
    events = [Event(ROW, (bot.bot_id, version)), Event(SEEN, (bot.bot_id,)), Event(DELETED, (bot.bot_id,))]
    if bot.webhook_revision:
        events.insert(0, Event(WEBHOOK, (bot.bot_id, bot.webhook_revision + 1)))
    return events, second


def _expiry_ms(now_ms: int) -> int:
    """A token's times are whole seconds."""
    return (now_ms + TOKEN_TTL_MS) // 1000 * 1000
