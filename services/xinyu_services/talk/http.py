"""REST routes of the talk room (contract: http-api, "talk", and `sync`)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.route import HttpCall, Nothing, Route
from xinyu.wire.v1 import message_pb2, options_pb2
from xinyu.wire.v1 import talk_pb2 as wire
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu_services.talk_key import talk_key

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_SAFE_INTEGER)]
Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
Mode = Annotated[int, msgspec.Meta(ge=1, le=2)]
MAX_DRAFT_CHARACTERS = 1_000
# A device names every talk of its list; more than this in one request is nobody's list.
MAX_NAMED_TALKS = 20_000


class TargetBody(msgspec.Struct):
    talk_mode: Mode
    to_from_id: Id


class SequenceBody(TargetBody):
    sequence: Number | None = None  # absent = last_sequence


class ActionBody(TargetBody):
    """`action`: 1 sets, 2 clears."""

    action: Annotated[int, msgspec.Meta(ge=1, le=2)]


class DraftBody(TargetBody):
    draft: Annotated[str, msgspec.Meta(max_length=MAX_DRAFT_CHARACTERS)]


class Versions(msgspec.Struct):
    talk: Number = 0
    contact: Number = 0
    user: Number = 0


class SyncBody(msgspec.Struct):
    """`talks`: [talk_id, sequence, change, own] of every talk that the device has a session row of."""

    epoch: Annotated[str, msgspec.Meta(max_length=64)] = ""
    versions: Versions = msgspec.field(default_factory=Versions)
    talks: Annotated[list[tuple[Id, Number, Number, Number]], msgspec.Meta(max_length=MAX_NAMED_TALKS)] = []
    next: Annotated[str, msgspec.Meta(max_length=256)] = ""


async def sync(talks: TalkStub, user_id: int, codec: int, body: SyncBody) -> msgspec.Raw:
    """The one way to catch up, the same over REST and WebSocket."""
    response = await talks.sync(
        wire.SyncRequest(
            user_id=user_id,
            epoch=body.epoch,
            versions={"talk": body.versions.talk, "contact": body.versions.contact, "user": body.versions.user},
            talks=[
                options_pb2.TalkCursor(talk_id=talk_id, sequence=sequence, change=change, own=own)
                for talk_id, sequence, change, own in body.talks
            ],
            next=body.next,
            codec=codec,  # type: ignore[arg-type]
        )
    )
    return msgspec.Raw(response.answer)


def routes(talks: TalkStub, messages: MessageStub) -> list[Route]:
    """This room's routes."""

    async def session_list(call: HttpCall, _: Nothing) -> dict[str, Any]:
        request = wire.ListSessionsRequest(user_id=call.user_id, codec=call.codec)  # type: ignore[arg-type]
        return {"items": msgspec.Raw((await talks.list_sessions(request)).items)}

    async def session_create(call: HttpCall, body: TargetBody) -> msgspec.Raw:
        view = await talks.create_session(
            wire.CreateSessionRequest(user_id=call.user_id, target=_target(body), codec=call.codec)  # type: ignore[arg-type]
        )
        return msgspec.Raw(view.session)

    async def session_delete(call: HttpCall, body: SequenceBody) -> None:
        await talks.delete_session(
            wire.DeleteSessionRequest(
                user_id=call.user_id,
                target=_target(body),
                sequence=body.sequence or 0,
                has_sequence=body.sequence is not None,
            )
        )

    async def session_top(call: HttpCall, body: ActionBody) -> None:
        await talks.mark_session(
            wire.MarkSessionRequest(user_id=call.user_id, target=_target(body), is_top=body.action == 1)
        )

    async def session_disturb(call: HttpCall, body: ActionBody) -> None:
        await talks.mark_session(
            wire.MarkSessionRequest(user_id=call.user_id, target=_target(body), is_disturb=body.action == 1)
        )

    async def draft(call: HttpCall, body: DraftBody) -> None:
        await talks.mark_session(
            wire.MarkSessionRequest(user_id=call.user_id, target=_target(body), draft=body.draft)
        )

    async def clear_unread(call: HttpCall, body: SequenceBody) -> None:
        await messages.read(
            message_pb2.ReadRequest(
                user_id=call.user_id,
                target=_target(body),
                sequence=body.sequence or 0,
                has_sequence=body.sequence is not None,
            ),
            key=talk_key(call.user_id, body.talk_mode, body.to_from_id),
        )

    async def clear_records(call: HttpCall, body: SequenceBody) -> None:
        await messages.clear_records(
            message_pb2.ClearRecordsRequest(
                user_id=call.user_id,
                target=_target(body),
                sequence=body.sequence or 0,
                has_sequence=body.sequence is not None,
            ),
            key=talk_key(call.user_id, body.talk_mode, body.to_from_id),
        )

    async def sync_route(call: HttpCall, body: SyncBody) -> msgspec.Raw:
        # One of ours, not of the reference's: texts as typed, whatever the header says (contract: http-api).
        return await sync(talks, call.user_id, options_pb2.CODEC_V1_JSON, body)

    return [
        Route("talk/session-list", Nothing, session_list),
        Route("talk/session-create", TargetBody, session_create),
        Route("talk/session-delete", SequenceBody, session_delete),
        Route("talk/session-top", ActionBody, session_top),
        Route("talk/session-disturb", ActionBody, session_disturb),
        Route("talk/draft", DraftBody, draft),
        Route("talk/session-clear-unread-num", SequenceBody, clear_unread),
        Route("talk/session-clear-records", SequenceBody, clear_records),
        Route("sync", SyncBody, sync_route),
    ]


def _target(body: TargetBody) -> message_pb2.TalkTarget:
    return message_pb2.TalkTarget(talk_mode=body.talk_mode, to_from_id=body.to_from_id)
