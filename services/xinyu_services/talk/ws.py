"""Client events of the talk room: `sync` (contract: ws-events, "Our dialect")."""

from __future__ import annotations

import msgspec

from xinyu.gateway.ws.event import ClientEvent, EventCall
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu_services.talk.http import SyncBody, sync


def events(talks: TalkStub) -> list[ClientEvent]:
    """This room's client events."""

    async def handle(call: EventCall, body: SyncBody) -> msgspec.Raw:
        return await sync(talks, call.user_id, call.codec, body)

    return [ClientEvent("sync", SyncBody, handle)]
