"""Who may say something in a talk now: the same for a message, an edit and a reaction."""

from __future__ import annotations

from xinyu.base.errors import (
    BLOCKED,
    DISMISSED,
    MENTION_ALL_REFUSED,
    MUTED,
    NOT_FRIEND,
    NOT_MEMBER,
    XinYuError,
)
from xinyu_services.message.model import (
    MaySend,
    Member,
    MemberState,
    MentionAll,
    Role,
    Talk,
    TalkMode,
    TalkState,
    mentions_all,
)


def check_sender(talk: Talk, member: Member | None, now_ms: int) -> Member:
    """The member, where he may; else NOT_MEMBER, DISMISSED, BLOCKED or MUTED. Friendship is asked by others: a message
    to somebody who is no friend is answered, and not refused."""
    if member is None or member.state != MemberState.IN:
        raise XinYuError(NOT_MEMBER)
    if talk.state == TalkState.DISMISSED:
        raise XinYuError(DISMISSED)
    if member.may_send == MaySend.BLOCKED:
        raise XinYuError(BLOCKED)
    if member.muted_until_ms > now_ms or (talk.mute_all and member.role == Role.MEMBER):
        raise XinYuError(MUTED)
    return member


def check_friend(member: Member, require_friendship: bool) -> None:
    """NOT_FRIEND, where that counts."""
    if member.may_send == MaySend.NOT_FRIEND and require_friendship:
        raise XinYuError(NOT_FRIEND)


def check_mentions(talk: Talk, member: Member, msg_type: int, body: str) -> bool:
    """Whether everybody is mentioned; MENTION_ALL_REFUSED where he may not."""
    is_for_all = talk.key.mode == TalkMode.GROUP and mentions_all(msg_type, body)
    if is_for_all and member.role == Role.MEMBER and talk.mention_all != MentionAll.MEMBERS:
        raise XinYuError(MENTION_ALL_REFUSED)
    return is_for_all
