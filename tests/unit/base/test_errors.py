"""The one table of errors and the one of close codes."""

from __future__ import annotations

from xinyu.base import errors
from xinyu.base.close_codes import CLOSE_CODES
from xinyu.base.errors import ERRORS, INTERNAL, TOO_MANY, ErrorCode, XinYuError


def test_each_constant_is_a_line_of_the_table_of_its_own() -> None:
    constants = {name: value for name, value in vars(errors).items() if isinstance(value, ErrorCode)}
    assert {value.reason for value in constants.values()} == set(ERRORS)
    assert len(constants) == len(ERRORS)
    for name, value in constants.items():
        assert value.reason == name.lower()


def test_statuses_tell_whose_fault_it_is() -> None:
    for code in ERRORS.values():
        assert 400 <= code.status < 600
        assert (code.status >= 500) == (code.at_fault == "server")
        assert code.message.endswith(".")
    # 401 makes the reference client throw its token away.
    assert {c.reason for c in ERRORS.values() if c.status == 401} == {"unauthenticated", "token_expired"}


def test_an_error_crosses_as_words() -> None:
    error = XinYuError(TOO_MANY, retry_after_ms=70)
    again = XinYuError.from_wire(error.reason, error.message, error.retry_after_ms)
    assert (again.code, again.message, again.retry_after_ms) == (TOO_MANY, TOO_MANY.message, 70)
    assert XinYuError.from_wire("of_a_newer_version", "text").code is INTERNAL
    assert XinYuError.from_wire("conflict", "").message == ERRORS["conflict"].message


def test_close_codes_are_those_of_the_contract() -> None:
    assert sorted(CLOSE_CODES) == [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 4401, 4403, 4408, 4409, 4429,
    ]  # fmt: skip
    assert all(CLOSE_CODES[code].reconnect for code in (1001, 1011, 1012, 1013, 4408, 4429))
