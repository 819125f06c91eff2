"""Watches of a cluster, in Redis, beside the routes (`redis_shards`): `watch:USER` is a hash whose fields are
"instance|incarnation|"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xinyu.delivery.redis_shards import KEPT_S, LIVES, RedisShards, holder, together
from xinyu.storage.redis_link import RedisLink, Script

# KEYS: a watch a user. ARGV: the field, KEPT_S.
_WATCH: Final = Script("""
for i = 1, #KEYS do
  redis.call('HSET', KEYS[i], ARGV[1], '')
  redis.call('EXPIRE', KEYS[i], ARGV[2])
end
""")

_UNWATCH: Final = Script("""
for i = 1, #KEYS do
  redis.call('HDEL', KEYS[i], ARGV[1])
end
""")

# KEYS: leases, then a watch a user. Answers a line for each watch: number of the user, instance.
_WATCHERS: Final = Script(
    LIVES
    + """
local found = {}
for i = 2, #KEYS do
  for _, field in ipairs(redis.call('HKEYS', KEYS[i])) do
    local instance, incarnation = string.match(field, '^(.-)|(.-)|$')
    if lives(instance, incarnation) then
      found[#found + 1] = (i - 2) .. ' ' .. instance
    else
      redis.call('HDEL', KEYS[i], field)
    end
  end
end
return table.concat(found, '\\n')
"""
)


class RedisWatches:
    """`xinyu.delivery.watches.Watches`. Leases are `RedisRoutes`' business."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._shards = RedisShards(link)

    async def watch(self, user_ids: Iterable[int], gateway: str, incarnation: str) -> None:
        await self._each(_WATCH, user_ids, (holder(gateway, incarnation), KEPT_S))

    async def unwatch(self, user_ids: Iterable[int], gateway: str, incarnation: str) -> None:
        await self._each(_UNWATCH, user_ids, (holder(gateway, incarnation),))

    async def _each(self, script: Script, user_ids: Iterable[int], arguments: tuple[str | int, ...]) -> None:
        slices = self._shards.slices(user_ids)
        names = [[self._shards.key("watch", user_id) for user_id in users] for _, users in slices]
        await together([self._link.run(script, keys, arguments) for keys in names])

    async def watchers(self, user_ids: Iterable[int]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        slices = self._shards.slices(user_ids)
        for lines, users in await together([self._watchers(shard, users) for shard, users in slices]):
            for line in lines:
                number, gateway = line.split(" ", 1)
                found.setdefault(gateway, []).append(users[int(number)])
        return found

    async def _watchers(self, shard: int, users: list[int]) -> tuple[list[str], list[int]]:
        keys = [self._shards.leases(shard), *(self._shards.key("watch", user_id) for user_id in users)]
        return (await self._link.run(_WATCHERS, keys)).decode().splitlines(), users

    async def forget_gateway(self, gateway: str) -> None:
        """Its lease ends."""
