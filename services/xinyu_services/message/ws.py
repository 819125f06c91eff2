"""Client events of the message room (contract: ws-events). The same calls as its REST routes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from xinyu.gateway.ws.event import ClientEvent, EventCall
from xinyu.wire.v1 import message_pb2 as wire
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu_services.message.http import (
    Id,
    MembersBody,
    MessageCalls,
    Mode,
    RangeBody,
    ReadBody,
    RevokeBody,
    SendBody,
)


class KeyboardBody(msgspec.Struct):
    talk_mode: Mode
    to_from_id: Id


class SendEvent(SendBody, kw_only=True):
    """Over WebSocket the client makes the msg_id: a send must be safe to repeat."""

    msg_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]


def events(messages: MessageStub, max_text_characters: int) -> list[ClientEvent]:
    """This room's client events."""
    calls = MessageCalls(messages, max_text_characters)

    async def revoke(call: EventCall, body: RevokeBody) -> None:
        await calls.revoke(call.user_id, body)

    async def range_(call: EventCall, body: RangeBody) -> dict[str, Any]:
        return await calls.range(call.user_id, call.codec, body)

    async def members(call: EventCall, body: MembersBody) -> dict[str, Any]:
        return await calls.members(call.user_id, body)

    async def read(call: EventCall, body: ReadBody) -> dict[str, Any]:
        return await calls.read(call.user_id, body)

    async def keyboard(call: EventCall, body: KeyboardBody) -> None:
        target = wire.TalkTarget(talk_mode=body.talk_mode, to_from_id=body.to_from_id)
        await messages.typing(wire.TypingRequest(user_id=call.user_id, target=target))

    return [
        ClientEvent("im.message.send", SendEvent, together=calls.send, limit="send"),
        ClientEvent("im.message.revoke", RevokeBody, revoke),
        ClientEvent("im.message.range", RangeBody, range_),
        ClientEvent("im.talk.members", MembersBody, members),
        ClientEvent("im.talk.read", ReadBody, read),
        ClientEvent("im.message.keyboard", KeyboardBody, keyboard, legacy=True),
    ]
