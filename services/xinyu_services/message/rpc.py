"""The Message service: wire types to use cases, and answers that clients will read to their codec."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from xinyu.base.clock import Clock
from xinyu.base.errors import INVALID, NOT_FRIEND, UNKNOWN_USER, XinYuError
from xinyu.base.ids import new_msg_id
from xinyu.delivery.dispatcher import LEGACY, Dispatcher, Push
from xinyu.rpc.context import Context
from xinyu.wire.v1 import message_pb2 as wire
from xinyu.wire.v1 import talk_pb2
from xinyu.wire.v1.options_pb2 import Empty, Refusal
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu_services.directory import NOBODY, Directory
from xinyu_services.message.forwards import Forward, copies, previews, targets_of
from xinyu_services.message.lane import Sent
from xinyu_services.message.model import (
    Member,
    MentionAll,
    MsgType,
    StoredMessage,
    SystemMessage,
    Talk,
    TalkKey,
    TalkMode,
    TalkState,
    compact_json,
    void_ranges,
)
from xinyu_services.message.scheduled_model import Scheduled, scheduled_id
from xinyu_services.message.search import Asked, MessageSearch
from xinyu_services.message.service import (
    ROSTER_PAGE,
    GroupProfile,
    MessageService,
    NewMessage,
    RosterEntry,
    TalkCursor,
)
from xinyu_services.message.view import MessageView
from xinyu_services.message.webhook_model import WebhookState
from xinyu_services.message.webhooks import Webhooks

MAX_WEBHOOKS_AT_ONCE: Final = 1_000
_encode = msgspec.json.Encoder().encode


class KnownPeople:
    """`People` out of the directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def exists(self, user_id: int) -> bool:
        return (await self._directory.users([user_id], required=True))[user_id].known


class RpcOwnTalks:
    """`OwnTalks` over the talk room."""

    def __init__(self, talks: TalkStub) -> None:
        self._talks = talks

    async def of(self, user_id: int, limit: int) -> Sequence[int]:
        return (await self._talks.list_talks(talk_pb2.ListTalksRequest(user_id=user_id, limit=limit))).talk_ids


class MessageRpc:
    """`xinyu.wire.v1.message_rpc.MessageServicer`."""

    def __init__(
        self,
        service: MessageService,
        search: MessageSearch,
        webhooks: Webhooks,
        view: MessageView,
        directory: Directory,
        dispatcher: Dispatcher,
        clock: Clock,
    ) -> None:
        self._service = service
        self._search = search
        self._webhooks = webhooks
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
        sent = await self._send(messages, context.deadline_s)
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

    async def _send(self, messages: Sequence[NewMessage], deadline_s: float) -> list[Sent | XinYuError]:
        """Cards get name and avatar, of somebody who is there; where they cannot be had, cards alone are refused."""
        cards = {n: _card_of(message.body) for n, message in enumerate(messages) if message.msg_type == MsgType.CARD}
        refused: dict[int, XinYuError] = {}
        if cards:
            try:
                names = await self._directory.users(set(cards.values()), required=True)
            except XinYuError as refusal:
                refused = dict.fromkeys(cards, refusal)
            else:
                refused = {n: XinYuError(UNKNOWN_USER) for n, user in cards.items() if not names[user].known}
                for number, user in cards.items():
                    message, name = messages[number], names[user]
                    shown = {"user_id": user, "nickname": name.name, "avatar": name.avatar}
                    message.asked, message.body = message.body, compact_json(shown)
        if not refused:
            return await self._service.send(messages, deadline_s)
        good = [message for number, message in enumerate(messages) if number not in refused]
        sent = iter(await self._service.send(good, deadline_s) if good else ())
        return [refused.get(number) or next(sent) for number in range(len(messages))]

    async def forward(self, request: wire.ForwardRequest, context: Context) -> wire.ForwardResponse:
        user_id, source = request.user_id, request.source
        forward = Forward(
            user_id,
            TalkKey.of(user_id, source.talk_mode, source.to_from_id),
            request.action,
            tuple(dict.fromkeys(request.msg_ids)),
            targets_of(user_id, request.user_ids, request.group_ids),
            request.msg_id,
        )
        taken = await self._service.forwarding.take(forward)
        shown = previews(forward, taken.sources)
        names = await self._directory.users({message.sender_id for message in shown})
        made = copies(
            forward, taken.token, taken.sources, taken.inner, {user: name.name for user, name in names.items()}
        )
        sent = await self._service.send(
            [NewMessage(c.key, user_id, c.msg_type, c.body, "", c.msg_id, c.asked, c.sources) for c in made],
            context.deadline_s,
        )
        response = wire.ForwardResponse()
        for copy, result in zip(made, sent, strict=True):
            answer = response.results.add(to_talk_mode=copy.key.mode, to_id=copy.key.peer_of(user_id))
            if isinstance(result, XinYuError):
                answer.reason = result.reason
            elif result.message is None:
                answer.reason = NOT_FRIEND.reason
            else:
                answer.msg_id = copy.msg_id
        return response

    async def load_forwarded(self, request: wire.LoadForwardedRequest, context: Context) -> wire.RecordsPage:
        user_id, target = request.user_id, request.target
        key = TalkKey.of(user_id, target.talk_mode, target.to_from_id) if target.to_from_id else None
        messages = await self._service.forwarding.load_records(user_id, list(request.msg_ids), key)
        return wire.RecordsPage(items=await self._records(messages, request.codec), count=len(messages))

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

    async def load_file(self, request: wire.LoadFileRequest, context: Context) -> wire.MessageFile:
        message = await self._service.find_file(request.user_id, request.msg_id)
        file = msgspec.json.decode(message.body)
        return wire.MessageFile(key=file["path"], name=file["name"])

    async def search(self, request: wire.SearchMessagesRequest, context: Context) -> wire.FoundPage:
        target = (request.target.talk_mode, request.target.to_from_id) if request.HasField("target") else None
        found = await self._search.search(
            request.user_id,
            Asked(
                request.keyword, target, request.from_id, request.msg_type, request.since_ms, request.until_ms,
                request.cursor,
            ),
        )  # fmt: skip
        names = await self._directory.users({hit.message.sender_id for hit in found.hits})
        items = [
            {
                "record": self._view.record(hit.message, names.get(hit.message.sender_id, NOBODY), request.codec),
                "highlights": hit.highlights,
            }
            for hit in found.hits
        ]
        return wire.FoundPage(items=_encode(items), cursor=found.cursor)

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
        change, members = await self._service.load_members(request.user_id, request.talk_id, request.change)
        return wire.MembersPage(change=change, members=[_entry(member) for member in members])

    async def load_roster(self, request: wire.LoadRosterRequest, context: Context) -> wire.RosterPage:
        talk, windows = await self._service.load_roster(request.talk_id, request.since_change, request.after_user_id)
        rows = array("q")
        for user_id, joined, left in windows:
            rows.extend((user_id, joined, -1 if left is None else left))
        return wire.RosterPage(
            change=talk.last_change,
            last_sequence=talk.last_sequence,
            rows=rows.tobytes(),
            more=len(windows) == ROSTER_PAGE,
        )

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
                    dismissed=head.talk.state == TalkState.DISMISSED,
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

    async def load_readers(self, request: wire.LoadReadersRequest, context: Context) -> wire.ReadersPage:
        target = request.target
        page = await self._service.receipts.readers(
            request.user_id, target.talk_mode, target.to_from_id, request.msg_id, request.after_user_id
        )
        names = await self._directory.users(reader.user_id for reader in page.readers)
        answer = wire.ReadersPage(
            read_count=page.read_count, unread_count=page.unread_count, after_user_id=page.after_user_id
        )
        for user_id, has_read in page.readers:
            name = names[user_id]
            answer.readers.add(user_id=user_id, nickname=name.name, avatar=name.avatar, has_read=has_read)
        return answer

    async def choose_receipts(self, request: wire.ChooseReceiptsRequest, context: Context) -> Empty:
        await self._service.receipts.choose(request.user_id, request.is_hidden, request.revision)
        return Empty()

    # ---------------------------------------------------------------- webhooks of bots

    async def choose_webhook(self, request: wire.ChooseWebhookRequest, context: Context) -> Empty:
        await self._webhooks.choose(request.bot_id, request.url, request.revision)
        return Empty()

    async def load_webhooks(self, request: wire.LoadWebhooksRequest, context: Context) -> wire.WebhooksPage:
        if len(request.bot_ids) > MAX_WEBHOOKS_AT_ONCE:
            raise XinYuError(INVALID, f"More than {MAX_WEBHOOKS_AT_ONCE} bots.")
        page = wire.WebhooksPage()
        for webhook in (await self._webhooks.load(request.bot_ids)).values():
            page.webhooks.add(
                bot_id=webhook.bot_id,
                is_suspended=webhook.state == WebhookState.SUSPENDED,
                failure=webhook.failure,
                failing_since_ms=webhook.failing_since_ms,
            )
        return page

    # ---------------------------------------------------------------- sending later

    async def schedule(self, request: wire.ScheduleRequest, context: Context) -> wire.ScheduleResponse:
        m, type_name, at_ms = request.message, request.type_name, request.send_at_ms
        scheduled = Scheduled(
            scheduled_id(m.user_id, m.talk_mode, m.to_from_id, type_name, m.body, m.quote_id, m.msg_id, at_ms),
            m.user_id,
            0,
            m.talk_mode,
            m.to_from_id,
            type_name,
            m.msg_type,
            m.body.decode(),
            m.quote_id,
            at_ms,
        )
        return wire.ScheduleResponse(scheduled_id=await self._service.scheduled.schedule(scheduled))

    async def list_scheduled(self, request: wire.ListScheduledRequest, context: Context) -> wire.ScheduledPage:
        page = wire.ScheduledPage()
        for s in await self._service.scheduled.load(request.user_id):
            page.items.add(
                scheduled_id=s.scheduled_id,
                talk_id=s.talk_id,
                talk_mode=s.talk_mode,
                to_from_id=s.to_from_id,
                type_name=s.type_name,
                body=s.body.encode(),
                quote_id=s.quote_id,
                send_at_ms=s.send_at_ms,
                state=s.state,
                reason=s.reason,
            )
        return page

    async def cancel_scheduled(self, request: wire.CancelScheduledRequest, context: Context) -> Empty:
        await self._service.scheduled.cancel(request.user_id, request.scheduled_id)
        return Empty()

    # ---------------------------------------------------------------- changing

    async def revoke(self, request: wire.RevokeRequest, context: Context) -> Empty:
        user_id, target = request.user_id, request.target
        # Only groups have a line that names who recalled.
        names = await self._directory.users([user_id] if target.talk_mode == TalkMode.GROUP else [])
        name = names.get(user_id, NOBODY).name
        await self._service.recall(user_id, target.talk_mode, target.to_from_id, request.msg_id, name)
        return Empty()

    async def edit(self, request: wire.EditRequest, context: Context) -> wire.EditedMessage:
        user_id = request.user_id
        key = TalkKey.of(user_id, request.target.talk_mode, request.target.to_from_id)
        body = request.body.decode()
        message = await self._service.editing.edit(user_id, key, request.msg_id, request.msg_type, body)
        sender = (await self._directory.users([user_id]))[user_id]
        return wire.EditedMessage(record=self._view.record_json(message, sender, request.codec))

    async def load_versions(self, request: wire.LoadVersionsRequest, context: Context) -> wire.VersionsPage:
        key = TalkKey.of(request.user_id, request.target.talk_mode, request.target.to_from_id)
        message, versions = await self._service.editing.load_versions(request.user_id, key, request.msg_id)
        return wire.VersionsPage(items=_encode(self._view.versions(message, versions, request.codec)))
    async def set_expiry(self, request: wire.SetExpiryRequest, context: Context) -> Empty:
        user_id, target = request.user_id, request.target
        names = await self._directory.users([user_id])
        key = TalkKey.of(user_id, target.talk_mode, target.to_from_id)
        await self._service.expiry.set_expiry(user_id, names[user_id].name, key, request.expire_after_s)
        return Empty()

    async def react(self, request: wire.ReactRequest, context: Context) -> wire.Reactions:
        key = TalkKey.of(request.user_id, request.target.talk_mode, request.target.to_from_id)
        message = await self._service.reacting.react(
            request.user_id, key, request.msg_id, request.emoji, request.action
        )
        return wire.Reactions(reactions=_encode(self._view.reactions(message)))

    async def load_reactions(self, request: wire.LoadReactionsRequest, context: Context) -> wire.ReactionsPage:
        key = TalkKey.of(request.user_id, request.target.talk_mode, request.target.to_from_id)
        found, has_more = await self._service.reacting.load(
            request.user_id, key, request.msg_id, request.emoji, request.after_change
        )
        names = await self._directory.users({each.user_id for each in found})
        page = wire.ReactionsPage(next_change=found[-1].change if has_more else 0)
        for each in found:
            name = names[each.user_id]
            page.items.add(
                user_id=each.user_id,
                nickname=name.name,
                avatar=name.avatar,
                emoji=each.emoji,
                reacted_at_ms=each.at_ms,
            )
        return page

    async def pin(self, request: wire.PinRequest, context: Context) -> Empty:
        key = TalkKey.of(request.user_id, request.target.talk_mode, request.target.to_from_id)
        await self._service.pinning.pin(request.user_id, key, request.msg_id, request.action)
        return Empty()

    async def load_pins(self, request: wire.LoadPinsRequest, context: Context) -> wire.RecordsPage:
        key = TalkKey.of(request.user_id, request.target.talk_mode, request.target.to_from_id)
        messages = await self._service.pinning.load(request.user_id, key)
        return wire.RecordsPage(items=await self._records(messages, request.codec), count=len(messages))

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
            keeps_sessions=request.keeps_sessions,
        )
        return _head(talk, is_member=True)

    async def change_roster(self, request: wire.ChangeRosterRequest, context: Context) -> wire.TalkHead:
        if request.profile_revision:
            self._directory.forget_group(request.group_id)
        talk = await self._service.change_roster(
            request.group_id,
            [RosterEntry(e.user_id, e.state, e.role, e.muted_until_ms, e.revision) for e in request.entries],
            GroupProfile(
                request.profile_revision,
                request.mute_all,
                request.dismissed,
                request.slow_mode_s,
                request.mention_all or MentionAll.MANAGERS,
            ),
            _system(request.message) if request.HasField("message") else None,
            request.message_first,
        )
        return _head(talk, is_member=True)

    async def write_message(self, request: wire.WriteMessageRequest, context: Context) -> wire.TalkHead:
        if not request.message.msg_id or request.message.msg_type <= 0:
            raise XinYuError(INVALID)
        return _head(
            await self._service.room_messages.write(request.group_id, _system(request.message)), is_member=True
        )

    async def touch_message(self, request: wire.TouchMessageRequest, context: Context) -> wire.TalkHead:
        talk = await self._service.room_messages.touch(request.group_id, request.msg_id, request.sender_id)
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
        revisions = {a.talk.key.low: a.talk.profile_revision for a in answers if a.talk.key.mode == TalkMode.GROUP}
        # A profile is told once: better no answer, and to be asked again, than one without a name.
        groups = await self._directory.groups(
            {k.low for k in named if k.mode == TalkMode.GROUP}, required=True, at_least=revisions
        )
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


def _card_of(body: bytes | str) -> int:
    return int(msgspec.json.decode(body)["user_id"])


def _head(talk: Talk, *, is_member: bool) -> wire.TalkHead:
    return wire.TalkHead(
        talk_id=talk.talk_id,
        last_sequence=talk.last_sequence,
        change=talk.last_change,
        is_member=is_member,
        dismissed=talk.state == TalkState.DISMISSED,
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
