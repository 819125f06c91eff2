"""docs/http-api.md as data: its shapes and its routes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.contract.shape import Object, Shape, parse_fields, without_remarks

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "http-api.md"
_NAME: Final = re.compile(r"`([a-z_-]+(?:/[a-z_-]+)*)`( GET)?( \*open\*)?")


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A line of the tables. `form`: the names of its form's fields, None = its request is a JSON object (a query, for
    GET). `answer` None = bytes."""

    path: str
    is_get: bool
    is_open: bool
    form: tuple[str, ...] | None
    request: Object
    answer: Object | None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _shapes(text: str) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for line in text.split("\n## Shapes\n", 1)[1].split("\n## ", 1)[0].splitlines()[3:]:
        if line.startswith("|"):
            name, fields = _cells(line)
            found[name] = parse_fields(fields, found)
    return found


def read(text: str) -> list[RouteRow]:
    shapes = _shapes(text)
    rows: list[RouteRow] = []
    for line in text.split("\n## Routes\n", 1)[1].split("\n## ", 1)[0].splitlines():
        if not line.startswith("| `"):
            continue
        name, request, answer = _cells(line)
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"no route: {name}")
        form = None
        if request.startswith("form:"):
            form = tuple(field.strip() for field in without_remarks(request.removeprefix("form:")).split(","))
        rows.append(
            RouteRow(
                path=match[1],
                is_get=bool(match[2]),
                is_open=bool(match[3]),
                form=form,
                request=Object(()) if form else parse_fields(request, shapes),
                answer=None if without_remarks(answer) == "bytes" else parse_fields(answer, shapes),
            )
        )
    return rows


ROUTES: Final = {row.path: row for row in read(DOCUMENT.read_text(encoding="utf-8"))}
