"""Bots: accounts of programs, which their owners make.

A bot is an account like any other (it has a name, friends, groups, a conversation list) but for three things: it has no
mobile and no password, so nobody logs in as it; it has a token that lives for ten years; and it belongs to somebody,
who is its friend from the start, and with whose account it ends.

No token is stored. What is stored is when the good one expires: a new token expires a second later than the one before
at least, and the end of logins (`xinyu_services.user.logins`) voids everything up to that one, on every gateway and
with all connections. So a token that has leaked is worth nothing seconds after it was reset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import BotSettings
from xinyu.base.errors import FORBIDDEN, INVALID, TOO_MANY_BOTS, UNKNOWN_BOT, UNKNOWN_USER, XinYuError
from xinyu.base.token import AccessTokens
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.user.events import BOT, DELETED, ROW, SEEN
from xinyu_services.user.logins import LoginEnds
from xinyu_services.user.model import Account, Bot, bot_mobile, nickname_problem
from xinyu_services.user.service import Ids, UserService
from xinyu_services.user.store import UserStore

TOKEN_TTL_MS: Final = 10 * 365 * 86_400_000
REPEAT_WITHIN_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class NewToken:
    """Told once."""

    bot_id: int
    token: str


class Bots:
    """Use cases of owners. `users` changes what others see of a bot."""

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

    async def create(self, owner_id: int, name: str, avatar: str, context: Context) -> NewToken:
        """A bot, and the friendship with its owner before the answer. Repeated within a minute it is the same one, and
        its token another one that is as good. Raises INVALID, FORBIDDEN (for bots), TOO_MANY_BOTS."""
        if problem := nickname_problem(name):
            raise XinYuError(INVALID, problem)
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
            batch.write(connection, [Event(BOT, (found.bot_id, owner_id))])
            return found

        bot = await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))
        return self._token(bot.bot_id, bot.token_expires_at_ms)

    async def list(self, owner_id: int) -> list[Bot]:
        """The oldest first."""
        return await query(self._database, lambda connection: self._store.bots(connection, owner_id))

    async def update(self, owner_id: int, bot_id: int, values: dict[str, Any]) -> None:
        """Changes `nickname` and `avatar`, where they are given. Raises UNKNOWN_BOT, INVALID."""
        await query(self._database, lambda connection: self._own(connection, owner_id, bot_id))
        if values:
            await self._users.update_profile(bot_id, values)

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
    return [Event(ROW, (bot.bot_id, version)), Event(SEEN, (bot.bot_id,)), Event(DELETED, (bot.bot_id,))], second


def _expiry_ms(now_ms: int) -> int:
    """A token's times are whole seconds."""
    return (now_ms + TOKEN_TTL_MS) // 1000 * 1000
