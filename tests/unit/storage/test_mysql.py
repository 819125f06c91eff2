"""What MySqlDatabase makes of errors, addresses, versions, values and answers, without a server."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import exc

from xinyu.storage.database import Duplicate, Retry, Unavailable
from xinyu.storage.mysql import check_version, driver_url, translate
from xinyu.storage.mysql_answers import Answer, AnswerReader
from xinyu.storage.mysql_statements import literal, with_values

OPERATIONAL = pymysql.err.OperationalError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OPERATIONAL(1213, "Deadlock found"), Retry),
        (OPERATIONAL(1205, "Lock wait timeout"), Retry),
        (pymysql.err.IntegrityError(1062, "Duplicate entry"), Duplicate),
        (pymysql.err.IntegrityError(1048, "Column cannot be null"), None),
        (OPERATIONAL(2013, "Lost connection"), Unavailable),
        (OPERATIONAL(2006, "gone away"), Unavailable),
        (OPERATIONAL(1040, "Too many connections"), Unavailable),
        (OPERATIONAL(1290, "running with the --read-only option"), Unavailable),
        (pymysql.err.InternalError(1836, "Running in read-only mode"), Unavailable),
        (pymysql.err.InterfaceError(0, "Not connected"), Unavailable),
        (pymysql.err.InterfaceError("Cancelled during execution"), Unavailable),
        (pymysql.err.InternalError("Packet sequence number wrong - got 1 expected 2"), Unavailable),
        (pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax"), None),
        (OPERATIONAL(1792, "Cannot execute statement in a READ ONLY transaction"), None),
        (ConnectionResetError(), Unavailable),
        (ValueError("ours"), None),
    ],
)
def test_the_driver_s_words_become_the_contract_s(error: Exception, kind: type | None) -> None:
    for told in (error, exc.DBAPIError("SELECT", None, error)):  # type: ignore[arg-type]
        translated = translate(told)
        assert type(translated) is (kind or type(None))
    assert translated is None or "\n" not in str(translated)


@pytest.mark.parametrize("url", ["", "x", "sqlite:///x", "mysql://host", "mysql:///name", "postgresql://u@h/d"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(Unavailable, match="mysql://user:password@host:port/name"):
        driver_url(url, "pymysql")


def test_an_address_names_the_driver_and_the_character_set() -> None:
    url = driver_url("mysql://u:p%40ss@h:33/d", "aiomysql")
    assert (url.drivername, url.password, url.database, url.query["charset"]) == (
        "mysql+aiomysql", "p@ss", "d", "utf8mb4",
    )  # fmt: skip


@pytest.mark.parametrize("version", ["10.6.0-MariaDB", "5.5.5-10.11.6-MariaDB-1", "11.4.2-MariaDB", "8.0.36", "9.1.0"])
def test_servers_that_will_do(version: str) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["10.5.23-MariaDB", "5.5.5-10.3.1-MariaDB", "5.7.44", "", "?"])
def test_servers_that_are_too_old_are_refused(version: str) -> None:
    with pytest.raises(Unavailable, match="is needed"):
        check_version(version)


class Kind(IntEnum):
    ONE = 1


def test_values_as_literals() -> None:
    assert [literal(v) for v in (7, -1, Kind.ONE, True, False, None, 1.5, b"\x00'", bytearray(b"a"))] == [
        "7", "-1", "1", "TRUE", "FALSE", "NULL", "1.5", "x'0027'", "x'61'",
    ]  # fmt: skip
    assert literal("a'b\\c\n%s") == r"'a\'b\\c\n%s'"
    for value in ([1], object(), {"a": 1}):
        with pytest.raises(TypeError):
            literal(value)


@given(st.text())
def test_a_text_never_ends_before_its_end(value: str) -> None:
    inside = literal(value)[1:-1]
    unescaped = inside.replace("\\\\", "").replace("\\'", "")
    assert "'" not in unescaped and "\\" not in unescaped.replace(r"\0", "").replace(r"\n", "").replace(
        r"\r", ""
    ).replace(r"\Z", "").replace(r"\"", "")


def test_a_percent_sign_is_always_a_value() -> None:
    assert with_values("a LIKE %s AND b = %s", ("50%", 1)) == "a LIKE '50%' AND b = 1"
    with pytest.raises(TypeError):
        with_values("a = %s", (1, 2))


# -------------------------------------------------------------------- answers


class Stream:
    """Gives what a server sent, `size` bytes at a time, and then its end."""

    def __init__(self, sent: bytes, size: int) -> None:
        self._sent = sent
        self._size = size

    async def read(self, _limit: int) -> bytes:
        chunk, self._sent = self._sent[: self._size], self._sent[self._size :]
        return chunk


class Driver:
    def __init__(self, sent: bytes, size: int) -> None:
        self._reader = Stream(sent, size)
        self.closed = False

    def close(self) -> None:
        self.closed = True


def number(value: int) -> bytes:
    if value < 251:
        return bytes([value])
    size, mark = next((s, m) for s, m in ((2, 0xFC), (3, 0xFD), (8, 0xFE)) if value < 1 << 8 * s)
    return bytes([mark]) + value.to_bytes(size, "little")


def packets(*bodies: bytes) -> bytes:
    sent = b""
    for n, body in enumerate(bodies, 1):
        sent += len(body).to_bytes(3, "little") + bytes([n % 256]) + body
    return sent


def ok(rowcount: int, lastrowid: int, *, more: bool) -> bytes:
    return b"\x00" + number(rowcount) + number(lastrowid) + bytes([8 if more else 0, 0, 0, 0])


def column(kind: int, charset: int) -> bytes:
    return b"\x03def\x00\x00\x00\x01a\x01a\x0c" + charset.to_bytes(2, "little") + bytes(4) + bytes([kind]) + bytes(5)


def rows(kinds: list[tuple[int, int]], values: list[list[bytes | None]], *, more: bool) -> list[bytes]:
    end = b"\xfe\x00\x00" + bytes([8 if more else 0, 0])
    encoded = [b"".join(b"\xfb" if v is None else number(len(v)) + v for v in row) for row in values]
    return [number(len(kinds)), *(column(*kind) for kind in kinds), b"\xfe\x00\x00\x00\x00", *encoded, end]


async def read(sent: bytes, size: int) -> list[Answer]:
    return await AnswerReader(Driver(sent, size)).read()


@pytest.mark.parametrize("size", [1, 3, 7, 1 << 20])
async def test_answers_come_in_order_however_they_are_cut(size: int) -> None:
    long = "é" * 40_000
    sent = packets(
        *rows([(8, 63), (253, 45), (252, 63)], [[b"-5", long.encode(), b"\xff\x00"], [None, b"", b""]], more=True),
        ok(2, 0, more=True),
        *rows([(8, 63)], [], more=True),
        ok(300, 1 << 40, more=False),
    )
    first, changed, nothing, inserted = await read(sent, size if size > 1 else 997)
    assert first.rows == [(-5, long, b"\xff\x00"), (None, "", b"")]
    assert (changed.rows, changed.rowcount) == ([], 2)
    assert (nothing.rows, nothing.rowcount) == ([], 0)
    assert (inserted.rowcount, inserted.lastrowid) == (300, 1 << 40)


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=400), st.binary(max_size=400)), max_size=5),
    st.integers(1, 900),
)
async def test_values_are_what_was_sent(values: list[tuple[int, str, bytes]], size: int) -> None:
    values = [(n, s.encode(errors="ignore").decode(), b) for n, s, b in values]
    encoded: list[list[Any]] = [[str(n).encode(), s.encode(), b] for n, s, b in values]
    (answer,) = await read(packets(*rows([(8, 63), (253, 45), (252, 63)], encoded, more=False)), size)
    assert answer.rows == values


async def test_the_first_error_is_raised_as_the_driver_raises_it() -> None:
    error = b"\xff" + (1213).to_bytes(2, "little") + b"#40001Deadlock found"
    for sent in (packets(error), packets(ok(1, 0, more=True), error), packets(*rows([(8, 63)], [], more=True), error)):
        with pytest.raises(OPERATIONAL, match="Deadlock found"):
            await read(sent, 5)


async def test_an_end_in_the_middle_closes_the_driver() -> None:
    whole = packets(*rows([(8, 63)], [[b"1"], [b"2"]], more=True), ok(1, 0, more=False))
    for length in range(len(whole)):
        driver = Driver(whole[:length], 4)
        with pytest.raises(OPERATIONAL, match="2013"):
            await AnswerReader(driver).read()
        assert driver.closed
