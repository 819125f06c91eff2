"""Use cases of those who run a group: roles, mutes, profile, rules, handing over and dismissing.

Each is one transaction on the locked group, in which the asker's right is looked at. What the message room must know
(roles, mutes, the profile, the end) is told by the command that is awaited before the answer. A repeat changes nothing:
what stands already takes no revision and leaves no second line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import MessageSettings
from xinyu.base.errors import (
    FORBIDDEN,
    INVALID,
    SELF,
    TOO_MANY_ADMINS,
    TOO_MANY_GROUPS,
    UNKNOWN_USER,
    XinYuError,
)
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.group.changes import UNCHANGED, GroupChanges, roster
from xinyu_services.group.model import (
    AVATAR_CHARACTERS,
    MAX_MUTE_S,
    MAX_SLOW_MODE_S,
    REPEAT_WITHIN_MS,
    Group,
    GroupState,
    Member,
    MentionAll,
    Notice,
    Role,
    is_muted,
    may_mute,
    muted_until,
    name_problem,
    profile_problem,
    visit_card_problem,
)
from xinyu_services.group.ports import Pictures
from xinyu_services.group.standing import is_in, standing
from xinyu_services.group.store import GroupStore

FIRST_REVISION: Final = 1


class GroupAdministration:
    """`settings`: how many admins a group has, and how many groups an heir may own."""

    def __init__(
        self,
        database: Database,
        store: GroupStore,
        changes: GroupChanges,
        pictures: Pictures,
        clock: Clock,
        settings: MessageSettings,
    ) -> None:
        self._database = database
        self._store = store
        self._changes = changes
        self._pictures = pictures
        self._clock = clock
        self._settings = settings

    # ---------------------------------------------------------------- roles

    async def assign_admin(
        self, user_id: int, group_id: int, member_id: int, *, is_admin: bool, context: Context
    ) -> None:
        """The owner makes an admin of a member, who is no longer muted then, or a plain member again. Raises SELF,
        UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, FORBIDDEN, UNKNOWN_USER, TOO_MANY_ADMINS."""
        if member_id == user_id:
            raise XinYuError(SELF)
        now_ms, role = self._clock.now_ms(), Role.ADMIN if is_admin else Role.MEMBER

        def change(connection: Connection, group: Group, actor: Member) -> list[Event]:
            _only_owner(actor)
            member = self._other(connection, group_id, member_id)
            if member.role is role:
                return UNCHANGED
            most = self._settings.max_group_admins
            if is_admin and self._store.count_admins(connection, group_id) >= most:
                raise XinYuError(TOO_MANY_ADMINS, f"A group has at most {most} admins.")
            muted_until_ms = 0 if is_admin else member.muted_until_ms
            return self._told(
                connection, group, Notice.NONE, actor, now_ms, replace(member, role=role, muted_until_ms=muted_until_ms)
            )

        await self._changes.run(user_id, group_id, context, change)

    async def hand_over(self, user_id: int, group_id: int, heir_id: int, context: Context) -> None:
        """A member becomes the owner, and the owner a plain member. Raises SELF, UNKNOWN_GROUP, DISMISSED, NOT_MEMBER,
        FORBIDDEN, UNKNOWN_USER, TOO_MANY_GROUPS."""
        if heir_id == user_id:
            raise XinYuError(SELF)
        now_ms = self._clock.now_ms()

        def change(connection: Connection, group: Group, actor: Member) -> list[Event]:
            if actor.role is not Role.OWNER and self._has_handed_over(connection, actor, heir_id, now_ms):
                return UNCHANGED
            _only_owner(actor)
            heir = self._other(connection, group_id, heir_id)
            most = self._settings.max_groups_owned
            if self._store.full_users(connection, [heir_id], most, Role.OWNER):
                raise XinYuError(TOO_MANY_GROUPS, f"Nobody owns more than {most} groups.")
            group = replace(group, creator_id=heir_id)
            self._store.save(connection, group)
            return self._told(
                connection,
                group,
                Notice.OWNER_CHANGED,
                actor,
                now_ms,
                replace(actor, role=Role.MEMBER),
                replace(heir, role=Role.OWNER, muted_until_ms=0),
            )

        await self._changes.run(user_id, group_id, context, change)

    def _has_handed_over(self, connection: Connection, actor: Member, heir_id: int, now_ms: int) -> bool:
        """The same change, not that which made the group, made both of them what they are, a moment ago: the first
        try's answer was lost."""
        heir = self._store.member(connection, actor.group_id, heir_id)
        return (
            heir is not None
            and heir.role is Role.OWNER
            and heir.revision == actor.revision > FIRST_REVISION
            and now_ms - heir.changed_at_ms <= REPEAT_WITHIN_MS
        )

    # ---------------------------------------------------------------- the end

    async def dismiss(self, user_id: int, group_id: int, context: Context) -> None:
        """The owner ends the group: nobody writes in it any more, and no list shows it. One row here and one of the
        talk, however many are in. Raises UNKNOWN_GROUP, NOT_MEMBER, FORBIDDEN; to others than the owner DISMISSED."""
        batch = self._changes.open(context)
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> None:
            group = self._store.group(connection, group_id, lock=True)
            if group is not None and group.state is GroupState.DISMISSED and group.creator_id == user_id:
                return batch.write(connection, UNCHANGED)
            group, actor = standing(self._store, connection, group_id, user_id, lock=True)
            _only_owner(actor)
            group = self._store.end(connection, self._store.take_revision(connection, group, now_ms))
            return batch.write(connection, [roster(group, Notice.DISMISSED, user_id, ())])

        await self._changes.commit(batch, work, context)

    # ---------------------------------------------------------------- mutes

    async def mute_all(self, user_id: int, group_id: int, *, is_muted: bool, context: Context) -> None:
        """Raises UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, FORBIDDEN."""
        notice = Notice.MUTED if is_muted else Notice.UNMUTED
        await self._change_profile(user_id, group_id, context, notice, lambda group: replace(group, mute_all=is_muted))

    async def mute_member(
        self, user_id: int, group_id: int, member_id: int, *, is_muted_now: bool, duration_s: int, context: Context
    ) -> None:
        """Silences a plain member, for a while or until he is unmuted (0). Raises SELF, INVALID, UNKNOWN_GROUP,
        DISMISSED, NOT_MEMBER, FORBIDDEN, UNKNOWN_USER."""
        if member_id == user_id:
            raise XinYuError(SELF)
        if not 0 <= duration_s <= MAX_MUTE_S:
            raise XinYuError(INVALID, f"duration_s is at most {MAX_MUTE_S}.")
        now_ms = self._clock.now_ms()
        until_ms = muted_until(now_ms, duration_s) if is_muted_now else 0
        notice = Notice.MEMBER_MUTED if is_muted_now else Notice.MEMBER_UNMUTED

        def change(connection: Connection, group: Group, actor: Member) -> list[Event]:
            _only_managers(actor)
            member = self._other(connection, group_id, member_id)
            if not may_mute(actor.role, member.role):
                raise XinYuError(FORBIDDEN, "Only plain members can be muted.")
            was_muted = is_muted(member, now_ms)
            # A repeat asks for a later end, by the moment that it comes later.
            if not (was_muted or is_muted_now) or (
                was_muted and is_muted_now and abs(until_ms - member.muted_until_ms) <= REPEAT_WITHIN_MS
            ):
                return UNCHANGED
            return self._told(
                connection, group, notice, actor, now_ms, replace(member, muted_until_ms=until_ms)
            )

        await self._changes.run(user_id, group_id, context, change)

    # ---------------------------------------------------------------- profile and rules

    async def publish(self, user_id: int, group_id: int, *, is_overt: bool, context: Context) -> None:
        """The owner shows the group in the list of public ones, or takes it out. Raises UNKNOWN_GROUP, DISMISSED,
        NOT_MEMBER, FORBIDDEN."""

        def change(connection: Connection, group: Group, actor: Member) -> list[Event]:
            _only_owner(actor)
            if group.is_overt is not is_overt:
                self._store.save(connection, replace(group, is_overt=is_overt))
            return UNCHANGED  # nothing that a talk shows

        await self._changes.run(user_id, group_id, context, change)

    async def change_profile(
        self, user_id: int, group_id: int, name: str, avatar: str | None, profile: str | None, context: Context
    ) -> None:
        """None stays as it is, "" empties. An avatar is a picture that was uploaded here, by its address or its media
        id. Raises INVALID, UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, FORBIDDEN."""
        if problem := name_problem(name) or profile_problem(profile or ""):
            raise XinYuError(INVALID, problem)
        url = await self._avatar(user_id, group_id, avatar) if avatar else avatar

        def changed(group: Group) -> Group:
            return replace(
                group,
                name=name,
                avatar=group.avatar if url is None else url,
                profile=group.profile if profile is None else profile,
            )

        await self._change_profile(user_id, group_id, context, Notice.NONE, changed)

    async def _avatar(self, user_id: int, group_id: int, avatar: str) -> str:
        """The address of a picture that may be shown: what stands there already, or one of the media room's."""

        def work(connection: Connection) -> Group:
            group, actor = standing(self._store, connection, group_id, user_id)
            _only_managers(actor)
            return group

        if avatar == (await query(self._database, work)).avatar:
            return avatar
        url = await self._pictures.url_of(avatar)
        if not url or len(url) > AVATAR_CHARACTERS:
            raise XinYuError(INVALID, "The picture must be uploaded here first.")
        return url

    async def change_rules(
        self, user_id: int, group_id: int, slow_mode_s: int | None, mention_all: int | None, context: Context
    ) -> None:
        """How often a plain member may write, and who may mention everybody; None stays as it is. Raises INVALID,
        UNKNOWN_GROUP, DISMISSED, NOT_MEMBER, FORBIDDEN."""
        if slow_mode_s is not None and not 0 <= slow_mode_s <= MAX_SLOW_MODE_S:
            raise XinYuError(INVALID, f"slow_mode_s is 0 to {MAX_SLOW_MODE_S}.")
        if mention_all is not None and mention_all not in list(MentionAll):
            raise XinYuError(INVALID, "mention_all is 1 or 2.")

        def changed(group: Group) -> Group:
            return replace(
                group,
                slow_mode_s=group.slow_mode_s if slow_mode_s is None else slow_mode_s,
                mention_all=group.mention_all if mention_all is None else MentionAll(mention_all),
            )

        await self._change_profile(user_id, group_id, context, Notice.NONE, changed)

    async def _change_profile(
        self, user_id: int, group_id: int, context: Context, notice: Notice, changed: Callable[[Group], Group]
    ) -> None:
        now_ms = self._clock.now_ms()

        def change(connection: Connection, group: Group, actor: Member) -> list[Event]:
            _only_managers(actor)
            wanted = changed(group)
            if wanted == group:
                return UNCHANGED
            wanted = self._store.take_revision(connection, wanted, now_ms)
            wanted = replace(wanted, profile_revision=wanted.revision)
            self._store.save(connection, wanted)
            return [roster(wanted, notice, user_id, ())]

        await self._changes.run(user_id, group_id, context, change)

    async def set_visit_card(self, user_id: int, group_id: int, card: str, context: Context) -> None:
        """One's own name in the group, "" = none. Raises INVALID, UNKNOWN_GROUP, DISMISSED, NOT_MEMBER."""
        if problem := visit_card_problem(card):
            raise XinYuError(INVALID, problem)

        def change(connection: Connection, _: Group, actor: Member) -> list[Event]:
            if card != actor.visit_card:
                self._store.put_members(connection, [replace(actor, visit_card=card)], growth=0)
            return UNCHANGED  # nothing that a talk shows

        await self._changes.run(user_id, group_id, context, change)

    # ---------------------------------------------------------------- inside the transaction

    def _other(self, connection: Connection, group_id: int, user_id: int) -> Member:
        """Whom the change is about. Raises UNKNOWN_USER."""
        member = self._store.member(connection, group_id, user_id)
        if member is None or not is_in(member):
            raise XinYuError(UNKNOWN_USER, "This user is not a member of the group.")
        return member

    def _told(
        self, connection: Connection, group: Group, notice: Notice, actor: Member, now_ms: int, *members: Member
    ) -> list[Event]:
        """Stores members as they are now, under the group's next revision."""
        group = self._store.take_revision(connection, group, now_ms)
        changed = [replace(member, revision=group.revision, changed_at_ms=now_ms) for member in members]
        self._store.put_members(connection, changed, growth=0)
        return [roster(group, notice, actor.user_id, changed)]


def _only_owner(actor: Member) -> None:
    if actor.role is not Role.OWNER:
        raise XinYuError(FORBIDDEN, "Only the owner of the group may do that.")


def _only_managers(actor: Member) -> None:
    if actor.role is Role.MEMBER:
        raise XinYuError(FORBIDDEN, "Only the owner and admins of the group may do that.")
