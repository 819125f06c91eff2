"""Pushes of large talks: the gateway knows the members, and finds those who have devices here.

Design. A push names a talk and the `change` that the gateway's set of its members must not be older than. When the set
is younger the engine writes to the members who are connected, walking the smaller side. Else the push waits in a queue
of its talk, and one task of the talk reads what changed since (`Message.LoadRoster`, in pages; the set is as of its
first page, as a row that a later page tells newer says so itself, by its window). What comes for the talk meanwhile
waits behind, so a talk's order is kept; other talks do not wait, and neither does the dispatcher.

Nothing is lost silently. Reading is tried again, with growing pauses, until it succeeds. When what waits grows too
large it is dropped, and the talk owes: once its members are known, those who are connected are told to sync.

A talk that reaches nobody here says so to the presence room (`TalkAbsences`): its pushes go round this gateway until
its members change or one of them comes. It does not say so while one is logging in.

Bounds: `most_held` members over all talks (those that were quiet longest are forgotten: their next push reads them
anew), `MAX_WAITING_BYTES` of pushes that wait, `MAX_LOADS` reads under way.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import structlog

from xinyu._fast import engine as fast
from xinyu._fast import members as fast_members
from xinyu.base.errors import UNKNOWN_TALK, XinYuError
from xinyu.gateway.ws.route_changes import RouteChanges
from xinyu.gateway.ws.talk_absences import TalkAbsences
from xinyu.wire.v1 import gateway_pb2, message_pb2, presence_pb2
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.presence_rpc import PresenceStub

log = structlog.get_logger(__name__)

MAX_WAITING_BYTES: Final = 32 * 1024 * 1024
# What a push that waits costs beside its frames.
WAITING_OVERHEAD_BYTES: Final = 500
MAX_LOADS: Final = 16
TALK_OVERHEAD_MEMBERS: Final = 50
# Who left is kept for messages that were sent before he did and are pushed after it.
LEAVERS_KEPT_FOR: Final = 1_000
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 5.0
_ALL: Final = -1


class _Waiting(NamedTuple):
    members: gateway_pb2.TalkMembers
    frames: Mapping[int, fast.Frame]
    ephemeral: bool
    size_bytes: int


@dataclass(slots=True, eq=False)
class _Talk:
    talk_id: int
    members: fast_members.MemberSet = field(default_factory=fast_members.MemberSet)
    change: int = _ALL  # that `members` are as of
    needed: int = 0  # by what waits
    waiting: list[_Waiting] = field(default_factory=list)
    is_loading: bool = False
    owes: bool = False

    @property
    def size(self) -> int:
        """In members; those who are none cost something, too."""
        return TALK_OVERHEAD_MEMBERS + len(self.members) + self.members.leavers


class TalkMembers:
    """Of one gateway, which holds `routes`. `own` keeps a task until it ends; `sync_required` is what a device hears
    that has missed something, by codec."""

    def __init__(
        self,
        engine: fast.Engine,
        message: MessageStub,
        presence: PresenceStub,
        absences: TalkAbsences,
        routes: RouteChanges[Any],
        own: Callable[[Coroutine[Any, Any, None]], None],
        sync_required: Mapping[int, fast.Frame],
        *,
        gateway: str,
        most_held: int,
    ) -> None:
        self._engine = engine
        self._message = message
        self._presence = presence
        self._absences = absences
        self._routes = routes
        self._own = own
        self._sync_required = sync_required
        self._gateway = gateway
        self._most_held = most_held
        self._talks: OrderedDict[int, _Talk] = OrderedDict()  # the quietest first
        self._held = 0
        self._waiting_bytes = 0
        self._loads = asyncio.Semaphore(MAX_LOADS)
        self._taking_back: set[int] = set()

    @property
    def held(self) -> int:
        """Members known, over all talks."""
        return self._held

    def deliver(
        self, members: gateway_pb2.TalkMembers, frames: Mapping[int, fast.Frame], size_bytes: int, *, ephemeral: bool
    ) -> None:
        """Hands frames (by codec) to those who are meant; later, if they must be read first."""
        talk = self._talks.get(members.talk_id)
        if talk is None:
            talk = self._talks[members.talk_id] = _Talk(members.talk_id)
            self._held += talk.size
        self._talks.move_to_end(members.talk_id)
        if not talk.is_loading and members.change <= talk.change:
            self._fan_out(talk, members, frames, ephemeral=ephemeral)
        else:
            size_bytes += WAITING_OVERHEAD_BYTES
            self._wait(talk, _Waiting(members, frames, ephemeral, size_bytes))

    def _wait(self, talk: _Talk, waiting: _Waiting) -> None:
        talk.needed = max(talk.needed, waiting.members.change)
        if not waiting.ephemeral and not talk.owes:
            if self._waiting_bytes + waiting.size_bytes > MAX_WAITING_BYTES:
                self._drop(talk)
                talk.owes = True
            else:
                self._waiting_bytes += waiting.size_bytes
                talk.waiting.append(waiting)
        if not talk.is_loading:
            talk.is_loading = True
            self._own(self._load(talk))

    def _drop(self, talk: _Talk) -> list[_Waiting]:
        waiting, talk.waiting = talk.waiting, []
        self._waiting_bytes -= sum(each.size_bytes for each in waiting)
        return waiting

    # ---------------------------------------------------------------- reading members

    async def _load(self, talk: _Talk) -> None:
        pause_s = FIRST_PAUSE_S
        while talk.change < talk.needed:
            try:
                async with self._loads:
                    await self._read(talk)
            except XinYuError as error:
                log.warning("members_not_read", talk_id=talk.talk_id, reason=error.reason, pause_s=pause_s)
                if error.code is UNKNOWN_TALK:
                    self._forget(talk)
                    return
            except Exception:
                log.exception("members_not_read", talk_id=talk.talk_id)
            if talk.change < talk.needed:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        talk.is_loading = False
        self._catch_up(talk)
        self._make_room(talk)

    async def _read(self, talk: _Talk) -> None:
        request = message_pb2.LoadRosterRequest(talk_id=talk.talk_id, since_change=talk.change)
        page = first = await self._message.load_roster(request)
        kept_from = first.last_sequence - LEAVERS_KEPT_FOR
        members = talk.members.updated(first.rows, kept_from)
        while page.more:
            request.after_user_id = int.from_bytes(page.rows[-fast_members.ROW_BYTES :][:8], "little")
            page = await self._message.load_roster(request)
            members = members.updated(page.rows, kept_from)
        self._held -= talk.size
        talk.members, talk.change = members, first.change
        self._held += talk.size

    def _catch_up(self, talk: _Talk) -> None:
        """The members are known: what waited goes to them."""
        self._engine.hold()
        try:
            for waiting in self._drop(talk):
                self._fan_out(talk, waiting.members, waiting.frames, ephemeral=waiting.ephemeral)
            if talk.owes:
                talk.owes = False
                log.warning("members_must_sync", talk_id=talk.talk_id)
                self._engine.fan_out_members(talk.members, fast_members.MEMBERS, 0, self._sync_required)
        finally:
            self._engine.flush()

    def _make_room(self, newest: _Talk) -> None:
        quiet = (talk for talk in list(self._talks.values()) if talk is not newest and not talk.is_loading)
        while self._held > self._most_held and (talk := next(quiet, None)) is not None:
            self._forget(talk)

    def _forget(self, talk: _Talk) -> None:
        self._drop(talk)
        del self._talks[talk.talk_id]
        self._held -= talk.size
        self._take_back(talk.talk_id)  # of members who are not known it cannot be said that they are not here

    # ---------------------------------------------------------------- who is here

    def _fan_out(
        self, talk: _Talk, members: gateway_pb2.TalkMembers, frames: Mapping[int, fast.Frame], *, ephemeral: bool
    ) -> None:
        engine = self._engine
        if engine.fan_out_members(talk.members, members.audience, members.sequence, frames, ephemeral=ephemeral):
            if talk.talk_id in self._absences:
                self._take_back(talk.talk_id)
            return
        incarnation = self._routes.incarnation
        if not self._absences.says(talk.talk_id, talk.change, incarnation) and not self._is_here(talk.members):
            self._own(self._say(self._absences.say(talk.talk_id, talk.change, talk.members, incarnation), incarnation))

    def _is_here(self, members: fast_members.MemberSet) -> bool:
        """One of them is connected, or is about to be."""
        return self._engine.has_member(members) or any(user_id in members for user_id in self._routes.arriving())

    async def _say(self, absence: presence_pb2.TalkAbsence, incarnation: str) -> None:
        await self._tell(absence, incarnation)  # if it is not heard, the talk's pushes go on coming here: no harm

    async def _tell(self, absence: presence_pb2.TalkAbsence, incarnation: str) -> bool:
        """False: perhaps the presence room has not heard it."""
        request = presence_pb2.ChangeRoutesRequest(gateway=self._gateway, incarnation=incarnation)
        request.absences.append(absence)
        try:
            await self._presence.change_routes(request)
        except XinYuError as error:
            log.warning("absence_not_told", talk_id=absence.talk_id, reason=error.reason)
            return False
        return True

    def _take_back(self, talk_id: int) -> None:
        if talk_id in self._absences and talk_id not in self._taking_back:
            self._taking_back.add(talk_id)
            self._own(self._tell_again(talk_id))

    async def _tell_again(self, talk_id: int) -> None:
        pause_s = FIRST_PAUSE_S
        while talk_id in self._absences:
            absence = self._absences.take_back(talk_id)
            if await self._tell(absence, self._routes.incarnation):
                self._absences.taken_back([absence])
                break
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._taking_back.discard(talk_id)
