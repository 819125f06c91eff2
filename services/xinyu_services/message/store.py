"""The only SQL of the message room. Every method runs inside one transaction of `Database.read` or `.write`.

Statements go through the driver's cursor (data.md, "One storage interface"): a send is on the hottest path there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.message.model import Member, StoredMessage, Talk, TalkKey, TalkMode

_TALK: Final = (
    "talk_id, talk_mode, peer_low, peer_high, group_id, state, mute_all, last_sequence, last_change, first_sequence, "
    "last_sender_id, last_msg_type, last_digest, last_at_ms, profile_change, profile_revision, pair_revision"
)
_MEMBER_COLUMNS: Final = (
    "talk_id", "user_id", "role", "state", "may_send", "muted_until_ms", "joined_sequence", "left_sequence",
    "sent_sequence", "read_sequence", "cleared_sequence", "own", "change", "revision",
)  # fmt: skip
_MEMBER: Final = ", ".join(_MEMBER_COLUMNS)
_MESSAGE: Final = (
    "m.talk_id, m.sequence, m.msg_id, m.sender_id, m.msg_type, COALESCE(c.body, m.body), m.quote, m.sent_at_ms, "
    "COALESCE(c.recalled_by, 0), COALESCE(c.expired, 0)"
)
_WITH_CHANGE: Final = "LEFT JOIN message_change c ON c.talk_id = m.talk_id AND c.sequence = m.sequence"
_MESSAGE_FROM: Final = f"message m {_WITH_CHANGE}"
# Terms of one UNION ALL, and values of one IN list: below SQLite's 500 terms and 32,766 parameters.
UNION_TERMS: Final = 400
IN_VALUES: Final = 5_000


def _talk(row: Sequence[Any]) -> Talk:
    if row[1] == TalkMode.GROUP:
        key = TalkKey(row[1], row[4])
    else:
        key = TalkKey(row[1], row[2], row[3])
    return Talk(row[0], key, *row[5:])


def _message(row: Sequence[Any]) -> StoredMessage:
    message = StoredMessage(*row)
    message.expired = bool(row[9])
    return message


def _sent(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, int, int], tuple[bytes, StoredMessage]]:
    return {(row[2], row[0], row[3]): (bytes(row[10]), _message(row[:10])) for row in rows}


class MessageStore:
    """SQL for one engine."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql = dialect.sql

    # ---------------------------------------------------------------- talks

    def find_talks(self, connection: Connection, keys: Iterable[TalkKey]) -> dict[TalkKey, int]:
        """Ids of those of `keys` that have a talk."""
        wanted = list(keys)
        pairs = [key for key in wanted if key.mode == TalkMode.SINGLE]
        groups = [key for key in wanted if key.mode == TalkMode.GROUP]
        terms: list[str] = []
        if pairs:
            source, where = self._dialect.among("talk", ("peer_low", "peer_high"), len(pairs))
            terms.append(f"SELECT talk_id, talk_mode, peer_low, peer_high FROM {source} WHERE {where}")
        if groups:
            marks = self._dialect.marks(len(groups))
            terms.append(f"SELECT talk_id, talk_mode, group_id, 0 FROM talk WHERE group_id IN ({marks})")
        if not terms:
            return {}
        c = cursor(connection)
        c.execute(
            " UNION ALL ".join(terms),
            [value for key in pairs for value in (key.low, key.high)] + [key.low for key in groups],
        )
        return {TalkKey(mode, low, high): talk_id for talk_id, mode, low, high in c.fetchall()}

    def load_talks(self, connection: Connection, talk_ids: Iterable[int], *, lock: bool = False) -> dict[int, Talk]:
        """Heads, ascending; with `lock` the rows stay locked to the end of the transaction."""
        ids = sorted(set(talk_ids))
        talks: dict[int, Talk] = {}
        c = cursor(connection)
        suffix = self._dialect.for_update if lock else ""
        for start in range(0, len(ids), IN_VALUES):
            chunk = ids[start : start + IN_VALUES]
            c.execute(self._heads_sql(len(chunk), suffix), chunk)
            talks.update((row[0], _talk(row)) for row in c.fetchall())
        return talks

    def _heads_sql(self, count: int, suffix: str) -> str:
        return f"SELECT {_TALK} FROM talk WHERE talk_id IN ({self._dialect.marks(count)}) ORDER BY talk_id{suffix}"

    def insert_talk(self, connection: Connection, talk_id: int, key: TalkKey) -> Talk:
        single = key.mode == TalkMode.SINGLE
        cursor(connection).execute(
            self._sql("INSERT INTO talk (talk_id, talk_mode, peer_low, peer_high, group_id) VALUES (?, ?, ?, ?, ?)"),
            (talk_id, key.mode, key.low if single else None, key.high if single else None, None if single else key.low),
        )
        return Talk(talk_id, key, 1, 0, 0, 0, 1, 0, 0, "", 0, 0, 0, 0)

    def save_talk(self, connection: Connection, talk: Talk) -> None:
        """Everything of a head but what it is between."""
        cursor(connection).execute(
            self._sql(
                "UPDATE talk SET state=?, mute_all=?, last_sequence=?, last_change=?, first_sequence=?, "
                "last_sender_id=?, last_msg_type=?, last_digest=?, last_at_ms=?, profile_change=?, profile_revision=?, "
                "pair_revision=? WHERE talk_id=?"
            ),
            (
                talk.state, talk.mute_all, talk.last_sequence, talk.last_change, talk.first_sequence,
                talk.last_sender_id, talk.last_msg_type, talk.last_digest, talk.last_at_ms, talk.profile_change,
                talk.profile_revision, talk.pair_revision, talk.talk_id,
            ),
        )  # fmt: skip

    def upsert_heads(self, connection: Connection, talks: Sequence[Talk]) -> None:
        """last_sequence and last message of many talks, in one statement."""
        columns = (
            "talk_id", "talk_mode", "last_sequence", "last_sender_id", "last_msg_type", "last_digest", "last_at_ms",
        )  # fmt: skip
        cursor(connection).execute(
            self._dialect.upsert("talk", columns, ("talk_id",), columns[2:], len(talks)),
            [
                value
                for talk in talks
                for value in (
                    talk.talk_id, talk.key.mode, talk.last_sequence, talk.last_sender_id, talk.last_msg_type,
                    talk.last_digest, talk.last_at_ms,
                )
            ],
        )  # fmt: skip

    # ---------------------------------------------------------------- members

    def load_members(self, connection: Connection, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Member]:
        """Rows of (talk_id, user_id) pairs."""
        wanted = list(pairs)
        members: dict[tuple[int, int], Member] = {}
        c = cursor(connection)
        for start in range(0, len(wanted), IN_VALUES):
            chunk = wanted[start : start + IN_VALUES]
            c.execute(self._members_sql(len(chunk)), [value for pair in chunk for value in pair])
            members.update(((row[0], row[1]), Member(*row)) for row in c.fetchall())
        return members

    def _members_sql(self, count: int) -> str:
        source, where = self._dialect.among("talk_member", ("talk_id", "user_id"), count)
        return f"SELECT {_MEMBER} FROM {source} WHERE {where}"

    def load_roster(self, connection: Connection, talk_id: int, since_change: int = 0) -> list[Member]:
        """All members that ever were, or those whose row changed after `since_change`."""
        c = cursor(connection)
        c.execute(
            self._sql(f"SELECT {_MEMBER} FROM talk_member WHERE talk_id = ? AND change > ? ORDER BY user_id"),
            (talk_id, since_change if since_change else -1),
        )
        return [Member(*row) for row in c.fetchall()]

    def save_members(self, connection: Connection, members: Sequence[Member]) -> None:
        """Inserts or overwrites whole rows."""
        if members:
            cursor(connection).execute(
                self._dialect.upsert(
                    "talk_member", _MEMBER_COLUMNS, ("talk_id", "user_id"), _MEMBER_COLUMNS[2:], len(members)
                ),
                [getattr(member, column) for member in members for column in _MEMBER_COLUMNS],
            )

    def upsert_cursors(self, connection: Connection, members: Sequence[Member], columns: Sequence[str]) -> None:
        """Overwrites `columns` of rows that are there, in one statement."""
        listed = ("talk_id", "user_id", "role", "state", "joined_sequence", *columns)
        cursor(connection).execute(
            self._dialect.upsert("talk_member", listed, ("talk_id", "user_id"), columns, len(members)),
            [getattr(member, column) for member in members for column in listed],
        )

    # ---------------------------------------------------------------- a batch of sends

    def load_batch(
        self,
        connection: Connection,
        talk_ids: Iterable[int],
        pairs: Iterable[tuple[int, int]],
        sent_keys: Iterable[tuple[str, int, int]],
    ) -> tuple[
        dict[int, Talk],
        dict[tuple[int, int], Member],
        dict[tuple[str, int, int], tuple[bytes, StoredMessage]],
    ]:
        """`load_talks` with lock, `load_members` and `find_sent` in one: all three are executed before the first is
        fetched, so that an engine that runs statements beside the loop is waited for once. At most IN_VALUES of each;
        of what is empty nothing is asked."""
        ids, wanted, keys = sorted(set(talk_ids)), list(dict.fromkeys(pairs)), list(dict.fromkeys(sent_keys))
        if max(len(ids), len(wanted), len(keys)) > IN_VALUES:
            raise ValueError(f"a batch of more than {IN_VALUES}")
        heads, members, sent = cursor(connection), cursor(connection), cursor(connection)
        if ids:
            heads.execute(self._heads_sql(len(ids), self._dialect.for_update), ids)
        if wanted:
            members.execute(self._members_sql(len(wanted)), [value for pair in wanted for value in pair])
        if keys:
            sent.execute(self._sent_sql(len(keys)), [value for key in keys for value in key])
        return (
            {row[0]: _talk(row) for row in (heads.fetchall() if ids else ())},
            {(row[0], row[1]): Member(*row) for row in (members.fetchall() if wanted else ())},
            _sent(sent.fetchall() if keys else ()),
        )

    # ---------------------------------------------------------------- messages

    def find_sent(
        self, connection: Connection, keys: Sequence[tuple[str, int, int]]
    ) -> dict[tuple[str, int, int], tuple[bytes, StoredMessage]]:
        """(msg_id, talk_id, sender_id) -> (request_hash, message as it is now) of those that are stored."""
        c = cursor(connection)
        c.execute(self._sent_sql(len(keys)), [value for key in keys for value in key])
        return _sent(c.fetchall())

    def _sent_sql(self, count: int) -> str:
        source, where = self._dialect.among("message m", ("msg_id", "talk_id", "sender_id"), count)
        return f"SELECT {_MESSAGE}, m.request_hash FROM {source} {_WITH_CHANGE} WHERE {where}"

    def insert_messages(self, connection: Connection, messages: Sequence[tuple[StoredMessage, bytes]]) -> None:
        """(message, request_hash) rows, in one statement."""
        cursor(connection).execute(
            "INSERT INTO message "
            "(talk_id, sequence, msg_id, sender_id, msg_type, body, quote, request_hash, sent_at_ms) VALUES"
            + self._dialect.rows(9, len(messages)),
            [
                value
                for m, request_hash in messages
                for value in (
                    m.talk_id, m.sequence, m.msg_id, m.sender_id, m.msg_type, m.body, m.quote, request_hash,
                    m.sent_at_ms,
                )
            ],
        )  # fmt: skip

    def load_messages(
        self, connection: Connection, keys: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], StoredMessage]:
        """Messages by (talk_id, sequence), recalled and expired ones included."""
        messages: dict[tuple[int, int], StoredMessage] = {}
        c = cursor(connection)
        for start in range(0, len(keys), IN_VALUES):
            chunk = keys[start : start + IN_VALUES]
            source, where = self._dialect.among("message m", ("talk_id", "sequence"), len(chunk))
            c.execute(
                f"SELECT {_MESSAGE} FROM {source} {_WITH_CHANGE} WHERE {where}",
                [value for key in chunk for value in key],
            )
            messages.update(((row[0], row[1]), _message(row)) for row in c.fetchall())
        return messages

    def find_by_msg_id(self, connection: Connection, keys: Sequence[tuple[str, int]]) -> list[StoredMessage]:
        """All messages with one of the (msg_id, talk_id) `keys` (several senders may have used the same), ascending."""
        c = cursor(connection)
        wanted = list(dict.fromkeys(keys))
        source, where = self._dialect.among("message m", ("msg_id", "talk_id"), len(wanted))
        c.execute(
            f"SELECT {_MESSAGE} FROM {source} {_WITH_CHANGE} WHERE {where} ORDER BY m.talk_id, m.sequence",
            [value for key in wanted for value in key],
        )
        return [_message(row) for row in c.fetchall()]

    def load_page(
        self,
        connection: Connection,
        talk_id: int,
        user_id: int,
        lowest: int,
        highest: int,
        limit: int,
        msg_type: int = 0,
    ) -> list[StoredMessage]:
        """The newest `limit` records of lowest..highest that the user has not hidden, newest first. Filters come before
        the limit: a short page is the last (contract: http-api, "Sending and reading")."""
        by_type = " AND m.msg_type = ? AND COALESCE(c.recalled_by, 0) = 0" if msg_type else ""
        c = cursor(connection)
        c.execute(
            self._sql(
                f"SELECT {_MESSAGE} FROM {_MESSAGE_FROM} "
                "LEFT JOIN message_hidden h ON h.talk_id = m.talk_id AND h.user_id = ? AND h.sequence = m.sequence "
                "WHERE m.talk_id = ? AND m.sequence BETWEEN ? AND ? AND h.sequence IS NULL "
                f"AND COALESCE(c.expired, 0) = 0{by_type} ORDER BY m.sequence DESC LIMIT ?"
            ),
            [user_id, talk_id, lowest, highest, *([msg_type] if msg_type else []), limit],
        )
        return [_message(row) for row in c.fetchall()]

    def load_windows(
        self, connection: Connection, user_id: int, windows: Sequence[tuple[int, int, int]]
    ) -> dict[int, list[StoredMessage]]:
        """Records of many (talk_id, lowest, highest) windows that the user has not hidden, ascending: one UNION ALL a
        chunk of talks."""
        found: dict[int, list[StoredMessage]] = {}
        c = cursor(connection)
        for start in range(0, len(windows), UNION_TERMS):
            chunk = windows[start : start + UNION_TERMS]
            term = self._sql(
                f"SELECT {_MESSAGE} FROM {_MESSAGE_FROM} "
                "LEFT JOIN message_hidden h ON h.talk_id = m.talk_id AND h.user_id = ? AND h.sequence = m.sequence "
                "WHERE m.talk_id = ? AND m.sequence BETWEEN ? AND ? AND h.sequence IS NULL "
                "AND COALESCE(c.expired, 0) = 0"
            )
            c.execute(
                " UNION ALL ".join([term] * len(chunk)) + " ORDER BY 1, 2",
                [value for talk_id, low, high in chunk for value in (user_id, talk_id, low, high)],
            )
            for row in c.fetchall():
                found.setdefault(row[0], []).append(_message(row))
        return found

    # ---------------------------------------------------------------- changes

    def load_changed(
        self, connection: Connection, cursors: Sequence[tuple[int, int, int, int]], limit: int
    ) -> dict[int, list[int]]:
        """(talk_id, change, lowest, highest) -> sequences of lowest..highest that changed after `change`, at most
        `limit` a talk."""
        return self._load_numbers(
            connection,
            "SELECT * FROM (SELECT talk_id, sequence FROM message_change WHERE talk_id = ? AND change > ? "
            "AND sequence BETWEEN ? AND ? LIMIT ?) AS t",
            [(*cursor_, limit) for cursor_ in cursors],
        )

    def load_hidden(
        self, connection: Connection, user_id: int, cursors: Sequence[tuple[int, int, int, int]], limit: int
    ) -> dict[int, list[int]]:
        """(talk_id, own, lowest, highest) -> sequences of lowest..highest that the user hid after `own`, at most
        `limit` a talk."""
        return self._load_numbers(
            connection,
            "SELECT * FROM (SELECT talk_id, sequence FROM message_hidden WHERE talk_id = ? AND user_id = ? AND own > ? "
            "AND sequence BETWEEN ? AND ? LIMIT ?) AS t",
            [(talk_id, user_id, own, lowest, highest, limit) for talk_id, own, lowest, highest in cursors],
        )

    def _load_numbers(
        self, connection: Connection, term: str, parameters: Sequence[Sequence[int]]
    ) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        c = cursor(connection)
        for start in range(0, len(parameters), UNION_TERMS):
            chunk = parameters[start : start + UNION_TERMS]
            c.execute(
                " UNION ALL ".join([self._sql(term)] * len(chunk)), [value for values in chunk for value in values]
            )
            for talk_id, sequence in c.fetchall():
                found.setdefault(talk_id, []).append(sequence)
        return found

    def save_change(
        self, connection: Connection, talk_id: int, sequence: int, change: int, *, recalled_by: int
    ) -> None:
        columns = ("talk_id", "sequence", "change", "recalled_by")
        cursor(connection).execute(
            self._dialect.upsert("message_change", columns, columns[:2], columns[2:], 1),
            (talk_id, sequence, change, recalled_by),
        )

    def hide(self, connection: Connection, member: Member, sequences: Sequence[int]) -> None:
        columns = ("talk_id", "user_id", "sequence", "own")
        cursor(connection).execute(
            self._dialect.upsert("message_hidden", columns, columns[:3], ("talk_id",), len(sequences)),
            [v for sequence in sequences for v in (member.talk_id, member.user_id, sequence, member.own)],
        )

    def hidden_of(self, connection: Connection, user_id: int, keys: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of the (talk_id, sequence) messages that the user has hidden."""
        hidden: set[tuple[int, int]] = set()
        c = cursor(connection)
        for start in range(0, len(keys), IN_VALUES):
            chunk = keys[start : start + IN_VALUES]
            source, where = self._dialect.among("message_hidden h", ("talk_id", "user_id", "sequence"), len(chunk))
            c.execute(
                f"SELECT h.talk_id, h.sequence FROM {source} WHERE {where}",
                [value for talk_id, sequence in chunk for value in (talk_id, user_id, sequence)],
            )
            hidden.update((row[0], row[1]) for row in c.fetchall())
        return hidden

    def newest_visible(
        self, connection: Connection, user_id: int, windows: Mapping[int, tuple[int, int]]
    ) -> dict[int, StoredMessage]:
        """talk_id -> (lowest, highest) in; the newest record of each that the user may see out."""
        found: dict[int, StoredMessage] = {}
        c = cursor(connection)
        term = self._sql(
            f"SELECT * FROM (SELECT {_MESSAGE} FROM {_MESSAGE_FROM} "
            "LEFT JOIN message_hidden h ON h.talk_id = m.talk_id AND h.user_id = ? AND h.sequence = m.sequence "
            "WHERE m.talk_id = ? AND m.sequence BETWEEN ? AND ? AND h.sequence IS NULL AND COALESCE(c.expired, 0) = 0 "
            "ORDER BY m.sequence DESC LIMIT 1) AS t"
        )
        wanted = [(user_id, talk_id, low, high) for talk_id, (low, high) in windows.items() if low <= high]
        for start in range(0, len(wanted), UNION_TERMS):
            chunk = wanted[start : start + UNION_TERMS]
            c.execute(" UNION ALL ".join([term] * len(chunk)), [value for values in chunk for value in values])
            found.update((row[0], _message(row)) for row in c.fetchall())
        return found
