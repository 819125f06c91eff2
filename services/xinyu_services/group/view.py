"""What a client reads of groups and members. All of these strings are plain text on every surface: nothing is escaped
(names inside system messages are, where a record of one is encoded: the message room's view)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from xinyu.base.text_time import text_time
from xinyu_services.group.application_model import Application
from xinyu_services.group.model import Friend, Group, Member, Person, Role, is_muted
from xinyu_services.group.notice_model import TITLE, NoticeEdit
from xinyu_services.group.vote_model import Vote, VoteDetail

LEGACY = 0
YES, NO = 1, 2
# Of a vote's `is_anonymous`.
OPEN, SECRET = 1, 2


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
    """An item of `group/member-list`; remark is the visit card, always text. `is_robot` stands at bots alone."""
    item = {
        "user_id": member.user_id,
        "nickname": person.nickname,
        "avatar": person.avatar,
        "gender": person.gender,
        "leader": int(member.role),
        "is_mute": YES if is_muted(member, now_ms) else NO,
        "remark": member.visit_card,
        "motto": person.motto,
    }
    return item | {"is_robot": YES} if person.is_robot else item


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
    """The `extra` of this room's system messages; `members` is there even where the sentence has none."""

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


# ---------------------------------------------------------------- requests to join


def application_item(
    application: Application, group_name: str | None, applicant: Person, zone: ZoneInfo, codec: int
) -> dict[str, Any]:
    """An item of `group-apply/list`; of `group-apply/all` where it has the group's name."""
    item: dict[str, Any] = {
        "id": application.apply_id,
        "user_id": application.applicant_id,
        "group_id": application.group_id,
        "remark": application.remark,
        "avatar": applicant.avatar,
        "nickname": applicant.nickname,
        "created_at": text_time(application.created_at_ms, zone),
    }
    if group_name is not None:
        item["group_name"] = group_name
    if codec != LEGACY:
        item["created_at_ms"] = application.created_at_ms
    return item


def own_application_item(application: Application, group: Group, zone: ZoneInfo, codec: int) -> dict[str, Any]:
    """An item of `group-apply/mine`: the group's name and picture."""
    item: dict[str, Any] = {
        "id": application.apply_id,
        "group_id": application.group_id,
        "group_name": group.name,
        "avatar": group.avatar,
        "remark": application.remark,
        "state": int(application.state),
        "created_at": text_time(application.created_at_ms, zone),
    }
    if codec != LEGACY:
        item["created_at_ms"] = application.created_at_ms
    return item


def asked(application: Application, state: int, codec: int) -> bytes:
    """The event that tells managers of a request, or that another of them has answered it."""
    group_id, apply_id = application.group_id, application.apply_id
    shown: dict[str, Any] = {
        "event": "im.group.apply",
        "payload": {"group_id": group_id, "apply_id": apply_id, "user_id": application.applicant_id, "state": state},
    }
    if codec == LEGACY:
        shown["ackid"] = f"group-apply-{apply_id}"
    return msgspec.json.encode(shown)


# ---------------------------------------------------------------- notices


def notice_message(edit: NoticeEdit, people: dict[int, Person]) -> dict[str, Any]:
    """The `extra` of a message of type 13."""
    editor = people.get(edit.editor_id)
    return {
        "owner_id": edit.editor_id,
        "owner_name": "" if editor is None else editor.nickname,
        "title": TITLE,
        "content": edit.content,
    }


def notice_item(edit: NoticeEdit, editor: Person, zone: ZoneInfo) -> dict[str, Any]:
    """An item of `group-notice/history`."""
    return {
        "content": edit.content,
        "user_id": edit.editor_id,
        "nickname": editor.nickname,
        "updated_at": text_time(edit.edited_at_ms, zone),
    }


# ---------------------------------------------------------------- votes


def vote_item(vote: Vote, has_voted: bool, zone: ZoneInfo) -> dict[str, Any]:
    """An item of `group-vote/list`."""
    return {
        "vote_id": vote.vote_id,
        "title": vote.title,
        "answer_mode": int(vote.answer_mode),
        "is_anonymous": SECRET if vote.is_secret else OPEN,
        "status": int(vote.state),
        "created_by": vote.creator_id,
        "created_at": text_time(vote.created_at_ms, zone),
        "is_voted": has_voted,
    }


def vote_detail(detail: VoteDetail, zone: ZoneInfo) -> dict[str, Any]:
    """`group-vote/detail`. The reference client counts shares from the list of answers, so a secret vote has it, too:
    without names and times."""
    vote = detail.vote
    shown: dict[str, Any] = {
        "vote_id": vote.vote_id,
        "group_id": vote.group_id,
        "title": vote.title,
        "answer_mode": int(vote.answer_mode),
        "answer_options": [
            {"key": option.key, "value": option.value, "num": option.num, "is_checked": option.key in detail.own}
            for option in detail.options
        ],
        "answer_num": detail.electorate,
        "answered_num": vote.answered,
        "is_anonymous": SECRET if vote.is_secret else OPEN,
        "answered_users": [
            {
                "user_id": 0 if vote.is_secret else answer.user_id,
                "nickname": "" if vote.is_secret else person.nickname,
                "options": list(answer.chosen),
                "answer_time": "" if vote.is_secret else text_time(answer.answered_at_ms, zone),
            }
            for answer, person in detail.answers
        ],
        "is_submit": bool(detail.own),
        "status": int(vote.state),
        "created_by": vote.creator_id,
    }
    if detail.cursor:
        shown["cursor"] = detail.cursor
    return shown
