"""The rooms that the group room asks, as it sees them: its ports over their RPC stubs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from xinyu.wire.v1 import contact_pb2, message_pb2, user_pb2
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.group.model import Friend, Group, GroupState, Member, Notice, Person

AT_ONCE: Final = 1_000
GROUP: Final = 2


class RpcPeople:
    """`People` over the user room."""

    def __init__(self, user: UserStub) -> None:
        self._user = user

    async def load(self, user_ids: Iterable[int]) -> dict[int, Person]:
        wanted = sorted(set(user_ids))
        people: dict[int, Person] = {}
        for start in range(0, len(wanted), AT_ONCE):
            request = user_pb2.LoadNamesRequest(user_ids=wanted[start : start + AT_ONCE])
            for name in (await self._user.load_names(request)).names:
                people[name.user_id] = Person(name.user_id, name.nickname, name.avatar, name.gender, name.motto)
        return people


class RpcFriends:
    """`Friends` over the contact room."""

    def __init__(self, contact: ContactStub) -> None:
        self._contact = contact

    async def among(self, user_id: int, others: Sequence[int]) -> set[int]:
        friends: set[int] = set()
        for start in range(0, len(others), AT_ONCE):
            request = contact_pb2.LoadRemarksRequest(owner_id=user_id, user_ids=others[start : start + AT_ONCE])
            friends.update(remark.user_id for remark in (await self._contact.filter_friends(request)).remarks)
        return friends

    async def all(self, user_id: int) -> list[Friend]:
        page = await self._contact.list_friends(contact_pb2.ContactListRequest(user_id=user_id))
        return [Friend(remark.user_id, remark.remark) for remark in page.remarks]


class RpcTalks:
    """`Talks` over the message room."""

    def __init__(self, message: MessageStub) -> None:
        self._message = message

    async def change_roster(
        self, group: Group, members: Sequence[Member], notice: Notice, msg_id: str, sender_id: int, body: dict[str, Any]
    ) -> None:
        request = message_pb2.ChangeRosterRequest(
            group_id=group.group_id,
            profile_revision=group.profile_revision,
            mute_all=group.mute_all,
            dismissed=group.state is GroupState.DISMISSED,
            message=message_pb2.SystemMessage(
                msg_id=msg_id, sender_id=sender_id, msg_type=notice, body=msgspec.json.encode(body)
            ),
            # Who goes may still read the line that says so.
            message_first=notice in (Notice.LEFT, Notice.REMOVED),
        )
        for member in members:
            request.entries.add(
                user_id=member.user_id,
                state=member.state,
                role=member.role,
                muted_until_ms=member.muted_until_ms,
                revision=member.revision,
            )
        await self._message.change_roster(request)

    async def talk_of(self, user_id: int, group_id: int) -> int:
        request = message_pb2.OpenTalkRequest(user_id=user_id)
        request.target.talk_mode = GROUP
        request.target.to_from_id = group_id
        return (await self._message.open_talk(request)).talk_id
