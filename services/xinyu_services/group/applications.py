"""Use cases of requests to join a group.

Only a public group (`is_overt`) takes them. They are answered by its owner and admins; who is agreed to joins as an
invited one does, in the same transaction. Every change locks the group's row first, so of two answers the second finds
the first. All of it may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import (
    ALREADY_HANDLED,
    FORBIDDEN,
    INVALID,
    NOT_OVERT,
    UNKNOWN_APPLICATION,
    XinYuError,
)
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.group.application_model import (
    MAX_OPEN,
    MAX_PENDING,
    Application,
    ApplyState,
    may_become,
    remark_problem,
)
from xinyu_services.group.application_store import ApplicationStore
from xinyu_services.group.events import APPLICATION
from xinyu_services.group.model import Group, Person
from xinyu_services.group.ports import Ids, People
from xinyu_services.group.standing import alive, check_manages, is_in, standing
from xinyu_services.group.store import GroupStore

# What one answer lists, the newest.
LIST_LIMIT: Final = 1_000
OWN_LIMIT: Final = 100
FORGET_PAGE: Final = 500
NOBODY: Final = Person(0, "", "", 0, "")
# Brings people into a group that is locked (`GroupService.admit`).
Admit = Callable[[Connection, Group, Sequence[int], int, int], list[Event]]


class Applications:
    """Of the group room."""

    def __init__(
        self,
        database: Database,
        groups: GroupStore,
        store: ApplicationStore,
        apply_ids: Ids,
        people: People,
        admit: Admit,
        dispatcher: Dispatcher,
        clock: Clock,
    ) -> None:
        self._database = database
        self._groups = groups
        self._store = store
        self._apply_ids = apply_ids
        self._people = people
        self._admit = admit
        self._dispatcher = dispatcher
        self._clock = clock

    # ---------------------------------------------------------------- changes

    async def create(self, user_id: int, group_id: int, remark: str, context: Context) -> int:
        """Asks to be let in; answers the request's number, or that of the one that waits already. A member has nothing
        to ask for: 0. Raises INVALID, UNKNOWN_GROUP, DISMISSED, NOT_OVERT, FORBIDDEN (too many are open)."""
        if problem := remark_problem(remark):
            raise XinYuError(INVALID, problem)
        # Before a number is taken for nothing.
        alive(await query(self._database, lambda connection: self._groups.group(connection, group_id)))
        apply_id = await self._apply_ids.take()
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> int:
            group = alive(self._groups.group(connection, group_id, lock=True))
            waiting = self._store.of(connection, group_id, user_id)
            if is_in(self._groups.member(connection, group_id, user_id)):
                batch.write(connection, [])
                return 0
            if waiting is not None and waiting.state is ApplyState.PENDING:
                batch.write(connection, [])
                return waiting.apply_id
            if not group.is_overt:
                raise XinYuError(NOT_OVERT)
            if self._store.count_open(connection, user_id) >= MAX_OPEN:
                raise XinYuError(FORBIDDEN, "Too many of your requests have no answer yet.")
            if self._store.count_pending(connection, group_id) >= MAX_PENDING:
                raise XinYuError(FORBIDDEN, "Too many requests to this group have no answer yet.")
            made = Application(apply_id, group_id, user_id, ApplyState.PENDING, remark, 0, now_ms, now_ms)
            self._store.put(connection, made)
            batch.write(connection, [_told(made)])
            return apply_id

        made_id = await transact(self._database, work)
        self._dispatcher.committed(batch)
        return made_id

    async def agree(self, user_id: int, apply_id: int, context: Context) -> None:
        """Lets the applicant in. Raises UNKNOWN_APPLICATION, DISMISSED, FORBIDDEN, ALREADY_HANDLED, GROUP_FULL (the
        request waits on)."""
        await self._answer(user_id, apply_id, ApplyState.AGREED, context)

    async def decline(self, user_id: int, apply_id: int, context: Context) -> None:
        """Raises UNKNOWN_APPLICATION, DISMISSED, FORBIDDEN, ALREADY_HANDLED."""
        await self._answer(user_id, apply_id, ApplyState.DECLINED, context)

    async def delete(self, user_id: int, apply_id: int, context: Context) -> None:
        """The applicant takes his request back; a manager's word declines it. Raises as `decline`."""
        asked = await self._asked(apply_id)
        mine = asked.applicant_id == user_id
        await self._answer(user_id, apply_id, ApplyState.WITHDRAWN if mine else ApplyState.DECLINED, context)

    async def _asked(self, apply_id: int) -> Application:
        application = await query(self._database, lambda connection: self._store.find(connection, apply_id))
        if application is None:
            raise XinYuError(UNKNOWN_APPLICATION)
        return application

    async def _answer(self, user_id: int, apply_id: int, state: ApplyState, context: Context) -> None:
        group_id = (await self._asked(apply_id)).group_id
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            group = self._groups.group(connection, group_id, lock=True)
            current = self._store.find(connection, apply_id)
            if group is None or current is None:
                raise XinYuError(UNKNOWN_APPLICATION)
            if state is not ApplyState.WITHDRAWN:
                self._check_answers(connection, group, user_id)
            if not may_become(current.state, state):
                raise XinYuError(ALREADY_HANDLED)
            events: list[Event] = []
            if current.state is ApplyState.PENDING:
                if state is ApplyState.AGREED:
                    # Closes the request, too.
                    events = self._admit(connection, group, [current.applicant_id], user_id, now_ms)
                if not events:
                    events = [_told(self._store.close(connection, current, state, user_id, now_ms))]
            batch.write(connection, events)

        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))

    def _check_answers(self, connection: Connection, group: Group, user_id: int) -> None:
        """A request is there for who manages the group; a plain member may not answer it, and others do not learn of
        it."""
        member = self._groups.member(connection, group.group_id, user_id)
        if member is None or not is_in(member):
            raise XinYuError(UNKNOWN_APPLICATION)
        alive(group)
        check_manages(member)

    async def forget_user(self, user_id: int) -> bool:
        """A deleted user's requests are gone, some of them a call; answers whether there are more."""
        went = await transact(
            self._database, lambda connection: self._store.forget(connection, user_id, FORGET_PAGE)
        )
        return went == FORGET_PAGE

    # ---------------------------------------------------------------- reading

    async def of_group(self, user_id: int, group_id: int) -> list[tuple[Application, Person]]:
        """What waits in one group, for its managers, newest first. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER,
        FORBIDDEN."""

        def work(connection: Connection) -> list[Application]:
            _, member = standing(self._groups, connection, group_id, user_id)
            check_manages(member)
            return self._store.pending(connection, group_id, LIST_LIMIT)

        found = await query(self._database, work)
        people = await self._people.load(each.applicant_id for each in found)
        return [(each, people.get(each.applicant_id, NOBODY)) for each in found]

    async def of_manager(self, user_id: int) -> list[tuple[Application, str, Person]]:
        """What waits in all groups that one manages, newest first: request, the group's name, who asks."""
        found = await query(
            self._database, lambda connection: self._store.pending_of_manager(connection, user_id, LIST_LIMIT)
        )
        people = await self._people.load(each.applicant_id for each, _ in found)
        return [(each, name, people.get(each.applicant_id, NOBODY)) for each, name in found]

    async def of_applicant(self, user_id: int) -> list[tuple[Application, Group]]:
        """One's own, the newest 100, whatever became of them, with their groups."""

        def work(connection: Connection) -> list[tuple[Application, Group]]:
            found = self._store.of_applicant(connection, user_id, OWN_LIMIT)
            asked = [each.group_id for each in found]
            groups = {group.group_id: group for group in self._groups.groups(connection, asked)}
            return [(each, groups[each.group_id]) for each in found if each.group_id in groups]

        return await query(self._database, work)

    async def count(self, user_id: int) -> int:
        """How many wait in all groups that one manages."""
        return await query(self._database, lambda connection: self._store.count_of_manager(connection, user_id))


def _told(application: Application) -> Event:
    return Event(APPLICATION, (application.group_id, application.apply_id, int(application.state)))
