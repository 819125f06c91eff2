"""The notation of docs/http-api.md: fields and their types, read from text, and held against what was answered.

    user_id: int, items: [{id: int, name?: str (remarks are passed over)}], session: Session

int, str, bool, object; [X] an array; {a: X} an object with these fields and no others; a name is a shape of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*)(\?)?|([\[\]{}:,]))")
_SCALARS: dict[str, type] = {"int": int, "str": str, "bool": bool, "object": dict}


@dataclass(frozen=True, slots=True)
class Scalar:
    kind: str


@dataclass(frozen=True, slots=True)
class Array:
    of: Shape


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    shape: Shape
    optional: bool


@dataclass(frozen=True, slots=True)
class Object:
    fields: tuple[Field, ...]


Shape = Scalar | Array | Object


def parse_fields(text: str, named: Mapping[str, Shape]) -> Object:
    """Of a cell; "-" = none. ValueError: it is not written in the notation."""
    text = without_remarks(text)
    if text == "-":
        return Object(())
    if text in named:
        shape = named[text]
        assert isinstance(shape, Object)
        return shape
    reader = _Reader(text, named)
    fields = reader.fields()
    reader.end()
    return fields


def without_remarks(text: str) -> str:
    while True:
        shorter = re.sub(r"\([^()]*\)", "", text)
        if shorter == text:
            return text.strip()
        text = shorter


class _Reader:
    def __init__(self, text: str, named: Mapping[str, Shape]) -> None:
        self._text, self._named, self._at = text, named, 0

    def fields(self) -> Object:
        found = [self._field()]
        while self._accept(","):
            found.append(self._field())
        return Object(tuple(found))

    def end(self) -> None:
        if self._text[self._at :].strip():
            raise self._wrong()

    def _field(self) -> Field:
        match = _TOKEN.match(self._text, self._at)
        if match is None or not match[1]:
            raise self._wrong()
        self._at = match.end()
        if not self._accept(":"):
            raise self._wrong()
        return Field(match[1], self._shape(), bool(match[2]))

    def _shape(self) -> Shape:
        if self._accept("["):
            shape = self._shape()
            if not self._accept("]"):
                raise self._wrong()
            return Array(shape)
        if self._accept("{"):
            fields = self.fields()
            if not self._accept("}"):
                raise self._wrong()
            return fields
        match = _TOKEN.match(self._text, self._at)
        if match is None or not match[1] or match[2]:
            raise self._wrong()
        self._at = match.end()
        if match[1] in _SCALARS:
            return Scalar(match[1])
        if match[1] in self._named:
            return self._named[match[1]]
        raise ValueError(f"no shape is called {match[1]}: {self._text}")

    def _accept(self, mark: str) -> bool:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match[3] != mark:
            return False
        self._at = match.end()
        return True

    def _wrong(self) -> ValueError:
        return ValueError(f"not in the notation from {self._text[self._at :][:40]!r} on: {self._text}")


def check(value: Any, shape: Shape, where: str = "answer") -> None:
    """AssertionError, naming the place, where `value` is not of that shape."""
    if isinstance(shape, Scalar):
        kind = _SCALARS[shape.kind]
        right = type(value) is kind
        assert right, f"{where} is {value!r}, not {shape.kind}"
    elif isinstance(shape, Array):
        assert isinstance(value, list), f"{where} is {value!r}, no list"
        for number, each in enumerate(value):
            check(each, shape.of, f"{where}[{number}]")
    else:
        assert isinstance(value, dict), f"{where} is {value!r}, no object"
        missing = {field.name for field in shape.fields if not field.optional} - set(value)
        assert not missing, f"{where} lacks {sorted(missing)}: {value}"
        more = set(value) - {field.name for field in shape.fields}
        assert not more, f"{where} has {sorted(more)}, of which the table does not know"
        for field in shape.fields:
            if field.name in value:
                check(value[field.name], field.shape, f"{where}.{field.name}")
