"""What every change of a group begins and ends with: the locked group, the asker's row, and what the outbox tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection

from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Batch, Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database, Work
from xinyu.storage.transact import transact
from xinyu_services.group.events import ROSTER
from xinyu_services.group.model import Group, Member, Notice
from xinyu_services.group.standing import standing
from xinyu_services.group.store import GroupStore

UNCHANGED: Final[list[Event]] = []
# Of the locked group and the asker's row: what is told of the change, or UNCHANGED.
Change = Callable[[Connection, Group, Member], list[Event]]


class GroupChanges:
    """Runs changes of groups, each a transaction whose commands are awaited."""

    def __init__(self, database: Database, store: GroupStore, dispatcher: Dispatcher) -> None:
        self._database = database
        self._store = store
        self._dispatcher = dispatcher

    async def run(self, user_id: int, group_id: int, context: Context, change: Change) -> None:
        """`change` within the transaction that holds the group's lock. Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER."""
        batch = self.open(context)

        def work(connection: Connection) -> None:
            group, actor = standing(self._store, connection, group_id, user_id, lock=True)
            batch.write(connection, change(connection, group, actor))

        await self.commit(batch, work, context)

    def open(self, context: Context) -> Batch:
        """For a change that begins otherwise; `commit` ends it."""
        context.check_deadline_now()
        return self._dispatcher.outbox.open()

    async def commit(self, batch: Batch, work: Work[None], context: Context) -> None:
        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))


def roster(group: Group, notice: Notice, actor_id: int, members: Sequence[Member]) -> Event:
    """The command to tell the message room how the group and these members stand, and the line that says so."""
    user_ids = [member.user_id for member in members]
    return Event(ROSTER, (group.group_id, group.revision, int(notice), actor_id, user_ids), (group, list(members)))
