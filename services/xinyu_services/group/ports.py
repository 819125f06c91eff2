"""What the group room needs of other rooms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from xinyu_services.group.model import Friend, Group, Member, Notice, Person


class People(Protocol):
    """The user room."""

    async def load(self, user_ids: Iterable[int]) -> dict[int, Person]:
        """Names and faces; unknown ids are left out."""
        ...


class Friends(Protocol):
    """The contact room."""

    async def among(self, user_id: int, others: Sequence[int]) -> set[int]:
        """Which of `others` are friends of the user."""
        ...

    async def all(self, user_id: int) -> list[Friend]: ...


class Pictures(Protocol):
    """The media room."""

    async def url_of(self, avatar: str) -> str:
        """The address of a picture that was uploaded here, named by its address or its media id; "" = there is none."""
        ...


class Talks(Protocol):
    """The message room."""

    async def change_roster(
        self, group: Group, members: Sequence[Member], notice: Notice, msg_id: str, sender_id: int, body: dict[str, Any]
    ) -> None:
        """How the group and some of its members stand, and the message that says so (none for `Notice.NONE`);
        idempotent by the revisions and the msg_id."""
        ...

    async def change_profile(self, group: Group) -> None:
        """What the group shows of itself has changed; idempotent by the profile's revision."""
        ...

    async def write_message(
        self, group_id: int, msg_id: str, sender_id: int, msg_type: int, body: dict[str, Any]
    ) -> None:
        """A message that this room writes in the name of a member; idempotent by the msg_id."""
        ...

    async def touch_message(self, group_id: int, msg_id: str, sender_id: int) -> None:
        """What such a message is about has changed: the members' devices hear of it. Nothing where it was recalled."""
        ...

    async def talk_of(self, user_id: int, group_id: int) -> int:
        """The group's talk_id."""
        ...


class Ids(Protocol):
    """A series of numbers (`xinyu.storage.id_blocks`)."""

    async def take(self) -> int: ...
