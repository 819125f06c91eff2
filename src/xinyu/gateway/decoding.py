"""Strict decoding of what a client sent, into the shape that a room takes; a refusal names the field."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from xinyu.base.errors import BAD_JSON, INVALID, XinYuError

_PATH: Final = re.compile(r"at `\$\.?([^`]+)`$")
_MISSING: Final = re.compile(r"missing required field `([^`]+)`")


def decode(decoder: Callable[[Any], Any], data: Any) -> Any:
    """`decoder` is that of a msgspec Struct. Raises BAD_JSON for what is no JSON object, INVALID for a field that is
    missing or of the wrong type."""
    try:
        return decoder(data)
    except msgspec.ValidationError as error:
        raise refusal(str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise XinYuError(BAD_JSON) from None


def refusal(problem: str) -> XinYuError:
    """The refusal for msgspec's words: "Expected `int`, got `str` - at `$.a.b`" and the like."""
    path, missing = _PATH.search(problem), _MISSING.search(problem)
    if path is None and missing is None and problem.startswith("Expected `object`"):
        return XinYuError(BAD_JSON)
    names = [match[1] for match in (path, missing) if match]
    return invalid(".".join(names)) if names else XinYuError(INVALID)


def invalid(field: str) -> XinYuError:
    """INVALID that names the field."""
    return XinYuError(INVALID, f"{INVALID.message.rstrip('.')}: {field}.")
