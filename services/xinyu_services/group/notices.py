"""Use cases of a group's notice: the owner and admins write it, every member reads it, and who changed it.

An edit is one transaction: the group's row locked, its next revision as one of its profile, the edit, the outbox. A
notice that is not removed is also a message of type 13 in the group's talk; both are told by a command of that outbox
which is awaited before the answer. What changes nothing is no edit.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import INVALID, XinYuError
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.group.events import NOTICE
from xinyu_services.group.model import Person
from xinyu_services.group.notice_model import MAX_EDITS, NoticeEdit, content_problem, next_edit
from xinyu_services.group.notice_store import NoticeStore
from xinyu_services.group.ports import People
from xinyu_services.group.standing import check_manages, standing
from xinyu_services.group.store import GroupStore

HISTORY: Final = 20
NOBODY: Final = Person(0, "", "", 0, "")


class Notices:
    """Of the group room."""

    def __init__(
        self,
        database: Database,
        groups: GroupStore,
        store: NoticeStore,
        people: People,
        dispatcher: Dispatcher,
        clock: Clock,
    ) -> None:
        self._database = database
        self._groups = groups
        self._store = store
        self._people = people
        self._dispatcher = dispatcher
        self._clock = clock

    async def edit(self, user_id: int, group_id: int, content: str, context: Context) -> None:
        """"" removes. Raises INVALID, UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, FORBIDDEN."""
        if problem := content_problem(content):
            raise XinYuError(INVALID, problem)
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            group, member = standing(self._groups, connection, group_id, user_id, lock=True)
            check_manages(member)
            edit = next_edit(self._store.last(connection, group_id), group_id, content, user_id, now_ms)
            if edit is None:
                return batch.write(connection, [])
            self._store.add(connection, edit, MAX_EDITS)
            group = self._groups.take_profile_revision(connection, group, now_ms)
            return batch.write(connection, [Event(NOTICE, (group_id, edit.edit), (group, edit))])

        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))

    async def current(self, group_id: int) -> tuple[NoticeEdit, Person] | None:
        """The notice and who wrote it last; None where there is none. Whether the asker may read it was looked at."""
        last = await query(self._database, lambda connection: self._store.last(connection, group_id))
        if last is None or not last.content:
            return None
        return last, (await self._people.load([last.editor_id])).get(last.editor_id, NOBODY)

    async def history(self, user_id: int, group_id: int) -> list[tuple[NoticeEdit, Person]]:
        """The newest 20 edits with who made them, newest first, for members. Raises UNKNOWN_GROUP, DISMISSED,
        NOT_MEMBER."""

        def work(connection: Connection) -> list[NoticeEdit]:
            standing(self._groups, connection, group_id, user_id)
            return self._store.edits(connection, group_id, HISTORY)

        edits = await query(self._database, work)
        people = await self._people.load(edit.editor_id for edit in edits)
        return [(edit, people.get(edit.editor_id, NOBODY)) for edit in edits]
