"""Which instance of a service gets a call. Pure: no clock, no network; who is there and what time it is, is said.

Policies choose among candidates, one call after the other:

    round_robin       each in turn
    weighted          in turn by weight, spread evenly: weights 2 and 1 give a b a (smooth, as nginx does it)
    least_in_flight   who has the fewest calls under way ("fair")

`HashRing` gives a key the same instance for as long as it is there. Each instance has `POINTS` places on the ring, so
that the keys of one that goes are spread over all others, and no other key moves; one that comes takes its share from
all. Instances stand there by address, so that one that is started again has its old keys.

`Ejections` takes an instance out that only fails: `FAILURES` in a row and it gets no calls for `FIRST_S`, then one call
on probation; if that fails too, for twice as long, and so on up to `LONGEST_S`. Never more than half of them at once:
where most fail, the fault is not theirs, and the rest could not carry the load.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, Literal, Protocol, TypeVar

PolicyName = Literal["round_robin", "weighted", "least_in_flight"]

POINTS: Final = 160
FAILURES: Final = 5
FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0
# Up to so many all are compared; of more, two that are drawn: nearly as even, and at a constant cost.
COMPARE_ALL: Final = 8


class Candidate(Protocol):
    @property
    def address(self) -> str: ...

    @property
    def weight(self) -> int:
        """0 and more."""
        ...

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        ...


C = TypeVar("C", bound=Candidate)


class Policy(Protocol):
    def pick(self, candidates: Sequence[C]) -> C:
        """One of `candidates`, of which there is at least one."""
        ...


class RoundRobin:
    def __init__(self) -> None:
        # Processes that start together do not all begin with the same.
        self._turn = random.randrange(1 << 16)

    def pick(self, candidates: Sequence[C]) -> C:
        self._turn += 1
        return candidates[self._turn % len(candidates)]


class Weighted:
    """Each gains its weight, the richest is picked and pays what all have gained. Weight 0 gets nothing unless all have
    it. Cost: one pass over the candidates a call."""

    def __init__(self) -> None:
        self._wealth: dict[str, int] = {}

    def pick(self, candidates: Sequence[C]) -> C:
        total = sum(candidate.weight for candidate in candidates)
        extra = 0 if total else 1
        wealth = {c.address: self._wealth.get(c.address, 0) + c.weight + extra for c in candidates}
        picked = max(candidates, key=lambda candidate: wealth[candidate.address])
        wealth[picked.address] -= total + extra * len(candidates)
        self._wealth = wealth
        return picked


class LeastInFlight:
    def __init__(self) -> None:
        self._turn = 0

    def pick(self, candidates: Sequence[C]) -> C:
        count = len(candidates)
        if count > COMPARE_ALL:
            one, other = random.sample(candidates, 2)
            return one if one.in_flight <= other.in_flight else other
        # Begins elsewhere each time: equals get the same.
        self._turn += 1
        best = candidates[self._turn % count]
        fewest = best.in_flight
        for number in range(self._turn + 1, self._turn + count):
            candidate = candidates[number % count]
            if (in_flight := candidate.in_flight) < fewest:
                best, fewest = candidate, in_flight
        return best


POLICIES: Final[dict[PolicyName, type[RoundRobin | Weighted | LeastInFlight]]] = {
    "round_robin": RoundRobin,
    "weighted": Weighted,
    "least_in_flight": LeastInFlight,
}


class HashRing:
    """The places of `addresses`. Cost: `POINTS` hashes an address when it is made, one a look-up."""

    def __init__(self, addresses: Iterable[str]) -> None:
        points = sorted(
            (_place(f"{address}#{number}"), address) for address in set(addresses) for number in range(POINTS)
        )
        self._places = [place for place, _ in points]
        self._addresses = [address for _, address in points]

    def find(self, key: str) -> str:
        """The address of `key`. There must be one."""
        return self._addresses[bisect_right(self._places, _place(key)) % len(self._places)]

    def order(self, key: str) -> Iterator[str]:
        """All addresses, each once: the key's own, then where its calls go without that one, and so on."""
        start = bisect_right(self._places, _place(key))
        seen: set[str] = set()
        for number in range(len(self._places)):
            address = self._addresses[(start + number) % len(self._places)]
            if address not in seen:
                seen.add(address)
                yield address


def _place(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


class Ejections:
    """What is known of the failures of each instance, by address. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        # Until when each is out, and for how long the last time.
        self._until_s: dict[str, float] = {}
        self._last_span_s: dict[str, float] = {}
        self._on_probation: set[str] = set()

    def succeeded(self, address: str) -> bool:
        """True: it was on probation, and is taken back."""
        if address in self._failures:
            del self._failures[address]
        if address not in self._on_probation:
            return False
        self.forget(address)
        return True

    def failed(self, address: str, now_s: float, count: int) -> bool:
        """One more failure of one of `count` instances. True: it is out from now on, until `back_at`."""
        if address in self._on_probation:
            self._on_probation.discard(address)
            self._eject(address, now_s)
            return True
        if address in self._until_s:  # a call from before
            return False
        failures = self._failures[address] = self._failures.get(address, 0) + 1
        if failures < FAILURES or 2 * (len(self._until_s) + 1) > count:
            return False
        self._eject(address, now_s)
        return True

    def is_out(self, address: str, now_s: float) -> bool:
        """Gets no calls now: its time is not over, or the one call of its probation is under way."""
        until_s = self._until_s.get(address)
        return until_s is not None and (address in self._on_probation or now_s < until_s)

    def back_at(self, address: str) -> float:
        return self._until_s.get(address, 0.0)

    def begin(self, address: str) -> bool:
        """A call to it begins. True: it is the one on probation."""
        if address in self._until_s and address not in self._on_probation:
            self._on_probation.add(address)
            return True
        return False

    def given_up(self, address: str) -> bool:
        """A call ended without saying anything of the instance. True: it was on probation; the next one is, then."""
        if address not in self._on_probation:
            return False
        self._on_probation.discard(address)
        return True

    def forget(self, address: str) -> None:
        self._failures.pop(address, None)
        self._until_s.pop(address, None)
        self._last_span_s.pop(address, None)
        self._on_probation.discard(address)

    def _eject(self, address: str, now_s: float) -> None:
        span_s = min(LONGEST_S, 2 * self._last_span_s[address]) if address in self._last_span_s else FIRST_S
        self._last_span_s[address] = span_s
        self._until_s[address] = now_s + span_s
        self._failures.pop(address, None)
