"""What every use case of the message room begins with: the talk that a user names, his row in it, the messages that he
may see there; and a transaction in the talk's lane, so that all numbers of a talk are given out one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from xinyu.base.errors import NOT_MEMBER, UNKNOWN_GROUP, UNKNOWN_TALK, XinYuError
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import transact
from xinyu_services.message.model import Member, StoredMessage, Talk, TalkKey, TalkMode
from xinyu_services.message.store import MessageStore

T = TypeVar("T")


class TalkAccess:
    """One a process. `known_talks` is the service's: ids that were found once."""

    def __init__(
        self,
        database: Database,
        store: MessageStore,
        dispatcher: Dispatcher,
        known_talks: Mapping[TalkKey, int],
        lanes: int,
    ) -> None:
        self._database = database
        self._store = store
        self._dispatcher = dispatcher
        self._known_talks = known_talks
        self._lanes = lanes

    def lane_of(self, key: TalkKey) -> int:
        return hash(key) % self._lanes

    def talk_by_key(self, connection: Connection, key: TalkKey, *, lock: bool = False) -> Talk | None:
        talk_id = self._known_talks.get(key) or self._store.find_talks(connection, [key]).get(key)
        return self._store.load_talks(connection, [talk_id], lock=lock).get(talk_id) if talk_id else None

    def member_of(
        self, connection: Connection, key: TalkKey, user_id: int, *, lock: bool = False
    ) -> tuple[Talk, Member]:
        """Talk and member row; UNKNOWN_TALK, UNKNOWN_GROUP or NOT_MEMBER."""
        talk = self.talk_by_key(connection, key, lock=lock)
        if talk is None:
            raise XinYuError(UNKNOWN_GROUP if key.mode == TalkMode.GROUP else UNKNOWN_TALK)
        member = self._store.load_members(connection, [(talk.talk_id, user_id)]).get((talk.talk_id, user_id))
        if member is None:
            raise XinYuError(NOT_MEMBER)
        return talk, member

    def pick(
        self, connection: Connection, talk: Talk, member: Member, msg_ids: Sequence[str]
    ) -> dict[str, StoredMessage]:
        """One message a msg_id that the member may see: his own, else the earliest (contract: http-api)."""
        low, high = member.visible_from(talk), member.visible_to(talk)
        picked: dict[str, StoredMessage] = {}
        keys = [(msg_id, talk.talk_id) for msg_id in msg_ids]
        for message in self._store.find_by_msg_id(connection, keys) if keys else ():
            if low <= message.sequence <= high and not message.expired:
                held = picked.get(message.msg_id)
                if held is None or (message.sender_id == member.user_id != held.sender_id):
                    picked[message.msg_id] = message
        return picked

    async def write(
        self,
        key: TalkKey,
        work: Callable[[Connection, list[Event]], T],
        *,
        wait_for_commands: bool = False,
    ) -> T:
        """Runs `work` in the talk's lane, tries again after a deadlock, hands its events on."""
        batch = self._dispatcher.outbox.open()

        def transaction(connection: Connection) -> T:
            events: list[Event] = []
            result = work(connection, events)
            batch.write(connection, events)
            return result

        result = await transact(self._database, transaction, lane=self.lane_of(key))
        told = self._dispatcher.committed(batch)
        if wait_for_commands:
            await told
        return result
