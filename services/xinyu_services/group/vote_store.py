"""The tables of votes in groups: the only SQL about them.

An answer locks the vote's row first, so its counts are right and none comes after the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.group.vote_model import KEYS, Answer, AnswerMode, Option, Vote, VoteState

_VOTE: Final = (
    "vote_id, group_id, creator_id, title, answer_mode, is_secret, state, answered, members, created_at_ms, ended_at_ms"
)


class VoteStore:
    """All methods run inside a transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def find(self, connection: Connection, vote_id: int, *, lock: bool = False) -> Vote | None:
        c = cursor(connection)
        text = f"SELECT {_VOTE} FROM group_vote WHERE vote_id = ?"
        c.execute(self._dialect.sql(text + (self._dialect.for_update if lock else "")), (vote_id,))
        row = c.fetchone()
        return None if row is None else _vote(row)

    def repeated(self, connection: Connection, creator_id: int, request_hash: bytes, since_ms: int) -> int:
        """The vote that the same request made after `since_ms`, 0 if there is none."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT vote_id FROM group_vote WHERE creator_id = ? AND created_at_ms >= ? AND request_hash = ? "
                "ORDER BY vote_id DESC LIMIT 1"
            ),
            (creator_id, since_ms, request_hash),
        )
        row = c.fetchone()
        return 0 if row is None else int(row[0])

    def count_made(self, connection: Connection, creator_id: int, group_id: int, since_ms: int) -> int:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT COUNT(*) FROM group_vote WHERE creator_id = ? AND created_at_ms >= ? AND group_id = ?"
            ),
            (creator_id, since_ms, group_id),
        )
        return int(c.fetchone()[0])

    def insert(self, connection: Connection, vote: Vote, options: Sequence[str], request_hash: bytes) -> None:
        c = cursor(connection)
        c.execute(
            f"INSERT INTO group_vote ({_VOTE}, request_hash) VALUES ({self._dialect.marks(12)})",
            (
                vote.vote_id,
                vote.group_id,
                vote.creator_id,
                vote.title,
                int(vote.answer_mode),
                int(vote.is_secret),
                int(vote.state),
                vote.answered,
                vote.members,
                vote.created_at_ms,
                vote.ended_at_ms,
                request_hash,
            ),
        )
        rows = self._dialect.rows(4, len(options))
        c.execute(
            f"INSERT INTO group_vote_option (vote_id, position, value, num) VALUES{rows}",
            [value for position, text in enumerate(options) for value in (vote.vote_id, position, text, 0)],
        )

    def options(self, connection: Connection, vote_id: int) -> list[Option]:
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT position, value, num FROM group_vote_option WHERE vote_id = ? ORDER BY position"),
            (vote_id,),
        )
        return [Option(KEYS[position], value, num) for position, value, num in c.fetchall()]

    def answer_of(self, connection: Connection, vote_id: int, user_id: int) -> Answer | None:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT user_id, chosen, place, answered_at_ms FROM group_vote_answer "
                "WHERE vote_id = ? AND user_id = ?"
            ),
            (vote_id, user_id),
        )
        row = c.fetchone()
        return None if row is None else Answer(*row)

    def add_answer(self, connection: Connection, vote: Vote, answer: Answer) -> None:
        """To a vote that is locked, by somebody who has not answered; its counts go with it."""
        sql, c = self._dialect.sql, cursor(connection)
        c.execute(
            sql(
                "INSERT INTO group_vote_answer (vote_id, user_id, chosen, place, answered_at_ms) "
                "VALUES (?, ?, ?, ?, ?)"
            ),
            (vote.vote_id, answer.user_id, answer.chosen, answer.place, answer.answered_at_ms),
        )
        positions = [KEYS.index(key) for key in answer.chosen]
        c.execute(
            sql("UPDATE group_vote_option SET num = num + 1 WHERE vote_id = ? AND position IN (")
            + f"{self._dialect.marks(len(positions))})",
            (vote.vote_id, *positions),
        )
        c.execute(sql("UPDATE group_vote SET answered = answered + 1 WHERE vote_id = ?"), (vote.vote_id,))

    def answers(self, connection: Connection, vote_id: int, after: int, limit: int) -> list[Answer]:
        """Those behind the place `after`, in their order."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT user_id, chosen, place, answered_at_ms FROM group_vote_answer "
                "WHERE vote_id = ? AND place > ? ORDER BY place LIMIT ?"
            ),
            (vote_id, after, limit),
        )
        return [Answer(*row) for row in c.fetchall()]

    def of_group(
        self, connection: Connection, group_id: int, user_id: int, below: int, limit: int
    ) -> list[tuple[Vote, bool]]:
        """Votes with a number below `below`, the newest first, and whether the user has voted in each."""
        c = cursor(connection)
        columns = ", ".join(f"v.{column}" for column in _VOTE.split(", "))
        c.execute(
            self._dialect.sql(
                f"SELECT a.user_id, {columns} FROM group_vote v "
                "LEFT JOIN group_vote_answer a ON a.vote_id = v.vote_id AND a.user_id = ? "
                "WHERE v.group_id = ? AND v.vote_id < ? ORDER BY v.vote_id DESC LIMIT ?"
            ),
            (user_id, group_id, below, limit),
        )
        return [(_vote(row[1:]), row[0] is not None) for row in c.fetchall()]

    def end(self, connection: Connection, vote_id: int, members: int, now_ms: int) -> None:
        """A vote that is locked takes no more answers; `members` could have voted."""
        cursor(connection).execute(
            self._dialect.sql("UPDATE group_vote SET state = ?, members = ?, ended_at_ms = ? WHERE vote_id = ?"),
            (int(VoteState.ENDED), members, now_ms, vote_id),
        )


def _vote(row: Any) -> Vote:
    vote_id, group_id, creator_id, title, mode, is_secret, state, *rest = row
    return Vote(
        vote_id, group_id, creator_id, title, AnswerMode(mode), bool(is_secret), VoteState(state), *rest
    )  # fmt: skip
