"""What a client reads of groups and members. All of these strings are plain text on every surface: nothing is escaped
(names inside system messages are, where a record of one is encoded: the message room's view)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from xinyu_services.group.model import Friend, Group, Member, Person, Role, is_muted

YES, NO = 1, 2


def group_item(group: Group, role: Role) -> dict[str, Any]:
    """An item of `group/list` (contract: http-api, group)."""
    return {
        "group_id": group.group_id,
        "group_name": group.name,
        "avatar": group.avatar,
        "profile": group.profile,
        "leader": int(role),
        "creator_id": group.creator_id,
    }


def member_item(member: Member, person: Person, now_ms: int) -> dict[str, Any]:
    """An item of `group/member-list`; remark is the visit card, always text."""
    return {
        "user_id": member.user_id,
        "nickname": person.nickname,
        "avatar": person.avatar,
        "gender": person.gender,
        "leader": int(member.role),
        "is_mute": YES if is_muted(member, now_ms) else NO,
        "remark": member.visit_card,
        "motto": person.motto,
    }


def invitable_item(friend: Friend, person: Person) -> dict[str, Any]:
    """An item of `group/get-invite-friends`."""
    return {
        "user_id": friend.user_id,
        "nickname": person.nickname,
        "avatar": person.avatar,
        "gender": person.gender,
        "remark": friend.remark,
    }


def notice_body(actor_id: int, user_ids: Sequence[int], people: dict[int, Person]) -> dict[str, Any]:
    """The `extra` of a system message 1101..1104; `members` is there even where the sentence has none."""

    def name(user_id: int) -> str:
        return people[user_id].nickname if user_id in people else ""

    return {
        "owner_id": actor_id,
        "owner_name": name(actor_id),
        "members": [{"user_id": user_id, "nickname": name(user_id)} for user_id in user_ids],
    }


def created(group: Group) -> bytes:
    """The legacy event that tells the invited of a new group."""
    payload = {"group_id": group.group_id, "name": group.name, "operator_id": group.creator_id}
    return msgspec.json.encode(
        {"event": "im.group.create", "payload": payload, "ackid": f"group-create-{group.group_id}"}
    )
