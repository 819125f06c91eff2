"""The tree, its counts, and what keeps a chart from being one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xinyu_services.organize.model import (
    EVERYBODY,
    MAX_DEPTH,
    Chart,
    Department,
    Member,
    Position,
    above,
    ancestors,
    difference,
    head_counts,
    problems,
)

TREE = [Department(1, 0, "Head"), Department(2, 1, "Tech"), Department(3, 2, "Web"), Department(4, 0, "Other")]
CHART = Chart.of(TREE, [Position("cto", "Chief")], [Member(10, 3, ("cto",)), Member(11, 2), Member(12, 4)])


def test_the_root_comes_first() -> None:
    assert above(CHART.departments, 3) == [1, 2]
    assert [ancestors(CHART.departments, each) for each in (1, 2, 3)] == ["", "1", "1,2"]


def test_a_department_counts_those_below_it() -> None:
    assert head_counts(CHART) == {EVERYBODY: 3, 1: 2, 2: 2, 3: 1, 4: 1}


def test_a_good_chart_has_no_problems() -> None:
    assert problems(CHART) == problems(Chart()) == []


def test_each_problem_has_its_line() -> None:
    circle = [Department(1, 2, "a"), Department(2, 1, "b"), Department(3, 9, "c")]
    found = problems(Chart.of(circle, [], [Member(10, 8, ("cto",))]))
    assert len(found) == 5
    assert all("\n" not in line for line in found)


@given(st.integers(1, 2 * MAX_DEPTH))
def test_depth_is_bounded(depth: int) -> None:
    line = [Department(n, n - 1, "x") for n in range(1, depth + 1)]
    assert (problems(Chart.of(line, [], [])) == []) is (depth <= MAX_DEPTH + 1)


def test_a_difference_is_a_line_each() -> None:
    new = Chart.of([*TREE[:3], Department(5, 0, "New")], [], [Member(10, 3), Member(11, 2), Member(13, 5)])
    assert difference(CHART, CHART) == []
    assert [line.split(":")[0] for line in difference(CHART, new)] == [
        "- department 4",
        "+ department 5",
        "- position cto",
        "- user 12",
        "+ user 13",
        "~ user 10",
    ]
