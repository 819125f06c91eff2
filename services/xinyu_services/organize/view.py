"""What a client reads of the organisation (contract: http-api, organize). All strings are plain text everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xinyu_services.organize.model import EVERYBODY, EVERYBODY_NAME, Chart, ancestors, head_counts
from xinyu_services.organize.ports import Face


def departments(chart: Chart) -> list[dict[str, Any]]:
    """Everybody first, then the departments as they are sorted; [] for an organisation that is not there."""
    if not chart.members:
        return []
    counts = head_counts(chart)
    everybody = {
        "dept_id": EVERYBODY,
        "parent_id": 0,
        "dept_name": EVERYBODY_NAME,
        "ancestors": "",
        "count": counts[EVERYBODY],
    }
    return [
        everybody,
        *(
            {
                "dept_id": each.dept_id,
                "parent_id": each.parent_id,
                "dept_name": each.name,
                "ancestors": ancestors(chart.departments, each.dept_id),
                "count": counts.get(each.dept_id, 0),
            }
            for each in chart.departments.values()
        ),
    ]


def personnel(chart: Chart, faces: Mapping[int, Face]) -> list[dict[str, Any]]:
    """Who is in it; whose account is gone is left out."""
    shown: list[dict[str, Any]] = []
    for member in chart.members.values():
        face, department = faces.get(member.user_id), chart.departments.get(member.dept_id)
        if face is None or department is None:
            continue
        held = [chart.positions[code] for code in member.positions if code in chart.positions]
        shown.append(
            {
                "user_id": member.user_id,
                "nickname": face.nickname,
                "gender": face.gender,
                "position_items": [
                    {"code": each.code, "name": each.name, "sort": each.sort}
                    for each in sorted(held, key=lambda each: (each.sort, each.code))
                ],
                "dept_item": {
                    "dept_id": department.dept_id,
                    "dept_name": department.name,
                    "ancestors": ancestors(chart.departments, department.dept_id),
                },
                "avatar": face.avatar,
            }
        )
    return shown
