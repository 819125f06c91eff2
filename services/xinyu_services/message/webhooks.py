"""Which bots have a webhook, and in which talks there is something for them (docs/decisions, webhooks).

Design. A webhook is a device of its bot that lives in the server: `bot_webhook_talk` is its cursor in each talk. A
talk's head says whether any of its members has one, so that a send, which reads the head anyway, costs nothing more
where none has, and where one has an event in the outbox row that it writes anyway (`h`). That event is a command: it
stands until this room has noted that something waits (`note`), whichever process dies. What is told is read from the
messages later (webhook_delivery.py): nothing is kept by message.

A webhook begins in the talks that its bot is in, each at its end. The talk room knows which (`OwnTalks`), and whoever
comes into a talk later has a command `s`, after which `begin_in` looks whether he is such a bot. So none is missed: a
talk that the list does not show yet has its `s` after it. Once it has begun everywhere, a talk without a cursor is one
that the bot came into since, and there it begins where the bot did; before, `s` may be about a talk of old, since it
may be said again.

Locks: heads of talks, ascending, then rows of bots, ascending; what is written of a bot is written under its row's.

Cost: a transaction of three or four statements for all talks that were noted while the one before ran; a look by
primary key for the members that a command `s` names. Bound: MAX_TALKS of a bot, those that changed last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.message.model import MemberState
from xinyu_services.message.store import MessageStore
from xinyu_services.message.webhook_model import Webhook, WebhookState
from xinyu_services.message.webhook_store import WebhookStore

MAX_TALKS: Final = 10_000
# Of one transaction.
TALKS_AT_ONCE: Final = 200


class OwnTalks(Protocol):
    """The talk room, as this needs it."""

    async def of(self, user_id: int, limit: int) -> Sequence[int]:
        """Talks that the user has a row of."""
        ...


class Webhooks:
    """Part of the message room. `wake`: there may be something to deliver."""

    def __init__(
        self,
        database: Database,
        messages: MessageStore,
        store: WebhookStore,
        talks: OwnTalks,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._messages = messages
        self._store = store
        self._talks = talks
        self._clock = clock
        self._wake = wake
        self._noted: set[int] = set()
        self._noting = asyncio.Lock()

    # ---------------------------------------------------------------- the user room's word

    async def choose(self, bot_id: int, url: str, revision: int) -> None:
        """Where the bot's messages go from now on; "" = nowhere. May be repeated; a lower revision than a former one
        changes nothing. While there is a webhook its cursors stay, so another address goes on where the one before
        ended; one that was taken away begins anew."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> bool:
            webhook = self._store.load(connection, [bot_id], lock=True).get(bot_id)
            if webhook is not None and webhook.revision >= revision:
                return webhook.revision == revision
            if webhook is None:
                webhook = Webhook(bot_id, "", 0, WebhookState.OFF)
                webhook.choose(url, revision, now_ms)
                self._store.insert(connection, webhook)
                return True
            webhook.choose(url, revision, now_ms)
            self._store.save(connection, [webhook])
            if not url:
                self._store.delete_all_talks(connection, bot_id)
            return True

        if not await transact(self._database, work) or not url:
            return
        known = await query(self._database, lambda connection: self._store.talks_of(connection, bot_id))
        missing = sorted(set(await self._talks.of(bot_id, MAX_TALKS)) - known)
        for start in range(0, len(missing), TALKS_AT_ONCE):
            await self._begin(bot_id, missing[start : start + TALKS_AT_ONCE])

        def has_begun(connection: Connection) -> None:
            webhook = self._store.load(connection, [bot_id], lock=True)[bot_id]
            if webhook.revision == revision and not webhook.has_begun:
                webhook.has_begun = True
                self._store.save(connection, [webhook])

        await transact(self._database, has_begun)
        self._wake()

    async def load(self, bot_ids: Sequence[int]) -> dict[int, Webhook]:
        return await query(self._database, lambda connection: self._store.load(connection, bot_ids))

    # ---------------------------------------------------------------- talks

    async def begin_in(self, talk_id: int, user_ids: Sequence[int]) -> None:
        """These users have come into the talk; bots with a webhook among them are told what has been sent since."""
        found = await query(self._database, lambda connection: self._store.load(connection, user_ids))
        bots = [webhook.bot_id for webhook in found.values() if webhook.state != WebhookState.OFF]
        for bot_id in bots:
            await self._begin(bot_id, [talk_id])
        if bots:
            self._wake()

    async def _begin(self, bot_id: int, talk_ids: Sequence[int]) -> None:
        """Cursors in those of the talks that the bot is in and has none in."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> None:
            talks = self._messages.load_talks(connection, talk_ids, lock=True)
            webhook = self._store.load(connection, [bot_id], lock=True).get(bot_id)
            if webhook is None or webhook.state == WebhookState.OFF:
                return
            known = {talk_id for each, talk_id in self._store.bots_in(connection, talk_ids) if each == bot_id}
            members = self._messages.load_members(connection, [(talk_id, bot_id) for talk_id in talks])
            rows: list[tuple[int, int, int, int]] = []
            for talk_id, talk in talks.items():
                member = members.get((talk_id, bot_id))
                if member is None or member.state != MemberState.IN or talk_id in known:
                    continue
                sequence = member.joined_sequence - 1 if webhook.has_begun else talk.last_sequence
                waits = talk.last_sequence > sequence
                rows.append((bot_id, talk_id, sequence, now_ms if waits else 0))
                if waits:
                    webhook.note(now_ms)
            self._store.save_talks(connection, rows)
            self._store.mark_talks(connection, [row[1] for row in rows], has_webhooks=True)
            self._store.save(connection, [webhook])

        await transact(self._database, work)

    async def note(self, talk_id: int) -> None:
        """Something was sent in the talk. When it returns, that is stored. Calls that wait for one another share a
        transaction."""
        self._noted.add(talk_id)
        async with self._noting:
            if talk_id not in self._noted:
                return  # one that waited before has noted it, after it was sent
            talk_ids = [talk_id, *(self._noted - {talk_id})][:TALKS_AT_ONCE]
            self._noted.difference_update(talk_ids)
            try:
                without = await transact(self._database, lambda connection: self._note(connection, talk_ids))
                if without:
                    await transact(self._database, lambda connection: self._unmark(connection, without))
            except BaseException:
                self._noted.update(talk_ids)
                raise
        self._wake()

    def _note(self, connection: Connection, talk_ids: Sequence[int]) -> list[int]:
        """Answers those of the talks in which no webhook is told anything any more."""
        pairs = self._store.bots_in(connection, talk_ids)
        bot_ids = sorted({bot_id for bot_id, _ in pairs})
        if bot_ids:
            webhooks = self._store.load(connection, bot_ids, lock=True)
            now_ms = self._clock.now_ms()
            self._store.note(connection, bot_ids, talk_ids, now_ms)
            idle = [webhook for webhook in webhooks.values() if not webhook.waiting_since_ms]
            for webhook in idle:
                webhook.note(now_ms)
            self._store.save(connection, idle)
        return sorted(set(talk_ids).difference(talk_id for _, talk_id in pairs))

    def _unmark(self, connection: Connection, talk_ids: Sequence[int]) -> None:
        """Under the heads' locks, as a webhook may be about to begin there."""
        self._messages.load_talks(connection, talk_ids, lock=True)
        told = {talk_id for _, talk_id in self._store.bots_in(connection, talk_ids)}
        self._store.mark_talks(connection, [i for i in talk_ids if i not in told], has_webhooks=False)
