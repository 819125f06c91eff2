"""Use cases of votes in a group.

A vote is one transaction, and a message of type 11 in the group's talk, told by a command of the outbox which is
awaited before the answer. Any member who may speak makes one; every member votes, once; its maker, or who manages the
group, ends it. An answer locks the vote's row, and its key is the vote with its user: of two at once one counts.

A secret vote never tells who chose what: its list of answers has no names, no times, and an order made by chance.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import (
    ALREADY_VOTED,
    FORBIDDEN,
    INVALID,
    MUTED,
    UNKNOWN_VOTE,
    VOTE_ENDED,
    XinYuError,
)
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.group.events import VOTE, VOTE_OVER, GroupEvents
from xinyu_services.group.model import REPEAT_WITHIN_MS, Group, Member, Person, Role, is_muted
from xinyu_services.group.ports import Ids, People
from xinyu_services.group.standing import standing
from xinyu_services.group.store import GroupStore
from xinyu_services.group.vote_model import (
    DAY_MS,
    MAX_A_DAY,
    Answer,
    AnswerMode,
    Option,
    Vote,
    VoteDetail,
    VoteState,
    chosen_keys,
    place_after,
    vote_hash,
    vote_problem,
)
from xinyu_services.group.vote_store import VoteStore
from xinyu_services.group.vote_updates import VoteUpdates

ANSWERS_PAGE: Final = 1_000
VOTES_PAGE: Final = 100
NOBODY: Final = Person(0, "", "", 0, "")


class Votes:
    """Of the group room."""

    def __init__(
        self,
        database: Database,
        groups: GroupStore,
        store: VoteStore,
        vote_ids: Ids,
        people: People,
        events: GroupEvents,
        updates: VoteUpdates,
        dispatcher: Dispatcher,
        clock: Clock,
    ) -> None:
        self._database = database
        self._groups = groups
        self._store = store
        self._vote_ids = vote_ids
        self._people = people
        self._events = events
        self._updates = updates
        self._dispatcher = dispatcher
        self._clock = clock

    # ---------------------------------------------------------------- changes

    async def create(
        self,
        user_id: int,
        group_id: int,
        title: str,
        mode: AnswerMode,
        is_secret: bool,
        options: Sequence[str],
        context: Context,
    ) -> int:
        """The new vote's number, or that of the one that the same request made within 30 s. Raises INVALID,
        UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, MUTED, FORBIDDEN (too many in a day)."""
        if problem := vote_problem(title, options):
            raise XinYuError(INVALID, problem)
        # Before a number is taken for nothing.
        await query(self._database, lambda connection: standing(self._groups, connection, group_id, user_id))
        vote_id = await self._vote_ids.take()
        request_hash = vote_hash(group_id, title, mode, is_secret, options)
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> int:
            group, member = standing(self._groups, connection, group_id, user_id, lock=True)
            made_id = self._store.repeated(connection, user_id, request_hash, now_ms - REPEAT_WITHIN_MS)
            if made_id:
                batch.write(connection, [])
                return made_id
            _check_may_speak(group, member, now_ms)
            if self._store.count_made(connection, user_id, group_id, now_ms - DAY_MS) >= MAX_A_DAY:
                raise XinYuError(FORBIDDEN, f"You can start {MAX_A_DAY} votes a day in one group.")
            vote = Vote(vote_id, group_id, user_id, title, mode, is_secret, VoteState.RUNNING, 0, 0, now_ms, 0)
            self._store.insert(connection, vote, options, request_hash)
            batch.write(connection, [Event(VOTE, (vote_id,), vote)])
            return vote_id

        made_id = await transact(self._database, work)
        done = self._dispatcher.committed(batch)
        if made_id == vote_id:
            await context.wait(done)
        else:
            # The first request may still be on its way to the message room; saying it again does no harm.
            await self._events.command(Event(VOTE, (made_id,)))
        return made_id

    async def submit(self, user_id: int, vote_id: int, keys: Sequence[str], context: Context) -> None:
        """One's answer, which cannot be changed. The same one again changes nothing. Raises UNKNOWN_VOTE,
        UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, VOTE_ENDED, ALREADY_VOTED, INVALID."""
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> bool:
            vote, _, _ = self._locked(connection, vote_id, user_id)
            chosen = chosen_keys(keys, vote.answer_mode, len(self._store.options(connection, vote_id)))
            if not chosen:
                raise XinYuError(INVALID, "That is no answer to this vote.")
            mine = self._store.answer_of(connection, vote_id, user_id)
            if mine is not None:
                if mine.chosen == chosen:
                    return False
                raise XinYuError(ALREADY_VOTED)
            if vote.state is VoteState.ENDED:
                raise XinYuError(VOTE_ENDED)
            place = secrets.randbelow(MAX_SAFE_INTEGER) if vote.is_secret else vote.answered
            self._store.add_answer(connection, vote, Answer(user_id, chosen, place, now_ms))
            return True

        if await transact(self._database, work):
            self._updates.answered(vote_id)

    async def finish(self, user_id: int, vote_id: int, context: Context) -> None:
        """No more answers. A repeat changes nothing. Raises UNKNOWN_VOTE, UNKNOWN_GROUP, DISMISSED, NOT_MEMBER,
        FORBIDDEN."""
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            vote, group, member = self._locked(connection, vote_id, user_id)
            if vote.creator_id != user_id and member.role is Role.MEMBER:
                raise XinYuError(FORBIDDEN, "Only who started the vote, the owner and admins end it.")
            if vote.state is VoteState.ENDED:
                return batch.write(connection, [])
            self._store.end(connection, vote_id, vote.electorate(group.member_count), now_ms)
            return batch.write(connection, [Event(VOTE_OVER, (vote_id,))])

        await transact(self._database, work)
        await context.wait(self._dispatcher.committed(batch))

    def _locked(self, connection: Connection, vote_id: int, user_id: int) -> tuple[Vote, Group, Member]:
        """The vote, locked, its group and the asker's row in that."""
        vote = self._store.find(connection, vote_id, lock=True)
        if vote is None:
            raise XinYuError(UNKNOWN_VOTE)
        return vote, *standing(self._groups, connection, vote.group_id, user_id)

    # ---------------------------------------------------------------- reading

    async def detail(self, user_id: int, vote_id: int, cursor: str = "") -> VoteDetail:
        """For members: the vote and a page of its answers, 1,000 at most. Raises UNKNOWN_VOTE, UNKNOWN_GROUP,
        DISMISSED, NOT_MEMBER, INVALID (the cursor)."""
        after = place_after(cursor)
        if after is None:
            raise XinYuError(INVALID, "cursor is not one of ours.")

        def work(connection: Connection) -> tuple[Vote, list[Option], int, str, list[Answer]]:
            vote = self._store.find(connection, vote_id)
            if vote is None:
                raise XinYuError(UNKNOWN_VOTE)
            group, _ = standing(self._groups, connection, vote.group_id, user_id)
            members = group.member_count if vote.state is VoteState.RUNNING else 0
            mine = self._store.answer_of(connection, vote_id, user_id)
            answers = self._store.answers(connection, vote_id, after, ANSWERS_PAGE + 1)
            options = self._store.options(connection, vote_id)
            return vote, options, vote.electorate(members), "" if mine is None else mine.chosen, answers

        vote, options, electorate, own, answers = await query(self._database, work)
        following = str(answers[ANSWERS_PAGE - 1].place) if len(answers) > ANSWERS_PAGE else ""
        answers = answers[:ANSWERS_PAGE]
        people = {} if vote.is_secret else await self._people.load(answer.user_id for answer in answers)
        named = [(answer, people.get(answer.user_id, NOBODY)) for answer in answers]
        return VoteDetail(vote, options, electorate, own, named, following)

    async def of_group(self, user_id: int, group_id: int, below: int) -> tuple[list[tuple[Vote, bool]], int]:
        """(a page of the group's votes below the number `below`, 0 = from the newest, with whether the asker has
        voted; where the next page begins, 0 = there is none). Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER."""

        def work(connection: Connection) -> list[tuple[Vote, bool]]:
            standing(self._groups, connection, group_id, user_id)
            return self._store.of_group(connection, group_id, user_id, below or MAX_SAFE_INTEGER, VOTES_PAGE + 1)

        found = await query(self._database, work)
        following = found[VOTES_PAGE - 1][0].vote_id if len(found) > VOTES_PAGE else 0
        return found[:VOTES_PAGE], following


def _check_may_speak(group: Group, member: Member, now_ms: int) -> None:
    """A vote is a message, too. Raises MUTED."""
    if is_muted(member, now_ms) or (group.mute_all and member.role is Role.MEMBER):
        raise XinYuError(MUTED)
