"""Messages that disappear: a talk's setting, and letting go of what is due (docs/decisions, disappearing messages).

Design. Where the setting is on, a message gets `expires_at_ms` and a row in `message_due` in the transaction that
stores it. From that moment on nobody reads it: pages, syncs, lists and quotes pass it over by the clock. The sweep
makes that true of the tables as well: by talk, under its head's lock and with a number of its `change`, texts are
emptied and devices told (event `v`). A row of `message_due` goes in the same transaction, so whichever process dies,
the next round of another one finds what is left, and nothing is told twice.

Bounds: SWEPT_AT_ONCE messages a round, each talk's in a transaction of its own. No message lives for less than a
minute, so who looks every LOOK_EVERY_S knows of each in time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import BLOCKED, DISMISSED, FORBIDDEN, INVALID, NOT_FRIEND, NOT_MEMBER, XinYuError
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.message.expiry_model import expiry_problem, may_set_expiry
from xinyu_services.message.expiry_store import ExpiryStore
from xinyu_services.message.model import MaySend, Member, MemberState, MsgType, Talk, TalkKey, TalkState, compact_json
from xinyu_services.message.store import MessageStore

LOOK_EVERY_S: Final = 5.0
SWEPT_AT_ONCE: Final = 200

KeyOf = Callable[[int], Awaitable[TalkKey]]
Work = Callable[[Connection, list[Event]], None]
Write = Callable[[TalkKey, Work], Awaitable[Any]]


class FindMember(Protocol):
    """The talk and the user's row in it, or a refusal."""

    def __call__(
        self, connection: Connection, key: TalkKey, user_id: int, *, lock: bool = False
    ) -> tuple[Talk, Member]: ...


class SayLine(Protocol):
    """Stores a line of the system that names `member`, in a talk that is locked."""

    def __call__(
        self, connection: Connection, talk: Talk, member: Member, msg_type: int, body: str, events: list[Event]
    ) -> None: ...


class Expiry:
    """Part of the message room; the functions are the message service's."""

    def __init__(
        self,
        database: Database,
        messages: MessageStore,
        store: ExpiryStore,
        clock: Clock,
        find_member: FindMember,
        say_line: SayLine,
        key_of: KeyOf,
        write: Write,
        *,
        require_friendship: bool,
    ) -> None:
        self._database = database
        self._messages = messages
        self._store = store
        self._clock = clock
        self._find_member = find_member
        self._say_line = say_line
        self._key_of = key_of
        self._write = write
        self._require_friendship = require_friendship

    async def set_expiry(self, user_id: int, user_name: str, key: TalkKey, expire_after_s: int) -> None:
        """How long messages live that are stored from now on. All hear of it, and a line says who did it. Raises
        INVALID, UNKNOWN_TALK, UNKNOWN_GROUP, NOT_MEMBER, DISMISSED, BLOCKED, NOT_FRIEND, FORBIDDEN. A repeat changes
        nothing."""
        problem = expiry_problem(expire_after_s)
        if problem:
            raise XinYuError(INVALID, problem)

        def work(connection: Connection, events: list[Event]) -> None:
            talk, member = self._find_member(connection, key, user_id, lock=True)
            if member.state != MemberState.IN:
                raise XinYuError(NOT_MEMBER)
            if talk.state == TalkState.DISMISSED:
                raise XinYuError(DISMISSED)
            if member.may_send == MaySend.BLOCKED:
                raise XinYuError(BLOCKED)
            if member.may_send == MaySend.NOT_FRIEND and self._require_friendship:
                raise XinYuError(NOT_FRIEND)
            if not may_set_expiry(talk, member):
                raise XinYuError(FORBIDDEN)
            if talk.expire_after_s == expire_after_s:
                return
            talk.expire_after_s = expire_after_s
            talk.last_change += 1
            talk.profile_change = talk.last_change
            events.append(Event("r", (talk.talk_id, talk.last_change, [], True), (talk.facts,)))
            msg_type = MsgType.EXPIRY_ON if expire_after_s else MsgType.EXPIRY_OFF
            body = compact_json({"owner_id": user_id, "owner_name": user_name, "expire_after_s": expire_after_s})
            self._say_line(connection, talk, member, msg_type, body, events)
            self._messages.upsert_cursors(connection, [member], ("sent_sequence",))
            self._messages.save_talk(connection, talk)

        await self._write(key, work)

    async def round(self) -> float:
        """Lets go of what is due; answers after how many seconds to look again."""
        now_ms = self._clock.now_ms()
        due_ms = await query(self._database, self._store.next_due_ms)
        if due_ms is None or due_ms > now_ms:
            return LOOK_EVERY_S if due_ms is None else min(LOOK_EVERY_S, (due_ms - now_ms) / 1000)
        due = await query(
            self._database, lambda connection: self._store.load_due(connection, now_ms, SWEPT_AT_ONCE)
        )
        talks: dict[int, list[int]] = {}
        for talk_id, sequence in due:
            talks.setdefault(talk_id, []).append(sequence)
        for talk_id, sequences in talks.items():
            await self._write(await self._key_of(talk_id), partial(self._sweep, talk_id, sequences))
        return 0.0 if len(due) == SWEPT_AT_ONCE else 1.0

    def _sweep(self, talk_id: int, sequences: list[int], connection: Connection, events: list[Event]) -> None:
        talk = self._messages.load_talks(connection, [talk_id], lock=True)[talk_id]
        left = self._store.take(connection, talk_id, sequences)
        if not left:
            return  # another process was here
        messages = self._messages.load_messages(connection, [(talk_id, sequence) for sequence in left])
        talk.last_change += 1
        for message in messages.values():
            self._messages.terms.reindex(connection, replace(message, expired=False), replace(message, expired=True))
        self._store.expire(connection, list(messages.values()), talk.last_change)
        if talk.last_sequence in left:
            talk.last_digest = ""
        self._messages.save_talk(connection, talk)
        events.append(Event("v", (talk_id, talk.last_change, left), (talk.facts,)))
