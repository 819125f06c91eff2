"""Use cases of the message room: sending, reading, recalling, hiding, who belongs to a talk, and catching up.

Sends and reads go through lanes (lane.py, group commit). Everything else that writes is a transaction of its own in
the talk's lane, so that all numbers of a talk are given out one after another. What a write causes stands in the outbox
(events.py says what each event means) and is handed on after the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import MessageSettings
from xinyu.base.errors import (
    FORBIDDEN,
    INVALID,
    NOT_MEMBER,
    REVOKE_TOO_LATE,
    SELF,
    UNKNOWN_FILE,
    UNKNOWN_GROUP,
    UNKNOWN_MESSAGE,
    UNKNOWN_TALK,
    UNKNOWN_USER,
    XinYuError,
)
from xinyu.base.ids import new_msg_id
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.message.editing import Editing
from xinyu_services.message.expiry import Expiry
from xinyu_services.message.expiry_store import ExpiryStore
from xinyu_services.message.forwarding import Forwarding
from xinyu_services.message.lane import (
    MAX_KNOWN_TALKS,
    Answers,
    Lane,
    LaneFigures,
    Read,
    Send,
    Sent,
    append_message,
    message_event,
    webhook_events,
)
from xinyu_services.message.model import (
    RANGE_LIMIT,
    SYNC_CHANGES,
    SYNC_NEWEST_RECORDS,
    MaySend,
    Member,
    MemberState,
    MsgType,
    Role,
    Source,
    StoredMessage,
    SystemMessage,
    Talk,
    TalkKey,
    TalkMode,
    TalkState,
    compact_json,
    may_recall,
    request_hash,
)
from xinyu_services.message.pinning import Pinning
from xinyu_services.message.reacting import Reacting, see_own_reactions
from xinyu_services.message.receipt_store import ReceiptStore
from xinyu_services.message.receipts import Receipts
from xinyu_services.message.room_messages import RoomMessages
from xinyu_services.message.scheduled import ScheduledMessages
from xinyu_services.message.scheduled_model import Scheduled
from xinyu_services.message.scheduled_store import ScheduledStore
from xinyu_services.message.store import MessageStore
from xinyu_services.message.talk_access import TalkAccess
from xinyu_services.message.typing_limit import TypingLimit

T = TypeVar("T")
MAX_HIDDEN_AT_ONCE: Final = 200
# Members in one change: what a transaction writes, and so what a page of changes can always hold.
MAX_ENTRIES: Final = 1_000
MEMBERS_PAGE: Final = 5_000
ROSTER_PAGE: Final = 20_000
# Who left is told to gateways for messages that were sent before he did and are pushed after it.
LEAVERS_KEPT_FOR: Final = 1_000
# Rows that the talk room is asked for in one call.
SESSIONS_AT_ONCE: Final = 500


class TalkIds(Protocol):
    """Where a new talk's number comes from."""

    async def take(self) -> int: ...


class People(Protocol):
    """What this room asks about users."""

    async def exists(self, user_id: int) -> bool: ...


@dataclass(slots=True)
class NewMessage:
    """What a user wants to send. `body` is a JSON text; `asked` is what a repeat is compared by where that is another.
    `sources`: what is merged in it."""

    key: TalkKey
    user_id: int
    msg_type: int
    body: str
    quote_id: str
    msg_id: str
    asked: str = ""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """The group room's word on one member."""

    user_id: int
    state: int
    role: int
    muted_until_ms: int
    revision: int


@dataclass(frozen=True, slots=True)
class GroupProfile:
    """The group room's word on the group itself. `revision` 0 = it is not spoken of."""

    revision: int
    mute_all: bool
    is_dismissed: bool
    slow_mode_s: int
    mention_all: int


@dataclass(frozen=True, slots=True)
class TalkCursor:
    """What a device holds of a talk. `named` is False for one that it learns of on this page of its sync: answered
    even if there is nothing in it yet."""

    talk_id: int
    sequence: int
    change: int
    own: int
    named: bool = True


@dataclass(slots=True)
class TalkAnswer:
    """A sync's answer about one talk (contract: ws-events, `sync`)."""

    talk: Talk
    member: Member
    cursor: TalkCursor
    base: int
    records: list[StoredMessage]
    voids: list[int]
    stale: bool
    with_profile: bool
    peer_read: int | None = None  # of a pair whose two tell each other what they have read


@dataclass(frozen=True, slots=True)
class SyncPage:
    """Answers about talks. `more`: the page was cut; `cut_at_talk_id`: the first talk that the device did not name and
    that was cut off (0 = none), so that its session row must not be told on this page either."""

    answers: list[TalkAnswer]
    more: bool
    cut_at_talk_id: int


@dataclass(slots=True)
class Head:
    """A talk as one user's conversation list needs it. `last` is the newest message that he may see."""

    talk: Talk
    member: Member
    last: StoredMessage | None
    digest: str
    last_at_ms: int


class MessageService:
    """Constructed by the composition root; `start` and `close` belong to its dispatcher."""

    def __init__(
        self,
        database: Database,
        store: MessageStore,
        dispatcher: Dispatcher,
        talk_ids: TalkIds,
        people: People,
        clock: Clock,
        settings: MessageSettings,
        lanes: int = 1,
    ) -> None:
        self._database = database
        self._store = store
        self._dispatcher = dispatcher
        self._ids = talk_ids
        self._people = people
        self._clock = clock
        self._settings = settings
        self._typing_limit = TypingLimit(clock)
        self._known_talks: dict[TalkKey, int] = {}
        self._known_keys: dict[int, TalkKey] = {}
        access = self._access = TalkAccess(database, store, dispatcher, self._known_talks, lanes)
        self._talk_by_key, self._member_of, self._pick = access.talk_by_key, access.member_of, access.pick
        self._write = access.write
        self.forwarding = Forwarding(database, store, access, clock)
        self.reacting = Reacting(database, store, access, clock, settings)
        self.pinning = Pinning(database, store, access, clock, settings)
        self.editing = Editing(database, store, access, clock, settings)
        self.figures = LaneFigures()
        self._receipt_store = ReceiptStore(store.dialect)
        self.receipts = Receipts(database, self._receipt_store, self._find_message, settings)
        self.scheduled = ScheduledMessages(
            database,
            ScheduledStore(store.dialect),
            dispatcher,
            clock,
            self.open_talk,
            self._send_scheduled,
            require_friendship=settings.require_friendship,
        )
        self.expiry = Expiry(
            database,
            store,
            ExpiryStore(store.dialect),
            clock,
            self._member_of,
            self._say_line,
            self._key_of,
            self._write,
            require_friendship=settings.require_friendship,
        )
        self._lanes = [
            Lane(n, database, store, dispatcher, clock, settings.require_friendship, self._known_talks, self.figures)
            for n in range(lanes)
        ]
        self.room_messages = RoomMessages(store, clock, self._talk_by_key, self._append, self._write)

    # ---------------------------------------------------------------- sending and reading

    async def send(self, messages: Sequence[NewMessage], deadline_s: float) -> list[Sent | XinYuError]:
        """Hands `messages` in together, in order; answers each as it is stored (`Sent.message` is None when the two are
        no friends) or with its refusal: SELF, UNKNOWN_USER, UNKNOWN_GROUP, NOT_MEMBER, MUTED, BLOCKED, DISMISSED,
        MENTION_ALL_REFUSED, SLOW_MODE, CONFLICT, UNKNOWN_MESSAGE."""
        results = await self._submit_sends(messages, deadline_s)
        to_strangers: dict[int, Sent] = {}
        for number, result in enumerate(results):
            if isinstance(result, XinYuError):
                if result.code is UNKNOWN_TALK:
                    results[number] = XinYuError(UNKNOWN_GROUP)
            elif result.message is None and messages[number].key not in self._known_talks:
                to_strangers[number] = result
        if to_strangers:
            answers = await asyncio.gather(
                *(self._send_to_a_stranger(messages[n], sent, deadline_s) for n, sent in to_strangers.items())
            )
            for number, answer in zip(to_strangers, answers, strict=True):
                results[number] = answer
        return results

    async def _send_scheduled(self, due: Sequence[Scheduled], deadline_s: float) -> list[Sent | XinYuError]:
        keys = [TalkKey.of(s.user_id, s.talk_mode, s.to_from_id) for s in due]
        messages = [
            NewMessage(key, s.user_id, s.msg_type, s.body, s.quote_id, s.msg_id)
            for key, s in zip(keys, due, strict=True)
        ]
        return await self.send(messages, deadline_s)

    async def _submit_sends(self, messages: Sequence[NewMessage], deadline_s: float) -> list[Sent | XinYuError]:
        answers = Answers(len(messages))
        for number, message in enumerate(messages):
            key = message.key
            if key.mode == TalkMode.SINGLE and key.low == key.high:
                answers.settle(number, XinYuError(SELF))
                continue
            self._lane(key).submit(
                Send(
                    key,
                    message.user_id,
                    message.msg_id,
                    message.msg_type,
                    message.body,
                    message.quote_id,
                    request_hash(message.msg_type, (message.asked or message.body).encode(), message.quote_id),
                    deadline_s,
                    answers,
                    number,
                    sources=message.sources,
                )
            )
        return await answers.done

    async def _send_to_a_stranger(self, message: NewMessage, unsent: Sent, deadline_s: float) -> Sent | XinYuError:
        """There is no talk of the two: perhaps there is no such user, perhaps none is needed."""
        try:
            peer_id = message.key.peer_of(message.user_id)
            if not await self._people.exists(peer_id):
                return XinYuError(UNKNOWN_USER)
            if self._settings.require_friendship:
                return unsent
            await self.open_talk(message.user_id, message.key.mode, peer_id)
            return (await self._submit_sends([message], deadline_s))[0]
        except XinYuError as refusal:
            return refusal

    async def read(
        self, user_id: int, talk_id: int, target: tuple[int, int] | None, sequence: int | None, deadline_s: float
    ) -> tuple[Talk, Member]:
        """Moves the read cursor forward, never back and never past the last message. A talk that does not exist yet
        has nothing to read: UNKNOWN_TALK."""
        key = None
        if target is not None:
            key = TalkKey.of(user_id, *target)
        else:
            # The lane of a talk goes by its key: found once, remembered for ever.
            key = await self._key_of(talk_id)
        answers = Answers(1)
        self._lane(key).submit(Read(key, user_id, sequence, deadline_s, answers, talk_id=talk_id))
        (result,) = await answers.done
        if isinstance(result, XinYuError):
            raise result
        answer: tuple[Talk, Member] = result
        return answer

    def _lane(self, key: TalkKey) -> Lane:
        return self._lanes[self._access.lane_of(key)]

    async def _key_of(self, talk_id: int) -> TalkKey:
        if len(self._lanes) == 1:
            return TalkKey(0, talk_id)  # one lane: any key leads to it
        key = self._known_keys.get(talk_id)
        if key is None:
            talks = await query(self._database, lambda connection: self._store.load_talks(connection, [talk_id]))
            if talk_id not in talks:
                raise XinYuError(UNKNOWN_TALK)
            if len(self._known_keys) >= MAX_KNOWN_TALKS:
                self._known_keys.clear()
            key = self._known_keys[talk_id] = talks[talk_id].key
        return key

    # ---------------------------------------------------------------- talks and belonging

    async def open_talk(self, user_id: int, mode: int, to_from_id: int) -> tuple[Talk, Member | None]:
        """The talk of a pair, made when there is none (nobody may send in it before the contact room says so), or that
        of a group. Raises SELF, UNKNOWN_USER, UNKNOWN_GROUP."""
        if mode == TalkMode.SINGLE and to_from_id == user_id:
            raise XinYuError(SELF)
        key = TalkKey.of(user_id, mode, to_from_id)
        found = await query(self._database, lambda connection: self._find(connection, key, user_id))
        if found is not None:
            return found
        if mode == TalkMode.GROUP:
            raise XinYuError(UNKNOWN_GROUP)
        if not await self._people.exists(to_from_id):
            raise XinYuError(UNKNOWN_USER)
        talk_id = await self._ids.take()

        def work(connection: Connection, events: list[Event]) -> tuple[Talk, Member]:
            existing = self._find(connection, key, user_id)
            if existing is not None and existing[1] is not None:
                return existing[0], existing[1]
            talk = self._store.insert_talk(connection, talk_id, key)
            members = self._new_pair(talk, MaySend.NOT_FRIEND, MaySend.NOT_FRIEND)
            self._store.save_members(connection, members)
            # Neither has been spoken to yet: hidden until the first message, or until session-create.
            events.append(_sessions_event(talk, [(m.user_id, 0) for m in members], hidden_sequence=0))
            return talk, next(m for m in members if m.user_id == user_id)

        return await self._write(key, work, wait_for_commands=True)

    def _find(self, connection: Connection, key: TalkKey, user_id: int) -> tuple[Talk, Member | None] | None:
        talk = self._talk_by_key(connection, key)
        if talk is None:
            return None
        return talk, self._store.load_members(connection, [(talk.talk_id, user_id)]).get((talk.talk_id, user_id))

    def _new_pair(self, talk: Talk, low_may_send: int, high_may_send: int) -> list[Member]:
        return [
            new_member(talk, user_id, Role.MEMBER, MemberState.IN, 0, may_send=may_send)
            for user_id, may_send in ((talk.key.low, low_may_send), (talk.key.high, high_may_send))
        ]

    async def change_pair(
        self,
        low: int,
        high: int,
        low_may_send: int,
        high_may_send: int,
        revision: int,
        greeting: SystemMessage | None,
        *,
        keeps_sessions: bool = False,
    ) -> Talk:
        """The contact room's word on a pair. A revision that is not higher than the stored one changes nothing. Both
        conversation lists show the talk, unless they are to stay as they are."""
        key = TalkKey(TalkMode.SINGLE, low, high)
        talk_id = await self._ids.take() if not await self._exists(key) else 0
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> Talk:
            talk = self._talk_by_key(connection, key, lock=True)
            made = talk is None
            if talk is None:
                talk = self._store.insert_talk(connection, talk_id, key)
                members = self._new_pair(talk, low_may_send, high_may_send)
            else:
                pairs = [(talk.talk_id, low), (talk.talk_id, high)]
                rows = self._store.load_members(connection, pairs)
                members = [rows[pair] for pair in pairs]
                if revision > talk.pair_revision:
                    for member, may_send in zip(members, (low_may_send, high_may_send), strict=True):
                        member.may_send = may_send
            if made or revision > talk.pair_revision:
                talk.pair_revision = revision
                if greeting is not None:
                    self._append(connection, talk, {m.user_id: m for m in members}, greeting, now_ms, events)
                self._store.save_members(connection, members)
                self._store.save_talk(connection, talk)
            # Sessions even for a repeat: the first try may have died before it told the talk room.
            if keeps_sessions:
                events.insert(0, _sessions_event(talk, [(low, 0), (high, 0)], hidden_sequence=0))
            else:
                events.insert(0, _sessions_event(talk, [(low, revision), (high, revision)], hidden_sequence=-1))
            return talk

        return await self._write(key, work, wait_for_commands=True)

    async def change_roster(
        self,
        group_id: int,
        entries: Sequence[RosterEntry],
        profile: GroupProfile,
        message: SystemMessage | None,
        message_first: bool,
    ) -> Talk:
        """The group room's word on a group. Entries whose revision is not higher than the stored one change nothing: a
        late repeat of "remove" after "add" does no harm. Raises INVALID past MAX_ENTRIES."""
        if len(entries) > MAX_ENTRIES:
            raise XinYuError(INVALID, f"More than {MAX_ENTRIES} members at once.")
        key = TalkKey(TalkMode.GROUP, group_id)
        talk_id = await self._ids.take() if not await self._exists(key) else 0
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> Talk:
            talk = self._talk_by_key(connection, key, lock=True)
            if talk is None:
                talk = self._store.insert_talk(connection, talk_id, key)
            wanted = [(talk.talk_id, entry.user_id) for entry in entries]
            if message is not None:
                wanted.append((talk.talk_id, message.sender_id))
            rows = self._store.load_members(connection, dict.fromkeys(wanted)) if wanted else {}
            members = {user_id: member for (_, user_id), member in rows.items()}
            fresh = [e for e in entries if e.user_id not in members or e.revision > members[e.user_id].revision]
            joined: list[tuple[int, int]] = []
            is_newer = profile.revision > talk.profile_revision
            touched: set[int] = set()
            if fresh or is_newer:
                if message is not None and message_first:
                    self._append(connection, talk, members, message, now_ms, events)
                talk.last_change += 1
                if fresh:
                    talk.roster_change = talk.last_change
                for entry in fresh:
                    old = members.get(entry.user_id)
                    was_in = old is not None and old.state == MemberState.IN
                    talk.member_count += (entry.state == MemberState.IN) - was_in
                    if entry.state == MemberState.IN and not was_in:
                        joined.append((entry.user_id, entry.revision))
                    members[entry.user_id] = apply_entry(talk, old, entry)
                    touched.add(entry.user_id)
                if is_newer:
                    apply_profile(talk, profile)
                events.append(Event("r", (talk.talk_id, talk.last_change, sorted(touched), is_newer), (talk.facts,)))
                if message is not None and not message_first:
                    self._append(connection, talk, members, message, now_ms, events)
                self._store.save_members(connection, list(members.values()))
                self._store.save_talk(connection, talk)
            repeated = [
                (e.user_id, e.revision)
                for e in entries
                if e.state == MemberState.IN and e.user_id not in touched and members[e.user_id].revision == e.revision
            ]
            seeds = joined + repeated
            for start in range(0, len(seeds), SESSIONS_AT_ONCE):
                chunk = seeds[start : start + SESSIONS_AT_ONCE]
                events.append(_sessions_event(talk, chunk, hidden_sequence=-1))
            return talk

        return await self._write(key, work, wait_for_commands=True)

    def _append(
        self,
        connection: Connection,
        talk: Talk,
        members: dict[int, Member],
        system: SystemMessage,
        now_ms: int,
        events: list[Event],
    ) -> None:
        """A system message's row, unless a former try wrote it."""
        if self._store.find_sent(connection, [(system.msg_id, talk.talk_id, system.sender_id)]):
            return
        member = members.get(system.sender_id)
        message = append_message(
            talk,
            member if member is not None and member.state == MemberState.IN else None,
            system.msg_id,
            system.sender_id,
            system.msg_type,
            system.body,
            "{}",
            now_ms,
        )
        self._store.insert_messages(connection, [(message, request_hash(system.msg_type, system.body.encode(), ""))])
        events.append(message_event(talk, message))
        events += webhook_events([talk])

    def _say_line(
        self, connection: Connection, talk: Talk, member: Member, msg_type: int, body: str, events: list[Event]
    ) -> None:
        line = SystemMessage(new_msg_id(), member.user_id, msg_type, body)
        self._append(connection, talk, {member.user_id: member}, line, self._clock.now_ms(), events)

    async def _exists(self, key: TalkKey) -> bool:
        if key in self._known_talks:
            return True
        return key in await query(self._database, lambda connection: self._store.find_talks(connection, [key]))

    # ---------------------------------------------------------------- recall, hide, clear

    async def recall(self, user_id: int, mode: int, to_from_id: int, msg_id: str, user_name: str = "") -> None:
        """Takes a message back for everybody: it keeps its number and stays as an emptied record. Where it was another
        member's, a system line says who did it. Repeats change nothing. Raises UNKNOWN_MESSAGE, REVOKE_TOO_LATE,
        FORBIDDEN, NOT_MEMBER."""
        key = TalkKey.of(user_id, mode, to_from_id)
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> None:
            talk, member = self._member_of(connection, key, user_id, lock=True)
            if member.state != MemberState.IN:
                raise XinYuError(NOT_MEMBER)
            message = self._pick(connection, talk, member, [msg_id]).get(msg_id)
            if message is None:
                raise XinYuError(UNKNOWN_MESSAGE)
            if message.recalled_by:
                return
            if not may_recall(message, member, now_ms, self._settings.revoke_window_s):
                raise XinYuError(REVOKE_TOO_LATE if message.sender_id == user_id else FORBIDDEN)
            talk.last_change += 1
            self._store.terms.reindex(connection, message, replace(message, recalled_by=user_id))
            message.recalled_by = user_id
            self._store.save_change(connection, talk.talk_id, message.sequence, talk.last_change, recalled_by=user_id)
            if message.is_pinned:
                message.is_pinned = False
                self._store.unpin(connection, message, talk.last_change)
            if message.sequence == talk.last_sequence:
                talk.last_digest = message.digest
            lines: list[Event] = []
            if message.sender_id != user_id:
                line = recall_line(user_id, user_name)
                self._append(connection, talk, {user_id: member}, line, now_ms, lines)
                self._store.upsert_cursors(connection, [member], ("sent_sequence",))
            self._store.save_talk(connection, talk)
            events.append(
                Event("c", (talk.talk_id, talk.last_change, message.sequence), (talk.facts, message, talk.last_digest))
            )
            events += lines

        await self._write(key, work)

    async def hide(self, user_id: int, mode: int, to_from_id: int, msg_ids: Sequence[str]) -> None:
        """Hides messages for oneself only; ids that are unknown or hidden already are passed over."""
        if len(msg_ids) > MAX_HIDDEN_AT_ONCE:
            raise XinYuError(INVALID, f"At most {MAX_HIDDEN_AT_ONCE} messages at once.")
        key = TalkKey.of(user_id, mode, to_from_id)

        def work(connection: Connection, events: list[Event]) -> None:
            talk, member = self._member_of(connection, key, user_id, lock=True)
            sequences = [m.sequence for m in self._pick(connection, talk, member, msg_ids).values()]
            hidden = self._store.hidden_of(connection, user_id, [(talk.talk_id, s) for s in sequences])
            sequences = sorted(s for s in sequences if (talk.talk_id, s) not in hidden)
            if not sequences:
                return
            member.own += 1
            self._store.hide(connection, member, sequences)
            self._store.upsert_cursors(connection, [member], ("own",))
            events.append(Event("o", (talk.talk_id, user_id, member.own, sequences, True), (talk, member)))

        await self._write(key, work)

    async def clear(self, user_id: int, mode: int, to_from_id: int, sequence: int | None) -> tuple[Talk, Member]:
        """Forgets, for oneself, all records up to `sequence` (None = all there are)."""
        key = TalkKey.of(user_id, mode, to_from_id)

        def work(connection: Connection, events: list[Event]) -> tuple[Talk, Member]:
            talk, member = self._member_of(connection, key, user_id, lock=True)
            last = member.visible_to(talk)
            cleared = last if sequence is None else min(sequence, last)
            if cleared > member.cleared_sequence:
                member.cleared_sequence = cleared
                member.own += 1
                self._store.upsert_cursors(connection, [member], ("cleared_sequence", "own"))
                events.append(Event("o", (talk.talk_id, user_id, member.own, [], True), (talk, member)))
            return talk, member

        return await self._write(key, work)

    def _find_message(
        self, connection: Connection, user_id: int, mode: int, to_from_id: int, msg_id: str
    ) -> tuple[Talk, Member, StoredMessage]:
        talk, member = self._member_of(connection, TalkKey.of(user_id, mode, to_from_id), user_id)
        message = self._pick(connection, talk, member, [msg_id]).get(msg_id)
        if message is None:
            raise XinYuError(UNKNOWN_MESSAGE)
        return talk, member, message

    async def find_file(self, user_id: int, msg_id: str) -> StoredMessage:
        """A file message by its msg_id alone, among those that the user may read in his talks or through a forward that
        reached him: his own, else the earliest. Raises UNKNOWN_FILE."""

        def work(connection: Connection) -> StoredMessage | None:
            store = self._store
            keys = store.find_files(connection, msg_id)
            members = store.load_members(connection, [(talk_id, user_id) for talk_id, _ in keys])
            keys = [key for key in keys if (key[0], user_id) in members]
            talks = store.load_talks(connection, {talk_id for talk_id, _ in keys})
            hidden = store.hidden_of(connection, user_id, keys)
            seen = [
                message
                for key, message in store.load_messages(connection, [key for key in keys if key not in hidden]).items()
                if _sees(members[key[0], user_id], talks[key[0]], message)
            ]
            if not seen:
                places = self.forwarding.reached(connection, user_id, store.find_forwards(connection, [msg_id]))
                seen = [
                    message
                    for message in store.load_messages(connection, sorted(places)).values()
                    if message.msg_type == MsgType.FILE and not message.recalled_by and not message.expired
                ]
            return min(seen, key=lambda m: (m.sender_id != user_id, m.sent_at_ms, m.talk_id), default=None)

        message = await query(self._database, work)
        if message is None:
            raise XinYuError(UNKNOWN_FILE)
        return message

    # ---------------------------------------------------------------- pages

    async def load_records(
        self, user_id: int, mode: int, to_from_id: int, cursor: int, limit: int, msg_type: int = 0
    ) -> list[StoredMessage]:
        """Newest first, below `cursor` (0 = from the newest). A pair that never talked has none."""
        key = TalkKey.of(user_id, mode, to_from_id)

        def work(connection: Connection) -> list[StoredMessage]:
            try:
                talk, member = self._member_of(connection, key, user_id)
            except XinYuError as refusal:
                if refusal.code is UNKNOWN_TALK:
                    return []
                raise
            high = member.visible_to(talk)
            if cursor:
                high = min(high, cursor - 1)
            page = self._store.load_page(
                connection, talk.talk_id, user_id, member.visible_from(talk), high, limit, msg_type
            )
            see_own_reactions(self._store, connection, user_id, page)
            return page

        return await query(self._database, work)

    async def load_range(
        self, user_id: int, talk_id: int, lowest: int, highest: int
    ) -> tuple[Talk, Member, list[StoredMessage], list[int]]:
        """Every number of lowest..highest that exists for the member is among the records or the voids."""
        if not 1 <= lowest <= highest or highest - lowest >= RANGE_LIMIT:
            raise XinYuError(INVALID, f"A range has 1 to {RANGE_LIMIT} numbers, from 1 upwards.")

        def work(connection: Connection) -> tuple[Talk, Member, list[StoredMessage], list[int]]:
            talk, member = self._by_id(connection, talk_id, user_id)
            last = min(highest, member.visible_to(talk))
            first = max(lowest, member.visible_from(talk))
            records = (
                self._store.load_windows(connection, user_id, [(talk_id, first, last)]).get(talk_id, [])
                if first <= last
                else []
            )
            see_own_reactions(self._store, connection, user_id, records)
            held = {m.sequence for m in records}
            return talk, member, records, [n for n in range(lowest, last + 1) if n not in held]

        return await query(self._database, work)

    async def load_members(self, user_id: int, talk_id: int, since_change: int) -> tuple[int, list[Member]]:
        """(as of which change, the roster or what changed in it); for members only. A page ends at a whole change: the
        rest is asked for from there."""

        def work(connection: Connection) -> tuple[int, list[Member]]:
            talk, member = self._by_id(connection, talk_id, user_id)
            if member.state != MemberState.IN:
                raise XinYuError(NOT_MEMBER)
            members, cut_at = self._store.load_roster_page(connection, talk_id, since_change, MEMBERS_PAGE)
            return talk.last_change if cut_at is None else cut_at, members

        return await query(self._database, work)

    async def load_roster(
        self, talk_id: int, since_change: int, after_user_id: int
    ) -> tuple[Talk, list[tuple[int, int, int | None]]]:
        """A page of members' windows (at most ROSTER_PAGE; a full one may be followed by another), with the head as it
        was read before: for the gateways. Raises UNKNOWN_TALK."""

        def work(connection: Connection) -> tuple[Talk, list[tuple[int, int, int | None]]]:
            talk = self._store.load_talks(connection, [talk_id]).get(talk_id)
            if talk is None:
                raise XinYuError(UNKNOWN_TALK)
            left_from = talk.last_sequence - LEAVERS_KEPT_FOR
            return talk, self._store.load_windows_of_members(
                connection, talk_id, since_change, left_from, after_user_id, ROSTER_PAGE
            )

        return await query(self._database, work)

    def _by_id(self, connection: Connection, talk_id: int, user_id: int) -> tuple[Talk, Member]:
        talk = self._store.load_talks(connection, [talk_id]).get(talk_id)
        if talk is None:
            raise XinYuError(UNKNOWN_TALK)
        member = self._store.load_members(connection, [(talk_id, user_id)]).get((talk_id, user_id))
        if member is None:
            raise XinYuError(NOT_MEMBER)
        return talk, member

    async def load_heads(self, user_id: int, talk_ids: Sequence[int], targets: Sequence[tuple[int, int]]) -> list[Head]:
        """Heads of the named talks in which the user has a row."""
        keys = [TalkKey.of(user_id, mode, to_from_id) for mode, to_from_id in targets]

        def work(connection: Connection) -> list[Head]:
            ids = [*talk_ids, *(self._store.find_talks(connection, keys).values() if keys else ())]
            return self.heads(connection, user_id, ids)

        return await query(self._database, work)

    def heads(self, connection: Connection, user_id: int, talk_ids: Sequence[int]) -> list[Head]:
        """The same inside a transaction: three statements, and one more for talks whose last message he may not see."""
        talks = self._store.load_talks(connection, talk_ids)
        members = self._store.load_members(connection, [(talk_id, user_id) for talk_id in talks])
        found: list[Head] = []
        now_ms = self._clock.now_ms()
        windows: dict[int, tuple[int, int]] = {}
        hidden = self._store.hidden_of(connection, user_id, [(t.talk_id, t.last_sequence) for t in talks.values()])
        for talk_id, talk in talks.items():
            member = members.get((talk_id, user_id))
            if member is None:
                continue
            low, high = member.visible_from(talk), member.visible_to(talk)
            is_gone = talk.is_last_gone(now_ms)
            if high != talk.last_sequence or low > high or is_gone or (talk_id, talk.last_sequence) in hidden:
                windows[talk_id] = (low, high)
                found.append(Head(talk, member, None, "", 0))
            else:
                found.append(Head(talk, member, None, talk.last_digest, talk.last_at_ms if high else 0))
        if windows:
            newest = self._store.newest_visible(connection, user_id, windows)
            for head in found:
                if head.talk.talk_id in windows:
                    head.last = newest.get(head.talk.talk_id)
                    if head.last is not None:
                        head.digest, head.last_at_ms = head.last.digest, head.last.sent_at_ms
        return found

    # ---------------------------------------------------------------- catching up

    async def sync(self, user_id: int, cursors: Sequence[TalkCursor], talk_limit: int, record_limit: int) -> SyncPage:
        """This room's part of a device's sync: an answer for each talk that differs from its cursors, in one snapshot
        and at most eight statements (for up to 400 answers). Talks that the device learns of now come first, in the
        order given; the page is cut where it has `talk_limit` talks or more than `record_limit` records."""

        def work(connection: Connection) -> SyncPage:
            by_id = {c.talk_id: c for c in cursors}
            talks = self._store.load_talks(connection, by_id)
            members = self._store.load_members(connection, [(talk_id, user_id) for talk_id in talks])
            answers: list[TalkAnswer] = []
            unanswered: TalkAnswer | None = None
            for cursor in sorted(by_id.values(), key=lambda c: (c.named, c.talk_id if c.named else 0)):
                talk, member = talks.get(cursor.talk_id), members.get((cursor.talk_id, user_id))
                if talk is None or member is None:
                    continue
                held = (cursor.sequence, cursor.change, cursor.own)
                if cursor.named and held == (member.visible_to(talk), talk.last_change, member.own):
                    continue
                answer = TalkAnswer(talk, member, cursor, 0, [], [], False, False)
                if len(answers) >= talk_limit:
                    unanswered = answer
                    break
                answers.append(answer)
            below = self._below(connection, user_id, answers)
            records = 0
            for fit, answer in enumerate(answers):
                records += len(below[answer.talk.talk_id]) + answer.member.visible_to(answer.talk) - answer.base
                if fit and records > record_limit:
                    unanswered = answer
                    del answers[fit:]
                    break
            self._fill(connection, user_id, answers, below)
            self._add_receipts(connection, user_id, answers)
            cut_at = unanswered.talk.talk_id if unanswered is not None and not unanswered.cursor.named else 0
            return SyncPage(answers, more=unanswered is not None, cut_at_talk_id=cut_at)

        return await query(self._database, work)

    def _below(self, connection: Connection, user_id: int, answers: Sequence[TalkAnswer]) -> dict[int, list[int]]:
        """What changed or was hidden, since the device's cursors, of what it holds: talk_id -> sequences, ascending.
        Sets each answer's `base`, and `stale` where there is too much of it (data.md, "Catching up"). What lies outside
        the member's window does not count: the device forgets it by `from`."""
        changes: list[tuple[int, int, int, int]] = []
        hides: list[tuple[int, int, int, int]] = []
        for a in answers:
            low, held = a.member.visible_from(a.talk), min(a.cursor.sequence, a.member.visible_to(a.talk))
            if low <= held and a.talk.last_change > a.cursor.change:
                changes.append((a.talk.talk_id, a.cursor.change, low, held))
            if low <= held and a.member.own > a.cursor.own:
                hides.append((a.talk.talk_id, a.cursor.own, low, held))
        changed = self._store.load_changed(connection, changes, SYNC_CHANGES + 1)
        hidden = self._store.load_hidden(connection, user_id, hides, SYNC_CHANGES + 1)
        below: dict[int, list[int]] = {}
        for a in answers:
            talk_id, low, last = a.talk.talk_id, a.member.visible_from(a.talk), a.member.visible_to(a.talk)
            touched = {*changed.get(talk_id, ()), *hidden.get(talk_id, ())}
            a.stale = len(touched) > SYNC_CHANGES
            a.base = max(0 if a.stale else a.cursor.sequence, low - 1, last - SYNC_NEWEST_RECORDS)
            below[talk_id] = [] if a.stale else sorted(touched)
        return below

    def _fill(
        self, connection: Connection, user_id: int, answers: Sequence[TalkAnswer], below: dict[int, list[int]]
    ) -> None:
        """Records and voids of every answer: above `base` each number is in one of the two, and so is each of
        `below`, as it is now."""
        windows = [
            (a.talk.talk_id, a.base + 1, last) for a in answers if a.base < (last := a.member.visible_to(a.talk))
        ]
        newest = self._store.load_windows(connection, user_id, windows)
        keys = [(a.talk.talk_id, sequence) for a in answers for sequence in below[a.talk.talk_id]]
        messages = self._store.load_messages(connection, keys)
        hidden = self._store.hidden_of(connection, user_id, keys)
        shown = [*messages.values(), *(message for page in newest.values() for message in page)]
        see_own_reactions(self._store, connection, user_id, shown)
        for a in answers:
            talk_id = a.talk.talk_id
            for sequence in below[talk_id]:
                message = messages.get((talk_id, sequence))
                if message is None or message.expired or (talk_id, sequence) in hidden:
                    a.voids.append(sequence)
                else:
                    a.records.append(message)
            records = newest.get(talk_id, [])
            held = {m.sequence for m in records}
            a.records += records
            a.voids += [n for n in range(a.base + 1, a.member.visible_to(a.talk) + 1) if n not in held]
            cursor = a.cursor
            # Who left hears no more of it, but a device that starts from nothing must be able to name the talk.
            a.with_profile = (cursor.sequence, cursor.change, cursor.own) == (0, 0, 0) or (
                a.member.state == MemberState.IN and max(a.talk.profile_change, a.member.change) > cursor.change
            )

    def _add_receipts(self, connection: Connection, user_id: int, answers: Sequence[TalkAnswer]) -> None:
        keys = {a.talk.talk_id: a.talk.key for a in answers if a.talk.key.mode == TalkMode.SINGLE}
        reads = self._receipt_store.load_pairs(connection, ((i, key.low, key.high) for i, key in keys.items()))
        for answer in answers:
            if answer.talk.talk_id in reads:
                answer.peer_read = reads[answer.talk.talk_id].get(answer.talk.key.peer_of(user_id))

    # ---------------------------------------------------------------- typing

    async def typing_talk(self, user_id: int, mode: int, to_from_id: int) -> int:
        """The talk that a typing event belongs to, where its peer is to hear of it: a pair in which one may send, and
        not too soon after the last one; 0 = nobody hears."""
        if mode != TalkMode.SINGLE or to_from_id == user_id or not self._typing_limit.allows(user_id, to_from_id):
            return 0
        key = TalkKey.of(user_id, mode, to_from_id)
        found = await query(self._database, lambda connection: self._find(connection, key, user_id))
        if found is None or found[1] is None or found[1].state != MemberState.IN:
            return 0
        if found[1].may_send == MaySend.BLOCKED or (
            found[1].may_send == MaySend.NOT_FRIEND and self._settings.require_friendship
        ):
            return 0
        return found[0].talk_id


def new_member(
    talk: Talk, user_id: int, role: int, state: int, revision: int, *, may_send: int = MaySend.YES
) -> Member:
    """A row for someone who sees what comes from now on."""
    return Member(
        talk.talk_id,
        user_id,
        role,
        state,
        may_send,
        0,
        talk.last_sequence + 1,
        None,
        0,
        0,
        0,
        0,
        talk.last_change,
        revision,
    )


def apply_entry(talk: Talk, old: Member | None, entry: RosterEntry) -> Member:
    """A member's row after the group room's word, at the talk's current `last_change`. Windows open after the last
    message and close with it; rows are never deleted, and `own` goes on after a return."""
    member = old if old is not None else new_member(talk, entry.user_id, entry.role, MemberState.LEFT, 0)
    if old is None and entry.state != MemberState.IN:
        member.left_sequence = talk.last_sequence
    if entry.state == MemberState.IN and (old is None or old.state != MemberState.IN):
        member.joined_sequence, member.left_sequence = talk.last_sequence + 1, None
    elif entry.state != MemberState.IN and old is not None and old.state == MemberState.IN:
        member.left_sequence = talk.last_sequence
    member.state, member.role = entry.state, entry.role
    member.muted_until_ms, member.revision, member.change = entry.muted_until_ms, entry.revision, talk.last_change
    return member


def apply_profile(talk: Talk, profile: GroupProfile) -> None:
    """A talk's head after the group room's word, at its current `last_change`."""
    talk.profile_revision, talk.profile_change = profile.revision, talk.last_change
    talk.state = TalkState.DISMISSED if profile.is_dismissed else TalkState.ALIVE
    talk.mute_all, talk.slow_mode_s, talk.mention_all = int(profile.mute_all), profile.slow_mode_s, profile.mention_all


def recall_line(user_id: int, user_name: str) -> SystemMessage:
    """What the group reads when its owner or an admin has taken another's message back."""
    body = compact_json({"owner_id": user_id, "owner_name": user_name})
    return SystemMessage(new_msg_id(), user_id, MsgType.RECALLED_BY_ADMIN, body)


def _sessions_event(talk: Talk, members: Sequence[tuple[int, int]], *, hidden_sequence: int) -> Event:
    """`s`: the command to the talk room to have session rows for (user_id, revision) members."""
    seeds = [[user_id, talk.key.peer_of(user_id), revision, hidden_sequence] for user_id, revision in members]
    return Event("s", (talk.talk_id, talk.key.mode, seeds))


def _sees(member: Member, talk: Talk, message: StoredMessage) -> bool:
    is_within = member.visible_from(talk) <= message.sequence <= member.visible_to(talk)
    return is_within and not message.expired and not message.recalled_by
