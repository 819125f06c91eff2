"""The SQL of the search index: which terms stand in which message, and up to where each talk is indexed.

A term's messages lie in the order of time within their talk, so that a page reads the newest of them and no more,
however many there are. Full-text indexes of the engines cannot be read that way (docs/decisions/0016-search.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.message.model import StoredMessage
from xinyu_services.message.search_text import place_of, searched_text, terms_of

# Dives of one UNION ALL (SQLite takes 500), and rows of one INSERT.
DIVES_AT_ONCE: Final = 400
ROWS_AT_ONCE: Final = 1_000
TALKS_AT_ONCE: Final = 5_000


class Dive(NamedTuple):
    """Where in a talk candidates are looked for: lowest and highest place."""

    talk_id: int
    lowest: int
    highest: int


class Candidate(NamedTuple):
    """A message with the first of the terms; `matches`: with the others, too."""

    talk_id: int
    place: int
    sequence: int
    matches: int


class SearchStore:
    """SQL for one engine."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql = dialect.sql

    # ---------------------------------------------------------------- indexing

    def load_indexed(self, connection: Connection, talk_ids: Sequence[int]) -> dict[int, int]:
        """Up to where each talk is indexed; those of which nothing is are left out."""
        indexed: dict[int, int] = {}
        c = cursor(connection)
        for start in range(0, len(talk_ids), TALKS_AT_ONCE):
            chunk = talk_ids[start : start + TALKS_AT_ONCE]
            marks = self._dialect.marks(len(chunk))
            c.execute(f"SELECT talk_id, sequence FROM message_indexed WHERE talk_id IN ({marks})", list(chunk))
            indexed.update(c.fetchall())
        return indexed

    def load_lagging(self, connection: Connection, after_talk_id: int, limit: int) -> tuple[list[int], int]:
        """Of the next `limit` talks those that are not indexed to their end, and the last of all of them (0 = there are
        no more)."""
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT t.talk_id, t.last_sequence, COALESCE(i.sequence, 0) FROM talk t "
                "LEFT JOIN message_indexed i ON i.talk_id = t.talk_id WHERE t.talk_id > ? ORDER BY t.talk_id LIMIT ?"
            ),
            (after_talk_id, limit),
        )
        rows = c.fetchall()
        return [row[0] for row in rows if row[1] > row[2]], rows[-1][0] if len(rows) == limit else 0

    def lagging_among(self, connection: Connection, talk_ids: Sequence[int]) -> list[int]:
        """Those of these talks that are not indexed to their end: none, most often."""
        lagging: list[int] = []
        c = cursor(connection)
        for start in range(0, len(talk_ids), TALKS_AT_ONCE):
            chunk = talk_ids[start : start + TALKS_AT_ONCE]
            c.execute(
                "SELECT t.talk_id FROM talk t LEFT JOIN message_indexed i ON i.talk_id = t.talk_id "
                f"WHERE t.talk_id IN ({self._dialect.marks(len(chunk))}) AND t.last_sequence > COALESCE(i.sequence, 0)",
                list(chunk),
            )
            lagging += [row[0] for row in c.fetchall()]
        return lagging

    def load_unindexed(
        self, connection: Connection, after: Mapping[int, int], limit: int
    ) -> dict[int, list[StoredMessage]]:
        """talk_id -> sequence in; its next `limit` messages after that, as they are now, out."""
        found: dict[int, list[StoredMessage]] = {}
        term = self._sql(
            "SELECT * FROM (SELECT m.talk_id, m.sequence, m.msg_id, m.sender_id, m.msg_type, "
            "COALESCE(c.body, m.body), '{}', m.sent_at_ms, COALESCE(c.recalled_by, 0), COALESCE(c.expired, 0) "
            "FROM message m LEFT JOIN message_change c ON c.talk_id = m.talk_id AND c.sequence = m.sequence "
            "WHERE m.talk_id = ? AND m.sequence > ? ORDER BY m.sequence LIMIT ?) AS following"
        )
        c = cursor(connection)
        c.execute(
            " UNION ALL ".join([term] * len(after)) + " ORDER BY 1, 2",
            [value for talk_id, sequence in after.items() for value in (talk_id, sequence, limit)],
        )
        for row in c.fetchall():
            message = StoredMessage(*row)
            message.expired = bool(row[9])
            found.setdefault(row[0], []).append(message)
        return found

    def put_terms(self, connection: Connection, rows: Sequence[tuple[int, int, int, int]]) -> None:
        """(talk_id, term, place, sequence); what is there stays."""
        columns = ("talk_id", "term", "place", "sequence")
        c = cursor(connection)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            chunk = rows[start : start + ROWS_AT_ONCE]
            c.execute(
                self._dialect.upsert("message_term", columns, columns[:3], columns[3:], len(chunk)),
                [value for row in chunk for value in row],
            )

    def drop_terms(self, connection: Connection, talk_id: int, place: int, terms: Collection[int]) -> None:
        listed = list(terms)
        c = cursor(connection)
        for start in range(0, len(listed), ROWS_AT_ONCE):
            chunk = listed[start : start + ROWS_AT_ONCE]
            marks = self._dialect.marks(len(chunk))
            c.execute(
                self._sql(f"DELETE FROM message_term WHERE talk_id = ? AND place = ? AND term IN ({marks})"),
                [talk_id, place, *chunk],
            )

    def save_indexed(self, connection: Connection, indexed: Mapping[int, int]) -> None:
        columns = ("talk_id", "sequence")
        cursor(connection).execute(
            self._dialect.upsert("message_indexed", columns, columns[:1], columns[1:], len(indexed)),
            [value for pair in indexed.items() for value in pair],
        )

    def reindex(self, connection: Connection, before: StoredMessage, after: StoredMessage) -> None:
        """A message's terms after its text has changed: edited, recalled, expired. Two statements at most for an
        ordinary text; part of the transaction that changes it."""
        old, new = terms_of(searched_text(before)), terms_of(searched_text(after))
        place = place_of(after.sent_at_ms, after.sequence)
        if old - new:
            self.drop_terms(connection, after.talk_id, place, old - new)
        if new - old:
            self.put_terms(connection, rows_of(after, new - old))

    # ---------------------------------------------------------------- searching

    def having(self, connection: Connection, talk_ids: Sequence[int], terms: Sequence[int]) -> list[int]:
        """Those of the talks that have a message with each of the terms, not all in the same one perhaps."""
        found: list[int] = []
        # A scalar subquery with a LIMIT is looked up talk by talk; EXISTS may become a join over the whole index.
        one = "(SELECT 1 FROM message_term t WHERE t.talk_id = k.talk_id AND t.term = ? LIMIT 1) IS NOT NULL"
        each = " AND ".join([one] * len(terms))
        c = cursor(connection)
        for start in range(0, len(talk_ids), TALKS_AT_ONCE):
            chunk = talk_ids[start : start + TALKS_AT_ONCE]
            marks = self._dialect.marks(len(chunk))
            c.execute(
                self._sql(f"SELECT k.talk_id FROM talk k WHERE k.talk_id IN ({marks}) AND {each}"), [*chunk, *terms]
            )
            found += [row[0] for row in c.fetchall()]
        return found

    def count_terms(
        self, connection: Connection, talk_ids: Sequence[int], terms: Sequence[int], limit: int
    ) -> dict[int, int]:
        """Messages with each of the terms in these talks, counted to `limit` a talk."""
        one = self._sql(
            "SELECT term, COUNT(*) FROM "
            "(SELECT term FROM message_term WHERE talk_id = ? AND term = ? ORDER BY place DESC LIMIT ?) AS newest "
            "GROUP BY term"
        )
        asked = [(talk_id, term, limit) for talk_id in talk_ids for term in terms]
        counts = dict.fromkeys(terms, 0)
        c = cursor(connection)
        c.execute(" UNION ALL ".join([one] * len(asked)), [value for each in asked for value in each])
        for term, count in c.fetchall():
            counts[term] += count
        return counts

    def dive(
        self, connection: Connection, dives: Sequence[Dive], terms: Sequence[int], limit: int
    ) -> dict[int, list[Candidate]]:
        """In each dive the newest `limit` messages with the first of `terms`, newest first."""
        first, others = terms[0], terms[1:]
        joins = "".join(
            f" LEFT JOIN message_term b{n} ON b{n}.talk_id = newest.talk_id AND b{n}.term = ? "
            f"AND b{n}.place = newest.place"
            for n in range(len(others))
        )
        matches = " AND ".join(f"b{n}.term IS NOT NULL" for n in range(len(others))) or "1"
        one = self._sql(
            f"SELECT newest.talk_id, newest.place, newest.sequence, {matches} FROM "
            "(SELECT talk_id, place, sequence FROM message_term "
            f"WHERE talk_id = ? AND term = ? AND place BETWEEN ? AND ? ORDER BY place DESC LIMIT ?) AS newest{joins}"
        )
        found: dict[int, list[Candidate]] = {each.talk_id: [] for each in dives}
        c = cursor(connection)
        for start in range(0, len(dives), DIVES_AT_ONCE):
            chunk = dives[start : start + DIVES_AT_ONCE]
            values: list[Any] = []
            for talk_id, lowest, highest in chunk:
                values += (talk_id, first, lowest, highest, limit, *others)
            c.execute(" UNION ALL ".join([one] * len(chunk)), values)
            for row in c.fetchall():
                found[row[0]].append(Candidate(*row))
        for candidates in found.values():
            candidates.sort(key=lambda candidate: -candidate.place)
        return found

    def load_times(self, connection: Connection, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """When the (talk_id, sequence) messages were sent."""
        times: dict[tuple[int, int], int] = {}
        c = cursor(connection)
        for start in range(0, len(keys), TALKS_AT_ONCE):
            chunk = keys[start : start + TALKS_AT_ONCE]
            source = self._dialect.among("message m", ("talk_id", "sequence"), len(chunk))
            c.execute(
                f"SELECT m.talk_id, m.sequence, m.sent_at_ms FROM {source}", [value for key in chunk for value in key]
            )
            times.update(((row[0], row[1]), row[2]) for row in c.fetchall())
        return times


def rows_of(message: StoredMessage, terms: Collection[int]) -> list[tuple[int, int, int, int]]:
    """What `put_terms` takes."""
    place = place_of(message.sent_at_ms, message.sequence)
    return [(message.talk_id, term, place, message.sequence) for term in sorted(terms)]
