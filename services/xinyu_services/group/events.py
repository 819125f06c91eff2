"""What the group room's changes cause.

Events:

`created` (group_id, user_ids)                          `im.group.create` to the invited's legacy devices
`roster` (group_id, revision, notice, actor, user_ids)  command: the message room learns how these members stand, and
                                                        stores the system message of this revision

What our dialect must know comes from the message and talk rooms, which the command moves. A command says what its
transaction wrote (`fresh`); one that is made again after a crash says how the rows stand by then: it carries newer
revisions, and the message room ignores what it has. Commands of one group take turns in the order of their commits, so
that none is ignored because a later one overtook it, and its line is not lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from weakref import WeakValueDictionary

from sqlalchemy import Connection

from xinyu.delivery.dispatcher import LEGACY, Push
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu_services.group import view
from xinyu_services.group.model import Group, Member, Notice
from xinyu_services.group.ports import People, Talks
from xinyu_services.group.store import GroupStore

CREATED: Final = "created"
ROSTER: Final = "roster"


class GroupEvents:
    """`xinyu.delivery.dispatcher.EventSource` of the group room."""

    def __init__(self, database: Database, store: GroupStore, people: People, talks: Talks) -> None:
        self._database = database
        self._store = store
        self._people = people
        self._talks = talks
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        group_ids = sorted({event.values[0] for event in events})
        groups = {
            group.group_id: group
            for group in await self._database.read(lambda connection: self._store.groups(connection, group_ids))
        }
        return [
            self._created(groups[group_id], user_ids)
            for group_id, user_ids in (event.values for event in events)
            if group_id in groups
        ]

    @staticmethod
    def _created(group: Group, user_ids: Sequence[int]) -> Push:
        return Push(tuple(user_ids), lambda _codec: view.created(group), LEGACY)

    def is_command(self, event: Event) -> bool:
        return event.kind == ROSTER

    async def command(self, event: Event) -> None:
        turn = self._turns.setdefault(event.values[0], asyncio.Lock())
        async with turn:
            await self._tell_roster(event)

    async def _tell_roster(self, event: Event) -> None:
        group_id, revision, notice, actor_id, user_ids = event.values

        def work(connection: Connection) -> tuple[Group | None, list[Member]]:
            return self._store.group(connection, group_id), self._store.members_among(connection, group_id, user_ids)

        group, members = event.fresh or await self._database.read(work)
        if group is None:
            return
        people = await self._people.load([actor_id, *user_ids])
        # Who made the group or left it is named as the actor, not in the list.
        named = [user_id for user_id in user_ids if user_id != actor_id]
        await self._talks.change_roster(
            group,
            members,
            Notice(notice),
            f"group-{group_id}-{revision}",
            actor_id,
            view.notice_body(actor_id, named, people),
        )
