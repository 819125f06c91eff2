"""Transactions whose statements go to a MySQL server together: as few round trips as the work needs.

Design. Work runs as a greenlet, as SQLAlchemy's `AsyncConnection.run_sync` runs it. `execute` writes its statement down
and returns; what is written down is sent as one text of several statements when the work asks for something that is not
there yet (rows, `rowcount`, `lastrowid`), and when it ends, with COMMIT behind it. So a lane's batch takes two round
trips instead of nine: what it reads, and what it writes with its commit.

Invariants: the server runs a text's statements in their order and stops at the first that fails, so COMMIT runs only
after all of them have; a transaction that failed is rolled back before its error is told. autocommit is off, so a
statement that came after a failed one would wait for a COMMIT that never comes. `is_committing` says whether a lost
connection leaves the outcome open. The driver's connection is ours alone while the transaction lasts.

Cost: a greenlet and two turns of the loop for a batch. Values are written into the text by us: numbers as digits, texts
by PyMySQL's escaping, which `sql_mode` (mysql.py) makes right, bytes as hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

import pymysql
from pymysql.constants import COMMAND
from pymysql.converters import escape_string
from sqlalchemy import Connection
from sqlalchemy.util.concurrency import await_, greenlet_spawn

from xinyu.storage.database import Work
from xinyu.storage.mysql_answers import Answer, AnswerReader
from xinyu.storage.statement_cursor import Parameters, StatementConnection

T = TypeVar("T")

COMMIT: Final = "COMMIT"
# Characters that wait before they are sent without having been asked for: a text must fit max_allowed_packet (16 MiB).
MAX_WAITING_CHARACTERS: Final = 2 * 1024 * 1024


def literal(value: Any) -> str:
    """`value` as MySQL reads it in a text. Raises TypeError for what no store writes."""
    kind = type(value)
    if kind is int or (isinstance(value, int) and kind is not bool):
        return int.__repr__(value)
    if isinstance(value, str):
        return f"'{escape_string(value)}'"
    if value is None:
        return "NULL"
    if isinstance(value, bytes | bytearray):
        return f"x'{value.hex()}'"
    if kind is bool or kind is float:
        return repr(value).upper()
    raise TypeError(f"no value for a statement: {type(value).__name__}")


def with_values(sql: str, values: Iterable[Any]) -> str:
    """`sql` with its placeholders replaced. A literal % is always a value."""
    literals = tuple(map(literal, values))
    return sql % literals if literals else sql


class _Statement:
    """One statement, and after it has run the server's answer."""

    __slots__ = ("answer", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.answer: Answer | None = None


class StatementTransaction:
    """One transaction on `driver`, an aiomysql connection with autocommit off."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._waiting: list[_Statement] = []
        self._waiting_characters = 0
        self.is_committing = False

    async def run(self, work: Work[T]) -> T:
        """Runs `work` and commits. Raises what it raises, or the driver's errors; then nothing has been written, unless
        `is_committing` and the connection was lost. Whoever cancels it must give the connection up."""
        try:
            result = await greenlet_spawn(work, cast(Connection, StatementConnection(self)))
            self._waiting.append(_Statement(COMMIT))
            self.is_committing = True
            await self._send()
        except Exception:
            self._waiting.clear()
            with suppress(pymysql.err.Error, OSError):
                await self._driver.rollback()
            raise
        return result

    async def _send(self) -> None:
        """Sends what waits, and reads all answers."""
        sent, self._waiting, self._waiting_characters = self._waiting, [], 0
        await self._driver._execute_command(COMMAND.COM_QUERY, ";".join([statement.text for statement in sent]))
        for statement, answer in zip(sent, await AnswerReader(self._driver).read(), strict=True):
            statement.answer = answer

    # ---------------------------------------------------------------- from inside the greenlet

    def execute(self, sql: str, values: Parameters) -> _Statement:
        statement = _Statement(with_values(sql, values))
        if self._waiting_characters + len(statement.text) > MAX_WAITING_CHARACTERS and self._waiting:
            await_(self._send())
        self._waiting.append(statement)
        self._waiting_characters += len(statement.text)
        return statement

    def wait(self, statement: _Statement) -> Answer:
        """To `statement`, which has run now. Raises its error, or that of one before it."""
        if statement.answer is None:
            await_(self._send())
        assert statement.answer is not None
        return statement.answer
