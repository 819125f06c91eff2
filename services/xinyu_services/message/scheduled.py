"""Messages that are sent later: kept, listed, cancelled, and sent when their time has come.

Design. A message that is due goes the way of any other (`MessageService.send`), under a msg_id that is made of its
scheduled id, and its row goes when it has been stored. So it is stored exactly once whoever sends it: a process that
dies between the two leaves a row that the next one sends again, which answers what is stored. A claim of CLAIM_MS keeps
processes from sending the same at the same time; it is no lock that anything rests on. The rules are those of the
moment of sending. A refusal for good is noted for its user; one that may pass is tried again when the claim has ended.

Every change tells the talk room how many the user has in that talk (event `t`), which tells his devices, and their
syncs.

Bounds: MAX_SCHEDULED a user, SENT_AT_ONCE a round. Nothing can be scheduled nearer than LOOK_EVERY_S from now, so who
looks that often is never late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import (
    ALREADY_HANDLED,
    BLOCKED,
    DISMISSED,
    INVALID,
    NOT_FRIEND,
    NOT_MEMBER,
    TOO_MANY_SCHEDULED,
    UNKNOWN_SCHEDULED,
    XinYuError,
)
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.message.lane import Sent
from xinyu_services.message.model import MaySend, Member, MemberState, Talk, TalkState
from xinyu_services.message.scheduled_model import (
    EARLIEST_AFTER_MS,
    FAILED_KEPT_MS,
    MAX_SCHEDULED,
    Scheduled,
    ScheduledState,
    time_problem,
)
from xinyu_services.message.scheduled_store import ScheduledStore

log = structlog.get_logger(__name__)
T = TypeVar("T")

LOOK_EVERY_S: Final = EARLIEST_AFTER_MS / 1000
CLAIM_MS: Final = 30_000
SEND_TIMEOUT_S: Final = 15.0
SENT_AT_ONCE: Final = 100

OpenTalk = Callable[[int, int, int], Awaitable[tuple[Talk, Member | None]]]
SendAll = Callable[[Sequence[Scheduled], float], Awaitable[list[Sent | XinYuError]]]


class ScheduledMessages:
    """Part of the message room; `open_talk` and `send` are the message service's."""

    def __init__(
        self,
        database: Database,
        store: ScheduledStore,
        dispatcher: Dispatcher,
        clock: Clock,
        open_talk: OpenTalk,
        send: SendAll,
        *,
        require_friendship: bool,
    ) -> None:
        self._database = database
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._open_talk = open_talk
        self._send = send
        self._require_friendship = require_friendship

    # ---------------------------------------------------------------- what users do

    async def schedule(self, scheduled: Scheduled) -> str:
        """Keeps a message for later; its talk_id is found here. A repeat answers the same id. Raises INVALID (the
        time), TOO_MANY_SCHEDULED, and what a send would be refused for now, but for being muted."""
        talk, member = await self._open_talk(scheduled.user_id, scheduled.talk_mode, scheduled.to_from_id)
        if member is None or member.state != MemberState.IN:
            raise XinYuError(NOT_MEMBER)
        if talk.state == TalkState.DISMISSED:
            raise XinYuError(DISMISSED)
        if member.may_send == MaySend.BLOCKED:
            raise XinYuError(BLOCKED)
        if member.may_send == MaySend.NOT_FRIEND and self._require_friendship:
            raise XinYuError(NOT_FRIEND)
        scheduled.talk_id = talk.talk_id
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> str:
            revision = self._store.next_revision(connection, scheduled.user_id)
            if self._store.load(connection, scheduled.scheduled_id) is not None:
                return scheduled.scheduled_id
            problem = time_problem(scheduled.send_at_ms, now_ms)
            if problem:
                raise XinYuError(INVALID, problem)
            if self._store.count(connection, scheduled.user_id) >= MAX_SCHEDULED:
                raise XinYuError(TOO_MANY_SCHEDULED)
            self._store.insert(connection, scheduled)
            events.append(self._told(connection, scheduled.user_id, talk.talk_id, revision))
            return scheduled.scheduled_id

        return await self._write(work)

    async def load(self, user_id: int) -> list[Scheduled]:
        """The next one first; those that failed are among them."""
        return await query(self._database, lambda connection: self._store.load_of(connection, user_id))

    async def cancel(self, user_id: int, scheduled_id: str) -> None:
        """Raises UNKNOWN_SCHEDULED, and ALREADY_HANDLED for one that is being sent."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> None:
            revision = self._store.next_revision(connection, user_id)
            found = self._store.load(connection, scheduled_id)
            if found is None or found.user_id != user_id:
                raise XinYuError(UNKNOWN_SCHEDULED)
            if found.state == ScheduledState.WAITS and found.claimed_until_ms > now_ms:
                raise XinYuError(ALREADY_HANDLED, "It is being sent.")
            self._store.delete(connection, scheduled_id)
            events.append(self._told(connection, user_id, found.talk_id, revision))

        await self._write(work)

    # ---------------------------------------------------------------- when the time has come

    async def round(self) -> float:
        """Sends what is due; answers after how many seconds to look again."""
        now_ms = self._clock.now_ms()
        due_ms = await query(self._database, self._store.next_due_ms)
        if due_ms is None or due_ms > now_ms:
            return LOOK_EVERY_S if due_ms is None else min(LOOK_EVERY_S, (due_ms - now_ms) / 1000)
        found = await transact(
            self._database,
            lambda connection: self._store.claim(connection, now_ms, now_ms + CLAIM_MS, SENT_AT_ONCE),
        )
        if not found:
            return 1.0  # others are sending them
        deadline_s = asyncio.get_running_loop().time() + SEND_TIMEOUT_S
        sent = await self._send(found, deadline_s)
        for scheduled, result in zip(found, sent, strict=True):
            if not isinstance(result, XinYuError):
                reason = "" if result.message is not None else NOT_FRIEND.reason
            elif result.code.retry:
                log.warning("scheduled_again", scheduled_id=scheduled.scheduled_id, reason=result.reason)
                continue
            else:
                reason = result.reason
            await self._write(partial(self._settle, scheduled, reason))
        return 0.0 if len(found) == SENT_AT_ONCE else 1.0

    def _settle(self, scheduled: Scheduled, reason: str, connection: Connection, events: list[Event]) -> None:
        """It was sent, or refused for that reason."""
        revision = self._store.next_revision(connection, scheduled.user_id)
        if reason:
            self._store.fail(connection, scheduled.scheduled_id, reason)
        else:
            self._store.delete(connection, scheduled.scheduled_id)
        events.append(self._told(connection, scheduled.user_id, scheduled.talk_id, revision))

    async def purge(self) -> int:
        """Forgets what failed long ago."""
        before_ms, purged = self._clock.now_ms() - FAILED_KEPT_MS, 0
        while True:
            found = await query(
                self._database, lambda connection: self._store.load_failed(connection, before_ms, SENT_AT_ONCE)
            )
            for scheduled_id, user_id, talk_id in found:
                await self._write(partial(self._forget, scheduled_id, user_id, talk_id))
            purged += len(found)
            if len(found) < SENT_AT_ONCE:
                return purged

    def _forget(
        self, scheduled_id: str, user_id: int, talk_id: int, connection: Connection, events: list[Event]
    ) -> None:
        revision = self._store.next_revision(connection, user_id)
        if self._store.delete(connection, scheduled_id):
            events.append(self._told(connection, user_id, talk_id, revision))

    # ---------------------------------------------------------------- transactions

    def _told(self, connection: Connection, user_id: int, talk_id: int, revision: int) -> Event:
        """`t`: the command to the talk room."""
        waiting, failed = self._store.count_in(connection, user_id, talk_id)
        return Event("t", (talk_id, user_id, waiting, failed, revision))

    async def _write(self, work: Callable[[Connection, list[Event]], T]) -> T:
        batch = self._dispatcher.outbox.open()

        def transaction(connection: Connection) -> T:
            events: list[Event] = []
            result = work(connection, events)
            batch.write(connection, events)
            return result

        result = await transact(self._database, transaction)
        self._dispatcher.committed(batch)
        return result
