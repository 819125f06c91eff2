"""The file that an operator writes: what is read out of it, and what is said of a wrong line."""

from __future__ import annotations

from typing import Any

import pytest

from xinyu_services.organize.document import chart_of, read
from xinyu_services.organize.model import Department, Member, Position

GOOD: dict[str, Any] = {
    "departments": [{"id": 1, "name": "Head"}, {"id": 2, "name": "Tech", "parent": 1, "sort": 4}],
    "positions": [{"code": "cto", "name": "Chief", "sort": 2}],
    "people": [{"mobile": "13800000001", "department": 2, "positions": ["cto"]}, {"user_id": 7, "department": 1}],
}


def test_a_good_file() -> None:
    document, wrong = read(GOOD)
    assert wrong == []
    assert (document.mobiles, document.user_ids) == (["13800000001"], [7])
    chart, wrong = chart_of(document, {"13800000001": 5}, {7})
    assert wrong == []
    assert chart.departments == {1: Department(1, 0, "Head"), 2: Department(2, 1, "Tech", 4)}
    assert chart.positions == {"cto": Position("cto", "Chief", 2)}
    assert chart.members == {5: Member(5, 2, ("cto",)), 7: Member(7, 1)}


def test_an_empty_file_is_an_empty_organisation() -> None:
    document, wrong = read({"departments": None})
    chart, also_wrong = chart_of(document, {}, set())
    assert wrong == also_wrong == []
    assert not chart.departments and not chart.members


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "must hold a mapping"),
        ({"staff": []}, "staff: there is no such section"),
        ({"people": {}}, "people: must be a list"),
        ({"departments": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "department 1: stands there twice"),
        ({"departments": [{"id": 0, "name": "a"}]}, "departments 1: "),
        ({"departments": [{"id": 1, "name": "a", "boss": 3}]}, "departments 1: "),
        ({"positions": [{"code": "x" * 65, "name": "a"}]}, "positions 1: "),
        ({"people": [{"department": 1}]}, "people 1: either mobile or user_id"),
        ({"people": [{"department": 1, "mobile": "1", "user_id": 2}]}, "people 1: either mobile or user_id"),
    ],
)
def test_a_wrong_line_is_told(values: Any, said: str) -> None:
    _, wrong = read(values)
    (line,) = wrong
    assert said in line


def test_all_wrong_lines_are_told() -> None:
    document, _ = read(GOOD)
    _, wrong = chart_of(document, {}, set())
    assert wrong == ["people 1: nobody has the mobile 13800000001", "people 2: nobody has the user_id 7"]
    _, wrong = chart_of(document, {"13800000001": 7}, {7})
    assert wrong == ["user 7: stands there twice"]
