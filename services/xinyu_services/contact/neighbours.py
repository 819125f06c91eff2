"""The rooms that the contact room asks, as it sees them: its ports over their RPC stubs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
import structlog

from xinyu.base.errors import XinYuError
from xinyu.wire.v1 import message_pb2, organize_pb2, presence_pb2, talk_pb2, user_pb2
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.organize_rpc import OrganizeStub
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.contact.model import MaySend, Person
from xinyu_services.talk_key import pair_key

log = structlog.get_logger(__name__)

NAMES_AT_ONCE: Final = 1_000
SINGLE: Final = 1
TEXT: Final = 1


class RpcPeople:
    """`People` over the user room."""

    def __init__(self, user: UserStub) -> None:
        self._user = user

    async def load(self, user_ids: Iterable[int]) -> dict[int, Person]:
        wanted = sorted(set(user_ids))
        people: dict[int, Person] = {}
        for start in range(0, len(wanted), NAMES_AT_ONCE):
            request = user_pb2.LoadNamesRequest(user_ids=wanted[start : start + NAMES_AT_ONCE])
            for name in (await self._user.load_names(request)).names:
                people[name.user_id] = Person(
                    name.user_id, name.nickname, name.avatar, name.gender, name.motto, is_robot=name.is_robot
                )
        return people

    async def detail(self, user_id: int) -> Person:
        return _person(await self._user.load_user(user_pb2.UserRequest(user_id=user_id)))

    async def find_by_mobile(self, mobile: str) -> Person:
        return _person(await self._user.find_by_mobile(user_pb2.FindByMobileRequest(mobile=mobile)))


def _person(detail: user_pb2.UserDetail) -> Person:
    return Person(
        detail.user_id,
        detail.nickname,
        detail.avatar,
        detail.gender,
        detail.motto,
        detail.mobile,
        detail.email,
    )


class RpcTalks:
    """`Talks` over the message and talk rooms."""

    def __init__(self, message: MessageStub, talk: TalkStub) -> None:
        self._message = message
        self._talk = talk

    async def change_pair(
        self,
        *,
        user_low: int,
        user_high: int,
        low_may_send: MaySend,
        high_may_send: MaySend,
        revision: int,
        greeting_id: str,
        greeting_sender: int,
        greeting: str,
        keeps_sessions: bool,
    ) -> None:
        request = message_pb2.ChangePairRequest(
            user_low=user_low,
            user_high=user_high,
            low_may_send=low_may_send,
            high_may_send=high_may_send,
            revision=revision,
            keeps_sessions=keeps_sessions,
        )
        if greeting:
            request.greeting.msg_id = greeting_id
            request.greeting.sender_id = greeting_sender
            request.greeting.msg_type = TEXT
            request.greeting.body = msgspec.json.encode({"content": greeting})
        await self._message.change_pair(request, key=pair_key(user_low, user_high))

    async def session(self, user_id: int, peer_id: int, codec: int) -> tuple[int, bytes]:
        request = talk_pb2.CreateSessionRequest(user_id=user_id, codec=codec)  # type: ignore[arg-type]
        request.target.talk_mode = SINGLE
        request.target.to_from_id = peer_id
        view = await self._talk.load_session(request)
        return view.talk_id, view.session


class RpcColleagues:
    """`Colleagues` over the organize room: when it is away, nobody is known to be one."""

    def __init__(self, organize: OrganizeStub) -> None:
        self._organize = organize

    async def are(self, user_id: int, other_id: int) -> bool:
        request = organize_pb2.FilterMembersRequest(user_ids=[user_id, other_id])
        try:
            return len((await self._organize.filter_members(request)).user_ids) == 2
        except XinYuError as error:
            log.warning("colleagues_unknown", user_id=user_id, error=str(error))
            return False


class RpcPresence:
    """`Presence` over the presence room: when it is away, nobody is known to be online."""

    def __init__(self, presence: PresenceStub) -> None:
        self._presence = presence

    async def is_online(self, user_id: int) -> bool:
        try:
            response = await self._presence.load_online(presence_pb2.OnlineRequest(user_ids=[user_id]))
        except XinYuError as error:
            log.warning("presence_unknown", user_id=user_id, error=str(error))
            return False
        return user_id in response.online_user_ids
