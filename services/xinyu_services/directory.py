"""Names and avatars of users and groups as other rooms show them: asked for in batches, kept for a minute.

Stored with neither messages nor sessions, so a changed name is right everywhere at once. Bounded: past `MAX_ENTRIES`
the oldest answers go. An id that nobody has is remembered as such for a moment, so that it is not asked for again and
again; no longer, since it may be the next one that is given out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from xinyu.base.clock import Clock
from xinyu.base.errors import XinYuError
from xinyu.wire.v1 import group_pb2, user_pb2
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.user_rpc import UserStub

KEEP_S: Final = 60.0
KEEP_UNKNOWN_S: Final = 2.0
MAX_ENTRIES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Name:
    """What is shown of a user or group. `known` is False for an id that nobody has, or when the asked room is away."""

    name: str = ""
    avatar: str = ""
    is_robot: bool = False
    mute_all: bool = False
    known: bool = False
    revision: int = 0  # of a group's profile


NOBODY: Final = Name()
_ANY: Final[Mapping[int, int]] = MappingProxyType({})


class Directory:
    """One a process; rooms that show names share it."""

    def __init__(self, users: UserStub, groups: GroupStub, clock: Clock) -> None:
        self._users = users
        self._groups = groups
        self._clock = clock
        self._user_names: dict[int, tuple[float, Name]] = {}
        self._group_names: dict[int, tuple[float, Name]] = {}
        # Counts what was forgotten: an answer that was asked for before must not be kept after.
        self._forgotten = 0

    async def users(self, user_ids: Iterable[int], *, required: bool = False) -> dict[int, Name]:
        """A Name for every id asked for. `required`: raises when the user room is away, instead of naming nobody."""
        names, missing = self._held(self._user_names, user_ids)
        if missing:
            forgotten = self._forgotten
            try:
                page = await self._users.load_names(user_pb2.LoadNamesRequest(user_ids=missing))
            except XinYuError:
                if required:
                    raise
                return names | dict.fromkeys(missing, NOBODY)  # shown without a name rather than not at all
            answered = {n.user_id: Name(n.nickname, n.avatar, n.is_robot, known=True) for n in page.names}
            names |= self._keep(self._user_names, missing, answered, forgotten)
        return names

    async def groups(
        self, group_ids: Iterable[int], *, required: bool = False, at_least: Mapping[int, int] = _ANY
    ) -> dict[int, Name]:
        """A Name for every id asked for. `required`: as above, of the group room. `at_least`: the revision that is
        known of a group's profile; a name that is kept from before it is asked for anew."""
        names, missing = self._held(self._group_names, group_ids)
        old = [id_ for id_, name in names.items() if name.revision < at_least.get(id_, 0)]
        missing += old
        if missing:
            forgotten = self._forgotten
            try:
                page = await self._groups.load_names(group_pb2.LoadGroupNamesRequest(group_ids=missing))
            except XinYuError:
                if required:
                    raise
                return dict.fromkeys(missing, NOBODY) | names
            answered = {
                n.group_id: Name(n.name, n.avatar, mute_all=n.mute_all, known=True, revision=n.profile_revision)
                for n in page.names
            }
            names |= self._keep(self._group_names, missing, answered, forgotten)
        return names

    def forget_user(self, user_id: int) -> None:
        self._forgotten += 1
        self._user_names.pop(user_id, None)

    def forget_group(self, group_id: int) -> None:
        self._forgotten += 1
        self._group_names.pop(group_id, None)

    def _held(self, kept: dict[int, tuple[float, Name]], ids: Iterable[int]) -> tuple[dict[int, Name], list[int]]:
        now_s = self._clock.monotonic_s()
        names: dict[int, Name] = {}
        missing: list[int] = []
        for id_ in dict.fromkeys(ids):
            entry = kept.get(id_)
            if entry is not None and entry[0] > now_s:
                names[id_] = entry[1]
            elif id_ > 0:
                missing.append(id_)
            else:
                names[id_] = NOBODY
        return names, missing

    def _keep(
        self, kept: dict[int, tuple[float, Name]], asked: list[int], answered: dict[int, Name], forgotten: int
    ) -> dict[int, Name]:
        names = {id_: answered.get(id_, NOBODY) for id_ in asked}
        if forgotten != self._forgotten:
            return names
        now_s = self._clock.monotonic_s()
        for id_, name in names.items():
            kept.pop(id_, None)
            kept[id_] = (now_s + (KEEP_S if name.known else KEEP_UNKNOWN_S), name)
        while len(kept) > MAX_ENTRIES:
            del kept[next(iter(kept))]
        return names
