"""How what gateways hold of users lies in Redis: names of keys, in shards, and the leases that it stands under.

A shard is a slot of a Redis Cluster: its keys share a `{tag}`, so one script reaches all of them in one step. A user's
shard follows from his number. A single Redis has one shard, so a batch is one script.

Each shard has one hash `leases`: gateway instance -> "until_ms incarnation ...", by Redis' own clock. What a gateway
puts anywhere (a route, a watch) is a field that begins with its instance and incarnation, and counts while the lease of
its own shard names both. So whatever loses a shard's content (FLUSHALL, an empty node that takes over) loses its leases
as well, and the gateways notice; and what a dead gateway left counts for nothing at once. Its leftovers go when a
script meets them, or with their key, `KEPT_S` after the last change.

Names: `prefix` {shard-N} :leases, :route:USER, :seen:USER, :watch:USER, :absent:TALK.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from xinyu.base.errors import INVALID, XinYuError
from xinyu.storage.redis_link import RedisLink

CLUSTER_SHARDS: Final = 32
KEPT_S: Final = 86_400
# Redis does nothing else while a script runs.
MAX_LOOKED_UP: Final = 1_000
# `|` separates the parts of a field, blanks and ends of lines those of an answer.
_NAME: Final = re.compile(r"[0-9A-Za-z_.:@\[\]-]{1,128}")

Keyed = TypeVar("Keyed")

# Lua: `lives(instance, incarnation)`, by the leases in KEYS[1].
LIVES: Final = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local known = {}
local function lives(instance, incarnation)
  local incarnations = known[instance]
  if incarnations == nil then
    local lease = redis.call('HGET', KEYS[1], instance)
    local until_ms, named = string.match(lease or '', '^(%d+) (.*)$')
    incarnations = until_ms and tonumber(until_ms) > now_ms and named or ''
    known[instance] = incarnations
  end
  return string.find(incarnations, incarnation, 1, true) ~= nil
end
"""


class RedisShards:
    """Names, and the grouping of users by shard."""

    def __init__(self, link: RedisLink) -> None:
        self._prefix = link.prefix
        self.count = CLUSTER_SHARDS if link.is_cluster else 1

    def leases(self, shard: int) -> str:
        return f"{self._prefix}{{shard-{shard}}}:leases"

    def key(self, kind: str, user_id: int) -> str:
        return f"{self._prefix}{{shard-{user_id % self.count}}}:{kind}:{user_id}"

    def groups(self, items: Iterable[Keyed], user_of: Callable[[Keyed], int]) -> dict[int, list[Keyed]]:
        """Items by shard, their order kept."""
        if self.count == 1:
            every = list(items)
            return {0: every} if every else {}
        groups: dict[int, list[Keyed]] = {}
        for item in items:
            groups.setdefault(user_of(item) % self.count, []).append(item)
        return groups

    def slices(self, user_ids: Iterable[int]) -> list[tuple[int, list[int]]]:
        """Shards and users of theirs, each user once, for scripts that need not see all at once."""
        return [
            (shard, users[start : start + MAX_LOOKED_UP])
            for shard, users in self.groups(dict.fromkeys(user_ids), lambda user_id: user_id).items()
            for start in range(0, len(users), MAX_LOOKED_UP)
        ]


def holder(gateway: str, incarnation: str) -> str:
    """How a field begins. Raises INVALID for names that could not be told apart."""
    if not _NAME.fullmatch(gateway) or not _NAME.fullmatch(incarnation):
        raise XinYuError(INVALID, "That is no name of a gateway.")
    return f"{gateway}|{incarnation}|"


async def together(calls: Sequence[Awaitable[Any]]) -> list[Any]:
    """All of them at once; raises the first refusal when each has ended."""
    if len(calls) == 1:
        return [await calls[0]]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers
