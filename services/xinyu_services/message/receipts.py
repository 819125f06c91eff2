"""Read receipts: who has read a message, and who hides what he has read (docs/decisions, read receipts).

In a pair the read cursor is told to the other one as it moves (lane.py, `events.py`); in a group readers are told on
request. Hiding works both ways: who hides sees nobody's.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from xinyu.base.config import MessageSettings
from xinyu.base.errors import NOT_MEMBER, RECEIPTS_OFF, UNKNOWN_MESSAGE, XinYuError
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.message.model import FIRST_SYSTEM_TYPE, Member, MemberState, StoredMessage, Talk, TalkMode
from xinyu_services.message.receipt_model import ReadersPage, readers_page
from xinyu_services.message.receipt_store import ReceiptStore

# Finds the talk, the asker's row in it and the message, or refuses.
FindMessage = Callable[[Connection, int, int, int, str], tuple[Talk, Member, StoredMessage]]


class Receipts:
    """Part of the message room; `find` is the message service's."""

    def __init__(
        self, database: Database, store: ReceiptStore, find: FindMessage, settings: MessageSettings
    ) -> None:
        self._database = database
        self._store = store
        self._find = find
        self._settings = settings

    async def choose(self, user_id: int, is_hidden: bool, revision: int) -> None:
        """The user room's word. May be repeated."""
        await transact(
            self._database, lambda connection: self._store.save_choice(connection, user_id, is_hidden, revision)
        )

    async def readers(
        self, user_id: int, mode: int, to_from_id: int, msg_id: str, after_user_id: int
    ) -> ReadersPage:
        """A page of who has and has not read a message. Raises UNKNOWN_MESSAGE, NOT_MEMBER, RECEIPTS_OFF."""

        def work(connection: Connection) -> ReadersPage:
            talk, member, message = self._find(connection, user_id, mode, to_from_id, msg_id)
            if member.state != MemberState.IN:
                raise XinYuError(NOT_MEMBER)
            if message.msg_type >= FIRST_SYSTEM_TYPE:
                raise XinYuError(UNKNOWN_MESSAGE, "Lines of the system have no readers.")
            if mode == TalkMode.GROUP:
                if talk.member_count > self._settings.receipts_up_to_members:
                    raise XinYuError(RECEIPTS_OFF, "This group is too large for read receipts.")
                if self._store.load_hidden(connection, [user_id]):
                    raise XinYuError(RECEIPTS_OFF, "Who hides what he has read sees nobody's.")
            elif talk.talk_id not in self._store.load_pairs(connection, [(talk.talk_id, talk.key.low, talk.key.high)]):
                raise XinYuError(RECEIPTS_OFF)
            readers = self._store.load_readers(connection, talk.talk_id, message.sequence)
            return readers_page(readers, message.sender_id, after_user_id)

        return await query(self._database, work)
