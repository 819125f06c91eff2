"""Tells the presence room whom this gateway holds: the changes of one turn of the loop, in order, in one call.

A route is made for each device that logs in (`connect`) and given back when it goes (`disconnect`). A lone change goes
with the next turn; thousands of clients that come back at once fill the calls by themselves, up to 2 * MAX_TOGETHER
changes each. Calls start in the order in which things happened and do not wait for one another, so a call that hangs
holds up nobody but those in it.

What a call that fails comes to:
- It was refused: no route was made or given back. Who connects hears of it; what is gone is told again after each of
  DISCONNECT_PAUSES_S.
- It ran into its deadline, or was interrupted, and may have happened: who connects hears of it, and his route is given
  back at once. What is gone is not told again, for twice would take another device's route. A gateway with a lease
  (`gateway_lease`) hears `on_uncertain` instead: it tells all its routes anew, in another incarnation.

Another incarnation (`begin`) leaves all behind that was told before it: what is under way and makes a route makes it
again, then it is answered; what gives one back has done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

import structlog

from xinyu.base.errors import DEADLINE, INTERNAL, INTERRUPTED, XinYuError
from xinyu.gateway.ws.talk_absences import TalkAbsences
from xinyu.wire.v1 import presence_pb2
from xinyu.wire.v1.presence_rpc import PresenceStub

log = structlog.get_logger(__name__)

# Inside the engine's own deadline for an upgrade: a loop that is busy with thousands of logins needs more than the
# 300 ms of the schema.
PRESENCE_TIMEOUT_S: Final = 5.0
DISCONNECT_PAUSES_S: Final = (0.1, 0.5, 2.0)
MAX_TOGETHER: Final = 1_000
_MAY_HAVE_HAPPENED: Final = (DEADLINE, INTERRUPTED)

Subject = TypeVar("Subject")


class _Run(Generic[Subject]):
    """Changes of one kind in a row. `subjects` are those who wait for the routes; None: devices that are gone."""

    __slots__ = ("codec", "subjects", "user_ids")

    def __init__(self, codec: int, subjects: list[Subject] | None) -> None:
        self.codec = codec
        self.user_ids: list[int] = []
        self.subjects = subjects


class RouteChanges(Generic[Subject]):
    """The routes of one gateway. `on_answer` is called once for each `connect`: with None when its routes exist (from
    then on whoever asked owes a `disconnect` for each), else with the refusal. `own` keeps a task until it ends. What
    `absences` says of talks is taken back with the call that connects one of their members."""

    def __init__(
        self,
        presence: PresenceStub,
        on_answer: Callable[[Subject, XinYuError | None], None],
        own: Callable[[Coroutine[Any, Any, None]], None],
        absences: TalkAbsences,
        *,
        gateway: str,
        incarnation: str,
    ) -> None:
        self.incarnation = incarnation
        self.on_uncertain: Callable[[], None] | None = None
        self._presence = presence
        self._on_answer = on_answer
        self._own = own
        self._absences = absences
        self._gateway = gateway
        self._gathered: list[_Run[Subject]] = []
        self._under_way: list[list[_Run[Subject]]] = []
        self._is_stopping = False

    def connect(self, user_ids: Sequence[int], codec: int, subject: Subject) -> None:
        """A device of each user came, at most MAX_TOGETHER of them."""
        run = self._gathered[-1] if self._gathered else None
        if (
            run is None
            or run.subjects is None
            or run.codec != codec
            or len(run.user_ids) + len(user_ids) > MAX_TOGETHER
        ):
            run = self._begin(_Run(codec, []))
        assert run.subjects is not None
        run.user_ids.extend(user_ids)
        run.subjects.append(subject)

    def disconnect(self, user_id: int, codec: int) -> None:
        run = self._gathered[-1] if self._gathered else None
        if run is None or run.subjects is not None or run.codec != codec or len(run.user_ids) >= MAX_TOGETHER:
            run = self._begin(_Run(codec, None))
        run.user_ids.append(user_id)

    def _begin(self, run: _Run[Subject]) -> _Run[Subject]:
        gathered = self._gathered
        if not gathered:
            asyncio.get_running_loop().call_soon(self.tell)
        elif sum(len(each.user_ids) for each in gathered) >= MAX_TOGETHER:
            self.tell()
        self._gathered.append(run)
        return run

    def arriving(self) -> Iterator[int]:
        """The users who wait for their routes."""
        for runs in (self._gathered, *self._under_way):
            for run in runs:
                if run.subjects is not None:
                    yield from run.user_ids

    def begin(self, incarnation: str) -> None:
        """Routes are made in this incarnation from now on."""
        self.tell()
        self.incarnation = incarnation

    def stop(self) -> None:
        """Tells what has gathered; what is refused from now on is not told again."""
        self._is_stopping = True
        self.tell()

    def tell(self) -> None:
        """Starts the call with what has gathered."""
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._under_way.append(gathered)
            self._own(self._tell(gathered, self.incarnation))

    async def _tell(self, gathered: list[_Run[Subject]], incarnation: str) -> None:
        try:
            runs, refusal = gathered, await self._call(gathered, incarnation)
            while incarnation != self.incarnation:
                runs, incarnation = [run for run in runs if run.subjects is not None], self.incarnation
                refusal = await self._call(runs, incarnation) if runs else None
            self._answer(runs, refusal)
        finally:
            self._under_way.remove(gathered)
        gone = [run for run in runs if run.subjects is None]
        if refusal is not None and gone:
            await self._tell_again(gone, refusal, incarnation)

    def _answer(self, runs: list[_Run[Subject]], refusal: XinYuError | None) -> None:
        may_have_happened = refusal is not None and refusal.code in _MAY_HAVE_HAPPENED
        if may_have_happened and self.on_uncertain is not None:
            self.on_uncertain()
            may_have_happened = False
        on_answer = self._on_answer
        for run in runs:
            if run.subjects is None:
                continue
            if may_have_happened:
                for user_id in run.user_ids:
                    self.disconnect(user_id, run.codec)
            for subject in run.subjects:
                try:
                    on_answer(subject, refusal)
                except Exception:
                    log.exception("login_failed")

    async def _tell_again(self, gone: list[_Run[Subject]], refusal: XinYuError | None, incarnation: str) -> None:
        for pause_s in DISCONNECT_PAUSES_S:
            if refusal is None or refusal.code in _MAY_HAVE_HAPPENED or self._is_stopping:
                break
            await asyncio.sleep(pause_s)
            if incarnation != self.incarnation:
                return
            refusal = await self._call(gone, incarnation)
        if refusal is not None and incarnation == self.incarnation:
            users = sum(len(run.user_ids) for run in gone)
            log.warning("routes_not_given_back", users=users, reason=refusal.reason)
            if self.on_uncertain is not None:
                self.on_uncertain()

    async def _call(self, runs: Sequence[_Run[Subject]], incarnation: str) -> XinYuError | None:
        """The refusal, if it is refused."""
        request = presence_pb2.ChangeRoutesRequest(gateway=self._gateway, incarnation=incarnation)
        for run in runs:
            codec: Any = run.codec
            request.changes.add(gone=run.subjects is None, codec=codec, user_ids=run.user_ids)
            if run.subjects is not None:
                request.absences.extend(self._absences.broken_by(run.user_ids))
        try:
            await self._presence.change_routes(request, timeout_s=PRESENCE_TIMEOUT_S)
        except XinYuError as error:
            return error
        except Exception:
            log.exception("presence_failed")
            return XinYuError(INTERNAL)
        self._absences.taken_back(request.absences)
        return None
