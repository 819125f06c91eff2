"""REST routes of messages that are sent later."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import message_pb2 as wire
from xinyu.wire.v1.emoticon_rpc import EmoticonStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu_services.message.http import MessageCalls, SendBody
from xinyu_services.talk_key import talk_key

STATES = {1: "waits", 2: "failed"}


class ScheduleBody(SendBody, kw_only=True):
    """`msg_id` only tells two messages apart that are otherwise the same: the one that is sent has another."""

    send_at_ms: Annotated[int, msgspec.Meta(ge=1, le=MAX_SAFE_INTEGER)]


class ScheduledBody(msgspec.Struct):
    scheduled_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]


def routes(
    messages: MessageStub, media: MediaStub, emoticons: EmoticonStub, max_text_characters: int
) -> list[Route]:
    """These routes."""
    calls = MessageCalls(messages, media, emoticons, max_text_characters)

    async def schedule(call: HttpCall, body: ScheduleBody) -> dict[str, Any]:
        msg_type, extra = await calls.prepare(call, body)
        answer = await messages.schedule(
            wire.ScheduleRequest(
                message=wire.NewMessage(
                    user_id=call.user_id,
                    talk_mode=body.talk_mode,
                    to_from_id=body.to_from_id,
                    msg_type=msg_type,
                    body=extra,
                    quote_id=body.quote_id,
                    msg_id=body.msg_id,
                ),
                type_name=body.type,
                send_at_ms=body.send_at_ms,
            ),
            key=talk_key(call.user_id, body.talk_mode, body.to_from_id),
        )
        return {"scheduled_id": answer.scheduled_id}

    async def schedule_list(call: HttpCall, _: Nothing) -> dict[str, Any]:
        page = await messages.list_scheduled(wire.ListScheduledRequest(user_id=call.user_id))
        return {
            "items": [
                {
                    "scheduled_id": s.scheduled_id,
                    "talk_id": s.talk_id,
                    "talk_mode": s.talk_mode,
                    "to_from_id": s.to_from_id,
                    "type": s.type_name,
                    "body": msgspec.Raw(s.body),
                    "quote_id": s.quote_id,
                    "send_at_ms": s.send_at_ms,
                    "state": STATES[s.state],
                    "reason": s.reason,
                }
                for s in page.items
            ]
        }

    async def schedule_cancel(call: HttpCall, body: ScheduledBody) -> None:
        await messages.cancel_scheduled(
            wire.CancelScheduledRequest(user_id=call.user_id, scheduled_id=body.scheduled_id)
        )

    return [
        Route("message/schedule", ScheduleBody, schedule, limit="send"),
        Route("message/schedule-list", Nothing, schedule_list),
        Route("message/schedule-cancel", ScheduledBody, schedule_cancel),
    ]
