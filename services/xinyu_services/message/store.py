"""The only SQL of the message room. Every method runs inside one transaction of `Database.read` or `.write`.

Statements go through the driver's cursor (data.md, "One storage interface"): a send is on the hottest path there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.base.clock import SystemClock
from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.message.model import Member, MsgType, Reaction, Source, StoredMessage, Talk, TalkKey, TalkMode
from xinyu_services.message.search_store import SearchStore

_TALK: Final = (
    "talk_id, talk_mode, peer_low, peer_high, group_id, state, mute_all, last_sequence, last_change, first_sequence, "
    "last_sender_id, last_msg_type, last_digest, last_at_ms, profile_change, profile_revision, pair_revision, "
    "member_count, roster_change, expire_after_s, last_expires_at_ms, slow_mode_s, mention_all, mention_all_sequence, "
    "has_webhooks"
)
_MEMBER_COLUMNS: Final = (
    "talk_id", "user_id", "role", "state", "may_send", "muted_until_ms", "joined_sequence", "left_sequence",
    "sent_sequence", "read_sequence", "cleared_sequence", "own", "change", "revision",
    "sent_at_ms",
)  # fmt: skip
# `change` is a word of MySQL's, so names are quoted as it does; SQLite takes its quotes, too.
_MEMBER: Final = ", ".join(f"`{column}`" for column in _MEMBER_COLUMNS)
_MESSAGE: Final = (
    "m.talk_id, m.sequence, m.msg_id, m.sender_id, m.msg_type, COALESCE(c.body, m.body), m.quote, m.sent_at_ms, "
    "COALESCE(c.recalled_by, 0), COALESCE(c.expired, 0), COALESCE(c.edited_at_ms, 0), m.expires_at_ms, "
    "COALESCE(c.reactions, ''), COALESCE(c.is_pinned, 0)"
)
_WITH_CHANGE: Final = "LEFT JOIN message_change c ON c.talk_id = m.talk_id AND c.sequence = m.sequence"
_WALL_CLOCK: Final = SystemClock()
# What is void is never read; the time is the statement's parameter.
_LIVES: Final = "COALESCE(c.expired, 0) = 0 AND (m.expires_at_ms = 0 OR m.expires_at_ms > ?)"
_MESSAGE_FROM: Final = f"message m {_WITH_CHANGE}"
# Terms of one UNION ALL, and values of one IN list: below SQLite's 500 terms and 32,766 parameters.
UNION_TERMS: Final = 400
IN_VALUES: Final = 5_000
# Forwards of messages with the asked ids that are looked through: others may have used the same ids.
MAX_FORWARDS: Final = 5_000
INSERTED_AT_ONCE: Final = 1_000


def _talk(row: Sequence[Any]) -> Talk:
    if row[1] == TalkMode.GROUP:
        key = TalkKey(row[1], row[4])
    else:
        key = TalkKey(row[1], row[2], row[3])
    return Talk(row[0], key, *row[5:])


class MessageStore:
    """SQL for one engine. `now_ms`: a message whose time has come is expired, whatever its row says."""

    def __init__(self, dialect: Dialect, now_ms: Callable[[], int] = _WALL_CLOCK.now_ms) -> None:
        self.dialect = self._dialect = dialect
        self._sql = dialect.sql
        self._now_ms = now_ms
        self.terms = SearchStore(dialect)

    def _message(self, row: Sequence[Any]) -> StoredMessage:
        message = StoredMessage(*row)
        message.expired = bool(row[9]) or 0 < row[11] <= self._now_ms()
        message.is_pinned = bool(row[13])
        return message

    def _sent(self, rows: Iterable[Sequence[Any]]) -> dict[tuple[str, int, int], tuple[bytes, StoredMessage]]:
        return {(row[2], row[0], row[3]): (bytes(row[14]), self._message(row[:14])) for row in rows}

    # ---------------------------------------------------------------- talks

    def find_talks(self, connection: Connection, keys: Iterable[TalkKey]) -> dict[TalkKey, int]:
        """Ids of those of `keys` that have a talk."""
        wanted = list(keys)
        pairs = [key for key in wanted if key.mode == TalkMode.SINGLE]
        groups = [key for key in wanted if key.mode == TalkMode.GROUP]
        terms: list[str] = []
        if pairs:
            source = self._dialect.among("talk", ("peer_low", "peer_high"), len(pairs))
            terms.append(f"SELECT talk_id, talk_mode, peer_low, peer_high FROM {source}")
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
                "pair_revision=?, member_count=?, roster_change=?, expire_after_s=?, last_expires_at_ms=?, "
                "slow_mode_s=?, mention_all=?, mention_all_sequence=? WHERE talk_id=?"
            ),
            (
                talk.state, talk.mute_all, talk.last_sequence, talk.last_change, talk.first_sequence,
                talk.last_sender_id, talk.last_msg_type, talk.last_digest, talk.last_at_ms, talk.profile_change,
                talk.profile_revision, talk.pair_revision, talk.member_count, talk.roster_change, talk.expire_after_s,
                talk.last_expires_at_ms, talk.slow_mode_s, talk.mention_all, talk.mention_all_sequence, talk.talk_id,
            ),
        )  # fmt: skip

    def upsert_heads(self, connection: Connection, talks: Sequence[Talk]) -> None:
        """The counters and the last message of many talks, in one statement."""
        columns = (
            "talk_id", "talk_mode", "last_sequence", "last_change", "last_sender_id", "last_msg_type", "last_digest",
            "last_at_ms", "last_expires_at_ms", "mention_all_sequence",
        )  # fmt: skip
        cursor(connection).execute(
            self._dialect.upsert("talk", columns, ("talk_id",), columns[2:], len(talks)),
            [
                value
                for talk in talks
                for value in (
                    talk.talk_id, talk.key.mode, talk.last_sequence, talk.last_change, talk.last_sender_id,
                    talk.last_msg_type, talk.last_digest, talk.last_at_ms, talk.last_expires_at_ms,
                    talk.mention_all_sequence,
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
        return f"SELECT {_MEMBER} FROM {self._dialect.among('talk_member', ('talk_id', 'user_id'), count)}"

    def load_roster(self, connection: Connection, talk_id: int) -> list[Member]:
        """All members that ever were."""
        c = cursor(connection)
        c.execute(self._sql(f"SELECT {_MEMBER} FROM talk_member WHERE talk_id = ? ORDER BY user_id"), (talk_id,))
        return [Member(*row) for row in c.fetchall()]

    def load_roster_page(
        self, connection: Connection, talk_id: int, since_change: int, limit: int
    ) -> tuple[list[Member], int | None]:
        """Rows that changed after `since_change`, by change, and the change up to which they are all; None: these are
        all that there are. At least one change is there whole, as no change touches more than `limit` rows."""
        c = cursor(connection)
        c.execute(
            self._sql(
                f"SELECT {_MEMBER} FROM talk_member WHERE talk_id = ? AND `change` > ? "
                "ORDER BY `change`, user_id LIMIT ?"
            ),
            (talk_id, since_change or -1, limit + 1),
        )
        members = [Member(*row) for row in c.fetchall()]
        if len(members) <= limit:
            return members, None
        cut = members[-1].change
        return [member for member in members if member.change < cut], cut - 1

    def load_windows_of_members(
        self, connection: Connection, talk_id: int, since_change: int, left_from: int, after_user_id: int, limit: int
    ) -> list[tuple[int, int, int | None]]:
        """(user, first sequence that he may see, last one or None for one who is in), ascending by user. since_change
        -1: who is in, and who left at `left_from` or later; else whose row changed after it."""
        if since_change < 0:
            which, least = "(left_sequence IS NULL OR left_sequence >= ?)", left_from
        else:
            which, least = "`change` > ?", since_change
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT user_id, joined_sequence, left_sequence FROM talk_member "
                f"WHERE talk_id = ? AND user_id > ? AND {which} ORDER BY user_id LIMIT ?"
            ),
            (talk_id, after_user_id, least, limit),
        )
        return c.fetchall()  # type: ignore[no-any-return]

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
            self._sent(sent.fetchall() if keys else ()),
        )

    # ---------------------------------------------------------------- messages

    def find_sent(
        self, connection: Connection, keys: Sequence[tuple[str, int, int]]
    ) -> dict[tuple[str, int, int], tuple[bytes, StoredMessage]]:
        """(msg_id, talk_id, sender_id) -> (request_hash, message as it is now) of those that are stored."""
        c = cursor(connection)
        c.execute(self._sent_sql(len(keys)), [value for key in keys for value in key])
        return self._sent(c.fetchall())

    def _sent_sql(self, count: int) -> str:
        source = self._dialect.among("message m", ("msg_id", "talk_id", "sender_id"), count)
        return f"SELECT {_MESSAGE}, m.request_hash FROM {source} {_WITH_CHANGE}"

    def insert_messages(self, connection: Connection, messages: Sequence[tuple[StoredMessage, bytes]]) -> None:
        """(message, request_hash) rows, in one statement; one more where there are files among them, where some
        disappear, and for each thousand messages that are merged in them."""
        c = cursor(connection)
        c.execute(
            "INSERT INTO message "
            "(talk_id, sequence, msg_id, sender_id, msg_type, body, quote, request_hash, sent_at_ms, expires_at_ms) "
            "VALUES" + self._dialect.rows(10, len(messages)),
            [
                value
                for m, request_hash in messages
                for value in (
                    m.talk_id, m.sequence, m.msg_id, m.sender_id, m.msg_type, m.body, m.quote, request_hash,
                    m.sent_at_ms, m.expires_at_ms,
                )
            ],
        )  # fmt: skip
        due = [m for m, _ in messages if m.expires_at_ms]
        if due:
            c.execute(
                "INSERT INTO message_due (talk_id, sequence, expires_at_ms) VALUES" + self._dialect.rows(3, len(due)),
                [value for m in due for value in (m.talk_id, m.sequence, m.expires_at_ms)],
            )
        files = [m for m, _ in messages if m.msg_type == MsgType.FILE]
        if files:
            c.execute(
                "INSERT INTO message_file (msg_id, talk_id, sequence) VALUES" + self._dialect.rows(3, len(files)),
                [value for m in files for value in (m.msg_id, m.talk_id, m.sequence)],
            )
        links = [(m.talk_id, m.sequence, s.talk_id, s.sequence, s.msg_id) for m, _ in messages for s in m.sources]
        for start in range(0, len(links), INSERTED_AT_ONCE):
            chunk = links[start : start + INSERTED_AT_ONCE]
            c.execute(
                "INSERT INTO message_forward (talk_id, sequence, source_talk_id, source_sequence, msg_id) VALUES"
                + self._dialect.rows(5, len(chunk)),
                [value for link in chunk for value in link],
            )

    def load_messages(
        self, connection: Connection, keys: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], StoredMessage]:
        """Messages by (talk_id, sequence), recalled and expired ones included."""
        messages: dict[tuple[int, int], StoredMessage] = {}
        c = cursor(connection)
        for start in range(0, len(keys), IN_VALUES):
            chunk = keys[start : start + IN_VALUES]
            source = self._dialect.among("message m", ("talk_id", "sequence"), len(chunk))
            c.execute(
                f"SELECT {_MESSAGE} FROM {source} {_WITH_CHANGE}",
                [value for key in chunk for value in key],
            )
            messages.update(((row[0], row[1]), self._message(row)) for row in c.fetchall())
        return messages

    def find_by_msg_id(self, connection: Connection, keys: Sequence[tuple[str, int]]) -> list[StoredMessage]:
        """All messages with one of the (msg_id, talk_id) `keys` (several senders may have used the same), ascending."""
        c = cursor(connection)
        wanted = list(dict.fromkeys(keys))
        source = self._dialect.among("message m", ("msg_id", "talk_id"), len(wanted))
        c.execute(
            f"SELECT {_MESSAGE} FROM {source} {_WITH_CHANGE} ORDER BY m.talk_id, m.sequence",
            [value for key in wanted for value in key],
        )
        return [self._message(row) for row in c.fetchall()]

    def find_files(self, connection: Connection, msg_id: str) -> list[tuple[int, int]]:
        """(talk_id, sequence) of the file messages with that msg_id, in whatever talks; others may have used the same,
        so at most 1,000."""
        c = cursor(connection)
        c.execute(self._sql("SELECT talk_id, sequence FROM message_file WHERE msg_id = ? LIMIT 1000"), (msg_id,))
        return [(row[0], row[1]) for row in c.fetchall()]

    # ---------------------------------------------------------------- forwards

    def load_forwarded(
        self, connection: Connection, places: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], list[Source]]:
        """What is in the merged forwards at (talk_id, sequence)."""
        c = cursor(connection)
        source = self._dialect.among("message_forward f", ("talk_id", "sequence"), len(places))
        c.execute(
            f"SELECT f.talk_id, f.sequence, f.msg_id, f.source_talk_id, f.source_sequence FROM {source}",
            [value for place in places for value in place],
        )
        found: dict[tuple[int, int], list[Source]] = {}
        for talk_id, sequence, *where in c.fetchall():
            found.setdefault((talk_id, sequence), []).append(Source(*where))
        return found

    def find_forwards(
        self, connection: Connection, msg_ids: Sequence[str]
    ) -> list[tuple[tuple[int, int], Source]]:
        """((talk_id, sequence) of a forward, source in it) of sources with these ids, at most MAX_FORWARDS."""
        c = cursor(connection)
        marks = self._dialect.marks(len(msg_ids))
        c.execute(
            "SELECT talk_id, sequence, msg_id, source_talk_id, source_sequence FROM message_forward "
            f"WHERE msg_id IN ({marks}) LIMIT {MAX_FORWARDS}",
            list(msg_ids),
        )
        return [((talk_id, sequence), Source(*where)) for talk_id, sequence, *where in c.fetchall()]

    def find_forward_token(
        self, connection: Connection, user_id: int, content_hash: str, now_ms: int
    ) -> str | None:
        """That of the same forward, while it is good; the row stays locked."""
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT token FROM message_forward_token WHERE user_id = ? AND content_hash = ? AND until_ms > ?"
                + self._dialect.for_update
            ),
            (user_id, content_hash, now_ms),
        )
        row = c.fetchone()
        return None if row is None else str(row[0])

    def put_forward_token(
        self, connection: Connection, user_id: int, content_hash: str, token: str, now_ms: int, until_ms: int
    ) -> None:
        """In place of those of the user that are no longer good. Another one's at the same moment is Duplicate."""
        c = cursor(connection)
        c.execute(
            self._sql("DELETE FROM message_forward_token WHERE user_id = ? AND until_ms <= ?"), (user_id, now_ms)
        )
        c.execute(
            self._sql("INSERT INTO message_forward_token (user_id, content_hash, token, until_ms) VALUES (?, ?, ?, ?)"),
            (user_id, content_hash, token, until_ms),
        )

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
                f"AND {_LIVES}{by_type} ORDER BY m.sequence DESC LIMIT ?"
            ),
            [user_id, talk_id, lowest, highest, self._now_ms(), *([msg_type] if msg_type else []), limit],
        )
        return [self._message(row) for row in c.fetchall()]

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
                f"AND {_LIVES}"
            )
            now_ms = self._now_ms()
            c.execute(
                " UNION ALL ".join([term] * len(chunk)) + " ORDER BY 1, 2",
                [value for talk_id, low, high in chunk for value in (user_id, talk_id, low, high, now_ms)],
            )
            for row in c.fetchall():
                found.setdefault(row[0], []).append(self._message(row))
        return found

    # ---------------------------------------------------------------- changes

    def load_changed(
        self, connection: Connection, cursors: Sequence[tuple[int, int, int, int]], limit: int
    ) -> dict[int, list[int]]:
        """(talk_id, change, lowest, highest) -> sequences of lowest..highest that changed after `change`, at most
        `limit` a talk."""
        return self._load_numbers(
            connection,
            "SELECT * FROM (SELECT talk_id, sequence FROM message_change WHERE talk_id = ? AND `change` > ? "
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

    def save_edit(self, connection: Connection, message: StoredMessage, number: int, change: int) -> None:
        """The message's new body, its `number`-th edit."""
        key = (message.talk_id, message.sequence)
        columns = ("talk_id", "sequence", "change", "body", "edited_at_ms")
        c = cursor(connection)
        c.execute(
            self._dialect.upsert("message_change", columns, columns[:2], columns[2:], 1),
            (*key, change, message.body, message.edited_at_ms),
        )
        c.execute(
            "INSERT INTO message_edit (talk_id, sequence, number, body, edited_at_ms) VALUES"
            + self._dialect.rows(5, 1),
            (*key, number, message.body, message.edited_at_ms),
        )

    def count_edits(self, connection: Connection, talk_id: int, sequence: int) -> int:
        c = cursor(connection)
        c.execute(
            self._sql("SELECT COUNT(*) FROM message_edit WHERE talk_id = ? AND sequence = ?"), (talk_id, sequence)
        )
        return int(c.fetchone()[0])

    def load_bodies(self, connection: Connection, talk_id: int, sequence: int) -> list[tuple[str, int]]:
        """(body, since when) of a message: as it was sent (0), then by its edits."""
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT body, 0 AS edited_at_ms, 0 AS number FROM message WHERE talk_id = ? AND sequence = ? "
                "UNION ALL SELECT body, edited_at_ms, number FROM message_edit WHERE talk_id = ? AND sequence = ? "
                "ORDER BY 3"
            ),
            (talk_id, sequence, talk_id, sequence),
        )
        return [(row[0], row[1]) for row in c.fetchall()]

    def save_reactions(self, connection: Connection, message: StoredMessage, change: int) -> None:
        """How many there are of which."""
        columns = ("talk_id", "sequence", "change", "reactions")
        cursor(connection).execute(
            self._dialect.upsert("message_change", columns, columns[:2], columns[2:], 1),
            (message.talk_id, message.sequence, change, message.reactions),
        )

    def insert_reaction(self, connection: Connection, message: StoredMessage, reaction: Reaction) -> None:
        cursor(connection).execute(
            "INSERT INTO message_reaction (talk_id, sequence, `change`, user_id, emoji, reacted_at_ms) VALUES"
            + self._dialect.rows(6, 1),
            (message.talk_id, message.sequence, *reaction),
        )

    def delete_reaction(self, connection: Connection, message: StoredMessage, reaction: Reaction) -> None:
        cursor(connection).execute(
            self._sql(
                "DELETE FROM message_reaction WHERE talk_id = ? AND sequence = ? AND user_id = ? AND emoji = ?"
            ),
            (message.talk_id, message.sequence, reaction.user_id, reaction.emoji),
        )

    def reactions_of(
        self, connection: Connection, user_id: int, places: Sequence[tuple[int, int]]
    ) -> dict[tuple[int, int], set[str]]:
        """The user's own to the messages at (talk_id, sequence)."""
        found: dict[tuple[int, int], set[str]] = {}
        c = cursor(connection)
        for start in range(0, len(places), IN_VALUES):
            chunk = places[start : start + IN_VALUES]
            source = self._dialect.among("message_reaction r", ("talk_id", "sequence", "user_id"), len(chunk))
            c.execute(
                f"SELECT r.talk_id, r.sequence, r.emoji FROM {source}",
                [value for place in chunk for value in (*place, user_id)],
            )
            for talk_id, sequence, emoji in c.fetchall():
                found.setdefault((talk_id, sequence), set()).add(emoji)
        return found

    def load_reactions(
        self, connection: Connection, place: tuple[int, int], emoji: str, after_change: int, limit: int
    ) -> list[Reaction]:
        """Reactions to one message, the earliest first; emoji "" = whatever."""
        by_emoji = "AND emoji = ? " if emoji else ""
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT `change`, user_id, emoji, reacted_at_ms FROM message_reaction WHERE talk_id = ? "
                f"AND sequence = ? {by_emoji}AND `change` > ? ORDER BY `change` LIMIT ?"
            ),
            [*place, *([emoji] if emoji else []), after_change, limit],
        )
        return [Reaction(*row) for row in c.fetchall()]

    def pin(self, connection: Connection, message: StoredMessage, change: int, user_id: int, now_ms: int) -> None:
        self._save_pinned(connection, message, change, is_pinned=True)
        cursor(connection).execute(
            "INSERT INTO message_pin (talk_id, sequence, `change`, user_id, pinned_at_ms) VALUES"
            + self._dialect.rows(5, 1),
            (message.talk_id, message.sequence, change, user_id, now_ms),
        )

    def unpin(self, connection: Connection, message: StoredMessage, change: int) -> None:
        self._save_pinned(connection, message, change, is_pinned=False)
        cursor(connection).execute(
            self._sql("DELETE FROM message_pin WHERE talk_id = ? AND sequence = ?"),
            (message.talk_id, message.sequence),
        )

    def _save_pinned(self, connection: Connection, message: StoredMessage, change: int, *, is_pinned: bool) -> None:
        columns = ("talk_id", "sequence", "change", "is_pinned")
        cursor(connection).execute(
            self._dialect.upsert("message_change", columns, columns[:2], columns[2:], 1),
            (message.talk_id, message.sequence, change, int(is_pinned)),
        )

    def count_pins(self, connection: Connection, talk_id: int) -> int:
        c = cursor(connection)
        c.execute(self._sql("SELECT COUNT(*) FROM message_pin WHERE talk_id = ?"), (talk_id,))
        return int(c.fetchone()[0])

    def load_pins(self, connection: Connection, talk_id: int) -> list[int]:
        """Sequences of what is pinned, the newest pin first."""
        c = cursor(connection)
        c.execute(
            self._sql("SELECT sequence FROM message_pin WHERE talk_id = ? ORDER BY `change` DESC"), (talk_id,)
        )
        return [row[0] for row in c.fetchall()]

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
            source = self._dialect.among("message_hidden h", ("talk_id", "user_id", "sequence"), len(chunk))
            c.execute(
                f"SELECT h.talk_id, h.sequence FROM {source}",
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
            "WHERE m.talk_id = ? AND m.sequence BETWEEN ? AND ? AND h.sequence IS NULL "
            f"AND {_LIVES} ORDER BY m.sequence DESC LIMIT 1) AS t"
        )
        now_ms = self._now_ms()
        wanted = [(user_id, talk_id, low, high, now_ms) for talk_id, (low, high) in windows.items() if low <= high]
        for start in range(0, len(wanted), UNION_TERMS):
            chunk = wanted[start : start + UNION_TERMS]
            c.execute(" UNION ALL ".join([term] * len(chunk)), [value for values in chunk for value in values])
            found.update((row[0], self._message(row)) for row in c.fetchall())
        return found
