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
    FORBIDDEN,
    GROUP_FULL,
    INVALID,
    NOT_FRIEND,
    NOT_MEMBER,
    OWNER_MUST_STAY,
    SELF,
    TOO_MANY_GROUPS,
    UNKNOWN_USER,
    XinYuError,
)
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.group.application_store import ApplicationStore
from xinyu_services.group.changes import UNCHANGED, GroupChanges, roster
from xinyu_services.group.events import APPLICATION, CREATED, ROSTER, GroupEvents
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
    member_cursor,
    name_problem,
)
from xinyu_services.group.ports import Friends, Ids, People, Talks
from xinyu_services.group.standing import alive, is_in, standing
from xinyu_services.group.store import GroupStore

# A conversation list names all its groups at once.
MAX_NAMES: Final = 10_000
# Members that one request brings in or puts out, in one transaction. Larger groups grow by several.
MAX_AT_ONCE: Final = 2_000
MEMBERS_PAGE: Final = 1_000
# The list of public groups shows the newest of them, and looks for names among these.
PUBLIC_PAGE: Final = 20
MAX_PUBLIC: Final = 10_000
# Groups that one call takes a deleted user out of.
FORGET_GROUPS: Final = 10
NOBODY: Final = Person(0, "", "", 0, "")


class GroupService:
    """`events` is what `dispatcher` was given as its source. `settings`: how many members a new group has at most, how
    many groups a user, and whether one may invite friends only."""

    def __init__(
        self,
        database: Database,
        store: GroupStore,
        applications: ApplicationStore,
        group_ids: Ids,
        people: People,
        friends: Friends,
        talks: Talks,
        events: GroupEvents,
        dispatcher: Dispatcher,
        changes: GroupChanges,
        clock: Clock,
        settings: MessageSettings,
    ) -> None:
        self._database = database
        self._store = store
        self._applications = applications
        self._group_ids = group_ids
        self._people = people
        self._friends = friends
        self._talks = talks
        self._events = events
        self._dispatcher = dispatcher
        self._changes = changes
        self._clock = clock
        self._settings = settings

    # ---------------------------------------------------------------- changes

    async def create(
        self, user_id: int, name: str, user_ids: Sequence[int], request_key: str, context: Context
    ) -> tuple[int, int]:
        """(group_id, talk_id) of a new group, or of the one that the same request made within 30 s. Raises NOT_FRIEND,
        UNKNOWN_USER, GROUP_FULL, TOO_MANY_GROUPS, INVALID (the name; past MAX_AT_ONCE)."""
        if problem := name_problem(name):
            raise XinYuError(INVALID, problem)
        invited = sorted(set(user_ids) - {user_id})
        if len(invited) + 1 > self._settings.max_group_members:
            raise XinYuError(GROUP_FULL, f"A group has at most {self._settings.max_group_members} members.")
        _check_count(invited)
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
            owned = self._settings.max_groups_owned
            if self._store.full_users(connection, [user_id], owned, Role.OWNER):
                raise XinYuError(TOO_MANY_GROUPS, f"Nobody owns more than {owned} groups.")
            self._check_joining(connection, [user_id, *invited])
            self._store.insert_group(connection, group)
            members = [_joining(group_id, user_id, Role.OWNER, 1, user_id, now_ms)]
            members += [_joining(group_id, other, Role.MEMBER, 1, user_id, now_ms) for other in invited]
            self._store.put_members(connection, members, growth=len(members))
            events = [roster(group, Notice.CREATED, user_id, members)]
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
        """Members bring their friends in, MAX_AT_ONCE at a time. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER,
        NOT_FRIEND, UNKNOWN_USER, GROUP_FULL, TOO_MANY_GROUPS, INVALID."""
        await self._member_of(user_id, group_id)
        invited = sorted(set(user_ids) - {user_id})
        if not invited:
            raise XinYuError(INVALID, "There is nobody to invite.")
        if len(invited) > self._settings.max_group_members:
            raise XinYuError(GROUP_FULL)
        _check_count(invited)
        await self._check_invitable(user_id, invited)
        now_ms = self._clock.now_ms()

        def change(connection: Connection, group: Group, _: Member) -> list[Event]:
            return self.admit(connection, group, invited, user_id, now_ms)

        await self._changes.run(user_id, group_id, context, change)

    def admit(
        self, connection: Connection, group: Group, user_ids: Sequence[int], actor_id: int, now_ms: int
    ) -> list[Event]:
        """Inside the transaction, the group locked: those who are not in yet are, at the word of `actor_id`, and have
        no request open any more. UNCHANGED where all are in. Raises GROUP_FULL, TOO_MANY_GROUPS."""
        group_id = group.group_id
        known = {member.user_id: member for member in self._store.members_among(connection, group_id, user_ids)}
        new = [other for other in user_ids if other not in known or not is_in(known[other])]
        if not new:
            return UNCHANGED
        if group.member_count + len(new) > group.max_members:
            raise XinYuError(GROUP_FULL)
        self._check_joining(connection, new)
        group = self._store.take_revision(connection, group, now_ms)
        members = [
            _joining(group_id, other, Role.MEMBER, group.revision, actor_id, now_ms, known.get(other)) for other in new
        ]
        self._store.put_members(connection, members, growth=len(members))
        closed = self._applications.agree_to_those_who_came(connection, group_id, new, actor_id, now_ms)
        return [
            roster(group, Notice.JOINED, actor_id, members),
            *(Event(APPLICATION, (group_id, each.apply_id, int(each.state))) for each in closed),
        ]

    async def remove_members(self, user_id: int, group_id: int, user_ids: Sequence[int], context: Context) -> None:
        """Puts members out, all or none. Who is not in is left alone. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER,
        FORBIDDEN, SELF."""
        if user_id in user_ids:
            raise XinYuError(SELF, "You cannot remove yourself; leave the group instead.")
        _check_count(user_ids)
        named = sorted(set(user_ids))
        if not named:
            raise XinYuError(INVALID, "There is nobody to remove.")
        now_ms = self._clock.now_ms()

        def change(connection: Connection, group: Group, actor: Member) -> list[Event]:
            if actor.role is Role.MEMBER:
                raise XinYuError(FORBIDDEN, "Only the owner and admins remove members.")
            members = [m for m in self._store.members_among(connection, group_id, named) if is_in(m)]
            if not all(may_remove(actor.role, member.role) for member in members):
                raise XinYuError(FORBIDDEN, "An admin removes plain members only.")
            if not members:
                return UNCHANGED
            group = self._store.take_revision(connection, group, now_ms)
            members = [_going(member, MemberState.REMOVED, group.revision, now_ms) for member in members]
            self._store.put_members(connection, members, growth=-len(members))
            return [roster(group, Notice.REMOVED, user_id, members)]

        await self._changes.run(user_id, group_id, context, change)

    async def leave(self, user_id: int, group_id: int, context: Context) -> None:
        """Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, OWNER_MUST_STAY. A repeat within 30 s changes nothing."""
        batch = self._changes.open(context)
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> None:
            group = alive(self._store.group(connection, group_id, lock=True))
            member = self._store.member(connection, group_id, user_id)
            if member is None:
                raise XinYuError(NOT_MEMBER)
            if not is_in(member):
                if member.state is MemberState.LEFT and now_ms - member.changed_at_ms <= REPEAT_WITHIN_MS:
                    return batch.write(connection, [])
                raise XinYuError(NOT_MEMBER)
            if member.role is Role.OWNER:
                raise XinYuError(OWNER_MUST_STAY)
            group = self._store.take_revision(connection, group, now_ms)
            member = _going(member, MemberState.LEFT, group.revision, now_ms)
            self._store.put_members(connection, [member], growth=-1)
            return batch.write(connection, [roster(group, Notice.LEFT, user_id, [member])])

        await self._changes.commit(batch, work, context)

    async def forget_user(self, user_id: int, context: Context) -> bool:
        """A deleted user leaves his groups, some of them a call; what he owns goes to the admin or member who has been
        in for longest, and ends where there is none. Answers whether there are more. A repeat changes nothing."""
        groups = await self.groups_of(user_id)
        for group, _ in groups[:FORGET_GROUPS]:
            await self._forget_in(user_id, group.group_id, context)
        return len(groups) > FORGET_GROUPS

    async def _forget_in(self, user_id: int, group_id: int, context: Context) -> None:
        batch = self._changes.open(context)
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> None:
            group = self._store.group(connection, group_id, lock=True)
            member = self._store.member(connection, group_id, user_id)
            if group is None or group.state is not GroupState.ALIVE or member is None or not is_in(member):
                return batch.write(connection, [])
            group = self._store.take_revision(connection, group, now_ms)
            changed = [_going(member, MemberState.LEFT, group.revision, now_ms)]
            if member.role is Role.OWNER:
                first = self._store.members(connection, group_id, (0, 0, 0), 2)
                heir = next((other for other in first if other.user_id != user_id), None)
                if heir is None:
                    group = self._store.end(connection, group)
                else:
                    heir = replace(heir, role=Role.OWNER, revision=group.revision, changed_at_ms=now_ms)
                    changed.append(heir)
                    group = replace(group, creator_id=heir.user_id)
                    self._store.save(connection, group)
            self._store.put_members(connection, changed, growth=-1)
            return batch.write(connection, [roster(group, Notice.LEFT, user_id, changed)])

        await self._changes.commit(batch, work, context)

    def _check_joining(self, connection: Connection, user_ids: Sequence[int]) -> None:
        """Whether each may be in one group more. Counted, not locked: what others do for him at the same moment is not
        seen."""
        most = self._settings.max_groups_joined
        if full := self._store.full_users(connection, user_ids, most):
            raise XinYuError(TOO_MANY_GROUPS, f"Nobody is in more than {most} groups ({_some(full)}).")

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

        return await query(
            self._database, lambda connection: standing(self._store, connection, group_id, user_id)
        )

    async def detail(self, user_id: int, group_id: int) -> tuple[Group, Member]:
        """For members. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER."""
        return await self._member_of(user_id, group_id)

    async def groups_of(self, user_id: int) -> list[tuple[Group, Role]]:
        return await query(self._database, lambda connection: self._store.groups_of(connection, user_id))

    async def members(
        self, user_id: int, group_id: int, cursor: str = ""
    ) -> tuple[list[tuple[Member, Person]], int, str]:
        """(a page of who is in, with names; the moment for which mutes count; the cursor of the next page, "" at the
        end). Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, INVALID (the cursor)."""
        after = member_cursor(cursor)
        if after is None:
            raise XinYuError(INVALID, "cursor is not one of ours.")
        await self._member_of(user_id, group_id)
        members = await query(
            self._database, lambda connection: self._store.members(connection, group_id, after, MEMBERS_PAGE + 1)
        )
        following = ""
        if len(members) > MEMBERS_PAGE:
            members = members[:MEMBERS_PAGE]
            following = members[-1].cursor
        people = await self._people.load(member.user_id for member in members)
        return (
            [(member, people.get(member.user_id, NOBODY)) for member in members], self._clock.now_ms(), following,
        )  # fmt: skip

    async def invitable(self, user_id: int, group_id: int) -> list[tuple[Friend, Person]]:
        """The asker's friends who are not in the group; group_id 0 = all of them. Raises UNKNOWN_GROUP, DISMISSED,
        NOT_MEMBER."""
        friends = await self._friends.all(user_id)
        if group_id:
            await self._member_of(user_id, group_id)
            asked = [friend.user_id for friend in friends]
            rows = await query(
                self._database, lambda connection: self._store.members_among(connection, group_id, asked)
            )
            inside = {member.user_id for member in rows if is_in(member)}
            friends = [friend for friend in friends if friend.user_id not in inside]
        people = await self._people.load(friend.user_id for friend in friends)
        return [(friend, people[friend.user_id]) for friend in friends if friend.user_id in people]

    async def public_groups(self, user_id: int, name: str, page: int) -> tuple[list[tuple[Group, bool]], bool]:
        """(a page of public groups, newest first, each with whether the asker is in it; whether there are more).
        `page` from 1; `name` is a part of theirs. Raises INVALID."""
        if not 1 <= page <= MAX_PUBLIC // PUBLIC_PAGE:
            raise XinYuError(INVALID, f"page is 1 to {MAX_PUBLIC // PUBLIC_PAGE}.")

        def work(connection: Connection) -> tuple[list[Group], set[int]]:
            offset = (page - 1) * PUBLIC_PAGE
            groups = self._store.public_groups(connection, name.strip(), MAX_PUBLIC, offset, PUBLIC_PAGE + 1)
            return groups, self._store.groups_among(connection, user_id, [group.group_id for group in groups])

        groups, joined = await query(self._database, work)
        return [(group, group.group_id in joined) for group in groups[:PUBLIC_PAGE]], len(groups) > PUBLIC_PAGE

    async def names(self, group_ids: Sequence[int]) -> list[Group]:
        """Those that there are, dismissed ones too. Raises INVALID past 10,000 ids."""
        if len(group_ids) > MAX_NAMES:
            raise XinYuError(INVALID, f"More than {MAX_NAMES} groups at once.")
        wanted = sorted(set(group_ids))
        return await query(self._database, lambda connection: self._store.groups(connection, wanted))


def _check_count(user_ids: Sequence[int]) -> None:
    if len(user_ids) > MAX_AT_ONCE:
        raise XinYuError(INVALID, f"More than {MAX_AT_ONCE} users at once.")


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
