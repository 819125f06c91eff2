"""Use cases of reactions: to set one, to take it back, and who reacted.

Counts lie beside the message and change with it under the talk's lock, so they cannot drift from the rows that say who
reacted; a page of records costs one statement more, and only where something on it has reactions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import MessageSettings
from xinyu.base.errors import FORBIDDEN, NOT_MEMBER, UNKNOWN_MESSAGE, XinYuError
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.message.model import FIRST_SYSTEM_TYPE, MemberState, Reaction, StoredMessage, TalkKey
from xinyu_services.message.reactions import added, check_emoji, counts_of, removed, stored_counts
from xinyu_services.message.send_rules import check_friend, check_sender
from xinyu_services.message.store import MessageStore
from xinyu_services.message.talk_access import TalkAccess

PAGE: Final = 100
ADD, REMOVE = 1, 2


class Reacting:
    """One a process."""

    def __init__(
        self, database: Database, store: MessageStore, access: TalkAccess, clock: Clock, settings: MessageSettings
    ) -> None:
        self._database = database
        self._store = store
        self._access = access
        self._clock = clock
        self._settings = settings

    async def react(self, user_id: int, key: TalkKey, msg_id: str, emoji: str, action: int) -> StoredMessage:
        """The message as the user sees it afterwards; what is so already changes nothing. Raises INVALID,
        UNKNOWN_MESSAGE, FORBIDDEN for a line of the system, TOO_MANY_REACTIONS, and what a send in that talk would be
        refused for; one that is taken back needs only that the user is there."""
        check_emoji(emoji)
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> StoredMessage:
            talk, member = self._access.member_of(connection, key, user_id, lock=True)
            if member.state != MemberState.IN:
                raise XinYuError(NOT_MEMBER)
            message = self._access.pick(connection, talk, member, [msg_id]).get(msg_id)
            place = (talk.talk_id, message.sequence if message is not None else 0)
            if message is None or message.recalled_by or self._store.hidden_of(connection, user_id, [place]):
                raise XinYuError(UNKNOWN_MESSAGE)
            if message.msg_type >= FIRST_SYSTEM_TYPE:
                raise XinYuError(FORBIDDEN)
            own = self._store.reactions_of(connection, user_id, [place]).get(place, set())
            if (emoji in own) == (action == ADD):
                message.own_reactions = frozenset(own)
                return message
            if action == ADD:
                check_sender(talk, member, now_ms)
                check_friend(member, self._settings.require_friendship)
                counts = added(counts_of(message.reactions), own, emoji)
            else:
                counts = removed(counts_of(message.reactions), emoji)
            talk.last_change += 1
            message.reactions = stored_counts(counts)
            self._store.save_reactions(connection, message, talk.last_change)
            reaction = Reaction(talk.last_change, user_id, emoji, now_ms)
            if action == ADD:
                self._store.insert_reaction(connection, message, reaction)
            else:
                self._store.delete_reaction(connection, message, reaction)
            self._store.save_talk(connection, talk)
            values = (talk.talk_id, talk.last_change, message.sequence, user_id, emoji, action)
            events.append(Event("x", values, (talk.facts, replace(message))))  # whose own they are is his alone
            message.own_reactions = frozenset(own ^ {emoji})
            return message

        return await self._access.write(key, work)

    async def load(
        self, user_id: int, key: TalkKey, msg_id: str, emoji: str, after_change: int
    ) -> tuple[list[Reaction], bool]:
        """A page of who reacted (emoji "" = with whatever), the earliest first, and whether there are more. Raises
        UNKNOWN_MESSAGE, NOT_MEMBER, UNKNOWN_TALK, UNKNOWN_GROUP."""

        def work(connection: Connection) -> tuple[list[Reaction], bool]:
            talk, member = self._access.member_of(connection, key, user_id)
            message = self._access.pick(connection, talk, member, [msg_id]).get(msg_id)
            place = (talk.talk_id, message.sequence if message is not None else 0)
            if message is None or message.recalled_by or self._store.hidden_of(connection, user_id, [place]):
                raise XinYuError(UNKNOWN_MESSAGE)
            found = self._store.load_reactions(connection, place, emoji, after_change, PAGE + 1)
            return found[:PAGE], len(found) > PAGE

        return await query(self._database, work)


def see_own_reactions(
    store: MessageStore, connection: Connection, user_id: int, messages: Iterable[StoredMessage]
) -> None:
    """Marks which of the reactions are the user's own, before these messages are shown to him."""
    with_some = {(m.talk_id, m.sequence): m for m in messages if m.reactions and not m.recalled_by}
    if with_some:
        for place, emojis in store.reactions_of(connection, user_id, sorted(with_some)).items():
            with_some[place].own_reactions = frozenset(emojis)
