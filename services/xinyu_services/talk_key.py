"""What balances calls about one talk over message services: the same key, whoever calls, so that one process carries a
talk and its sends meet in one lane (design: data, "Who owns what"). Calls that know only a talk's number, or name many
talks, go without: any instance answers them, since what holds a talk together is its row in the database."""

from __future__ import annotations

GROUP = 2


def talk_key(user_id: int, talk_mode: int, to_from_id: int) -> str:
    """Of a talk as one of its users names it."""
    return group_key(to_from_id) if talk_mode == GROUP else pair_key(user_id, to_from_id)


def pair_key(one: int, other: int) -> str:
    return f"p{one}-{other}" if one < other else f"p{other}-{one}"


def group_key(group_id: int) -> str:
    return f"g{group_id}"
