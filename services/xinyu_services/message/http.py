"""REST routes of the message room (contract: http-api, "message", and `talk/read`, `talk/members`, `message/range`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from xinyu.base.errors import INVALID, XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER, new_msg_id
from xinyu.gateway.http.route import AnyRoute, Download, DownloadRoute, HttpCall, Route
from xinyu.gateway.ws.event import EventCall
from xinyu.rpc.spread import spread
from xinyu.wire.v1 import message_pb2 as wire
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.emoticon_rpc import EmoticonStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.message_rpc import SEND, MessageStub
from xinyu_services.message.attachments import ATTACHMENTS, Attached, Attachments
from xinyu_services.message.bodies import edited_type, parse_body
from xinyu_services.message.expiry_model import LONGEST_S
from xinyu_services.message.forwards import MAX_SOURCES, MAX_TARGETS
from xinyu_services.message.model import MemberState
from xinyu_services.talk_key import talk_key

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_SAFE_INTEGER)]
Sequence_ = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
Mode = Annotated[int, msgspec.Meta(ge=1, le=2)]
MsgId = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]
Limit = Annotated[int, msgspec.Meta(ge=1, le=200)]
MAX_MSG_IDS = 200
FORWARD = "forward"
_UNANSWERED = msgspec.Raw(b"{}")
Sending = tuple[HttpCall | EventCall, "SendBody"]
_STATES = {MemberState.IN: "in", MemberState.LEFT: "left", MemberState.REMOVED: "removed"}


class SendBody(msgspec.Struct):
    """A send over HTTP or WebSocket. `quote_id` "" = none; `msg_id` is made by the server when absent."""

    type: str
    talk_mode: Mode
    to_from_id: Id
    body: msgspec.Raw
    quote_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{0,64}\Z")] = ""
    msg_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{0,64}\Z")] = ""


class ForwardBody(msgspec.Struct):
    """The body of type `forward`. action: 1 one by one, 2 merged."""

    action: Literal[1, 2]
    msg_ids: Annotated[list[MsgId], msgspec.Meta(min_length=1, max_length=MAX_SOURCES)]
    user_ids: Annotated[list[Id], msgspec.Meta(max_length=MAX_TARGETS)] = []
    group_ids: Annotated[list[Id], msgspec.Meta(max_length=MAX_TARGETS)] = []


class ForwardRecordsBody(msgspec.Struct):
    """`talk_mode` alone, which the reference client sends, decides nothing."""

    msg_ids: Annotated[list[MsgId], msgspec.Meta(min_length=1, max_length=MAX_SOURCES)]
    talk_mode: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    to_from_id: Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0


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


class EditBody(RevokeBody):
    """`body` as in a send of the message's own type: text, code or mixed."""

    body: msgspec.Raw


class ReactBody(RevokeBody):
    """action: 1 adds, 2 removes."""

    emoji: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    action: Literal[1, 2]


class ReactionsBody(RevokeBody):
    """`emoji` "" = whatever; `cursor` as the page before answered it."""

    emoji: Annotated[str, msgspec.Meta(max_length=32)] = ""
    cursor: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,15}\Z")] = ""


class PinBody(RevokeBody):
    """action: 1 pins, 2 takes the pin away."""

    action: Literal[1, 2]


class PinsBody(msgspec.Struct):
    talk_mode: Mode
    to_from_id: Id


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


class ExpireBody(msgspec.Struct):
    """0 = off."""

    talk_mode: Mode
    to_from_id: Id
    expire_after_s: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_S)]


class ReadersBody(msgspec.Struct):
    """`cursor`: as the page before answered it."""

    talk_mode: Mode
    to_from_id: Id
    msg_id: MsgId
    cursor: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{0,16}\Z")] = ""
Moment = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]


class SearchBody(msgspec.Struct):
    """Both or none of `talk_mode` and `to_from_id`: in that talk only."""

    keyword: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    talk_mode: Mode | None = None
    to_from_id: Id | None = None
    from_id: Id | None = None
    msg_type: Annotated[int, msgspec.Meta(ge=1, le=9999)] | None = None
    since_ms: Moment | None = None
    until_ms: Moment | None = None
    cursor: Annotated[str, msgspec.Meta(max_length=40)] = ""


class ReadBody(msgspec.Struct):
    talk_id: Id
    sequence: Sequence_


class FileDownload(msgspec.Struct):
    """`talk_mode`, which the reference client always writes as 1, decides nothing."""

    msg_id: MsgId


class _Accepted(NamedTuple):
    """A message on its way. `number`: of its answer."""

    number: int
    call: HttpCall | EventCall
    body: SendBody
    msg_type: int
    extra: bytes
    msg_id: str
    key: str


class MessageCalls:
    """What routes and events have in common: a checked body to a call of the stub, its answer to what clients read."""

    def __init__(
        self, messages: MessageStub, media: MediaStub, emoticons: EmoticonStub, max_text_characters: int
    ) -> None:
        self._messages = messages
        self._attachments = Attachments(media, emoticons, max_text_characters)
        self._max_text_characters = max_text_characters

    async def send(self, sends: Sequence[Sending]) -> list[msgspec.Raw | XinYuError]:
        """Who, and what, of each message; answers each with its record or its refusal, a forward with its items. Who
        forwards waits for it with what he sends behind it; nobody else does."""
        forwarders = {call.user_id for call, body in sends if body.type == FORWARD}
        if not forwarders:
            return await self._send_plain(sends)
        answers: list[msgspec.Raw | XinYuError] = [_UNANSWERED] * len(sends)

        async def send_others() -> None:
            numbers = [number for number, (call, _) in enumerate(sends) if call.user_id not in forwarders]
            if numbers:
                sent = await self._send_plain([sends[number] for number in numbers])
                for number, answer in zip(numbers, sent, strict=True):
                    answers[number] = answer

        async def send_in_turn(user_id: int) -> None:
            for number, (call, body) in enumerate(sends):
                if call.user_id != user_id:
                    continue
                if body.type == FORWARD:
                    answers[number] = await self._forward(call, body)
                else:
                    (answers[number],) = await self._send_plain([(call, body)])

        await asyncio.gather(send_others(), *(send_in_turn(user_id) for user_id in forwarders))
        return answers

    async def _forward(self, call: HttpCall | EventCall, body: SendBody) -> msgspec.Raw | XinYuError:
        try:
            what = msgspec.json.decode(body.body, type=ForwardBody)
        except msgspec.ValidationError as error:
            return XinYuError(INVALID, f"body: {error}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return XinYuError(INVALID, "body is not valid JSON.")
        request = wire.ForwardRequest(
            user_id=call.user_id,
            source=_target(body),
            action=what.action,
            msg_ids=what.msg_ids,
            user_ids=what.user_ids,
            group_ids=what.group_ids,
            msg_id=body.msg_id,
        )
        try:
            response = await self._messages.forward(request, key=_key(call.user_id, body))
        except XinYuError as refusal:
            return refusal
        items = [
            {"ok": not each.reason}
            | ({"err": each.reason} if each.reason else {"msg_id": each.msg_id})
            | {"to_talk_mode": each.to_talk_mode, "to_id": each.to_id}
            for each in response.results
        ]
        return msgspec.Raw(msgspec.json.encode({"items": items}))

    async def _send_plain(self, sends: Sequence[Sending]) -> list[msgspec.Raw | XinYuError]:
        """What needs nothing of the media room does not wait for it, unless its sender has something before it that
        does: his order is kept."""
        waiting = {call.user_id for call, body in sends if body.type in ATTACHMENTS}
        if not waiting:
            return await self._send_all(sends, {})
        answers: list[msgspec.Raw | XinYuError] = [_UNANSWERED] * len(sends)
        at_once = [number for number, (call, _) in enumerate(sends) if call.user_id not in waiting]
        later = [number for number, (call, _) in enumerate(sends) if call.user_id in waiting]

        async def send_at_once() -> None:
            sent = await self._send_all([sends[number] for number in at_once], {})
            for number, answer in zip(at_once, sent, strict=True):
                answers[number] = answer

        async def send_later() -> None:
            asked = [sends[number] for number in later]
            sent = await self._send_all(asked, await self._attach(asked))
            for number, answer in zip(later, sent, strict=True):
                answers[number] = answer

        await asyncio.gather(*([send_at_once()] if at_once else []), send_later())
        return answers

    async def prepare(self, call: HttpCall, body: SendBody) -> tuple[int, bytes]:
        """Type and `extra` of one message that is not sent now. Raises what a send would be refused for."""
        if body.type not in ATTACHMENTS:
            return parse_body(body.type, body.body, self._max_text_characters)
        (found,) = await self._attachments.attach([(call.user_id, body.type, body.body)])
        if isinstance(found, XinYuError):
            raise found
        return found.msg_type, found.extra

    async def _attach(self, sends: Sequence[Sending]) -> dict[int, Attached | XinYuError]:
        numbers = [number for number, (_, body) in enumerate(sends) if body.type in ATTACHMENTS]
        try:
            attached = await self._attachments.attach(
                [(sends[number][0].user_id, sends[number][1].type, sends[number][1].body) for number in numbers]
            )
        except XinYuError as refusal:
            return dict.fromkeys(numbers, refusal)
        return dict(zip(numbers, attached, strict=True))

    async def _send_all(
        self, sends: Sequence[Sending], attached: Mapping[int, Attached | XinYuError]
    ) -> list[msgspec.Raw | XinYuError]:
        """Those that go to the same message service are one call; what becomes of it is its own messages' only."""
        answers: list[msgspec.Raw | XinYuError] = []
        accepted: list[_Accepted] = []
        for number, (call, body) in enumerate(sends):
            msg_id = body.msg_id
            try:
                if number in attached:
                    found = attached[number]
                    if isinstance(found, XinYuError):
                        raise found
                    msg_type, extra, msg_id = found.msg_type, found.extra, msg_id or found.msg_id
                else:
                    msg_type, extra = parse_body(body.type, body.body, self._max_text_characters)
            except XinYuError as refusal:
                answers.append(refusal)
                continue
            key = talk_key(call.user_id, body.talk_mode, body.to_from_id)
            accepted.append(_Accepted(number, call, body, msg_type, extra, msg_id, key))
            answers.append(_UNANSWERED)
        groups = spread(self._messages.channel, SEND, [each.key for each in accepted]) if accepted else []
        if len(groups) == 1:
            await self._send(accepted, answers)
        else:
            await asyncio.gather(*(self._send([accepted[place] for place in group], answers) for group in groups))
        return answers

    async def _send(self, accepted: Sequence[_Accepted], answers: list[msgspec.Raw | XinYuError]) -> None:
        """One call, and the answers to its messages."""
        request = wire.SendRequest()
        for _, call, body, msg_type, extra, msg_id, _ in accepted:
            # Field by field: upb takes half the time that it takes for keyword arguments.
            message = request.messages.add()
            message.user_id, message.msg_type, message.body = call.user_id, msg_type, extra
            message.talk_mode, message.to_from_id = body.talk_mode, body.to_from_id
            # With a msg_id the call may be repeated on another instance: what is stored is answered again.
            message.quote_id, message.msg_id = body.quote_id, msg_id or new_msg_id()
            message.codec = call.codec  # type: ignore[assignment]
        try:
            response = await self._messages.send(request, key=accepted[0].key)
        except XinYuError as refusal:
            for each in accepted:
                answers[each.number] = refusal
            return
        for each, result in zip(accepted, response.results, strict=True):
            answers[each.number] = (
                _refusal(result.refusal) if result.HasField("refusal") else msgspec.Raw(result.record)
            )

    async def revoke(self, user_id: int, body: RevokeBody) -> None:
        await self._messages.revoke(
            wire.RevokeRequest(user_id=user_id, target=_target(body), msg_id=body.msg_id), key=_key(user_id, body)
        )

    async def edit(self, call: HttpCall | EventCall, body: EditBody) -> msgspec.Raw:
        type_name = edited_type(body.body)
        if type_name in ATTACHMENTS:
            (attached,) = await self._attachments.attach([(call.user_id, type_name, body.body)])
            if isinstance(attached, XinYuError):
                raise attached
            msg_type, extra = attached.msg_type, attached.extra
        else:
            msg_type, extra = parse_body(type_name, body.body, self._max_text_characters)
        request = wire.EditRequest(
            user_id=call.user_id,
            target=_target(body),
            msg_id=body.msg_id,
            msg_type=msg_type,
            body=extra,
            codec=call.codec,  # type: ignore[arg-type]
        )
        return msgspec.Raw((await self._messages.edit(request, key=_key(call.user_id, body))).record)

    async def react(self, user_id: int, body: ReactBody) -> dict[str, Any]:
        request = wire.ReactRequest(
            user_id=user_id, target=_target(body), msg_id=body.msg_id, emoji=body.emoji, action=body.action
        )
        answer = await self._messages.react(request, key=_key(user_id, body))
        return {"reactions": msgspec.Raw(answer.reactions)}

    async def pin(self, user_id: int, body: PinBody) -> None:
        request = wire.PinRequest(user_id=user_id, target=_target(body), msg_id=body.msg_id, action=body.action)
        await self._messages.pin(request, key=_key(user_id, body))

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

    async def search(self, user_id: int, codec: int, body: SearchBody) -> dict[str, Any]:
        if (body.talk_mode is None) != (body.to_from_id is None):
            raise XinYuError(INVALID, "talk_mode and to_from_id belong together.")
        request = wire.SearchMessagesRequest(
            user_id=user_id,
            keyword=body.keyword,
            from_id=body.from_id or 0,
            msg_type=body.msg_type or 0,
            since_ms=body.since_ms or 0,
            until_ms=body.until_ms or 0,
            cursor=body.cursor,
            codec=codec,  # type: ignore[arg-type]
        )
        if body.talk_mode is not None:
            request.target.CopyFrom(_target(body))
        page = await self._messages.search(request)
        answer: dict[str, Any] = {"items": msgspec.Raw(page.items)}
        return answer | {"cursor": page.cursor} if page.cursor else answer

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


def routes(
    messages: MessageStub, media: MediaStub, emoticons: EmoticonStub, max_text_characters: int
) -> list[AnyRoute]:
    """This room's routes."""
    calls = MessageCalls(messages, media, emoticons, max_text_characters)

    async def send(call: HttpCall, body: SendBody) -> msgspec.Raw:
        (answer,) = await calls.send([(call, body)])
        if isinstance(answer, XinYuError):
            raise answer
        return answer

    async def records(call: HttpCall, body: RecordsBody) -> dict[str, Any]:
        return _page(await messages.load_records(_page_request(call, body), key=_key(call.user_id, body)))

    async def history(call: HttpCall, body: HistoryBody) -> dict[str, Any]:
        request = _page_request(call, body)
        request.msg_type = body.msg_type
        return _page(await messages.load_history(request, key=_key(call.user_id, body)))

    async def forward_records(call: HttpCall, body: ForwardRecordsBody) -> dict[str, Any]:
        page = await messages.load_forwarded(
            wire.LoadForwardedRequest(
                user_id=call.user_id,
                msg_ids=body.msg_ids,
                target=_target(body) if body.talk_mode and body.to_from_id else None,
                codec=call.codec,  # type: ignore[arg-type]
            )
        )
        return {"items": msgspec.Raw(page.items)}

    async def revoke(call: HttpCall, body: RevokeBody) -> None:
        await calls.revoke(call.user_id, body)

    async def edit(call: HttpCall, body: EditBody) -> msgspec.Raw:
        return await calls.edit(call, body)

    async def edits(call: HttpCall, body: RevokeBody) -> dict[str, Any]:
        request = wire.LoadVersionsRequest(
            user_id=call.user_id,
            target=_target(body),
            msg_id=body.msg_id,
            codec=call.codec,  # type: ignore[arg-type]
        )
        return {"items": msgspec.Raw((await messages.load_versions(request, key=_key(call.user_id, body))).items)}

    async def react(call: HttpCall, body: ReactBody) -> dict[str, Any]:
        return await calls.react(call.user_id, body)

    async def reactions(call: HttpCall, body: ReactionsBody) -> dict[str, Any]:
        request = wire.LoadReactionsRequest(
            user_id=call.user_id,
            target=_target(body),
            msg_id=body.msg_id,
            emoji=body.emoji,
            after_change=int(body.cursor or 0),
        )
        page = await messages.load_reactions(request, key=_key(call.user_id, body))
        items = [
            {
                "user_id": item.user_id,
                "nickname": item.nickname,
                "avatar": item.avatar,
                "emoji": item.emoji,
                "reacted_at_ms": item.reacted_at_ms,
            }
            for item in page.items
        ]
        return {"items": items} | ({"cursor": str(page.next_change)} if page.next_change else {})

    async def pin(call: HttpCall, body: PinBody) -> None:
        await calls.pin(call.user_id, body)

    async def pins(call: HttpCall, body: PinsBody) -> dict[str, Any]:
        request = wire.LoadPinsRequest(
            user_id=call.user_id,
            target=_target(body),
            codec=call.codec,  # type: ignore[arg-type]
        )
        return {"items": msgspec.Raw((await messages.load_pins(request, key=_key(call.user_id, body))).items)}

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

    async def search(call: HttpCall, body: SearchBody) -> dict[str, Any]:
        # Highlights count the characters of texts as typed, whatever the header says.
        return await calls.search(call.user_id, options_pb2.CODEC_V1_JSON, body)

    async def members(call: HttpCall, body: MembersBody) -> dict[str, Any]:
        return await calls.members(call.user_id, body)

    async def readers(call: HttpCall, body: ReadersBody) -> dict[str, Any]:
        page = await messages.load_readers(
            wire.LoadReadersRequest(
                user_id=call.user_id, target=_target(body), msg_id=body.msg_id, after_user_id=int(body.cursor or 0)
            ),
            key=_key(call.user_id, body),
        )
        answer: dict[str, Any] = {
            "items": [
                {"user_id": r.user_id, "nickname": r.nickname, "avatar": r.avatar, "read": r.has_read}
                for r in page.readers
            ],
            "read_num": page.read_count,
            "unread_num": page.unread_count,
        }
        if page.after_user_id:
            answer["cursor"] = str(page.after_user_id)
        return answer

    async def read(call: HttpCall, body: ReadBody) -> dict[str, Any]:
        return await calls.read(call.user_id, body)

    async def expire_after(call: HttpCall, body: ExpireBody) -> None:
        await messages.set_expiry(
            wire.SetExpiryRequest(user_id=call.user_id, target=_target(body), expire_after_s=body.expire_after_s),
            key=_key(call.user_id, body),
        )

    async def file_download(call: HttpCall, asked: FileDownload) -> Download:
        file = await messages.load_file(wire.LoadFileRequest(user_id=call.user_id, msg_id=asked.msg_id))
        return Download(file.key, "application/octet-stream", file.name)

    return [
        Route("message/send", SendBody, send, limit="send"),
        Route("message/records", RecordsBody, records),
        Route("message/history-records", HistoryBody, history),
        Route("message/forward-records", ForwardRecordsBody, forward_records),
        Route("message/revoke", RevokeBody, revoke),
        Route("message/edit", EditBody, edit, limit="send"),
        Route("message/edits", RevokeBody, edits),
        Route("message/react", ReactBody, react, limit="send"),
        Route("message/reactions", ReactionsBody, reactions),
        Route("message/pin", PinBody, pin, limit="send"),
        Route("message/pins", PinsBody, pins),
        Route("message/delete", DeleteBody, delete),
        Route("message/status", StatusBody, status),
        Route("message/range", RangeBody, range_),
        Route("message/readers", ReadersBody, readers),
        Route("message/search", SearchBody, search),
        Route("talk/members", MembersBody, members),
        Route("talk/read", ReadBody, read),
        Route("talk/expire-after", ExpireBody, expire_after),
        DownloadRoute("talk/file-download", FileDownload, file_download),
    ]


def _refusal(refusal: options_pb2.Refusal) -> XinYuError:
    retry_after_ms = refusal.retry_after_ms if refusal.HasField("retry_after_ms") else None
    return XinYuError.from_wire(refusal.reason, refusal.message, retry_after_ms)


def _target(body: Any) -> wire.TalkTarget:
    return wire.TalkTarget(talk_mode=body.talk_mode, to_from_id=body.to_from_id)


def _key(user_id: int, body: Any) -> str:
    return talk_key(user_id, body.talk_mode, body.to_from_id)


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
