"""Rules of messages that disappear: who may set it, for how long, and when a message goes. Pure.

What is due is gone for everybody from that moment on, whether its row has been emptied yet or not.
"""

from __future__ import annotations

from typing import Final

from xinyu_services.message.model import FIRST_SYSTEM_TYPE, Member, Role, Talk, TalkMode

SHORTEST_S: Final = 60
LONGEST_S: Final = 366 * 86_400


def expiry_problem(expire_after_s: int) -> str:
    """Why messages cannot be set to live so long, "" when they can. 0 = for ever."""
    if expire_after_s == 0 or SHORTEST_S <= expire_after_s <= LONGEST_S:
        return ""
    return f"expire_after_s is 0, or {SHORTEST_S} to {LONGEST_S}."


def may_set_expiry(talk: Talk, member: Member) -> bool:
    """Either of a pair; of a group its owner and admins."""
    return talk.key.mode == TalkMode.SINGLE or member.role in (Role.OWNER, Role.ADMIN)


def expires_at_ms(talk: Talk, msg_type: int, now_ms: int) -> int:
    """When a message that is stored now goes; 0 = never. Lines of the system stay."""
    if not talk.expire_after_s or msg_type >= FIRST_SYSTEM_TYPE:
        return 0
    return now_ms + talk.expire_after_s * 1000
