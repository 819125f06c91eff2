"""What the user room's changes cause: a push to the user's own devices, and a word to the contact room.

Events: `row` (user_id, version) - the user's row has this version; `seen` (user_id) - what friends see of him changed;
`deleted` (user_id) - command: he leaves the groups and the friends that he had; `bot` (bot_id, owner_id) - command: a
new bot and its owner become friends; `receipts` (user_id, is_hidden, version) - command: whether others may see what
he has read; `webhook` (bot_id, revision) - command: a bot's webhook was set, or taken away with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sqlalchemy import Connection

from xinyu.delivery.dispatcher import V1_JSON, Push
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu_services.user import view
from xinyu_services.user.model import Account
from xinyu_services.user.store import UserStore

ROW: Final = "row"
SEEN: Final = "seen"
DELETED: Final = "deleted"
RECEIPTS: Final = "receipts"
BOT: Final = "bot"
WEBHOOK: Final = "webhook"


class FriendRows(Protocol):
    """The contact room, as this one needs it."""

    async def refresh_profile(self, user_id: int, after_user_id: int) -> int:
        """Gives one page of friends' rows new versions; answers where the next page begins, 0 at the end."""
        ...

    async def befriend(self, user_id: int, friend_id: int) -> None:
        """Makes friends of the two, and may be repeated."""
        ...


class Leaving(Protocol):
    """A room in which a deleted user still has ties."""

    async def forget_user(self, user_id: int) -> bool:
        """Ends some of them; answers whether there are more. May be repeated."""
        ...


class Receipts(Protocol):
    """The message room, which shows what users have read."""

    async def choose(self, user_id: int, is_hidden: bool, revision: int) -> None:
        """May be repeated; a revision that is not higher than a former one changes nothing."""
        ...


class Webhooks(Protocol):
    """The message room, which tells bots' webhooks what is sent."""

    async def choose(self, bot_id: int, url: str, revision: int) -> None:
        """May be repeated; a lower revision than a former one changes nothing."""
        ...


class UserEvents:
    """`xinyu.delivery.dispatcher.EventSource` of the user room. A row is told as it is when it is told, under the
    number of the change that caused it: the numbers reach a device without holes, and the last one shows the truth.
    `forget_name` drops what this process keeps of a user's name."""

    def __init__(
        self,
        database: Database,
        store: UserStore,
        friend_rows: FriendRows,
        leaving: Sequence[Leaving],
        receipts: Receipts,
        webhooks: Webhooks,
        forget_name: Callable[[int], None] | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._friend_rows = friend_rows
        self._leaving = leaving
        self._receipts = receipts
        self._webhooks = webhooks
        self._forget_name = forget_name

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        user_ids = sorted({event.values[0] for event in events})

        def work(connection: Connection) -> dict[int, Account]:
            found = (self._store.account(connection, user_id) for user_id in user_ids)
            return {account.user_id: account for account in found if account is not None}

        accounts = await self._database.read(work)
        return [
            Push((user_id,), _same(view.row_changed(accounts[user_id], version)), V1_JSON)
            for user_id, version in (event.values for event in events)
            if user_id in accounts
        ]

    def is_command(self, event: Event) -> bool:
        return event.kind in (SEEN, DELETED, RECEIPTS, BOT, WEBHOOK)

    async def command(self, event: Event) -> None:
        if event.kind == RECEIPTS:
            await self._receipts.choose(*event.values)
            return
        if event.kind == BOT:
            await self._friend_rows.befriend(*event.values)
            return
        if event.kind == WEBHOOK:
            await self._choose_webhook(*event.values)
            return
        (user_id,) = event.values
        if event.kind == DELETED:
            for room in self._leaving:
                while await room.forget_user(user_id):
                    pass
            return
        if self._forget_name is not None:
            self._forget_name(user_id)
        after = 0
        while True:
            after = await self._friend_rows.refresh_profile(user_id, after)
            if not after:
                return

    async def _choose_webhook(self, bot_id: int, revision: int) -> None:
        """As it is by now: addresses stand in no event. A bot that is gone has none."""
        bot = await self._database.read(lambda connection: self._store.bot(connection, bot_id))
        if bot is None:
            await self._webhooks.choose(bot_id, "", revision)
        else:
            await self._webhooks.choose(bot_id, bot.webhook_url, bot.webhook_revision)


def _same(payload: bytes) -> Callable[[int], bytes]:
    return lambda _codec: payload
