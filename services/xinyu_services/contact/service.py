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
from xinyu.base.errors import (
    ALREADY_HANDLED,
    BLOCKED,
    FORBIDDEN,
    INVALID,
    NOT_FRIEND,
    SELF,
    UNKNOWN_APPLICATION,
    UNKNOWN_GROUP,
    UNKNOWN_USER,
    XinYuError,
)
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.contact.events import (
    ACCEPTED,
    APPLIED,
    APPLY,
    CONTACT,
    FOLDER,
    NOBODY,
    PAIR,
    STANDING,
    ContactEvents,
)
from xinyu_services.contact.model import (
    APPLY_REMARK_CHARACTERS,
    EDITED_REMARK_CHARACTERS,
    MAX_BLOCKED,
    MAX_OPEN_APPLIES,
    REMARK_CHARACTERS,
    Apply,
    ApplyState,
    Contact,
    ContactState,
    Detail,
    Folder,
    FolderWish,
    Person,
    Relation,
    is_friend,
    matched,
    pair,
    remark_problem,
    wishes_problem,
    without_private,
)
from xinyu_services.contact.ports import Colleagues, Ids, People, Presence, Talks
from xinyu_services.contact.store import ContactStore

# A conversation list asks about all its peers at once.
MAX_USERS: Final = 10_000
MAX_ROWS: Final = 1_000
TOMBSTONE_KEEP_MS: Final = 180 * 86_400_000
PURGE_LIMIT: Final = 500
# Friends whose rows one transaction refreshes.
REFRESH_PAGE: Final = 100
# Pairs that one transaction parts.
FORGET_PAGE: Final = 50


class ContactService:
    """`events` is what `dispatcher` was given as its source. `colleagues` None = there is no organisation."""

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
        folder_ids: Ids,
        colleagues: Colleagues | None = None,
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
        self._folder_ids = folder_ids
        self._colleagues = colleagues

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
            are_colleagues = self._colleagues is not None and await self._colleagues.are(user_id, person.user_id)
            relation = Relation.COLLEAGUE if are_colleagues else Relation.STRANGER
            return Detail(without_private(person, relation), relation, "", 0, online)
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

    # ---------------------------------------------------------------- what a user says of others

    async def delete(self, user_id: int, friend_id: int, context: Context) -> None:
        """Ends the friendship on this user's side: the other keeps him in his list, but neither may write to the other
        any more where friendship is required, and the message room knows that before the answer. A repeat changes
        nothing. Raises SELF, NOT_FRIEND."""
        if user_id == friend_id:
            raise XinYuError(SELF)
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        await self._known(user_id, friend_id)
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            self._store.lock_pair(connection, user_id, friend_id)
            self._store.lock_user(connection, user_id)
            row = self._store.contact(connection, user_id, friend_id)
            events: list[Event] = []
            if row is not None and is_friend(row):
                version = self._store.end(connection, user_id, friend_id, now_ms)
                self._store.take_revision(connection, user_id, friend_id)
                events.append(Event(CONTACT, (user_id, friend_id, version)))
                if row.folder_id:
                    version = self._store.touch_folder(connection, user_id, row.folder_id)
                    events.append(Event(FOLDER, (user_id, row.folder_id, version)))
                events.append(Event(STANDING, pair(user_id, friend_id)))
            batch.write(connection, events)

        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))

    async def edit_remark(self, user_id: int, friend_id: int, remark: str, context: Context) -> None:
        """What the user calls a friend, "" = by his own name. Raises INVALID, NOT_FRIEND."""
        if problem := remark_problem(remark, EDITED_REMARK_CHARACTERS):
            raise XinYuError(INVALID, problem)
        await self._note(user_id, friend_id, remark, None, context)

    async def change_folder(self, user_id: int, friend_id: int, folder_id: int, context: Context) -> None:
        """Where the user keeps a friend, 0 = in none. Raises NOT_FRIEND, UNKNOWN_GROUP (also for another user's)."""
        await self._note(user_id, friend_id, None, folder_id, context)

    async def _note(
        self, user_id: int, friend_id: int, remark: str | None, folder_id: int | None, context: Context
    ) -> None:
        """None = as it is. What changes nothing takes no number."""
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            self._store.lock_user(connection, user_id)
            row = self._store.contact(connection, user_id, friend_id)
            if row is None or not is_friend(row):
                raise XinYuError(NOT_FRIEND)
            if folder_id and not self._store.folder_exists(connection, user_id, folder_id):
                raise XinYuError(UNKNOWN_GROUP)
            noted = row.remark if remark is None else remark
            kept_in = row.folder_id if folder_id is None else folder_id
            events: list[Event] = []
            if (noted, kept_in) != (row.remark, row.folder_id):
                version = self._store.change(connection, row, noted, kept_in, now_ms)
                events.append(Event(CONTACT, (user_id, friend_id, version)))
                for counted in sorted({row.folder_id, kept_in} - {0} if kept_in != row.folder_id else set()):
                    version = self._store.touch_folder(connection, user_id, counted)
                    events.append(Event(FOLDER, (user_id, counted, version)))
            batch.write(connection, events)

        await transact(self._database, work)
        self._dispatcher.committed(batch)

    async def block(self, user_id: int, blocked_id: int, is_block: bool, context: Context) -> None:
        """Whether somebody, friend or not, may write to this user, and ask him to be his friend; the message room knows
        it before the answer. Raises SELF, UNKNOWN_USER, FORBIDDEN (too many)."""
        if user_id == blocked_id:
            raise XinYuError(SELF)
        _check_asker(user_id)
        await self._people.detail(blocked_id)
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            self._store.lock_pair(connection, user_id, blocked_id)
            self._store.lock_user(connection, user_id)
            row = self._store.contact(connection, user_id, blocked_id)
            events: list[Event] = []
            if is_block != (row is not None and row.is_block):
                if is_block and len(self._store.blocked(connection, user_id)) >= MAX_BLOCKED:
                    raise XinYuError(FORBIDDEN, f"You can block {MAX_BLOCKED} people.")
                version = self._store.save_block(connection, user_id, blocked_id, is_block, now_ms)
                self._store.take_revision(connection, user_id, blocked_id)
                events = [
                    Event(CONTACT, (user_id, blocked_id, version)),
                    Event(STANDING, pair(user_id, blocked_id)),
                ]
            batch.write(connection, events)

        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))

    async def blocked(self, user_id: int) -> list[Person]:
        """Whom the user has blocked, at most 1,000."""
        rows = await query(self._database, lambda connection: self._store.blocked(connection, user_id))
        people = await self._people.load(row.friend_id for row in rows)
        return [people[row.friend_id] for row in rows if row.friend_id in people]

    async def _known(self, user_id: int, friend_id: int) -> None:
        """Raises NOT_FRIEND for somebody who never was one: no row is made for him."""
        row = await query(self._database, lambda connection: self._store.contact(connection, user_id, friend_id))
        if row is None:
            raise XinYuError(NOT_FRIEND)

    # ---------------------------------------------------------------- folders

    async def folders(self, user_id: int) -> list[Folder]:
        """The user's own, as he has sorted them, with how many friends are in each."""
        return await query(self._database, lambda connection: self._store.folders(connection, user_id))

    async def save_folders(self, user_id: int, wishes: Sequence[FolderWish], context: Context) -> None:
        """The whole list as it is to be: what is missing is deleted, and its friends are in none. Raises INVALID,
        UNKNOWN_GROUP (nothing is done then)."""
        if problem := wishes_problem(wishes):
            raise XinYuError(INVALID, problem)
        # Before the transaction, as they come out of one of their own; those that are not needed are lost.
        new_ids = [await self._folder_ids.take() for wish in wishes if not wish.folder_id]
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            self._store.lock_user(connection, user_id)
            own = {folder.folder_id: folder for folder in self._store.folders(connection, user_id)}
            meant = matched(wishes, list(own.values()))
            if meant is None:
                raise XinYuError(UNKNOWN_GROUP)
            fresh_ids = iter(new_ids)
            events: list[Event] = []
            for wish in meant:
                old = own.pop(wish.folder_id, None)
                if old is not None and (old.name, old.sort) == (wish.name, wish.sort):
                    continue
                saved = wish if old is not None else FolderWish(next(fresh_ids), wish.name, wish.sort)
                version = self._store.save_folder(connection, user_id, saved, now_ms)
                events.append(Event(FOLDER, (user_id, saved.folder_id, version)))
            for folder_id in sorted(own):
                version = self._store.end_folder(connection, user_id, folder_id, now_ms)
                events.append(Event(FOLDER, (user_id, folder_id, version)))
            if own:
                moved = self._store.empty_folders(connection, user_id, sorted(own), now_ms)
                events += [Event(CONTACT, (user_id, friend_id, version)) for friend_id, version in moved]
            batch.write(connection, events)

        await transact(self._database, work)
        self._dispatcher.committed(batch)

    # ---------------------------------------------------------------- requests

    async def create_apply(self, user_id: int, target_id: int, remark: str, context: Context) -> None:
        """A request, unless one is pending or they are friends (nothing changes then); agrees to the other's own
        pending request. Raises SELF, UNKNOWN_USER, INVALID, FORBIDDEN (too many open ones), BLOCKED."""
        if user_id == target_id:
            raise XinYuError(SELF, "You cannot add yourself.")
        if problem := remark_problem(remark, APPLY_REMARK_CHARACTERS):
            raise XinYuError(INVALID, problem)
        _check_asker(user_id)
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
            if is_friend(mine) and is_friend(theirs):
                pass
            elif theirs is not None and theirs.is_block:
                raise XinYuError(BLOCKED)
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

    async def befriend(self, user_id: int, friend_id: int, context: Context) -> None:
        """Makes friends of two that nobody asks: a bot and its owner. The message room knows it before the answer. A
        repeat says it to that room again, and changes nothing here. Raises UNKNOWN_USER, SELF."""
        _check_asker(min(user_id, friend_id))
        if user_id == friend_id:
            raise XinYuError(SELF)
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> None:
            self._store.lock_pair(connection, user_id, friend_id)
            events: list[Event] = []
            for one, other in sorted(((user_id, friend_id), (friend_id, user_id))):
                if not is_friend(self._store.contact(connection, one, other)):
                    version = self._store.befriend(connection, one, other, "", now_ms)
                    events.append(Event(CONTACT, (one, other, version)))
            if events:
                self._store.take_revision(connection, user_id, friend_id)
            batch.write(connection, [*events, Event(STANDING, pair(user_id, friend_id))])

        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))

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
    ) -> tuple[int, int, list[tuple[Contact | Apply | Folder, Person]], bool]:
        """(version, floor, rows above `version` with whom each is about, whether more are left), of one moment."""
        limit = min(max(limit, 1), MAX_ROWS)

        def work(connection: Connection) -> tuple[int, int, list[Contact | Apply | Folder]]:
            current, floor = self._store.versions.load(connection, user_id)
            rows = self._store.rows_since(connection, user_id, version, limit + 1) if current > version else []
            return current, floor, rows

        current, floor, rows = await query(self._database, work)
        people = await self._people.load(_about(row) for row in rows[:limit] if not isinstance(row, Folder))
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

    async def forget_user(self, user_id: int) -> bool:
        """A deleted user is nobody's friend, and no request of his or to him is open: one page of pairs. Answers
        whether there are more. A repeat changes nothing."""
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> bool:
            others = self._store.ties(connection, user_id, FORGET_PAGE)
            events = [event for other in others for event in self._part(connection, user_id, other, now_ms)]
            batch.write(connection, events)
            return len(others) == FORGET_PAGE

        more = await transact(self._database, work)
        self._dispatcher.committed(batch)
        return more

    def _part(self, connection: Connection, leaver_id: int, other_id: int, now_ms: int) -> list[Event]:
        """Inside the transaction: what is between the two ends. Users ascending."""
        self._store.lock_pair(connection, leaver_id, other_id)
        events = []
        for user_id, friend_id in sorted(((leaver_id, other_id), (other_id, leaver_id))):
            contact = self._store.contact(connection, user_id, friend_id)
            if contact is not None and is_friend(contact):
                version = self._store.end(connection, user_id, friend_id, now_ms)
                events.append(Event(CONTACT, (user_id, friend_id, version)))
                if contact.folder_id:
                    version = self._store.touch_folder(connection, user_id, contact.folder_id)
                    events.append(Event(FOLDER, (user_id, contact.folder_id, version)))
            apply = self._store.pending_apply(connection, friend_id, user_id)
            if apply is not None:
                state = ApplyState.WITHDRAWN if friend_id == leaver_id else ApplyState.DECLINED
                version = self._store.close_apply(connection, apply, state, now_ms)
                events.append(Event(APPLY, (user_id, apply.apply_id, version)))
        self._store.take_revision(connection, leaver_id, other_id)
        return [*events, Event(STANDING, pair(leaver_id, other_id))]

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


def _check_asker(user_id: int) -> None:
    """A pair with nobody could never be told to the message room: its command would be said again for ever. Raises
    UNKNOWN_USER."""
    if user_id <= 0:
        raise XinYuError(UNKNOWN_USER)


def _about(row: Contact | Apply | Folder) -> int:
    """Whom a row speaks of; 0 = of nobody, a folder."""
    if isinstance(row, Folder):
        return 0
    return row.friend_id if isinstance(row, Contact) else row.applicant_id
