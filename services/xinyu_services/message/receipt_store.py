"""The SQL of read receipts: who hides what he has read, and how far members of a talk have read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.message.model import MaySend, MemberState
from xinyu_services.message.receipt_model import PairReads, Reader


class ReceiptStore:
    """Every method runs inside one transaction of `Database.read` or `.write`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def save_choice(self, connection: Connection, user_id: int, is_hidden: bool, revision: int) -> None:
        """The user room's word; one whose revision is not higher than the stored one changes nothing."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT revision FROM reader_choice WHERE user_id = ?" + self._dialect.for_update),
            (user_id,),
        )
        row = c.fetchone()
        if row is None or row[0] < revision:
            columns = ("user_id", "is_hidden", "revision")
            c.execute(
                self._dialect.upsert("reader_choice", columns, columns[:1], columns[1:], 1),
                (user_id, int(is_hidden), revision),
            )

    def load_hidden(self, connection: Connection, user_ids: Sequence[int]) -> set[int]:
        """Those of the users who hide what they have read; at most 5,000."""
        if not user_ids:
            return set()
        c = cursor(connection)
        c.execute(
            f"SELECT user_id FROM reader_choice WHERE user_id IN ({self._dialect.marks(len(user_ids))}) "
            "AND is_hidden = 1",
            list(user_ids),
        )
        return {row[0] for row in c.fetchall()}

    def load_pairs(self, connection: Connection, pairs: Iterable[tuple[int, int, int]]) -> dict[int, PairReads]:
        """(talk_id, one, other) -> by talk_id how far the two have read, where they tell each other: neither hides it
        or has blocked the other. One statement, for at most 400 pairs."""
        wanted = list(pairs)
        if not wanted:
            return {}
        c = cursor(connection)
        source = self._dialect.among("talk_member m", ("talk_id", "user_id"), 2 * len(wanted))
        c.execute(
            "SELECT m.talk_id, m.user_id, m.read_sequence, m.sent_sequence, m.may_send, COALESCE(r.is_hidden, 0) "
            f"FROM {source} LEFT JOIN reader_choice r ON r.user_id = m.user_id",
            [value for talk_id, one, other in wanted for value in (talk_id, one, talk_id, other)],
        )
        reads: dict[int, PairReads] = {}
        silent: set[int] = set()
        for talk_id, user_id, read_sequence, sent_sequence, may_send, is_hidden in c.fetchall():
            reads.setdefault(talk_id, {})[user_id] = max(read_sequence, sent_sequence)
            if is_hidden or may_send == MaySend.BLOCKED:
                silent.add(talk_id)
        return {talk_id: pair for talk_id, pair in reads.items() if talk_id not in silent}

    def load_readers(self, connection: Connection, talk_id: int, sequence: int) -> list[Reader]:
        """Members who are in, could see the message, and do not hide what they have read; by user."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT m.user_id, m.read_sequence, m.sent_sequence FROM talk_member m "
                "LEFT JOIN reader_choice r ON r.user_id = m.user_id "
                "WHERE m.talk_id = ? AND m.state = ? AND m.joined_sequence <= ? AND COALESCE(r.is_hidden, 0) = 0 "
                "ORDER BY m.user_id"
            ),
            (talk_id, int(MemberState.IN), sequence),
        )
        return [Reader(user_id, max(read, sent) >= sequence) for user_id, read, sent in c.fetchall()]
