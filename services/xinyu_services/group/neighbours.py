"""The rooms that the group room asks, as it sees them: its ports over their RPC stubs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from xinyu.wire.v1 import contact_pb2, media_pb2, message_pb2, user_pb2
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.group.model import Friend, Group, GroupState, Member, Notice, Person
from xinyu_services.talk_key import group_key

AT_ONCE: Final = 1_000
# Members that the message room changes in one transaction.
ENTRIES_AT_ONCE: Final = 1_000
CHANGE_TIMEOUT_S: Final = 10.0
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
                people[name.user_id] = Person(
                    name.user_id, name.nickname, name.avatar, name.gender, name.motto, is_robot=name.is_robot
                )
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


class RpcPictures:
    """`Pictures` over the media room."""

    def __init__(self, media: MediaStub) -> None:
        self._media = media

    async def url_of(self, avatar: str) -> str:
        page = await self._media.load_files(media_pb2.LoadFilesRequest(named=[avatar]))
        return next((file.url for file in page.files if file.kind == media_pb2.MEDIA_PICTURE), "")


class RpcTalks:
    """`Talks` over the message room."""

    def __init__(self, message: MessageStub) -> None:
        self._message = message

    async def change_roster(
        self, group: Group, members: Sequence[Member], notice: Notice, msg_id: str, sender_id: int, body: dict[str, Any]
    ) -> None:
        # Who goes may still read the line that says so, and who comes reads it, too: so it goes with the first who go,
        # and with the last who come.
        message_first = notice in (Notice.LEFT, Notice.REMOVED)
        chunks = [members[start : start + ENTRIES_AT_ONCE] for start in range(0, len(members), ENTRIES_AT_ONCE)] or [()]
        with_message = 0 if message_first else len(chunks) - 1
        for number, chunk in enumerate(chunks):
            request = message_pb2.ChangeRosterRequest(
                group_id=group.group_id,
                profile_revision=group.profile_revision,
                mute_all=group.mute_all,
                dismissed=group.state is GroupState.DISMISSED,
                message_first=message_first,
                slow_mode_s=group.slow_mode_s,
                mention_all=group.mention_all,
            )
            if notice and number == with_message:
                request.message.CopyFrom(
                    message_pb2.SystemMessage(
                        msg_id=msg_id, sender_id=sender_id, msg_type=notice, body=msgspec.json.encode(body)
                    )
                )
            for member in chunk:
                request.entries.add(
                    user_id=member.user_id,
                    state=member.state,
                    role=member.role,
                    muted_until_ms=member.muted_until_ms,
                    revision=member.revision,
                )
            await self._message.change_roster(request, timeout_s=CHANGE_TIMEOUT_S, key=group_key(group.group_id))

    async def change_profile(self, group: Group) -> None:
        request = message_pb2.ChangeRosterRequest(
            group_id=group.group_id,
            profile_revision=group.profile_revision,
            mute_all=group.mute_all,
            dismissed=group.state is GroupState.DISMISSED,
        )
        await self._message.change_roster(request, timeout_s=CHANGE_TIMEOUT_S, key=group_key(group.group_id))

    async def write_message(
        self, group_id: int, msg_id: str, sender_id: int, msg_type: int, body: dict[str, Any]
    ) -> None:
        request = message_pb2.WriteMessageRequest(
            group_id=group_id,
            message=message_pb2.SystemMessage(
                msg_id=msg_id, sender_id=sender_id, msg_type=msg_type, body=msgspec.json.encode(body)
            ),
        )
        await self._message.write_message(request, timeout_s=CHANGE_TIMEOUT_S, key=group_key(group_id))

    async def touch_message(self, group_id: int, msg_id: str, sender_id: int) -> None:
        request = message_pb2.TouchMessageRequest(group_id=group_id, msg_id=msg_id, sender_id=sender_id)
        await self._message.touch_message(request, timeout_s=CHANGE_TIMEOUT_S, key=group_key(group_id))

    async def talk_of(self, user_id: int, group_id: int) -> int:
        request = message_pb2.OpenTalkRequest(user_id=user_id)
        request.target.talk_mode = GROUP
        request.target.to_from_id = group_id
        return (await self._message.open_talk(request, key=group_key(group_id))).talk_id
