"""Use cases of the group room.

A change is one transaction: the group's row locked, its next revision, the members' rows, the outbox. The talk's
members and the system message that tells of the change are the message room's, told by a command of that outbox which
is awaited before the answer. All of it may be repeated: who is in already, or gone already, is left alone, and the same
request to create a group, within 30 s, answers the same group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import MessageSettings
from xinyu.base.errors import (
    DISMISSED,
    FORBIDDEN,
    GROUP_FULL,
    INVALID,
    NOT_FRIEND,
    NOT_MEMBER,
    OWNER_MUST_STAY,
    SELF,
    UNKNOWN_GROUP,
    UNKNOWN_USER,
    XinYuError,
)
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Batch, Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database, Work
from xinyu.storage.transact import query, transact
from xinyu_services.group.events import CREATED, ROSTER, GroupEvents
from xinyu_services.group.model import (
    REPEAT_WITHIN_MS,
    Friend,
    Group,
    GroupState,
    Member,
    MemberState,
    Notice,
    Person,
    Role,
    creation_hash,
    may_remove,
    name_problem,
)
from xinyu_services.group.ports import Friends, Ids, People, Talks
from xinyu_services.group.store import GroupStore

# A conversation list names all its groups at once.
MAX_NAMES: Final = 10_000
NOBODY: Final = Person(0, "", "", 0, "")


class GroupService:
    """`events` is what `dispatcher` was given as its source. `settings`: how many members a new group has at most, and
    whether one may invite friends only."""

    def __init__(
        self,
        database: Database,
        store: GroupStore,
        group_ids: Ids,
        people: People,
        friends: Friends,
        talks: Talks,
        events: GroupEvents,
        dispatcher: Dispatcher,
        clock: Clock,
        settings: MessageSettings,
    ) -> None:
        self._database = database
        self._store = store
        self._group_ids = group_ids
        self._people = people
        self._friends = friends
        self._talks = talks
        self._events = events
        self._dispatcher = dispatcher
        self._clock = clock
        self._settings = settings

    # ---------------------------------------------------------------- changes

    async def create(
        self, user_id: int, name: str, user_ids: Sequence[int], request_key: str, context: Context
    ) -> tuple[int, int]:
        """(group_id, talk_id) of a new group, or of the one that the same request made within 30 s. Raises INVALID,
        NOT_FRIEND, UNKNOWN_USER, GROUP_FULL."""
        if problem := name_problem(name):
            raise XinYuError(INVALID, problem)
        invited = sorted(set(user_ids) - {user_id})
        if len(invited) + 1 > self._settings.max_group_members:
            raise XinYuError(GROUP_FULL, f"A group has at most {self._settings.max_group_members} members.")
        await self._check_invitable(user_id, invited)
        group_id = await self._group_ids.take()
        request_hash = creation_hash(request_key, name, invited)
        now_ms = self._clock.now_ms()
        most = self._settings.max_group_members
        group = Group(group_id, user_id, GroupState.ALIVE, 1, 1, name, "", "", False, False, most, now_ms)
        batch = self._dispatcher.outbox.open()
        context.check_deadline_now()

        def work(connection: Connection) -> int:
            made_id = self._store.repeated_creation(
                connection, user_id, request_hash, group_id, now_ms, now_ms - REPEAT_WITHIN_MS
            )
            if made_id:
                batch.write(connection, [])
                return made_id
            self._store.insert_group(connection, group)
            members = [_joining(group_id, user_id, Role.OWNER, 1, user_id, now_ms)]
            members += [_joining(group_id, other, Role.MEMBER, 1, user_id, now_ms) for other in invited]
            self._store.put_members(connection, members)
            events = [_roster(group, Notice.CREATED, user_id, members)]
            if invited:
                events.append(Event(CREATED, (group_id, invited)))
            batch.write(connection, events)
            return group_id

        made_id = await transact(self._database, work)
        done = self._dispatcher.committed(batch)
        if made_id == group_id:
            await context.wait(done)
        else:
            # The first request may still be on its way to the message room; saying it again does no harm.
            told = (made_id, 1, int(Notice.CREATED), user_id, [user_id, *invited])
            await self._events.command(Event(ROSTER, told))
        return made_id, await self._talks.talk_of(user_id, made_id)

    async def invite(self, user_id: int, group_id: int, user_ids: Sequence[int], context: Context) -> None:
        """Members bring their friends in. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, NOT_FRIEND, UNKNOWN_USER,
        GROUP_FULL."""
        await self._member_of(user_id, group_id)
        invited = sorted(set(user_ids) - {user_id})
        if not invited:
            raise XinYuError(INVALID, "There is nobody to invite.")
        if len(invited) > self._settings.max_group_members:
            raise XinYuError(GROUP_FULL)
        await self._check_invitable(user_id, invited)
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            group, _ = self._locked(connection, group_id, user_id)
            known = {member.user_id: member for member in self._store.members_among(connection, group_id, invited)}
            new = [other for other in invited if other not in known or not _is_in(known[other])]
            if not new:
                return batch.write(connection, [])
            if self._store.count_members(connection, group_id) + len(new) > group.max_members:
                raise XinYuError(GROUP_FULL)
            group = self._store.take_revision(connection, group, now_ms)
            members = [
                _joining(group_id, other, Role.MEMBER, group.revision, user_id, now_ms, known.get(other))
                for other in new
            ]
            self._store.put_members(connection, members)
            return batch.write(connection, [_roster(group, Notice.JOINED, user_id, members)])

        await self._commit(batch, work, context)

    async def remove_members(self, user_id: int, group_id: int, user_ids: Sequence[int], context: Context) -> None:
        """Puts members out, all or none. Who is not in is left alone. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER,
        FORBIDDEN, SELF."""
        if user_id in user_ids:
            raise XinYuError(SELF, "You cannot remove yourself; leave the group instead.")
        if len(user_ids) > MAX_NAMES:
            raise XinYuError(INVALID, f"More than {MAX_NAMES} users at once.")
        named = sorted(set(user_ids))
        if not named:
            raise XinYuError(INVALID, "There is nobody to remove.")
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            group, actor = self._locked(connection, group_id, user_id)
            if actor.role is Role.MEMBER:
                raise XinYuError(FORBIDDEN, "Only the owner and admins remove members.")
            members = [m for m in self._store.members_among(connection, group_id, named) if _is_in(m)]
            if not all(may_remove(actor.role, member.role) for member in members):
                raise XinYuError(FORBIDDEN, "An admin removes plain members only.")
            if not members:
                return batch.write(connection, [])
            group = self._store.take_revision(connection, group, now_ms)
            members = [_going(member, MemberState.REMOVED, group.revision, now_ms) for member in members]
            self._store.put_members(connection, members)
            return batch.write(connection, [_roster(group, Notice.REMOVED, user_id, members)])

        await self._commit(batch, work, context)

    async def leave(self, user_id: int, group_id: int, context: Context) -> None:
        """Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, OWNER_MUST_STAY. A repeat within 30 s changes nothing."""
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            group = _alive(self._store.group(connection, group_id, lock=True))
            member = self._store.member(connection, group_id, user_id)
            if member is None:
                raise XinYuError(NOT_MEMBER)
            if not _is_in(member):
                if member.state is MemberState.LEFT and now_ms - member.changed_at_ms <= REPEAT_WITHIN_MS:
                    return batch.write(connection, [])
                raise XinYuError(NOT_MEMBER)
            if member.role is Role.OWNER:
                raise XinYuError(OWNER_MUST_STAY)
            group = self._store.take_revision(connection, group, now_ms)
            member = _going(member, MemberState.LEFT, group.revision, now_ms)
            self._store.put_members(connection, [member])
            return batch.write(connection, [_roster(group, Notice.LEFT, user_id, [member])])

        await self._commit(batch, work, context)

    async def _commit(self, batch: Batch, work: Work[None], context: Context) -> None:
        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))

    def _locked(self, connection: Connection, group_id: int, user_id: int) -> tuple[Group, Member]:
        """The living group, locked, and the asker's row. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER."""
        group = _alive(self._store.group(connection, group_id, lock=True))
        member = self._store.member(connection, group_id, user_id)
        if member is None or not _is_in(member):
            raise XinYuError(NOT_MEMBER)
        return group, member

    async def _check_invitable(self, user_id: int, invited: Sequence[int]) -> None:
        """Friends where friendship is asked for, else anybody that there is."""
        if self._settings.require_friendship:
            if strangers := set(invited) - await self._friends.among(user_id, invited):
                raise XinYuError(NOT_FRIEND, f"Only friends can be invited ({_some(strangers)}).")
        elif unknown := set(invited) - (await self._people.load(invited)).keys():
            raise XinYuError(UNKNOWN_USER, f"There is no such user ({_some(unknown)}).")

    # ---------------------------------------------------------------- reading

    async def _member_of(self, user_id: int, group_id: int) -> tuple[Group, Member]:
        """The living group and the asker's row in it. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER."""

        def work(connection: Connection) -> tuple[Group | None, Member | None]:
            return self._store.group(connection, group_id), self._store.member(connection, group_id, user_id)

        found, member = await query(self._database, work)
        group = _alive(found)
        if member is None or not _is_in(member):
            raise XinYuError(NOT_MEMBER)
        return group, member

    async def detail(self, user_id: int, group_id: int) -> tuple[Group, Member]:
        """For members. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER."""
        return await self._member_of(user_id, group_id)

    async def groups_of(self, user_id: int) -> list[tuple[Group, Role]]:
        return await query(self._database, lambda connection: self._store.groups_of(connection, user_id))

    async def members(self, user_id: int, group_id: int) -> tuple[list[tuple[Member, Person]], int]:
        """(who is in, with names; the moment for which mutes count). Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER."""
        await self._member_of(user_id, group_id)
        members = await query(self._database, lambda connection: self._store.members(connection, group_id))
        people = await self._people.load(member.user_id for member in members)
        return [(member, people.get(member.user_id, NOBODY)) for member in members], self._clock.now_ms()

    async def invitable(self, user_id: int, group_id: int) -> list[tuple[Friend, Person]]:
        """The asker's friends who are not in the group; group_id 0 = all of them. Raises UNKNOWN_GROUP, DISMISSED,
        NOT_MEMBER."""
        inside: set[int] = set()
        if group_id:
            await self._member_of(user_id, group_id)
            members = await query(self._database, lambda connection: self._store.members(connection, group_id))
            inside = {member.user_id for member in members}
        friends = [friend for friend in await self._friends.all(user_id) if friend.user_id not in inside]
        people = await self._people.load(friend.user_id for friend in friends)
        return [(friend, people[friend.user_id]) for friend in friends if friend.user_id in people]

    async def names(self, group_ids: Sequence[int]) -> list[Group]:
        """Those that there are, dismissed ones too. Raises INVALID past 10,000 ids."""
        if len(group_ids) > MAX_NAMES:
            raise XinYuError(INVALID, f"More than {MAX_NAMES} groups at once.")
        wanted = sorted(set(group_ids))
        return await query(self._database, lambda connection: self._store.groups(connection, wanted))


def _alive(group: Group | None) -> Group:
    if group is None:
        raise XinYuError(UNKNOWN_GROUP)
    if group.state is GroupState.DISMISSED:
        raise XinYuError(DISMISSED)
    return group


def _is_in(member: Member) -> bool:
    return member.state is MemberState.IN


def _roster(group: Group, notice: Notice, actor_id: int, members: list[Member]) -> Event:
    user_ids = [member.user_id for member in members]
    return Event(ROSTER, (group.group_id, group.revision, int(notice), actor_id, user_ids), (group, members))


def _joining(
    group_id: int, user_id: int, role: Role, revision: int, invited_by: int, now_ms: int, old: Member | None = None
) -> Member:
    """Who comes back keeps his visit card, and his mute: leaving is no way out of it."""
    visit_card, muted_until_ms = ("", 0) if old is None else (old.visit_card, old.muted_until_ms)
    return Member(
        group_id, user_id, MemberState.IN, role, revision, visit_card, muted_until_ms, invited_by, now_ms, now_ms
    )


def _going(member: Member, state: MemberState, revision: int, now_ms: int) -> Member:
    return replace(member, state=state, role=Role.MEMBER, revision=revision, changed_at_ms=now_ms)


def _some(user_ids: set[int]) -> str:
    shown = ", ".join(map(str, sorted(user_ids)[:5]))
    return shown if len(user_ids) <= 5 else f"{shown}, ..."
