"""An organisation: a tree of departments, positions, and who is in which department with what positions.

It is one value, the chart, that the operator replaces as a whole: what is wrong with a new one, and how it differs from
the old one, is said here. Above the tree stands a department that nobody has made, everybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MAX_DEPARTMENTS: Final = 2_000
MAX_POSITIONS: Final = 500
MAX_PEOPLE: Final = 10_000
MAX_POSITIONS_A_PERSON: Final = 20
# Departments above one another.
MAX_DEPTH: Final = 16
EVERYBODY: Final = -1
EVERYBODY_NAME: Final = "Everybody"


@dataclass(frozen=True, slots=True)
class Department:
    """`parent_id` 0 = it stands at the top."""

    dept_id: int
    parent_id: int
    name: str
    sort: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    code: str
    name: str
    sort: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """Who is in the organisation. `positions`: their codes, ascending."""

    user_id: int
    dept_id: int
    positions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole organisation, by its keys."""

    departments: Mapping[int, Department] = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict)
    members: Mapping[int, Member] = field(default_factory=dict)

    @classmethod
    def of(cls, departments: Iterable[Department], positions: Iterable[Position], members: Iterable[Member]) -> Chart:
        return cls({d.dept_id: d for d in departments}, {p.code: p for p in positions}, {m.user_id: m for m in members})


def above(departments: Mapping[int, Department], dept_id: int) -> list[int] | None:
    """The departments above one, the root first; None where they go round in a circle, end nowhere, or are too many."""
    line: list[int] = []
    parent_id = departments[dept_id].parent_id
    while parent_id:
        if parent_id not in departments or len(line) == MAX_DEPTH:
            return None
        line.append(parent_id)
        parent_id = departments[parent_id].parent_id
    return line[::-1]


def ancestors(departments: Mapping[int, Department], dept_id: int) -> str:
    """The same as clients read it: ids joined by commas, "" at the top."""
    return ",".join(str(each) for each in above(departments, dept_id) or [])


def head_counts(chart: Chart) -> dict[int, int]:
    """How many people are in each department and in those below it; EVERYBODY: all."""
    own = Counter(member.dept_id for member in chart.members.values())
    counts: Counter[int] = Counter({EVERYBODY: len(chart.members)})
    for dept_id, count in own.items():
        for each in [dept_id, *(above(chart.departments, dept_id) or [])]:
            counts[each] += count
    return counts


def problems(chart: Chart) -> list[str]:
    """What keeps a chart from being one, a line each."""
    found: list[str] = []
    for what, count, limit in (
        ("departments", len(chart.departments), MAX_DEPARTMENTS),
        ("positions", len(chart.positions), MAX_POSITIONS),
        ("people", len(chart.members), MAX_PEOPLE),
    ):
        if count > limit:
            found.append(f"there are {count} {what}; {limit} is the limit")
    for dept_id, department in chart.departments.items():
        if department.parent_id and department.parent_id not in chart.departments:
            found.append(f"department {dept_id}: there is no department {department.parent_id} above it")
        elif above(chart.departments, dept_id) is None:
            found.append(f"department {dept_id}: it stands below itself, or more than {MAX_DEPTH} deep")
    for member in chart.members.values():
        if member.dept_id not in chart.departments:
            found.append(f"user {member.user_id}: there is no department {member.dept_id}")
        found += [
            f"user {member.user_id}: there is no position {code!r}"
            for code in member.positions
            if code not in chart.positions
        ]
        if len(member.positions) > MAX_POSITIONS_A_PERSON:
            found.append(f"user {member.user_id}: more than {MAX_POSITIONS_A_PERSON} positions")
    return found


def difference(old: Chart, new: Chart) -> list[str]:
    """What changes from the one to the other, a line each: `+` new, `-` gone, `~` changed."""
    return [
        *_differing("department", old.departments, new.departments),
        *_differing("position", old.positions, new.positions),
        *_differing("user", old.members, new.members),
    ]


def _differing(what: str, old: Mapping[Any, object], new: Mapping[Any, object]) -> list[str]:
    before, after = dict(old), dict(new)
    lines = [f"- {what} {key}" for key in before if key not in after]
    lines += [f"+ {what} {key}: {_said(value)}" for key, value in after.items() if key not in before]
    lines += [
        f"~ {what} {key}: {_said(before[key])} -> {_said(value)}"
        for key, value in after.items()
        if key in before and before[key] != value
    ]
    return lines


def _said(value: object) -> str:
    if isinstance(value, Department):
        return f"{value.name!r} below {value.parent_id}, sort {value.sort}"
    if isinstance(value, Position):
        return f"{value.name!r}, sort {value.sort}"
    if isinstance(value, Member):
        return f"in {value.dept_id}" + (f" as {', '.join(value.positions)}" if value.positions else "")
    return str(value)
