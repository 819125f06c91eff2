"""Use cases of edits: another text for a message of one's own, and all texts that it has had.

The message keeps what it was sent with, so a late repeat of its send is still known; what is shown lies beside it
(`message_change`), and each text that it got is kept. A change tells it to everybody, like a recall.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import MessageSettings
from xinyu.base.errors import (
    EDIT_TOO_LATE,
    FORBIDDEN,
    INVALID,
    NOT_MEMBER,
    TOO_MANY_EDITS,
    UNKNOWN_MESSAGE,
    XinYuError,
)
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.message.model import EDITABLE, MemberState, StoredMessage, TalkKey, may_edit
from xinyu_services.message.reacting import see_own_reactions
from xinyu_services.message.send_rules import check_friend, check_mentions, check_sender
from xinyu_services.message.store import MessageStore
from xinyu_services.message.talk_access import TalkAccess


@dataclass(frozen=True, slots=True)
class Version:
    """One text of a message: its body, and when it got it (0 = as it was sent)."""

    body: str
    edited_at_ms: int


class Editing:
    """One a process."""

    def __init__(
        self, database: Database, store: MessageStore, access: TalkAccess, clock: Clock, settings: MessageSettings
    ) -> None:
        self._database = database
        self._store = store
        self._access = access
        self._clock = clock
        self._settings = settings

    async def edit(self, user_id: int, key: TalkKey, msg_id: str, msg_type: int, body: str) -> StoredMessage:
        """The message as it is now; one that has this text already stays as it is. Raises UNKNOWN_MESSAGE, FORBIDDEN,
        INVALID for another type, EDIT_TOO_LATE, TOO_MANY_EDITS, and what a send in that talk would be refused for."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> StoredMessage:
            talk, member = self._access.member_of(connection, key, user_id, lock=True)
            if member.state != MemberState.IN:
                raise XinYuError(NOT_MEMBER)
            message = self._access.pick(connection, talk, member, [msg_id]).get(msg_id)
            if message is None or message.recalled_by:
                raise XinYuError(UNKNOWN_MESSAGE)
            if message.sender_id != user_id:
                raise XinYuError(FORBIDDEN)
            if message.msg_type not in EDITABLE or message.msg_type != msg_type:
                raise XinYuError(INVALID, "A text, code or mixed message can be edited, and stays what it is.")
            if message.body == body:
                see_own_reactions(self._store, connection, user_id, [message])
                return message
            check_sender(talk, member, now_ms)
            check_friend(member, self._settings.require_friendship)
            check_mentions(talk, member, msg_type, body)
            if not may_edit(message, now_ms, self._settings.edit_window_s):
                raise XinYuError(EDIT_TOO_LATE)
            edits = self._store.count_edits(connection, talk.talk_id, message.sequence)
            if edits >= self._settings.max_edits:
                raise XinYuError(TOO_MANY_EDITS)
            talk.last_change += 1
            before = replace(message)
            message.body, message.edited_at_ms = body, now_ms
            self._store.terms.reindex(connection, before, message)
            self._store.save_edit(connection, message, edits + 1, talk.last_change)
            is_last = message.sequence == talk.last_sequence
            if is_last:
                talk.last_digest = message.digest
            self._store.save_talk(connection, talk)
            events.append(
                Event("e", (talk.talk_id, talk.last_change, message.sequence), (talk.facts, replace(message), is_last))
            )
            see_own_reactions(self._store, connection, user_id, [message])
            return message

        return await self._access.write(key, work)

    async def load_versions(self, user_id: int, key: TalkKey, msg_id: str) -> tuple[StoredMessage, list[Version]]:
        """All texts of a message that the user may read, the first one first. Raises UNKNOWN_MESSAGE, for recalled ones
        too, NOT_MEMBER, UNKNOWN_TALK, UNKNOWN_GROUP."""

        def work(connection: Connection) -> tuple[StoredMessage, list[Version]]:
            talk, member = self._access.member_of(connection, key, user_id)
            message = self._access.pick(connection, talk, member, [msg_id]).get(msg_id)
            if message is None or message.recalled_by:
                raise XinYuError(UNKNOWN_MESSAGE)
            place = (talk.talk_id, message.sequence)
            if self._store.hidden_of(connection, user_id, [place]):
                raise XinYuError(UNKNOWN_MESSAGE)
            return message, [Version(*row) for row in self._store.load_bodies(connection, *place)]

        return await query(self._database, work)
