"""The file that an operator describes the organisation in: what may stand in it, line by line.

    departments:
      - {id: 1, name: Head office}
      - {id: 2, name: Engineering, parent: 1, sort: 10}
    positions:
      - {code: cto, name: Chief engineer, sort: 1}
    people:
      - {mobile: "13800000001", department: 2, positions: [cto]}
      - {user_id: 7, department: 1}

A person is named by his mobile or by his number. Every line that is wrong is told, not the first alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu_services.organize.model import Chart, Department, Member, Position, problems

T = TypeVar("T")

Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Sort = Annotated[int, Meta(ge=0, le=2**31 - 1)]
SECTIONS: Final = ("departments", "positions", "people")


class DepartmentLine(msgspec.Struct, forbid_unknown_fields=True):
    id: Id
    name: Name
    parent: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0
    sort: Sort = 0


class PositionLine(msgspec.Struct, forbid_unknown_fields=True):
    code: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Name
    sort: Sort = 0


class PersonLine(msgspec.Struct, forbid_unknown_fields=True):
    """`mobile` "" or `user_id` 0 = he is named by the other."""

    department: Id
    mobile: Annotated[str, Meta(max_length=20)] = ""
    user_id: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0
    positions: list[str] = []


@dataclass(frozen=True, slots=True)
class Document:
    departments: list[DepartmentLine]
    positions: list[PositionLine]
    people: list[PersonLine]

    @property
    def mobiles(self) -> list[str]:
        return [person.mobile for person in self.people if person.mobile]

    @property
    def user_ids(self) -> list[int]:
        return [person.user_id for person in self.people if person.user_id]


def read(values: Any) -> tuple[Document, list[str]]:
    """What a file's YAML or JSON holds, and what is wrong with it, a line each."""
    if not isinstance(values, dict):
        return Document([], [], []), [f"the file must hold a mapping with {', '.join(SECTIONS)}"]
    wrong = [f"{key}: there is no such section" for key in values if key not in SECTIONS]
    document = Document(
        _lines(values, "departments", DepartmentLine, wrong),
        _lines(values, "positions", PositionLine, wrong),
        _lines(values, "people", PersonLine, wrong),
    )
    for number, person in enumerate(document.people, 1):
        if bool(person.mobile) == bool(person.user_id):
            wrong.append(f"people {number}: either mobile or user_id")
    _twice("department", [department.id for department in document.departments], wrong)
    _twice("position", [position.code for position in document.positions], wrong)
    return document, wrong


def chart_of(document: Document, by_mobile: Mapping[str, int], known: set[int]) -> tuple[Chart, list[str]]:
    """The chart, and what is wrong with it. `by_mobile`: whose mobiles they are; `known`: of the numbers, those that
    are somebody's."""
    wrong: list[str] = []
    members: list[Member] = []
    for number, person in enumerate(document.people, 1):
        user_id = by_mobile.get(person.mobile, 0) if person.mobile else person.user_id
        if not user_id or (person.user_id and user_id not in known):
            named = f"mobile {person.mobile}" if person.mobile else f"user_id {person.user_id}"
            wrong.append(f"people {number}: nobody has the {named}")
            continue
        members.append(Member(user_id, person.department, tuple(sorted(set(person.positions)))))
    _twice("user", [member.user_id for member in members], wrong)
    chart = Chart.of(
        [Department(each.id, each.parent, each.name, each.sort) for each in document.departments],
        [Position(each.code, each.name, each.sort) for each in document.positions],
        members,
    )
    return chart, [*wrong, *problems(chart)]


def _lines(values: dict[Any, Any], section: str, shape: type[T], wrong: list[str]) -> list[T]:
    lines = values.get(section)
    if lines is None:
        return []
    if not isinstance(lines, list):
        wrong.append(f"{section}: must be a list")
        return []
    found: list[T] = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.convert(line, type=shape))
        except msgspec.ValidationError as error:
            wrong.append(f"{section} {number}: {error}")
    return found


def _twice(what: str, keys: list[Any], wrong: list[str]) -> None:
    seen: set[Any] = set()
    for key in keys:
        if key in seen:
            wrong.append(f"{what} {key}: stands there twice")
        seen.add(key)
