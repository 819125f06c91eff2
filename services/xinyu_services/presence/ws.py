"""Client events of presence (contract: ws-events, "Our dialect"): whom a user may watch. The watching itself is the
gateway's."""

from __future__ import annotations

from typing import Annotated

import msgspec

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.ws.event import ClientEvent, EventCall
from xinyu.wire.v1 import contact_pb2
from xinyu.wire.v1.contact_rpc import ContactStub

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_SAFE_INTEGER)]


class Watch(msgspec.Struct):
    user_ids: Annotated[list[Id], msgspec.Meta(max_length=500)]


def events(contact: ContactStub) -> list[ClientEvent]:
    """This room's client events."""

    async def subscribe(call: EventCall, body: Watch) -> list[int]:
        """Oneself and one's friends; others are left out."""
        asked = dict.fromkeys(body.user_ids)
        request = contact_pb2.LoadRemarksRequest(owner_id=call.user_id, user_ids=asked)
        friends = {remark.user_id for remark in (await contact.filter_friends(request)).remarks}
        return [user_id for user_id in asked if user_id in friends or user_id == call.user_id]

    async def unsubscribe(_call: EventCall, body: Watch) -> list[int]:
        return body.user_ids

    return [
        ClientEvent("presence.subscribe", Watch, subscribe, limit="send", watches="begin"),
        ClientEvent("presence.unsubscribe", Watch, unsubscribe, watches="end"),
    ]
