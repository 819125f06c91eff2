"""The Message service: wire types to use cases, and answers that clients will read to their codec."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from xinyu.base.clock import Clock
from xinyu.base.errors import INVALID, XinYuError
from xinyu.base.ids import new_msg_id
from xinyu.delivery.dispatcher import LEGACY, Dispatcher, Push
from xinyu.rpc.context import Context
from xinyu.wire.v1 import message_pb2 as wire
from xinyu.wire.v1.options_pb2 import Empty, Refusal
from xinyu_services.directory import NOBODY, Directory
from xinyu_services.message.model import Member, StoredMessage, Talk, TalkKey, TalkMode, void_ranges
from xinyu_services.message.service import MessageService, NewMessage, RosterEntry, SystemMessage, TalkCursor
from xinyu_services.message.view import MessageView

_encode = msgspec.json.Encoder().encode


class KnownPeople:
    """`People` out of the directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def exists(self, user_id: int) -> bool:
        return (await self._directory.users([user_id], required=True))[user_id].known


class MessageRpc:
    """`xinyu.wire.v1.message_rpc.MessageServicer`."""

    def __init__(
        self, service: MessageService, view: MessageView, directory: Directory, dispatcher: Dispatcher, clock: Clock
    ) -> None:
        self._service = service
        self._view = view
        self._directory = directory
        self._dispatcher = dispatcher
        self._clock = clock

    # ---------------------------------------------------------------- sending

    async def send(self, request: wire.SendRequest, context: Context) -> wire.SendResponse:
        messages = [
            NewMessage(
                TalkKey.of(m.user_id, m.talk_mode, m.to_from_id),
                m.user_id,
                m.msg_type,
                m.body.decode(),
                m.quote_id,
                m.msg_id or new_msg_id(),
            )
            for m in request.messages
        ]
        sent = await self._service.send(messages, context.deadline_s)
        names = await self._directory.users({m.user_id for m in messages})
        response = wire.SendResponse()
        for asked, new, result in zip(request.messages, messages, sent, strict=True):
            if isinstance(result, XinYuError):
                response.results.add(refusal=_refusal(result))
                continue
            message, sender = result.message, names[new.user_id]
            if message is None:
                now_ms = self._clock.now_ms()
                self._tell_undelivered(new, now_ms)
                record = self._view.undelivered(
                    0, new.user_id, new.msg_id, new.msg_type, new.body, sender, now_ms, asked.codec
                )
                response.results.add(record=_encode(record), msg_id=new.msg_id, sent_at_ms=now_ms)
                continue
            answer = response.results.add()
            answer.record = self._view.record_json(message, sender, asked.codec)
            answer.msg_id, answer.talk_id, answer.sequence = message.msg_id, message.talk_id, message.sequence
            answer.sent_at_ms, answer.replayed = message.sent_at_ms, result.replayed
        return response

    def _tell_undelivered(self, new: NewMessage, now_ms: int) -> None:
        view, user_id, key, msg_id = self._view, new.user_id, new.key, new.msg_id
        self._dispatcher.push(
            [
                Push(
                    [user_id],
                    lambda _: view.session_update(key, user_id, user_id, "", now_ms, f"x-{msg_id}", invalid=True),
                    LEGACY,
                )
            ]
        )

    async def typing(self, request: wire.TypingRequest, context: Context) -> Empty:
        mode, to_from_id = request.target.talk_mode, request.target.to_from_id
        talk_id = await self._service.typing_talk(request.user_id, mode, to_from_id)
        if talk_id:
            view, user_id = self._view, request.user_id
            self._dispatcher.push(
                [
                    Push(
                        [to_from_id],
                        lambda codec: view.typing(mode, to_from_id, user_id, talk_id, codec),
                        ephemeral=True,
                    )
                ]
            )
        return Empty()

    # ---------------------------------------------------------------- reading

    async def load_records(self, request: wire.LoadRecordsRequest, context: Context) -> wire.RecordsPage:
        return await self._page(request, 0)

    async def load_history(self, request: wire.LoadRecordsRequest, context: Context) -> wire.RecordsPage:
        return await self._page(request, request.msg_type)

    async def _page(self, request: wire.LoadRecordsRequest, msg_type: int) -> wire.RecordsPage:
        target = request.target
        messages = await self._service.load_records(
            request.user_id, target.talk_mode, target.to_from_id, request.cursor, request.limit, msg_type
        )
        # The smallest sequence of the page, never 0 after records; an empty page repeats what was asked.
        cursor = messages[-1].sequence if messages else request.cursor
        return wire.RecordsPage(items=await self._records(messages, request.codec), cursor=cursor, count=len(messages))

    async def _records(self, messages: Sequence[StoredMessage], codec: int) -> bytes:
        names = await self._directory.users({m.sender_id for m in messages})
        return _encode(self._view.records(messages, names, codec))

    async def load_range(self, request: wire.LoadRangeRequest, context: Context) -> wire.RangePage:
        talk, member, messages, voids = await self._service.load_range(
            request.user_id, request.talk_id, request.from_sequence, request.to_sequence
        )
        return wire.RangePage(
            change=talk.last_change,
            own=member.own,
            records=await self._records(messages, request.codec),
            voids=_encode(void_ranges(voids)),
        )

    async def load_members(self, request: wire.LoadMembersRequest, context: Context) -> wire.MembersPage:
        talk, members = await self._service.load_members(request.user_id, request.talk_id, request.change)
        return wire.MembersPage(change=talk.last_change, members=[_entry(member) for member in members])

    async def load_heads(self, request: wire.LoadHeadsRequest, context: Context) -> wire.HeadsPage:
        heads = await self._service.load_heads(
            request.user_id, list(request.talk_ids), [(t.talk_mode, t.to_from_id) for t in request.targets]
        )
        return wire.HeadsPage(
            heads=[
                wire.Head(
                    talk_id=head.talk.talk_id,
                    talk_mode=head.talk.key.mode,
                    to_from_id=head.talk.key.peer_of(request.user_id),
                    last_sequence=head.member.visible_to(head.talk),
                    unread=head.member.unread(head.talk),
                    digest=self._view.digest(head.digest, request.codec),
                    last_at_ms=head.last_at_ms,
                    member_state=head.member.state,
                )
                for head in heads
            ]
        )

    async def read(self, request: wire.ReadRequest, context: Context) -> wire.OwnChange:
        target = (request.target.talk_mode, request.target.to_from_id) if not request.talk_id else None
        talk, member = await self._service.read(
            request.user_id,
            request.talk_id,
            target,
            request.sequence if request.has_sequence else None,
            context.deadline_s,
        )
        return _own(talk, member)

    # ---------------------------------------------------------------- changing

    async def revoke(self, request: wire.RevokeRequest, context: Context) -> Empty:
        target = request.target
        await self._service.recall(request.user_id, target.talk_mode, target.to_from_id, request.msg_id)
        return Empty()

    async def hide(self, request: wire.HideRequest, context: Context) -> Empty:
        target = request.target
        await self._service.hide(request.user_id, target.talk_mode, target.to_from_id, list(request.msg_ids))
        return Empty()

    async def clear_records(self, request: wire.ClearRecordsRequest, context: Context) -> wire.OwnChange:
        target = request.target
        talk, member = await self._service.clear(
            request.user_id,
            target.talk_mode,
            target.to_from_id,
            request.sequence if request.has_sequence else None,
        )
        return _own(talk, member)

    # ---------------------------------------------------------------- talks and belonging

    async def open_talk(self, request: wire.OpenTalkRequest, context: Context) -> wire.TalkHead:
        talk, member = await self._service.open_talk(
            request.user_id, request.target.talk_mode, request.target.to_from_id
        )
        return _head(talk, is_member=member is not None and member.left_sequence is None)

    async def change_pair(self, request: wire.ChangePairRequest, context: Context) -> wire.TalkHead:
        if not 0 < request.user_low < request.user_high:
            raise XinYuError(INVALID)
        greeting = _system(request.greeting) if request.HasField("greeting") else None
        talk = await self._service.change_pair(
            request.user_low,
            request.user_high,
            request.low_may_send,
            request.high_may_send,
            request.revision,
            greeting,
        )
        return _head(talk, is_member=True)

    async def change_roster(self, request: wire.ChangeRosterRequest, context: Context) -> wire.TalkHead:
        if request.profile_revision:
            self._directory.forget_group(request.group_id)
        talk = await self._service.change_roster(
            request.group_id,
            [RosterEntry(e.user_id, e.state, e.role, e.muted_until_ms, e.revision) for e in request.entries],
            request.profile_revision,
            request.mute_all,
            request.dismissed,
            _system(request.message) if request.HasField("message") else None,
            request.message_first,
        )
        return _head(talk, is_member=True)

    # ---------------------------------------------------------------- catching up

    async def sync_talks(self, request: wire.SyncTalksRequest, context: Context) -> wire.SyncTalksResponse:
        page = await self._service.sync(
            request.user_id,
            [TalkCursor(t.talk_id, t.sequence, t.change, t.own, t.named) for t in request.talks],
            request.talk_limit,
            request.record_limit,
        )
        answers = page.answers
        named = [a.talk.key for a in answers if a.with_profile]
        # A profile is told once: better no answer, and to be asked again, than one without a name.
        groups = await self._directory.groups({k.low for k in named if k.mode == TalkMode.GROUP}, required=True)
        peers = {k.peer_of(request.user_id) for k in named if k.mode == TalkMode.SINGLE}
        named_peers = await self._directory.users(peers, required=True)
        names = await self._directory.users({m.sender_id for a in answers for m in a.records})
        talks = []
        for answer in answers:
            profile = None
            if answer.with_profile:
                whose = groups if answer.talk.key.mode == TalkMode.GROUP else named_peers
                profile = whose.get(answer.talk.key.peer_of(request.user_id), NOBODY)
            talks.append(self._view.talk_answer(answer, names, profile, request.codec))
        return wire.SyncTalksResponse(talks=talks, more=page.more, cut_at_talk_id=page.cut_at_talk_id)


def _head(talk: Talk, *, is_member: bool) -> wire.TalkHead:
    return wire.TalkHead(
        talk_id=talk.talk_id, last_sequence=talk.last_sequence, change=talk.last_change, is_member=is_member
    )


def _own(talk: Talk, member: Member) -> wire.OwnChange:
    return wire.OwnChange(
        talk_id=talk.talk_id, own=member.own, read_sequence=member.read_to, from_sequence=member.visible_from(talk)
    )


def _entry(member: Member) -> wire.RosterEntry:
    return wire.RosterEntry(
        user_id=member.user_id,
        state=member.state,
        role=member.role,
        muted_until_ms=member.muted_until_ms,
        revision=member.revision,
    )


def _system(message: wire.SystemMessage) -> SystemMessage:
    return SystemMessage(message.msg_id, message.sender_id, message.msg_type, message.body.decode())


def _refusal(error: XinYuError) -> Refusal:
    return Refusal(reason=error.reason, message=error.message, retry_after_ms=error.retry_after_ms)
