"""Tells webhooks what waits for them: each message at least once, a talk's in the order of its sequence, without holes.

Design. Who delivers for a bot has claimed its row: a number that each next one counts up, and a time after which
another may come. A step is one transaction under the row's lock, which first looks that the claim is still ours:
it notes what became of the last delivery (cursors move after a 2xx, and only then), and takes the next. What a
delivery holds, from and to which sequence of which talks, is stored before it is sent, under a number of its own. So
whoever takes over from a process that died sends the same again under the same id, and a receiver can drop it.
Messages are read from their table as they are by then: one that was recalled is told as such, one that has disappeared
or was hidden is left out. A talk is done when, under the lock, there is nothing beyond its cursor.

What fails is tried again after a pause that doubles, up to LONGEST_PAUSE_MS, by whichever process looks first. While a
receiver is away it costs its rows, one delivery a pause, and nothing by message. 410 suspends it until its owner sets
an address.

Invariants: one claim a bot, so one delivery at a time; a bot's talks share a delivery, and who was told goes to the
end of the line. Bounds: DELIVERIES_AT_ONCE a process, each with its deadline; BATCHES_A_TURN of a bot before others
that are due; a claim lasts longer than a delivery can.

Cost: idle, two indexed reads in LOOK_EVERY_S; a delivery is one transaction and one POST.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import WebhookSettings
from xinyu.base.errors import XinYuError
from xinyu.base.metrics import Metrics
from xinyu.outward.fetch import FetchError, Outward
from xinyu.outward.signature import signature
from xinyu.storage.database import Database, DatabaseError
from xinyu.storage.transact import query, transact
from xinyu_services.directory import Directory
from xinyu_services.message.model import MemberState, StoredMessage, TalkKey
from xinyu_services.message.store import MessageStore
from xinyu_services.message.view import MessageView
from xinyu_services.message.webhook_model import (
    TALKS_AT_ONCE,
    UNREACHED,
    Part,
    Webhook,
    filled,
    is_success,
    shared,
    told,
    window_of,
)
from xinyu_services.message.webhook_store import WebhookStore

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 5.0
# While others deliver what is due.
LOOK_AGAIN_S: Final = 1.0
DELIVERIES_AT_ONCE: Final = 64
BATCHES_A_TURN: Final = 20
# Parts without a message for the bot that a step passes over.
PASSES_A_STEP: Final = 10
# What a claim lasts beyond a delivery: its transactions.
CLAIM_BEYOND_MS: Final = 20_000
RELEASE_TIMEOUT_S: Final = 2.0
_CODEC: Final = 1  # xinyu.v1.json

SecretOf = Callable[[int, int], str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is sent, and where to. `revision`: of the address."""

    bot_id: int
    delivery_id: str
    url: str
    revision: int
    keys: dict[int, TalkKey]
    messages: Sequence[StoredMessage]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a delivery; `status` UNREACHED: there was no answer."""

    revision: int
    status: int


class WebhookDelivery:
    """One a process of the message room. `secret_of(bot_id, revision)`; `share` spreads pauses."""

    def __init__(
        self,
        database: Database,
        store: WebhookStore,
        messages: MessageStore,
        view: MessageView,
        directory: Directory,
        outward: Outward,
        clock: Clock,
        secret_of: SecretOf,
        settings: WebhookSettings,
        *,
        share: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._view = view
        self._directory = directory
        self._outward = outward
        self._clock = clock
        self._secret_of = secret_of
        self._settings = settings
        self._share = share
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting_since_ms: int | None = None
        self.deliveries = self.failures = self.messages_told = 0

    def wake(self) -> None:
        """There may be something to deliver."""
        self._wake.set()

    # ---------------------------------------------------------------- who delivers what

    async def round(self) -> float:
        """Looks (rounds.py), and waits for the next time to."""
        pause_s = await self.look()
        if pause_s:
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
        return 0.0

    async def look(self) -> float:
        """Begins to deliver what is due, as far as there is room; answers after how many seconds to look again."""
        self._wake.clear()
        now_ms = self._clock.now_ms()

        def load(connection: Connection) -> tuple[int | None, int | None]:
            return self._store.next_due_ms(connection), self._store.waiting_since_ms(connection)

        due_ms, self._waiting_since_ms = await query(self._database, load)
        room = DELIVERIES_AT_ONCE - len(self._tasks)
        if due_ms is None or not room:
            return LOOK_EVERY_S  # a delivery that ends wakes
        if due_ms > now_ms:
            return min(LOOK_EVERY_S, (due_ms - now_ms) / 1000)
        found = await transact(
            self._database, lambda connection: self._store.claim(connection, now_ms, self._until_ms(), room)
        )
        for webhook in found:
            task = asyncio.create_task(self._deliver(webhook))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return 0.0 if found else LOOK_AGAIN_S

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()

    def _until_ms(self) -> int:
        return self._clock.now_ms() + int(self._settings.timeout_s * 1000) + CLAIM_BEYOND_MS

    async def settle(self) -> None:
        """Until nothing is under way here."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Ends what is under way; others may take it over at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---------------------------------------------------------------- one bot

    async def _deliver(self, webhook: Webhook) -> None:
        bot_id, claim = webhook.bot_id, webhook.claim
        try:
            outcome: _Outcome | None = None
            for turn in range(BATCHES_A_TURN + 1):
                is_over = turn == BATCHES_A_TURN
                step = partial(self._step, bot_id=bot_id, claim=claim, outcome=outcome, is_over=is_over)
                delivery = await transact(self._database, step)
                if delivery is None:
                    return
                outcome = _Outcome(delivery.revision, await self._post(delivery))
        except asyncio.CancelledError:
            await self._release(bot_id, claim)
            raise
        except (XinYuError, DatabaseError) as error:
            log.warning("webhook_step_failed", bot_id=bot_id, error=str(error))  # the claim ends by itself
        except Exception:
            log.exception("webhook_step_failed", bot_id=bot_id)

    async def _post(self, delivery: Delivery) -> int:
        names = await self._directory.users({message.sender_id for message in delivery.messages})
        events = [
            self._view.im_message(delivery.keys[message.talk_id], message, names[message.sender_id], _CODEC)
            for message in delivery.messages
        ]
        content = b'{"delivery_id":"%b","bot_id":%d,"events":[%b]}' % (
            delivery.delivery_id.encode(), delivery.bot_id, b",".join(events),
        )  # fmt: skip
        timestamp_s = self._clock.now_ms() // 1000
        headers = {
            "Content-Type": "application/json",
            "X-XinYu-Delivery": delivery.delivery_id,
            "X-XinYu-Timestamp": str(timestamp_s),
            "X-XinYu-Signature": signature(
                self._secret_of(delivery.bot_id, delivery.revision), timestamp_s, content
            ),
        }
        try:
            status = await self._outward.post(delivery.url, content, headers, timeout_s=self._settings.timeout_s)
        except FetchError as error:
            status = UNREACHED
            log.info("webhook_unreached", bot_id=delivery.bot_id, error=str(error))
        if is_success(status):
            self.deliveries += 1
            self.messages_told += len(delivery.messages)
        else:
            self.failures += 1
            log.info("webhook_failed", bot_id=delivery.bot_id, delivery_id=delivery.delivery_id, status=status)
        return status

    async def _release(self, bot_id: int, claim: int) -> None:
        def work(connection: Connection) -> None:
            webhook = self._store.load(connection, [bot_id], lock=True).get(bot_id)
            if webhook is not None and webhook.claim == claim and webhook.claimed_until_ms:
                webhook.release(self._clock.now_ms())
                self._store.save(connection, [webhook])

        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await transact(self._database, work)
        except (XinYuError, DatabaseError, TimeoutError) as error:
            log.warning("webhook_not_released", bot_id=bot_id, error=str(error))

    # ---------------------------------------------------------------- inside a transaction

    def _step(
        self, connection: Connection, *, bot_id: int, claim: int, outcome: _Outcome | None, is_over: bool
    ) -> Delivery | None:
        """Notes what became of the last delivery and takes the next; None: this claim has ended."""
        webhook = self._store.load(connection, [bot_id], lock=True).get(bot_id)
        if webhook is None or webhook.claim != claim:
            return None
        now_ms = self._clock.now_ms()
        if outcome is not None:
            if is_success(outcome.status):
                self._move(connection, webhook, webhook.batch, now_ms)
            else:
                webhook.fail(outcome.status, outcome.revision, now_ms, self._share())
        delivery = None
        if webhook.claimed_until_ms and is_over:
            webhook.release(now_ms)
        elif webhook.claimed_until_ms:
            delivery = self._next(connection, webhook, now_ms)
            if delivery is not None:
                webhook.claimed_until_ms = webhook.due_at_ms = self._until_ms()
        self._store.save(connection, [webhook])
        return delivery

    def _move(self, connection: Connection, webhook: Webhook, parts: Sequence[Part], now_ms: int) -> None:
        """These parts have been told: their talks go to the end of the line."""
        self._store.save_talks(connection, [(webhook.bot_id, part.talk_id, part.last, now_ms) for part in parts])
        webhook.succeed(now_ms)

    def _next(self, connection: Connection, webhook: Webhook, now_ms: int) -> Delivery | None:
        """What is to be sent now, or None; then nobody delivers any more."""
        for _ in range(PASSES_A_STEP):
            is_new = not webhook.batch
            parts = self._waiting(connection, webhook) if is_new else list(webhook.batch)
            if not parts:
                webhook.waiting_since_ms = 0
                webhook.release(0)
                return None
            talks = self._messages.load_talks(connection, [part.talk_id for part in parts])
            members = self._messages.load_members(connection, [(talk_id, webhook.bot_id) for talk_id in talks])
            windows = [
                (part.talk_id, max(part.first, low), min(part.last, high))
                for part in parts
                for low, high in [
                    window_of(talks.get(part.talk_id), members.get((part.talk_id, webhook.bot_id)), part.first - 1)
                ]
            ]
            found = self._messages.load_windows(
                connection, webhook.bot_id, [window for window in windows if window[1] <= window[2]]
            )
            if is_new:
                webhook.batch, messages = filled(parts, found, webhook.bot_id)
                webhook.delivery += 1
            else:
                messages = [message for part in parts for message in told(found.get(part.talk_id, ()), webhook.bot_id)]
            if messages:
                keys = {talk_id: talk.key for talk_id, talk in talks.items()}
                return Delivery(
                    webhook.bot_id, webhook.delivery_id, webhook.url, webhook.revision, keys, messages
                )
            self._move(connection, webhook, webhook.batch, now_ms)
        webhook.release(now_ms)
        return None

    def _waiting(self, connection: Connection, webhook: Webhook) -> list[Part]:
        """What the next delivery looks at. Talks with nothing beyond their cursor leave the line; those that the bot
        has left, for good."""
        bot_id = webhook.bot_id
        while True:
            waiting = self._store.load_waiting(connection, bot_id, TALKS_AT_ONCE)
            talks = self._messages.load_talks(connection, [talk_id for talk_id, _ in waiting])
            members = self._messages.load_members(connection, [(talk_id, bot_id) for talk_id in talks])
            parts: list[Part] = []
            done: list[tuple[int, int, int, int]] = []
            left: list[int] = []
            for talk_id, sequence in waiting:
                member = members.get((talk_id, bot_id))
                low, high = window_of(talks.get(talk_id), member, sequence)
                if low <= high:
                    parts.append(Part(talk_id, low, high))
                elif member is not None and member.state == MemberState.IN:
                    done.append((bot_id, talk_id, sequence, 0))
                else:
                    left.append(talk_id)
            self._store.save_talks(connection, done)
            self._store.delete_talks(connection, bot_id, left)
            if parts or not waiting:
                return shared(parts)

    # ---------------------------------------------------------------- figures

    def measure(self, metrics: Metrics) -> None:
        metrics.counter("xinyu_webhook_deliveries", "Deliveries that were answered with 2xx.", lambda: self.deliveries)
        metrics.counter("xinyu_webhook_messages", "Messages in them.", lambda: self.messages_told)
        metrics.counter("xinyu_webhook_failures", "Deliveries that were not, and are repeated.", lambda: self.failures)
        metrics.gauge("xinyu_webhook_under_way", "Bots that this process delivers for.", lambda: len(self._tasks))
        metrics.gauge(
            "xinyu_webhook_oldest_waiting_seconds",
            "How long the webhook that has waited longest has had something to be told and was told nothing.",
            self._oldest_waiting_s,
        )

    def _oldest_waiting_s(self) -> float:
        since_ms = self._waiting_since_ms
        return 0.0 if since_ms is None else max(0.0, (self._clock.now_ms() - since_ms) / 1000)
