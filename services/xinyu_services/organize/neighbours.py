"""The room that the organize room asks, as it sees it: its port over the RPC stub."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xinyu.wire.v1 import user_pb2
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.organize.ports import Face

NAMES_AT_ONCE: Final = 1_000


class RpcPeople:
    """`People` over the user room."""

    def __init__(self, user: UserStub) -> None:
        self._user = user

    async def load(self, user_ids: Iterable[int]) -> dict[int, Face]:
        wanted = sorted(set(user_ids))
        faces: dict[int, Face] = {}
        for start in range(0, len(wanted), NAMES_AT_ONCE):
            request = user_pb2.LoadNamesRequest(user_ids=wanted[start : start + NAMES_AT_ONCE])
            for name in (await self._user.load_names(request)).names:
                faces[name.user_id] = Face(name.nickname, name.avatar, name.gender)
        return faces
