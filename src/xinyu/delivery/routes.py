"""Which gateway holds devices of which user or talk, and in which codecs: the contract, and its in-process form.

A route is (user, gateway instance, incarnation, codec) with a count of connections. It counts while its gateway lives
in that incarnation: routes of one that is gone, or has begun anew, vanish together. Each call takes many users at once,
so that a batch of logins or events costs one.

Of large talks it is known where no member is: every gateway may hold one, unless it has said that it holds none of
those who were members at some `change`. What it said counts while it lives in the incarnation that said it.

Beside the routes stands what follows from them: when a user's last device left.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol
from weakref import WeakValueDictionary

from xinyu.base.clock import Clock, SystemClock

# gateway -> user -> bit mask of the codecs that his devices there speak (1 << codec)
Located = dict[str, dict[int, int]]
# ((gateway, codec), connections), in order
_Counts = tuple[tuple[tuple[str, int], int], ...]
# Users whose last device has left, and when, are remembered up to this number.
MAX_SEEN: Final = 100_000


class RouteChange(NamedTuple):
    """One device of each user came, or is `gone`; who is named twice has two."""

    gone: bool
    codec: int
    user_ids: Sequence[int]


class TalkAbsence(NamedTuple):
    """A gateway holds no device of the talk's members as they were at `change`; -1: that is no longer so. `number`
    counts up with what a gateway says: of a talk the highest counts, in whatever order they come."""

    talk_id: int
    change: int
    number: int


class Routes(Protocol):
    """Where devices are. What it says may be stale: pushes are hints. Raises XinYuError where it cannot be asked."""

    async def change(self, gateway: str, incarnation: str, changes: Sequence[RouteChange]) -> list[int]:
        """Makes all changes, in order. Answers the users whose first device came or whose last one left, as far as one
        change shows it: what is true of them then, `locate` says. UNAVAILABLE: nothing was done; INTERRUPTED: all,
        some or nothing."""
        ...

    async def locate(self, user_ids: Iterable[int]) -> Located: ...

    async def tell_absences(self, gateway: str, incarnation: str, absences: Sequence[TalkAbsence]) -> None:
        """Errors as of `change`."""
        ...

    async def locate_talks(self, changes: Mapping[int, int]) -> dict[str, set[int]]:
        """talk -> the change of which the members must be known. Gateways, each with those of the talks of which it may
        hold a member's device. One that is known to have no device at all may be left out."""
        ...

    async def last_seen(self, user_ids: Iterable[int]) -> dict[int, int]:
        """When the last device of each left, Unix milliseconds; who is not known is left out."""
        ...

    async def renew_gateway(self, gateway: str, incarnations: Sequence[str], user_ids: Iterable[int] = ()) -> bool:
        """The gateway lives: routes of these incarnations count for another lease, of others no more. The first is the
        current one; False: it had no lease, so routes under it may be lost. `user_ids`: some of its users, whose
        routes are kept for another day; each should be named that often."""
        ...

    async def forget_gateway(self, gateway: str) -> None: ...


class _Devices:
    """What the connections of one user are. Never changed: users with the same ones share it."""

    __slots__ = ("__weakref__", "counts")

    def __init__(self, counts: _Counts) -> None:
        self.counts = counts


class MemoryRoutes:
    """Routes of one process, whose gateways end with it or by `forget_gateway`: incarnations and leases count for
    nothing here. While connected, a user costs his place in one dict: what he has there, say one device on
    this gateway, is an object for all who have the same, and lives as long as one of them.

    `connect` and `disconnect` cost O(routes of each user named), `forget_gateway` O(users)."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._users: dict[int, _Devices] = {}
        self._seen: OrderedDict[int, int] = OrderedDict()
        self._kinds: WeakValueDictionary[_Counts, _Devices] = WeakValueDictionary()
        self._absences: dict[str, dict[int, TalkAbsence]] = {}  # gateway -> talk

    async def change(self, gateway: str, incarnation: str, changes: Sequence[RouteChange]) -> list[int]:
        turned: list[int] = []
        for change in changes:
            make = self.disconnect if change.gone else self.connect
            turned += await make(change.user_ids, gateway, change.codec)
        return turned

    async def connect(self, user_ids: Iterable[int], gateway: str, codec: int) -> list[int]:
        """`change` for devices that came."""
        users, route = self._users, (gateway, codec)
        first = self._kind(((route, 1),))
        came = []
        for user_id in user_ids:
            if user_id in users:
                self._add(user_id, route, 1)
            else:
                users[user_id] = first
                came.append(user_id)
        return came

    async def disconnect(self, user_ids: Iterable[int], gateway: str, codec: int) -> list[int]:
        """`change` for devices that are gone."""
        users, route = self._users, (gateway, codec)
        last = self._kind(((route, 1),))
        left = []
        for user_id in user_ids:
            devices = users.get(user_id)
            if devices is last:
                del users[user_id]
            elif devices is not None:
                self._add(user_id, route, -1)
            if devices is not None and user_id not in users:
                left.append(user_id)
        self._saw(left)
        return left

    async def locate(self, user_ids: Iterable[int]) -> Located:
        located: Located = {}
        for user_id in user_ids:
            devices = self._users.get(user_id)
            if devices is None:
                continue
            for (gateway, codec), _ in devices.counts:
                users = located.setdefault(gateway, {})
                users[user_id] = users.get(user_id, 0) | (1 << codec)
        return located

    async def tell_absences(self, gateway: str, incarnation: str, absences: Sequence[TalkAbsence]) -> None:
        told = self._absences.setdefault(gateway, {})
        for absence in absences:
            known = told.get(absence.talk_id)
            if known is None or known.number < absence.number:
                told[absence.talk_id] = absence

    async def locate_talks(self, changes: Mapping[int, int]) -> dict[str, set[int]]:
        located: dict[str, set[int]] = {}
        for gateway in {gateway for counts in list(self._kinds.keys()) for (gateway, _), _ in counts}:
            told = self._absences.get(gateway, {})
            talks = {talk_id for talk_id, change in changes.items() if not _is_absent(told.get(talk_id), change)}
            if talks:
                located[gateway] = talks
        return located

    async def last_seen(self, user_ids: Iterable[int]) -> dict[int, int]:
        return {user_id: at_ms for user_id in user_ids if (at_ms := self._seen.get(user_id))}

    async def renew_gateway(self, gateway: str, incarnations: Sequence[str], user_ids: Iterable[int] = ()) -> bool:
        return True

    async def forget_gateway(self, gateway: str) -> None:
        self._absences.pop(gateway, None)
        for user_id, devices in list(self._users.items()):
            left = tuple(route for route in devices.counts if route[0][0] != gateway)
            if len(left) != len(devices.counts):
                self._set(user_id, left)
                if not left:
                    self._saw([user_id])

    def _saw(self, user_ids: Iterable[int]) -> None:
        now_ms = self._clock.now_ms()
        for user_id in user_ids:
            self._seen[user_id] = now_ms
            self._seen.move_to_end(user_id)
        while len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)

    def _add(self, user_id: int, route: tuple[str, int], connections: int) -> None:
        devices = self._users.get(user_id)
        counts = {} if devices is None else dict(devices.counts)
        counts[route] = counts.get(route, 0) + connections
        if counts[route] <= 0:
            del counts[route]
        self._set(user_id, tuple(sorted(counts.items())))

    def _set(self, user_id: int, counts: _Counts) -> None:
        if not counts:
            self._users.pop(user_id, None)
        else:
            self._users[user_id] = self._kind(counts)

    def _kind(self, counts: _Counts) -> _Devices:
        devices = self._kinds.get(counts)
        if devices is None:
            devices = self._kinds[counts] = _Devices(counts)
        return devices


def _is_absent(absence: TalkAbsence | None, change: int) -> bool:
    return absence is not None and absence.change >= change
