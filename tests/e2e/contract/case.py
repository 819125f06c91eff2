"""How one route is tried: a request that must succeed, and what must be refused.

    @case("contact/edit-remark")
    async def edit_remark(world: World) -> Case:
        ann, ben = await world.friends()
        unknown = Refused({"user_id": 1 << 50}, 404, "unknown_user")
        return Case(ann, {"user_id": ben.user_id, "remark": "Benny"}, refused=[unknown])

The walk (test_routes.py) adds by itself: no token, each field missing, each field of the wrong type. So a case names
what only the route knows: out of range, not mine, gone, no right.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.e2e.plain_client import Json, Person
from tests.forms import EitherServer

_names = iter(range(1, 1_000_000))


@dataclass(frozen=True, slots=True)
class Refused:
    """`change` replaces fields of the case's request. `by` None = its caller."""

    change: Json
    status: int
    reason: str
    by: Person | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """`request` holds every field of the table's line, optional ones too. A file of a form is (name, bytes). `then`
    gets the answer and looks at what the call has done."""

    by: Person
    request: Json = field(default_factory=dict)
    refused: Sequence[Refused] = ()
    then: Callable[[Any], Awaitable[None]] | None = None
    # What a server without the internet answers to `request`, where it cannot do it: (status, reason).
    unable: tuple[int, str] | None = None


class World:
    """Brings the people of a case onto the server; `mobile` names one that nobody has."""

    def __init__(self, server: EitherServer, mobile: Callable[[], str]) -> None:
        self.server = server
        self.mobile = mobile
        self._people: list[Person] = []

    async def person(self, name: str = "") -> Person:
        person = await Person(self.server, name or f"P{next(_names)}", self.mobile()).__aenter__()
        self._people.append(person)
        await person.register()
        return person

    async def people(self, count: int) -> list[Person]:
        return [await self.person() for _ in range(count)]

    async def friends(self) -> tuple[Person, Person]:
        one, other = await self.people(2)
        await one.befriend(other)
        return one, other

    async def group(self, *others: Person, owner: Person) -> int:
        """Of `owner` and these friends of his."""
        made = await owner.ok("group/create", {"name": "Band", "user_ids": [other.user_id for other in others]})
        group_id: int = made["group_id"]
        return group_id

    async def close(self) -> None:
        for person in self._people:
            await person.__aexit__(None, None, None)


CASES: Final[dict[str, Callable[[World], Awaitable[Case]]]] = {}
Make = Callable[[World], Awaitable[Case]]


def case(path: str) -> Callable[[Make], Make]:
    def keep(make: Make) -> Make:
        assert path not in CASES, f"two cases of {path}"
        CASES[path] = make
        return make

    return keep
