"""Users, and members of large talks, whose pushes did not reach their gateway: told to catch up as soon as it answers.

A push is a hint, so none is kept and sent later: whoever missed any is told once that there is something to fetch
(`sync.required`; the reference client `im.session.reload`), by a Deliver that is tried after each of PAUSES_S. When
these are over so is the gateway's lease: it routes its users anew, who catch up by that.

Bounds: a task, MAX_USERS users and MAX_TALKS talks a gateway. Who comes past them is left to his device's own timer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

import structlog

from xinyu.base.errors import XinYuError
from xinyu.wire.v1 import gateway_pb2, options_pb2
from xinyu.wire.v1.gateway_rpc import GatewayStub

log = structlog.get_logger(__name__)

MAX_USERS: Final = 10_000
MAX_TALKS: Final = 1_000
PAUSES_S: Final = (0.2, 0.5, 1.5, 3.0, 6.0, 12.0)
_EVENTS: Final = (
    (options_pb2.CODEC_LEGACY_JSON, b'{"event":"im.session.reload","payload":{}}'),
    (options_pb2.CODEC_V1_JSON, b'{"event":"sync.required","payload":{"reason":"behind"}}'),
)


class MissedPushes:
    """Of one dispatcher. `own` keeps a task until it ends."""

    def __init__(
        self,
        gateway: Callable[[str], GatewayStub],
        sleep: Callable[[float], Awaitable[None]],
        own: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._gateway = gateway
        self._sleep = sleep
        self._own = own
        self._users: dict[str, set[int]] = {}
        self._talks: dict[str, dict[int, int]] = {}

    def add(self, gateway: str, user_ids: Iterable[int], talks: Mapping[int, int]) -> None:
        """Users whom a Deliver to this gateway did not reach, and talks (to the change that members are needed of)."""
        missed = self._users.get(gateway)
        if missed is None:
            missed = self._users[gateway] = set()
            self._talks[gateway] = {}
            self._own(self._make_good(gateway))
        for user_id in user_ids:
            if len(missed) >= MAX_USERS:
                break
            missed.add(user_id)
        missed_talks = self._talks[gateway]
        for talk_id, change in talks.items():
            if talk_id in missed_talks or len(missed_talks) < MAX_TALKS:
                missed_talks[talk_id] = max(change, missed_talks.get(talk_id, 0))

    async def _make_good(self, gateway: str) -> None:
        try:
            for pause_s in PAUSES_S:
                await self._sleep(pause_s)
                told, talks = sorted(self._users[gateway]), dict(self._talks[gateway])
                try:
                    await self._gateway(gateway).deliver(_request(told, talks))
                except XinYuError:
                    continue
                self._users[gateway].difference_update(told)
                self._talks[gateway] = dict(self._talks[gateway].items() - talks.items())
                if not self._users[gateway] and not self._talks[gateway]:
                    return
            users, missed_talks = len(self._users[gateway]), len(self._talks[gateway])
            log.warning("pushes_missed", gateway=gateway, users=users, talks=missed_talks)
        finally:
            del self._users[gateway], self._talks[gateway]


def _request(user_ids: Iterable[int], talks: Mapping[int, int]) -> gateway_pb2.DeliverRequest:
    request = gateway_pb2.DeliverRequest()
    request.deliveries.add(user_ids=user_ids)
    for talk_id, change in talks.items():
        request.deliveries.add(members=gateway_pb2.TalkMembers(talk_id=talk_id, change=change))
    for delivery in request.deliveries:
        for codec, payload in _EVENTS:
            delivery.events.add(codec=codec, payload=payload)
    return request
