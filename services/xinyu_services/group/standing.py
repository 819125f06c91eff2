"""What somebody is in a group, and what that lets him do."""

from __future__ import annotations

from sqlalchemy import Connection

from xinyu.base.errors import DISMISSED, FORBIDDEN, NOT_MEMBER, UNKNOWN_GROUP, XinYuError
from xinyu_services.group.model import Group, GroupState, Member, MemberState, Role
from xinyu_services.group.store import GroupStore


def alive(group: Group | None) -> Group:
    """Raises UNKNOWN_GROUP, DISMISSED."""
    if group is None:
        raise XinYuError(UNKNOWN_GROUP)
    if group.state is GroupState.DISMISSED:
        raise XinYuError(DISMISSED)
    return group


def is_in(member: Member | None) -> bool:
    return member is not None and member.state is MemberState.IN


def standing(
    store: GroupStore, connection: Connection, group_id: int, user_id: int, *, lock: bool = False
) -> tuple[Group, Member]:
    """The living group, locked where that is asked for, and the asker's row. Raises UNKNOWN_GROUP, DISMISSED,
    NOT_MEMBER."""
    group = alive(store.group(connection, group_id, lock=lock))
    member = store.member(connection, group_id, user_id)
    if member is None or not is_in(member):
        raise XinYuError(NOT_MEMBER)
    return group, member


def check_manages(member: Member) -> None:
    """Raises FORBIDDEN for a plain member."""
    if member.role is Role.MEMBER:
        raise XinYuError(FORBIDDEN, "Only the owner and admins of the group may do that.")
