"""The SQL of bots' webhooks: where they are, how far each talk has been told, and who looks after one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.message.webhook_model import Part, Webhook, WebhookState

_COLUMNS: Final = (
    "bot_id", "url", "revision", "state", "has_begun", "due_at_ms", "waiting_since_ms", "claim", "claimed_until_ms",
    "delivery", "batch", "failures", "failing_since_ms", "failure",
)  # fmt: skip
_WEBHOOK: Final = ", ".join(_COLUMNS)
_TALK_COLUMNS: Final = ("bot_id", "talk_id", "sequence", "waiting_since_ms")


class WebhookStore:
    """Every method runs inside one transaction of `Database.read` or `.write`. Whoever writes something of a bot has
    its row locked (`load` or `claim`); heads of talks are locked before."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql = dialect.sql

    # ---------------------------------------------------------------- bots

    def load(self, connection: Connection, bot_ids: Iterable[int], *, lock: bool = False) -> dict[int, Webhook]:
        """Of those that ever had a webhook, at most 5,000, ascending."""
        wanted = sorted(set(bot_ids))
        if not wanted:
            return {}
        c = cursor(connection)
        c.execute(
            f"SELECT {_WEBHOOK} FROM bot_webhook WHERE bot_id IN ({self._dialect.marks(len(wanted))}) ORDER BY bot_id"
            + (self._dialect.for_update if lock else ""),
            wanted,
        )
        return {row[0]: _webhook(row) for row in c.fetchall()}

    def insert(self, connection: Connection, webhook: Webhook) -> None:
        """A bot's first. Another one's at the same moment is Duplicate."""
        cursor(connection).execute(
            f"INSERT INTO bot_webhook ({_WEBHOOK}) VALUES" + self._dialect.rows(len(_COLUMNS), 1), _values(webhook)
        )

    def save(self, connection: Connection, webhooks: Sequence[Webhook]) -> None:
        """Overwrites whole rows, which are locked."""
        if webhooks:
            cursor(connection).execute(
                self._dialect.upsert("bot_webhook", _COLUMNS, _COLUMNS[:1], _COLUMNS[1:], len(webhooks)),
                [value for webhook in webhooks for value in _values(webhook)],
            )

    def next_due_ms(self, connection: Connection) -> int | None:
        """When somebody is to look after one; None: there is nothing to do."""
        return self._least(connection, "due_at_ms", "due_at_ms > 0")

    def waiting_since_ms(self, connection: Connection) -> int | None:
        """Since when something waits at the one that has waited longest; suspended ones do not count."""
        return self._least(connection, "waiting_since_ms", f"state = {int(WebhookState.ON)} AND waiting_since_ms > 0")

    def _least(self, connection: Connection, column: str, where: str) -> int | None:
        c = cursor(connection)
        c.execute(f"SELECT {column} FROM bot_webhook WHERE {where} ORDER BY {column} LIMIT 1")
        row = c.fetchone()
        return None if row is None else int(row[0])

    def claim(self, connection: Connection, now_ms: int, until_ms: int, limit: int) -> list[Webhook]:
        """Those that are due, the longest first, for this process to look after until then."""
        c = cursor(connection)
        c.execute(
            self._sql(
                f"SELECT {_WEBHOOK} FROM bot_webhook WHERE due_at_ms > 0 AND due_at_ms <= ? ORDER BY due_at_ms LIMIT ?"
                + self._dialect.skip_locked
            ),
            (now_ms, limit),
        )
        found = [_webhook(row) for row in c.fetchall()]
        for webhook in found:
            webhook.claim += 1
            webhook.claimed_until_ms = webhook.due_at_ms = until_ms
        self.save(connection, found)
        return found

    # ---------------------------------------------------------------- talks of bots

    def bots_in(self, connection: Connection, talk_ids: Sequence[int]) -> list[tuple[int, int]]:
        """(bot_id, talk_id) of those with a webhook in at most 1,000 talks."""
        c = cursor(connection)
        c.execute(
            f"SELECT bot_id, talk_id FROM bot_webhook_talk WHERE talk_id IN ({self._dialect.marks(len(talk_ids))})",
            list(talk_ids),
        )
        return [(row[0], row[1]) for row in c.fetchall()]

    def talks_of(self, connection: Connection, bot_id: int) -> set[int]:
        """In which the bot's webhook has a cursor."""
        c = cursor(connection)
        c.execute(self._sql("SELECT talk_id FROM bot_webhook_talk WHERE bot_id = ?"), (bot_id,))
        return {row[0] for row in c.fetchall()}

    def load_waiting(self, connection: Connection, bot_id: int, limit: int) -> list[tuple[int, int]]:
        """(talk_id, sequence) of talks in which something may wait, in the order of their line."""
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT talk_id, sequence FROM bot_webhook_talk WHERE bot_id = ? AND waiting_since_ms > 0 "
                "ORDER BY waiting_since_ms, talk_id LIMIT ?"
            ),
            (bot_id, limit),
        )
        return [(row[0], row[1]) for row in c.fetchall()]

    def note(self, connection: Connection, bot_ids: Sequence[int], talk_ids: Sequence[int], now_ms: int) -> None:
        """Something may wait in these talks."""
        cursor(connection).execute(
            self._sql("UPDATE bot_webhook_talk SET waiting_since_ms = ? WHERE waiting_since_ms = 0 AND talk_id IN ")
            + f"({self._dialect.marks(len(talk_ids))}) AND bot_id IN ({self._dialect.marks(len(bot_ids))})",
            [now_ms, *talk_ids, *bot_ids],
        )

    def save_talks(self, connection: Connection, rows: Sequence[tuple[int, int, int, int]]) -> None:
        """(bot_id, talk_id, sequence, waiting_since_ms): inserts or overwrites."""
        if rows:
            key, values = _TALK_COLUMNS[:2], _TALK_COLUMNS[2:]
            cursor(connection).execute(
                self._dialect.upsert("bot_webhook_talk", _TALK_COLUMNS, key, values, len(rows)),
                [value for row in rows for value in row],
            )

    def delete_talks(self, connection: Connection, bot_id: int, talk_ids: Sequence[int]) -> None:
        if talk_ids:
            cursor(connection).execute(
                self._sql("DELETE FROM bot_webhook_talk WHERE bot_id = ? AND talk_id IN ")
                + f"({self._dialect.marks(len(talk_ids))})",
                [bot_id, *talk_ids],
            )

    def delete_all_talks(self, connection: Connection, bot_id: int) -> None:
        cursor(connection).execute(self._sql("DELETE FROM bot_webhook_talk WHERE bot_id = ?"), (bot_id,))

    def mark_talks(self, connection: Connection, talk_ids: Sequence[int], *, has_webhooks: bool) -> None:
        """Whether what is sent there is told to webhooks. The heads are locked."""
        if talk_ids:
            cursor(connection).execute(
                self._sql("UPDATE talk SET has_webhooks = ? WHERE talk_id IN ")
                + f"({self._dialect.marks(len(talk_ids))})",
                [int(has_webhooks), *talk_ids],
            )


def _webhook(row: Sequence[Any]) -> Webhook:
    webhook = Webhook(*row)
    webhook.batch = tuple(Part(*part) for part in json.loads(row[_COLUMNS.index("batch")]))
    return webhook


def _values(webhook: Webhook) -> list[Any]:
    values = [getattr(webhook, column) for column in _COLUMNS]
    values[_COLUMNS.index("batch")] = json.dumps(webhook.batch, separators=(",", ":"))
    for name in ("state", "has_begun"):
        values[_COLUMNS.index(name)] = int(getattr(webhook, name))
    return values
