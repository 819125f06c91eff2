"""REST routes of the message room (contract: http-api, "message", and `talk/read`, `talk/members`, `message/range`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from xinyu.base.errors import XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.route import HttpCall, Route
from xinyu.gateway.ws.event import EventCall
from xinyu.wire.v1 import message_pb2 as wire
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu_services.message.bodies import parse_body
from xinyu_services.message.model import MemberState

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_SAFE_INTEGER)]
Sequence_ = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
Mode = Annotated[int, msgspec.Meta(ge=1, le=2)]
MsgId = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=200)]
MAX_MSG_IDS = 200
_UNANSWERED = msgspec.Raw(b"{}")
_STATES = {MemberState.IN: "in", MemberState.LEFT: "left", MemberState.REMOVED: "removed"}


class SendBody(msgspec.Struct):
    """A send over HTTP or WebSocket. `quote_id` "" = none; `msg_id` is made by the server when absent."""

    type: str
    talk_mode: Mode
    to_from_id: Id
    body: msgspec.Raw
    quote_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{0,64}\Z")] = ""
    msg_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{0,64}\Z")] = ""


class RecordsBody(msgspec.Struct):
    talk_mode: Mode
    to_from_id: Id
    cursor: Sequence_ = 0
    limit: Limit = 30


class HistoryBody(RecordsBody):
    msg_type: Annotated[int, msgspec.Meta(ge=0, le=9999)] = 0


class RevokeBody(msgspec.Struct):
    talk_mode: Mode
    to_from_id: Id
    msg_id: MsgId


class DeleteBody(msgspec.Struct):
    talk_mode: Mode
    to_from_id: Id
    msg_ids: Annotated[list[MsgId], msgspec.Meta(min_length=1, max_length=MAX_MSG_IDS)]


class StatusBody(msgspec.Struct):
    talk_mode: Mode
    to_from_id: Id
    msg_id: MsgId
    status: Literal[1, 3]


class RangeBody(msgspec.Struct, rename={"from_": "from"}):
    talk_id: Id
    from_: Id
    to: Id


class MembersBody(msgspec.Struct):
    talk_id: Id
    change: Sequence_ = 0


class ReadBody(msgspec.Struct):
    talk_id: Id
    sequence: Sequence_


class MessageCalls:
    """What routes and events have in common: a checked body to a call of the stub, its answer to what clients read."""

    def __init__(self, messages: MessageStub, max_text_characters: int) -> None:
        self._messages = messages
        self._max_text_characters = max_text_characters

    async def send(
        self, sends: Sequence[tuple[HttpCall | EventCall, SendBody]]
    ) -> list[msgspec.Raw | XinYuError]:
        """Who, and what, of each message; answers each with its record or its refusal."""
        answers: list[msgspec.Raw | XinYuError] = []
        request = wire.SendRequest()
        accepted: list[int] = []
        for call, body in sends:
            try:
                msg_type, extra = parse_body(body.type, body.body, self._max_text_characters)
            except XinYuError as refusal:
                answers.append(refusal)
                continue
            accepted.append(len(answers))
            answers.append(_UNANSWERED)
            # Field by field: upb takes half the time that it takes for keyword arguments.
            message = request.messages.add()
            message.user_id, message.msg_type, message.body = call.user_id, msg_type, extra
            message.talk_mode, message.to_from_id = body.talk_mode, body.to_from_id
            message.quote_id, message.msg_id = body.quote_id, body.msg_id
            message.codec = call.codec  # type: ignore[assignment]
        if accepted:
            response = await self._messages.send(request)
            for number, result in zip(accepted, response.results, strict=True):
                answers[number] = _refusal(result.refusal) if result.HasField("refusal") else msgspec.Raw(result.record)
        return answers

    async def revoke(self, user_id: int, body: RevokeBody) -> None:
        await self._messages.revoke(
            wire.RevokeRequest(user_id=user_id, target=_target(body), msg_id=body.msg_id), key=_key(user_id, body)
        )

    async def range(self, user_id: int, codec: int, body: RangeBody) -> dict[str, Any]:
        page = await self._messages.load_range(
            wire.LoadRangeRequest(
                user_id=user_id,
                talk_id=body.talk_id,
                from_sequence=body.from_,
                to_sequence=body.to,
                codec=codec,  # type: ignore[arg-type]
            )
        )
        return {
            "change": page.change,
            "own": page.own,
            "records": msgspec.Raw(page.records),
            "voids": msgspec.Raw(page.voids),
        }

    async def members(self, user_id: int, body: MembersBody) -> dict[str, Any]:
        page = await self._messages.load_members(
            wire.LoadMembersRequest(user_id=user_id, talk_id=body.talk_id, change=body.change)
        )
        return {
            "change": page.change,
            "members": [
                {
                    "user_id": m.user_id,
                    "role": m.role,
                    "state": _STATES[MemberState(m.state)],
                    "muted_until_ms": m.muted_until_ms,
                }
                for m in page.members
            ],
        }

    async def read(self, user_id: int, body: ReadBody) -> dict[str, Any]:
        change = await self._messages.read(
            wire.ReadRequest(user_id=user_id, talk_id=body.talk_id, sequence=body.sequence, has_sequence=True)
        )
        return {"read_sequence": change.read_sequence, "own": change.own}


def routes(messages: MessageStub, max_text_characters: int) -> list[Route]:
    """This room's routes."""
    calls = MessageCalls(messages, max_text_characters)

    async def send(call: HttpCall, body: SendBody) -> msgspec.Raw:
        (answer,) = await calls.send([(call, body)])
        if isinstance(answer, XinYuError):
            raise answer
        return answer

    async def records(call: HttpCall, body: RecordsBody) -> dict[str, Any]:
        return _page(await messages.load_records(_page_request(call, body)))

    async def history(call: HttpCall, body: HistoryBody) -> dict[str, Any]:
        request = _page_request(call, body)
        request.msg_type = body.msg_type
        return _page(await messages.load_history(request))

    async def revoke(call: HttpCall, body: RevokeBody) -> None:
        await calls.revoke(call.user_id, body)

    async def delete(call: HttpCall, body: DeleteBody) -> None:
        await messages.hide(
            wire.HideRequest(user_id=call.user_id, target=_target(body), msg_ids=body.msg_ids),
            key=_key(call.user_id, body),
        )

    async def status(call: HttpCall, body: StatusBody) -> None:
        """The reference client reports each of its sends here. One that is stored is sent, one that failed never was
        stored: nothing changes (contract: http-api, "Sending and reading")."""

    async def range_(call: HttpCall, body: RangeBody) -> dict[str, Any]:
        # One of ours, not of the reference's: texts as typed, whatever the header says (contract: http-api).
        return await calls.range(call.user_id, options_pb2.CODEC_V1_JSON, body)

    async def members(call: HttpCall, body: MembersBody) -> dict[str, Any]:
        return await calls.members(call.user_id, body)

    async def read(call: HttpCall, body: ReadBody) -> dict[str, Any]:
        return await calls.read(call.user_id, body)

    return [
        Route("message/send", SendBody, send, limit="send"),
        Route("message/records", RecordsBody, records),
        Route("message/history-records", HistoryBody, history),
        Route("message/revoke", RevokeBody, revoke),
        Route("message/delete", DeleteBody, delete),
        Route("message/status", StatusBody, status),
        Route("message/range", RangeBody, range_),
        Route("talk/members", MembersBody, members),
        Route("talk/read", ReadBody, read),
    ]


def _refusal(refusal: options_pb2.Refusal) -> XinYuError:
    retry_after_ms = refusal.retry_after_ms if refusal.HasField("retry_after_ms") else None
    return XinYuError.from_wire(refusal.reason, refusal.message, retry_after_ms)


def _target(body: Any) -> wire.TalkTarget:
    return wire.TalkTarget(talk_mode=body.talk_mode, to_from_id=body.to_from_id)


def _key(user_id: int, body: Any) -> str:
    """What balances calls about one talk over message services."""
    if body.talk_mode == 2:
        return f"g{body.to_from_id}"
    return f"p{min(user_id, body.to_from_id)}-{max(user_id, body.to_from_id)}"


def _page_request(call: HttpCall, body: RecordsBody) -> wire.LoadRecordsRequest:
    return wire.LoadRecordsRequest(
        user_id=call.user_id,
        target=_target(body),
        cursor=body.cursor,
        limit=body.limit,
        codec=call.codec,  # type: ignore[arg-type]
    )


def _page(page: wire.RecordsPage) -> dict[str, Any]:
    return {"items": msgspec.Raw(page.items), "cursor": page.cursor}
