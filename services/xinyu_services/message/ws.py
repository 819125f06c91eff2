"""Client events of the message room (contract: ws-events). The same calls as its REST routes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from xinyu.gateway.ws.event import ClientEvent, EventCall
from xinyu.wire.v1 import message_pb2 as wire
from xinyu.wire.v1.emoticon_rpc import EmoticonStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu_services.message.http import (
    EditBody,
    Id,
    MembersBody,
    MessageCalls,
    Mode,
    PinBody,
    RangeBody,
    ReactBody,
    ReadBody,
    RevokeBody,
    SearchBody,
    SendBody,
)
from xinyu_services.talk_key import talk_key


class KeyboardBody(msgspec.Struct):
    talk_mode: Mode
    to_from_id: Id


class SendEvent(SendBody, kw_only=True):
    """Over WebSocket the client makes the msg_id: a send must be safe to repeat."""

    msg_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]


def events(
    messages: MessageStub, media: MediaStub, emoticons: EmoticonStub, max_text_characters: int
) -> list[ClientEvent]:
    """This room's client events."""
    calls = MessageCalls(messages, media, emoticons, max_text_characters)

    async def revoke(call: EventCall, body: RevokeBody) -> None:
        await calls.revoke(call.user_id, body)

    async def edit(call: EventCall, body: EditBody) -> msgspec.Raw:
        return await calls.edit(call, body)

    async def react(call: EventCall, body: ReactBody) -> dict[str, Any]:
        return await calls.react(call.user_id, body)

    async def pin(call: EventCall, body: PinBody) -> None:
        await calls.pin(call.user_id, body)

    async def range_(call: EventCall, body: RangeBody) -> dict[str, Any]:
        return await calls.range(call.user_id, call.codec, body)

    async def search(call: EventCall, body: SearchBody) -> dict[str, Any]:
        return await calls.search(call.user_id, call.codec, body)

    async def members(call: EventCall, body: MembersBody) -> dict[str, Any]:
        return await calls.members(call.user_id, body)

    async def read(call: EventCall, body: ReadBody) -> dict[str, Any]:
        return await calls.read(call.user_id, body)

    async def keyboard(call: EventCall, body: KeyboardBody) -> None:
        target = wire.TalkTarget(talk_mode=body.talk_mode, to_from_id=body.to_from_id)
        key = talk_key(call.user_id, body.talk_mode, body.to_from_id)
        await messages.typing(wire.TypingRequest(user_id=call.user_id, target=target), key=key)

    return [
        ClientEvent("im.message.send", SendEvent, together=calls.send, limit="send"),
        ClientEvent("im.message.edit", EditBody, edit, limit="send"),
        ClientEvent("im.message.react", ReactBody, react, limit="send"),
        ClientEvent("im.message.pin", PinBody, pin, limit="send"),
        ClientEvent("im.message.revoke", RevokeBody, revoke),
        ClientEvent("im.message.range", RangeBody, range_),
        ClientEvent("im.message.search", SearchBody, search),
        ClientEvent("im.talk.members", MembersBody, members),
        ClientEvent("im.talk.read", ReadBody, read),
        ClientEvent("im.message.keyboard", KeyboardBody, keyboard, legacy=True),
    ]
