"""What the group room's changes cause.

Events:

`created` (group_id, user_ids)                          `im.group.create` to the invited's legacy devices
`application` (group_id, apply_id, state)               `im.group.apply` to the devices of owner and admins; of legacy
                                                        ones while the request waits, which is all that they show
`roster` (group_id, revision, notice, actor, user_ids)  command: the message room learns how these members stand, and
                                                        stores the system message of this revision, where there is one
`notice` (group_id, edit)                               command: the message room tells that the profile has changed,
                                                        and stores the notice as a message
`vote` (vote_id)                                        command: the message room stores the vote's message
`vote_over` (vote_id)                                   command: the message room tells that the vote's message changed

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

from xinyu.delivery.dispatcher import LEGACY, V1_JSON, Push
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu_services.group import view
from xinyu_services.group.application_model import Application, ApplyState
from xinyu_services.group.application_store import ApplicationStore
from xinyu_services.group.model import Group, Member, Notice
from xinyu_services.group.notice_model import NoticeEdit
from xinyu_services.group.notice_store import NoticeStore
from xinyu_services.group.ports import People, Talks
from xinyu_services.group.store import GroupStore
from xinyu_services.group.vote_model import Vote
from xinyu_services.group.vote_store import VoteStore

CREATED: Final = "created"
APPLICATION: Final = "application"
ROSTER: Final = "roster"
NOTICE: Final = "notice"
VOTE: Final = "vote"
VOTE_OVER: Final = "vote_over"
VOTE_MESSAGE: Final = 11
NOTICE_MESSAGE: Final = 13
MAX_NAMED: Final = 100
# Of one group, who hear of a request.
MAX_MANAGERS_TOLD: Final = 500


class GroupEvents:
    """`xinyu.delivery.dispatcher.EventSource` of the group room."""

    def __init__(
        self,
        database: Database,
        store: GroupStore,
        applications: ApplicationStore,
        notices: NoticeStore,
        votes: VoteStore,
        people: People,
        talks: Talks,
    ) -> None:
        self._database = database
        self._store = store
        self._applications = applications
        self._notices = notices
        self._votes = votes
        self._people = people
        self._talks = talks
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        created = sorted({event.values[0] for event in events if event.kind == CREATED})
        asked = [event for event in events if event.kind == APPLICATION]
        asked_of = sorted({event.values[0] for event in asked})
        apply_ids = sorted({event.values[1] for event in asked})

        def work(connection: Connection) -> tuple[list[Group], dict[int, list[int]], dict[int, Application]]:
            return (
                self._store.groups(connection, created),
                self._applications.managers(connection, asked_of, MAX_MANAGERS_TOLD),
                self._applications.load(connection, apply_ids),
            )

        found, managers, applications = await self._database.read(work)
        groups = {group.group_id: group for group in found}
        pushes: list[Push] = []
        for event in events:
            if event.kind == APPLICATION:
                group_id, apply_id, state = event.values
                if apply_id in applications:
                    pushes.append(self._asked(managers[group_id], applications[apply_id], state))
            elif event.values[0] in groups:
                pushes.append(self._created(groups[event.values[0]], event.values[1]))
        return pushes

    @staticmethod
    def _asked(managers: Sequence[int], application: Application, state: int) -> Push:
        waits = state == ApplyState.PENDING and application.state is ApplyState.PENDING
        return Push(
            tuple(managers),
            lambda codec: view.asked(application, state, codec),
            LEGACY | V1_JSON if waits else V1_JSON,
        )

    @staticmethod
    def _created(group: Group, user_ids: Sequence[int]) -> Push:
        return Push(tuple(user_ids), lambda _codec: view.created(group), LEGACY)

    def is_command(self, event: Event) -> bool:
        return event.kind in (ROSTER, NOTICE, VOTE, VOTE_OVER)

    async def command(self, event: Event) -> None:
        if event.kind == VOTE:
            await self._tell_vote(event)
            return
        if event.kind == VOTE_OVER:
            await self.tell_answers(event.values[0])
            return
        turn = self._turns.setdefault(event.values[0], asyncio.Lock())
        async with turn:
            if event.kind == NOTICE:
                await self._tell_notice(event)
            else:
                await self._tell_roster(event)

    async def _tell_vote(self, event: Event) -> None:
        vote: Vote | None = event.fresh or await self._vote(event.values[0])
        if vote is not None:
            msg_id, body = vote_msg_id(vote), {"vote_id": vote.vote_id}
            await self._talks.write_message(vote.group_id, msg_id, vote.creator_id, VOTE_MESSAGE, body)

    async def tell_answers(self, vote_id: int) -> None:
        """That a vote has new answers, or is over."""
        vote = await self._vote(vote_id)
        if vote is not None:
            await self._talks.touch_message(vote.group_id, vote_msg_id(vote), vote.creator_id)

    async def _vote(self, vote_id: int) -> Vote | None:
        return await self._database.read(lambda connection: self._votes.find(connection, vote_id))

    async def _tell_notice(self, event: Event) -> None:
        group_id, number = event.values

        def work(connection: Connection) -> tuple[Group | None, NoticeEdit | None]:
            return self._store.group(connection, group_id), self._notices.find(connection, group_id, number)

        group, edit = event.fresh or await self._database.read(work)
        if group is None or edit is None:
            return
        await self._talks.change_profile(group)
        if edit.content:
            people = await self._people.load([edit.editor_id])
            body = view.notice_message(edit, people)
            await self._talks.write_message(
                group_id, f"notice-{group_id}-{number}", edit.editor_id, NOTICE_MESSAGE, body
            )

    async def _tell_roster(self, event: Event) -> None:
        group_id, revision, notice, actor_id, user_ids = event.values

        def work(connection: Connection) -> tuple[Group | None, list[Member]]:
            return self._store.group(connection, group_id), self._store.members_among(connection, group_id, user_ids)

        group, members = event.fresh or await self._database.read(work)
        if group is None:
            return
        # Who made the group or left it is named as the actor, not in the list. The line goes to every member: it names
        # the first of many.
        # An owner's heir changes with him and is not named.
        others = () if notice == Notice.LEFT else user_ids
        named = [user_id for user_id in others if user_id != actor_id][:MAX_NAMED]
        people = await self._people.load([actor_id, *named]) if notice else {}
        await self._talks.change_roster(
            group,
            members,
            Notice(notice),
            f"group-{group_id}-{revision}",
            actor_id,
            view.notice_body(actor_id, named, people),
        )


def vote_msg_id(vote: Vote) -> str:
    """Of the message that shows a vote."""
    return f"vote-{vote.vote_id}"
