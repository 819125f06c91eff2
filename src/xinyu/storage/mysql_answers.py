"""Reads what a MySQL server answers to one text of several statements: rows, counts, or the first error.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html, the text protocol with EOF
packets, as aiomysql negotiates it. aiomysql reads a packet in two awaits and takes each column's description apart,
which is half of all that a lane's batch costs; here what has come is taken from the driver's stream whole, and of a
description only the type and the character set. A reader serves one text. After an error or the last answer nothing is
left of it on the connection; after a lost connection the driver is closed.

Values become what PyMySQL makes of them: whole numbers int, texts str, binary strings bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

import pymysql
from pymysql.constants import CR, FIELD_TYPE, SERVER_STATUS
from pymysql.converters import decoders

CHUNK_BYTES: Final = 256 * 1024
_LARGEST_PACKET: Final = 0xFFFFFF  # it goes on in the next one
_OK: Final = 0x00
_NULL: Final = 0xFB
_EOF: Final = 0xFE
_ERROR: Final = 0xFF
_BINARY: Final = 63  # the character set of what is none
_WHOLE_NUMBERS: Final = frozenset(
    (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR)
)
_STRINGS: Final = frozenset((
    FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.ENUM, FIELD_TYPE.SET,
    FIELD_TYPE.TINY_BLOB, FIELD_TYPE.BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB,
))  # fmt: skip

Convert = Callable[[bytes], Any]


class Answer:
    """To one statement. `rowcount`: rows read, or found to be changed."""

    __slots__ = ("lastrowid", "rowcount", "rows")

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int, lastrowid: int | None) -> None:
        self.rows = rows
        self.rowcount = rowcount
        self.lastrowid = lastrowid


class AnswerReader:
    """Of the answers to the text that `driver`, an aiomysql connection, has just sent."""

    __slots__ = ("_at", "_buffer", "_driver", "_has_next")

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._buffer = b""
        self._at = 0
        self._has_next = True

    async def read(self) -> list[Answer]:
        """All of them. Raises PyMySQL's errors: the statement's that failed, those behind it were not run."""
        answers = []
        while self._has_next:
            packet = await self._packet()
            kind = packet[0]
            if kind == _ERROR:
                pymysql.err.raise_mysql_exception(packet)
            if kind == _OK:
                rowcount, at = _number(packet, 1)
                lastrowid, at = _number(packet, at)
                self._set_status(packet[at : at + 2])
                answers.append(Answer([], rowcount, lastrowid))
            elif kind == _NULL:
                self._lose("The server asks for a file")
            else:
                answers.append(await self._read_rows(_number(packet, 0)[0]))
        return answers

    async def _read_rows(self, columns: int) -> Answer:
        converters = [_converter(await self._packet()) for _ in range(columns)]
        await self._packet()  # EOF
        rows: list[tuple[Any, ...]] = []
        while True:
            packet = await self._packet()
            if packet[0] == _EOF and len(packet) < 9:
                self._set_status(packet[3:5])
                return Answer(rows, len(rows), None)
            if packet[0] == _ERROR:
                pymysql.err.raise_mysql_exception(packet)
            rows.append(_row(packet, converters))

    def _set_status(self, status: bytes) -> None:
        self._has_next = bool(int.from_bytes(status, "little") & SERVER_STATUS.SERVER_MORE_RESULTS_EXISTS)

    async def _packet(self) -> bytes:
        while True:
            buffer, start = self._buffer, self._at + 4
            if len(buffer) >= start:
                length = int.from_bytes(buffer[start - 4 : start - 1], "little")
                end = start + length
                if len(buffer) >= end:
                    self._at = end
                    packet = buffer[start:end]
                    return packet if length < _LARGEST_PACKET else packet + await self._packet()
            try:
                more: bytes = await self._driver._reader.read(CHUNK_BYTES)
            except OSError as error:
                self._lose(str(error))
            if not more:
                self._lose("Lost connection to MySQL server during query")
            self._buffer = buffer[self._at :] + more
            self._at = 0

    def _lose(self, problem: str) -> NoReturn:
        self._driver.close()
        raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, problem)


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """A length-encoded number, and where what follows it begins."""
    first = packet[at]
    if first < _NULL:
        return first, at + 1
    end = at + 1 + {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(packet[at + 1 : end], "little"), end


def _converter(description: bytes) -> Convert | None:
    """From the end of a column's description: character set (2 bytes), length (4), type (1), flags (2), decimals (1),
    filler (2)."""
    kind = description[-6]
    if kind in _WHOLE_NUMBERS:
        return int
    if kind in _STRINGS:
        return None if int.from_bytes(description[-12:-10], "little") == _BINARY else _text
    decode = decoders.get(kind)
    return _text if decode is None else lambda value: decode(value.decode())


def _text(value: bytes) -> str:
    return value.decode()


def _row(packet: bytes, converters: list[Convert | None]) -> tuple[Any, ...]:
    values: list[Any] = []
    at = 0
    for convert in converters:
        length = packet[at]
        if length < _NULL:
            at += 1
        elif length == _NULL:
            values.append(None)
            at += 1
            continue
        else:
            length, at = _number(packet, at)
        end = at + length
        value = packet[at:end]
        values.append(value if convert is None else convert(value))
        at = end
    return tuple(values)
