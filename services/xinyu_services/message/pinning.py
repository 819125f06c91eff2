"""Use cases of pins: messages that a talk keeps in sight for all its members, the newest pin first.

A pair's two pin as they like; in a group its owner and admins, or everybody where `messages.members_may_pin` is on. A
recall takes the pin with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import MessageSettings
from xinyu.base.errors import FORBIDDEN, NOT_MEMBER, TOO_MANY_PINS, UNKNOWN_MESSAGE, XinYuError
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.message.model import FIRST_SYSTEM_TYPE, MemberState, StoredMessage, TalkKey, may_pin
from xinyu_services.message.reacting import see_own_reactions
from xinyu_services.message.send_rules import check_friend, check_sender
from xinyu_services.message.store import MessageStore
from xinyu_services.message.talk_access import TalkAccess

MAX_PINS: Final = 50
SET, CLEAR = 1, 2


class Pinning:
    """One a process."""

    def __init__(
        self, database: Database, store: MessageStore, access: TalkAccess, clock: Clock, settings: MessageSettings
    ) -> None:
        self._database = database
        self._store = store
        self._access = access
        self._clock = clock
        self._settings = settings

    async def pin(self, user_id: int, key: TalkKey, msg_id: str, action: int) -> None:
        """What is so already changes nothing. Raises UNKNOWN_MESSAGE, FORBIDDEN, TOO_MANY_PINS, and what a send in that
        talk would be refused for."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> None:
            talk, member = self._access.member_of(connection, key, user_id, lock=True)
            if member.state != MemberState.IN:
                raise XinYuError(NOT_MEMBER)
            message = self._access.pick(connection, talk, member, [msg_id]).get(msg_id)
            place = (talk.talk_id, message.sequence if message is not None else 0)
            if message is None or message.recalled_by or self._store.hidden_of(connection, user_id, [place]):
                raise XinYuError(UNKNOWN_MESSAGE)
            if message.msg_type >= FIRST_SYSTEM_TYPE or not may_pin(talk, member, self._settings.members_may_pin):
                raise XinYuError(FORBIDDEN)
            check_sender(talk, member, now_ms)
            check_friend(member, self._settings.require_friendship)
            if message.is_pinned == (action == SET):
                return
            if action == SET and self._store.count_pins(connection, talk.talk_id) >= MAX_PINS:
                raise XinYuError(TOO_MANY_PINS)
            talk.last_change += 1
            if action == SET:
                self._store.pin(connection, message, talk.last_change, user_id, now_ms)
            else:
                self._store.unpin(connection, message, talk.last_change)
            self._store.save_talk(connection, talk)
            changed = replace(message, is_pinned=action == SET)
            events.append(Event("p", (talk.talk_id, talk.last_change, message.sequence), (talk.facts, changed)))

        await self._access.write(key, work)

    async def load(self, user_id: int, key: TalkKey) -> list[StoredMessage]:
        """What is pinned, as far as the user may see it; the newest pin first. Raises NOT_MEMBER, UNKNOWN_TALK,
        UNKNOWN_GROUP."""

        def work(connection: Connection) -> list[StoredMessage]:
            talk, member = self._access.member_of(connection, key, user_id)
            low, high = member.visible_from(talk), member.visible_to(talk)
            pinned = self._store.load_pins(connection, talk.talk_id)
            places = [(talk.talk_id, sequence) for sequence in pinned if low <= sequence <= high]
            messages = self._store.load_messages(connection, places)
            hidden = self._store.hidden_of(connection, user_id, places)
            shown = [
                messages[place]
                for place in places
                if place in messages and place not in hidden and not messages[place].expired
            ]
            see_own_reactions(self._store, connection, user_id, shown)
            return shown

        return await query(self._database, work)
