"""Routes of a cluster, in Redis: `redis_shards` says how they lie there.

`route:USER` is a hash: "instance|incarnation|codec" -> connections. A change is one HINCRBY, so changes of one gateway
may overtake each other on their way through several processes and still come to the same: a count may be below 0 for a
moment. A batch is one script a shard: on a single Redis all of it happens or nothing; of a Cluster's shards some may be
away, and then the answer is INTERRUPTED. Cost: some 10 us of Redis for a user that comes, goes or is looked up.

`absent:TALK` is a hash: instance -> "number change incarnation" of what the gateway said last of a large talk. All
gateways that live are asked about the talk but those whose word is new enough, and of an incarnation that lives.

A change for a gateway without a lease is made all the same: it counts as soon as the lease is there again in that
incarnation, or never.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from xinyu.base.clock import Clock
from xinyu.base.errors import INTERRUPTED, UNAVAILABLE, XinYuError
from xinyu.delivery.redis_shards import KEPT_S, LIVES, RedisShards, holder, together
from xinyu.delivery.routes import Located, RouteChange, TalkAbsence
from xinyu.storage.redis_link import RedisLink, Script

LEASE_S: Final = 10.0
SEEN_S: Final = 30 * 86_400

# KEYS: pairs of route and seen, a pair for each change. ARGV: beginning of the field, KEPT_S, SEEN_S, now in ms; then
# for each change its sign and codec. Answers the numbers of those that made the first route or took the last.
_CHANGE: Final = Script("""
local turned = {}
for i = 1, #KEYS / 2 do
  local key, op = KEYS[2 * i - 1], ARGV[i + 4]
  local field, gone = ARGV[1] .. string.sub(op, 2), string.sub(op, 1, 1) == '-'
  local count = redis.call('HINCRBY', key, field, gone and -1 or 1)
  if count == 0 then
    redis.call('HDEL', key, field)
  end
  local fields = redis.call('HLEN', key)
  if fields > 0 then
    redis.call('EXPIRE', key, ARGV[2])
  end
  if gone and fields == 0 then
    redis.call('SET', KEYS[2 * i], ARGV[4], 'EX', ARGV[3])
  end
  if (gone and fields == 0) or (not gone and fields == 1 and count == 1) then
    turned[#turned + 1] = i - 1
  end
end
return table.concat(turned, ' ')
""")

# KEYS: leases, then a route a user. Answers a line for each route: number of the user, codec, instance.
_LOCATE: Final = Script(
    LIVES
    + """
local found = {}
for i = 2, #KEYS do
  local fields = redis.call('HGETALL', KEYS[i])
  for j = 1, #fields, 2 do
    local instance, incarnation, codec = string.match(fields[j], '^(.-)|(.-)|(%d+)$')
    if not lives(instance, incarnation) then
      redis.call('HDEL', KEYS[i], fields[j])
    elseif tonumber(fields[j + 1]) > 0 then
      found[#found + 1] = (i - 2) .. ' ' .. codec .. ' ' .. instance
    end
  end
end
return table.concat(found, '\\n')
"""
)

# KEYS: leases, then routes to be kept. ARGV: instance, current incarnation, all incarnations, lease in ms, KEPT_S.
# Answers whether the current incarnation had a lease. A gateway that begins sweeps what ended long ago.
_RENEW: Final = Script(
    LIVES
    + """
local held = lives(ARGV[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now_ms + ARGV[4], ARGV[3]))
redis.call('EXPIRE', KEYS[1], ARGV[5])
if not held then
  local leases = redis.call('HGETALL', KEYS[1])
  for i = 1, #leases, 2 do
    if tonumber(string.match(leases[i + 1], '^(%d+)')) + 3600000 < now_ms then
      redis.call('HDEL', KEYS[1], leases[i])
    end
  end
end
for i = 2, #KEYS do
  redis.call('EXPIRE', KEYS[i], ARGV[5])
end
return held and 1 or 0
"""
)


# KEYS: hashes of absences. ARGV: instance, incarnation, KEPT_S; then number and change of each.
_TELL_ABSENCES: Final = Script("""
for i = 1, #KEYS do
  local number, change = ARGV[2 * i + 2], ARGV[2 * i + 3]
  local known = string.match(redis.call('HGET', KEYS[i], ARGV[1]) or '', '^(%d+)')
  if known == nil or tonumber(known) < tonumber(number) then
    redis.call('HSET', KEYS[i], ARGV[1], number .. ' ' .. change .. ' ' .. ARGV[2])
    redis.call('EXPIRE', KEYS[i], ARGV[3])
  end
end
return 1
""")

# KEYS: leases, then hashes of absences. ARGV: the change that is needed of each. Answers a line for each gateway and
# talk: number of the talk, instance.
_LOCATE_TALKS: Final = Script(
    LIVES
    + """
local leases, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #leases, 2 do
  local instance, until_ms = leases[i], tonumber(string.match(leases[i + 1], '^(%d+)'))
  for j = 2, #KEYS do
    local word = until_ms > now_ms and redis.call('HGET', KEYS[j], instance) or ''
    local change, incarnation = string.match(word or '', '^%d+ (%-?%d+) (.*)$')
    local absent = change and tonumber(change) >= tonumber(ARGV[j - 1]) and lives(instance, incarnation)
    if until_ms > now_ms and not absent then
      found[#found + 1] = (j - 2) .. ' ' .. instance
    end
  end
end
return table.concat(found, '\\n')
"""
)


class RedisRoutes:
    """`xinyu.delivery.routes.Routes`."""

    def __init__(self, link: RedisLink, clock: Clock, *, lease_s: float = LEASE_S) -> None:
        self._link = link
        self._clock = clock
        self._shards = RedisShards(link)
        self._lease_ms = int(lease_s * 1000)

    async def change(self, gateway: str, incarnation: str, changes: Sequence[RouteChange]) -> list[int]:
        field = holder(gateway, incarnation)
        wanted = [
            (user_id, f"{'-' if change.gone else '+'}{change.codec}")
            for change in changes
            for user_id in change.user_ids
        ]
        groups = self._shards.groups(wanted, lambda each: each[0])
        common = (field, KEPT_S, SEEN_S, self._clock.now_ms())
        try:
            answers = await together([self._change(group, common) for group in groups.values()])
        except XinYuError as error:
            if error.code is UNAVAILABLE and len(groups) > 1:  # of the others some may have answered
                raise XinYuError(INTERRUPTED) from None
            raise
        return [user_id for answer in answers for user_id in answer]

    async def _change(self, group: Sequence[tuple[int, str]], common: tuple[str | int, ...]) -> list[int]:
        key = self._shards.key
        keys = [name for user_id, _ in group for name in (key("route", user_id), key("seen", user_id))]
        answer = await self._link.run(_CHANGE, keys, [*common, *(op for _, op in group)], changes=True)
        return [group[int(number)][0] for number in answer.split()]

    async def locate(self, user_ids: Iterable[int]) -> Located:
        located: Located = {}
        slices = self._shards.slices(user_ids)
        for lines, users in await together([self._locate(shard, users) for shard, users in slices]):
            for line in lines:
                number, codec, gateway = line.split(" ", 2)
                here, user_id = located.setdefault(gateway, {}), users[int(number)]
                here[user_id] = here.get(user_id, 0) | 1 << int(codec)
        return located

    async def _locate(self, shard: int, users: list[int]) -> tuple[list[str], list[int]]:
        keys = [self._shards.leases(shard), *(self._shards.key("route", user_id) for user_id in users)]
        answer = await self._link.run(_LOCATE, keys)
        return answer.decode().splitlines(), users

    async def tell_absences(self, gateway: str, incarnation: str, absences: Sequence[TalkAbsence]) -> None:
        holder(gateway, incarnation)

        async def tell(group: list[TalkAbsence]) -> None:
            keys = [self._shards.key("absent", absence.talk_id) for absence in group]
            words = [value for absence in group for value in (absence.number, absence.change)]
            await self._link.run(_TELL_ABSENCES, keys, [gateway, incarnation, KEPT_S, *words], changes=True)

        groups = self._shards.groups(absences, lambda absence: absence.talk_id)
        await together([tell(group) for group in groups.values()])

    async def locate_talks(self, changes: Mapping[int, int]) -> dict[str, set[int]]:
        located: dict[str, set[int]] = {}

        async def locate(shard: int, talks: list[int]) -> None:
            keys = [self._shards.leases(shard), *(self._shards.key("absent", talk_id) for talk_id in talks)]
            answer = await self._link.run(_LOCATE_TALKS, keys, [changes[talk_id] for talk_id in talks])
            for line in answer.decode().splitlines():
                number, gateway = line.split(" ", 1)
                located.setdefault(gateway, set()).add(talks[int(number)])

        groups = self._shards.groups(changes, lambda talk_id: talk_id)
        await together([locate(shard, talks) for shard, talks in groups.items()])
        return located

    async def last_seen(self, user_ids: Iterable[int]) -> dict[int, int]:
        async def load(users: list[int]) -> list[tuple[int, bytes | None]]:
            keys = [self._shards.key("seen", user_id) for user_id in users]
            return list(zip(users, await self._link.execute("MGET", *keys), strict=True))

        answers = await together([load(users) for _, users in self._shards.slices(user_ids)])
        return {user_id: int(at_ms) for answer in answers for user_id, at_ms in answer if at_ms}

    async def renew_gateway(self, gateway: str, incarnations: Sequence[str], user_ids: Iterable[int] = ()) -> bool:
        for incarnation in incarnations:
            holder(gateway, incarnation)
        kept = self._shards.groups(user_ids, lambda user_id: user_id)
        arguments = (gateway, incarnations[0], " ".join(incarnations), self._lease_ms, KEPT_S)

        async def renew(shard: int) -> bool:
            routes = [self._shards.key("route", user_id) for user_id in kept.get(shard, ())]
            keys = [self._shards.leases(shard), *routes]
            return bool(await self._link.run(_RENEW, keys, arguments))

        return all(await together([renew(shard) for shard in range(self._shards.count)]))

    async def forget_gateway(self, gateway: str) -> None:
        leases = [self._shards.leases(shard) for shard in range(self._shards.count)]
        await together([self._link.execute("HDEL", name, gateway) for name in leases])
