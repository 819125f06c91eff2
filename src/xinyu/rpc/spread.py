"""One call that carries many things, each with a key: which of them go to the same instance.

    for positions in spread(channel, SEND, keys):
        ...   # one call with these of the things, keyed by any one of their keys

A channel that has several instances behind it says how, by a method `spread(method, keys)`; any other one has nothing
to choose, and all go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from xinyu.wire.v1.method import Channel, Method

# Positions in the keys, ascending, grouped by the instance that a call with that key would go to.
Spread: TypeAlias = Callable[[Method, Sequence[str]], list[list[int]]]


def spread(channel: Channel, method: Method, keys: Sequence[str]) -> list[list[int]]:
    # Asked by name: whether something is of a runtime protocol takes ten microseconds to find out.
    by_instance: Spread | None = getattr(channel, "spread", None)
    if by_instance is None or len(keys) < 2:
        return [list(range(len(keys)))]
    return by_instance(method, keys)
