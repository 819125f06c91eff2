"""Use cases of the contact room.

A request is made, then agreed or declined by the asked one alone. Agreeing writes, in one transaction, the answered
request, both contact rows, the friendship's revision and the outbox; the talk, its session rows and the greeting are
the message room's, told by a command of that outbox which is awaited before the answer. A request to somebody whose own
request waits here agrees to that one. All of it may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import ALREADY_HANDLED, FORBIDDEN, INVALID, SELF, UNKNOWN_APPLICATION, XinYuError
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.contact.events import ACCEPTED, APPLIED, APPLY, CONTACT, NOBODY, PAIR, ContactEvents
from xinyu_services.contact.model import (
    APPLY_REMARK_CHARACTERS,
    MAX_OPEN_APPLIES,
    REMARK_CHARACTERS,
    Apply,
    ApplyState,
    Contact,
    ContactState,
    Detail,
    Person,
    Relation,
    remark_problem,
    without_private,
)
from xinyu_services.contact.ports import Ids, People, Presence, Talks
from xinyu_services.contact.store import ContactStore

# A conversation list asks about all its peers at once.
MAX_USERS: Final = 10_000
MAX_ROWS: Final = 1_000
TOMBSTONE_KEEP_MS: Final = 180 * 86_400_000
PURGE_LIMIT: Final = 500
# Friends whose rows one transaction refreshes.
REFRESH_PAGE: Final = 100


class ContactService:
    """`events` is what `dispatcher` was given as its source."""

    def __init__(
        self,
        database: Database,
        store: ContactStore,
        apply_ids: Ids,
        people: People,
        talks: Talks,
        presence: Presence,
        events: ContactEvents,
        dispatcher: Dispatcher,
        clock: Clock,
    ) -> None:
        self._database = database
        self._store = store
        self._apply_ids = apply_ids
        self._people = people
        self._talks = talks
        self._presence = presence
        self._events = events
        self._dispatcher = dispatcher
        self._clock = clock

    # ---------------------------------------------------------------- people

    async def search(self, user_id: int, mobile: str) -> Detail:
        """Whose number it is. Who asks knows the number: it stays in the answer. Raises UNKNOWN_USER."""
        found = await self._detail(user_id, await self._people.find_by_mobile(mobile), online=False)
        return replace(found, person=replace(found.person, mobile=mobile))

    async def detail(self, user_id: int, target_id: int) -> Detail:
        """Raises UNKNOWN_USER."""
        person = await self._people.detail(target_id)
        return await self._detail(user_id, person, online=await self._presence.is_online(target_id))

    async def _detail(self, user_id: int, person: Person, *, online: bool) -> Detail:
        if person.user_id == user_id:
            return Detail(person, Relation.SELF, "", 0, online)
        contact = await query(
            self._database, lambda connection: self._store.contact(connection, user_id, person.user_id)
        )
        if contact is None or contact.state is not ContactState.ALIVE:
            return Detail(without_private(person, Relation.STRANGER), Relation.STRANGER, "", 0, online)
        return Detail(person, Relation.FRIEND, contact.remark, contact.folder_id, online)

    async def friends(self, user_id: int) -> list[tuple[Contact, Person]]:
        """All friends, with their names."""
        contacts = await self.friend_rows(user_id)
        people = await self._people.load(contact.friend_id for contact in contacts)
        return [(contact, people[contact.friend_id]) for contact in contacts if contact.friend_id in people]

    async def friend_rows(self, user_id: int) -> list[Contact]:
        return await query(self._database, lambda connection: self._store.friends(connection, user_id))

    async def friends_among(self, user_id: int, friend_ids: Sequence[int]) -> list[Contact]:
        """Which of some users are friends. Raises INVALID past 10,000."""
        if len(friend_ids) > MAX_USERS:
            raise XinYuError(INVALID, f"More than {MAX_USERS} users at once.")
        return await query(
            self._database, lambda connection: self._store.friends_among(connection, user_id, friend_ids)
        )

    # ---------------------------------------------------------------- requests

    async def create_apply(self, user_id: int, target_id: int, remark: str, context: Context) -> None:
        """A request, unless one is pending or they are friends (nothing changes then); agrees to the other's own
        pending request. Raises SELF, UNKNOWN_USER, INVALID, FORBIDDEN (too many open ones)."""
        if user_id == target_id:
            raise XinYuError(SELF, "You cannot add yourself.")
        if problem := remark_problem(remark, APPLY_REMARK_CHARACTERS):
            raise XinYuError(INVALID, problem)
        await self._people.detail(target_id)
        apply_id = await self._apply_ids.take()
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            self._store.lock_pair(connection, user_id, target_id)
            mine = self._store.contact(connection, user_id, target_id)
            theirs = self._store.contact(connection, target_id, user_id)
            events: list[Event] = []
            if _alive(mine) and _alive(theirs):
                pass
            elif (reverse := self._store.pending_apply(connection, target_id, user_id)) is not None:
                events = self._agree(connection, reverse, "", now_ms)
            elif self._store.pending_apply(connection, user_id, target_id) is None:
                if self._store.open_applies(connection, user_id) >= MAX_OPEN_APPLIES:
                    raise XinYuError(FORBIDDEN, "Too many of your requests have no answer yet.")
                version = self._store.insert_apply(connection, apply_id, target_id, user_id, remark, now_ms)
                events = [Event(APPLY, (target_id, apply_id, version)), Event(APPLIED, (apply_id,))]
            batch.write(connection, events)

        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))

    async def accept_apply(
        self, user_id: int, apply_id: int, remark: str, codec: int, context: Context
    ) -> tuple[int, bytes]:
        """Makes friends of the two; answers (talk_id, the acceptor's Session). A repeat answers the same. Raises
        UNKNOWN_APPLICATION (also for somebody else's), ALREADY_HANDLED, INVALID."""
        if problem := remark_problem(remark, REMARK_CHARACTERS):
            raise XinYuError(INVALID, problem)
        apply = await self._asked(user_id, apply_id)
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> bool:
            self._store.lock_pair(connection, apply.target_id, apply.applicant_id)
            current = self._store.find_apply(connection, apply_id)
            if current is None:
                raise XinYuError(UNKNOWN_APPLICATION)
            if current.state not in (ApplyState.PENDING, ApplyState.AGREED):
                raise XinYuError(ALREADY_HANDLED)
            pending = current.state is ApplyState.PENDING
            batch.write(connection, self._agree(connection, current, remark, now_ms) if pending else [])
            return pending

        agreed_now = await transact(self._database, work)
        done = self._dispatcher.committed(batch)
        if agreed_now:
            await context.wait(done)
        else:
            # The first answer may have been lost before the talk was made; saying it again does no harm.
            await self._events.tell_pair(apply_id)
        return await self._talks.session(user_id, apply.applicant_id, codec)

    async def decline_apply(self, user_id: int, apply_id: int, context: Context) -> None:
        """A repeat changes nothing. Raises UNKNOWN_APPLICATION (also for somebody else's), ALREADY_HANDLED."""
        apply = await self._asked(user_id, apply_id)
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            self._store.lock_pair(connection, apply.target_id, apply.applicant_id)
            current = self._store.find_apply(connection, apply_id)
            if current is None:
                raise XinYuError(UNKNOWN_APPLICATION)
            if current.state not in (ApplyState.PENDING, ApplyState.DECLINED):
                raise XinYuError(ALREADY_HANDLED)
            events = []
            if current.state is ApplyState.PENDING:
                version = self._store.close_apply(connection, current, ApplyState.DECLINED, now_ms)
                events.append(Event(APPLY, (user_id, apply_id, version)))
            batch.write(connection, events)

        await transact(self._database, work)
        self._dispatcher.committed(batch)

    async def _asked(self, user_id: int, apply_id: int) -> Apply:
        """The request, which only the asked one may answer: for anybody else there is none."""
        apply = await query(self._database, lambda connection: self._store.find_apply(connection, apply_id))
        if apply is None or apply.target_id != user_id:
            raise XinYuError(UNKNOWN_APPLICATION)
        return apply

    def _agree(self, connection: Connection, apply: Apply, remark: str, now_ms: int) -> list[Event]:
        """Inside the transaction, the pair locked: the request agreed, both rows alive. Users ascending."""
        events = []
        for user_id in sorted((apply.target_id, apply.applicant_id)):
            if user_id == apply.target_id:
                version = self._store.close_apply(connection, apply, ApplyState.AGREED, now_ms)
                events.append(Event(APPLY, (user_id, apply.apply_id, version)))
                friend_id, own_remark = apply.applicant_id, remark
            else:
                friend_id, own_remark = apply.target_id, ""
            version = self._store.befriend(connection, user_id, friend_id, own_remark, now_ms)
            events.append(Event(CONTACT, (user_id, friend_id, version)))
        self._store.take_revision(connection, apply.target_id, apply.applicant_id)
        return [*events, Event(PAIR, (apply.apply_id,)), Event(ACCEPTED, (apply.apply_id, now_ms))]

    async def applies(self, user_id: int) -> list[tuple[Apply, Person]]:
        """What waits for this user's answer, newest first, with who asks."""
        found = await query(self._database, lambda connection: self._store.pending_of_target(connection, user_id))
        people = await self._people.load(apply.applicant_id for apply in found)
        return [(apply, people.get(apply.applicant_id, NOBODY)) for apply in found]

    async def count_applies(self, user_id: int) -> int:
        return await query(self._database, lambda connection: self._store.count_pending_of_target(connection, user_id))

    # ---------------------------------------------------------------- rows

    async def rows(
        self, user_id: int, version: int, limit: int
    ) -> tuple[int, int, list[tuple[Contact | Apply, Person]], bool]:
        """(version, floor, rows above `version` with whom each is about, whether more are left), of one moment."""
        limit = min(max(limit, 1), MAX_ROWS)

        def work(connection: Connection) -> tuple[int, int, list[Contact | Apply]]:
            current, floor = self._store.versions.load(connection, user_id)
            rows = self._store.rows_since(connection, user_id, version, limit + 1) if current > version else []
            return current, floor, rows

        current, floor, rows = await query(self._database, work)
        people = await self._people.load(_about(row) for row in rows[:limit])
        return current, floor, [(row, people.get(_about(row), NOBODY)) for row in rows[:limit]], len(rows) > limit

    async def purge_tombstones(self) -> int:
        """Deletes rows that have been dead for 180 days, a batch at a time; a device that was away for longer starts
        from nothing. Answers how many went."""
        before_ms, purged = self._clock.now_ms() - TOMBSTONE_KEEP_MS, 0
        while True:
            count = await transact(
                self._database,
                lambda connection: self._store.purge_tombstones(connection, before_ms, PURGE_LIMIT),
            )
            purged += count
            if not count:
                return purged

    async def refresh_profile(self, user_id: int, after_user_id: int) -> int:
        """New versions for the rows that show this user, of one page of users above `after_user_id`; answers the last
        one of the page, 0 when there are no more. A repeat costs numbers and changes nothing else."""
        batch = self._dispatcher.outbox.open()

        def work(connection: Connection) -> int:
            watchers = self._store.watchers(connection, user_id, after_user_id, REFRESH_PAGE)
            events = []
            for watcher_id in watchers:
                for row in self._store.refresh(connection, watcher_id, user_id):
                    if isinstance(row, Contact):
                        events.append(Event(CONTACT, (watcher_id, user_id, row.version)))
                    else:
                        events.append(Event(APPLY, (watcher_id, row.apply_id, row.version)))
            batch.write(connection, events)
            return watchers[-1] if len(watchers) == REFRESH_PAGE else 0

        next_user_id = await transact(self._database, work)
        self._dispatcher.committed(batch)
        return next_user_id


def _alive(contact: Contact | None) -> bool:
    return contact is not None and contact.state is ContactState.ALIVE


def _about(row: Contact | Apply) -> int:
    return row.friend_id if isinstance(row, Contact) else row.applicant_id
