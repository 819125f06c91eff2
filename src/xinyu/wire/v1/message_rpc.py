"""Stub and servicer of the Message service. Generated from xinyu/wire/v1/message.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import message_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

LOAD_RECORDS = Method("Message", "load_records", 301, message_pb2.LoadRecordsRequest, message_pb2.RecordsPage, 3.0, "/xinyu.wire.v1.Message/LoadRecords", repeatable=True)
LOAD_HISTORY = Method("Message", "load_history", 302, message_pb2.LoadRecordsRequest, message_pb2.RecordsPage, 3.0, "/xinyu.wire.v1.Message/LoadHistory", repeatable=True)
HIDE = Method("Message", "hide", 304, message_pb2.HideRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Message/Hide", repeatable=True)
CLEAR_RECORDS = Method("Message", "clear_records", 306, message_pb2.ClearRecordsRequest, message_pb2.OwnChange, 3.0, "/xinyu.wire.v1.Message/ClearRecords", repeatable=True)
REVOKE = Method("Message", "revoke", 307, message_pb2.RevokeRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Message/Revoke", repeatable=True)
SEND = Method("Message", "send", 308, message_pb2.SendRequest, message_pb2.SendResponse, 3.0, "/xinyu.wire.v1.Message/Send", repeatable=True)
OPEN_TALK = Method("Message", "open_talk", 310, message_pb2.OpenTalkRequest, message_pb2.TalkHead, 3.0, "/xinyu.wire.v1.Message/OpenTalk", repeatable=True)
CHANGE_PAIR = Method("Message", "change_pair", 311, message_pb2.ChangePairRequest, message_pb2.TalkHead, 3.0, "/xinyu.wire.v1.Message/ChangePair", repeatable=True)
CHANGE_ROSTER = Method("Message", "change_roster", 312, message_pb2.ChangeRosterRequest, message_pb2.TalkHead, 3.0, "/xinyu.wire.v1.Message/ChangeRoster", repeatable=True)
READ = Method("Message", "read", 313, message_pb2.ReadRequest, message_pb2.OwnChange, 3.0, "/xinyu.wire.v1.Message/Read", repeatable=True)
LOAD_RANGE = Method("Message", "load_range", 314, message_pb2.LoadRangeRequest, message_pb2.RangePage, 3.0, "/xinyu.wire.v1.Message/LoadRange", repeatable=True)
LOAD_MEMBERS = Method("Message", "load_members", 315, message_pb2.LoadMembersRequest, message_pb2.MembersPage, 3.0, "/xinyu.wire.v1.Message/LoadMembers", repeatable=True)
LOAD_HEADS = Method("Message", "load_heads", 316, message_pb2.LoadHeadsRequest, message_pb2.HeadsPage, 3.0, "/xinyu.wire.v1.Message/LoadHeads", repeatable=True)
SYNC_TALKS = Method("Message", "sync_talks", 317, message_pb2.SyncTalksRequest, message_pb2.SyncTalksResponse, 3.0, "/xinyu.wire.v1.Message/SyncTalks", repeatable=True)
LOAD_ROSTER = Method("Message", "load_roster", 319, message_pb2.LoadRosterRequest, message_pb2.RosterPage, 3.0, "/xinyu.wire.v1.Message/LoadRoster", repeatable=True)
TYPING = Method("Message", "typing", 318, message_pb2.TypingRequest, options_pb2.Empty, 0.8, "/xinyu.wire.v1.Message/Typing")
LOAD_READERS = Method("Message", "load_readers", 770, message_pb2.LoadReadersRequest, message_pb2.ReadersPage, 3.0, "/xinyu.wire.v1.Message/LoadReaders", repeatable=True)
CHOOSE_RECEIPTS = Method("Message", "choose_receipts", 771, message_pb2.ChooseReceiptsRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Message/ChooseReceipts", repeatable=True)
CHOOSE_WEBHOOK = Method("Message", "choose_webhook", 776, message_pb2.ChooseWebhookRequest, options_pb2.Empty, 10.0, "/xinyu.wire.v1.Message/ChooseWebhook", repeatable=True)
LOAD_WEBHOOKS = Method("Message", "load_webhooks", 777, message_pb2.LoadWebhooksRequest, message_pb2.WebhooksPage, 3.0, "/xinyu.wire.v1.Message/LoadWebhooks", repeatable=True)
SCHEDULE = Method("Message", "schedule", 772, message_pb2.ScheduleRequest, message_pb2.ScheduleResponse, 3.0, "/xinyu.wire.v1.Message/Schedule", repeatable=True)
LIST_SCHEDULED = Method("Message", "list_scheduled", 773, message_pb2.ListScheduledRequest, message_pb2.ScheduledPage, 3.0, "/xinyu.wire.v1.Message/ListScheduled", repeatable=True)
CANCEL_SCHEDULED = Method("Message", "cancel_scheduled", 774, message_pb2.CancelScheduledRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Message/CancelScheduled")
SET_EXPIRY = Method("Message", "set_expiry", 775, message_pb2.SetExpiryRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Message/SetExpiry", repeatable=True)
WRITE_MESSAGE = Method("Message", "write_message", 735, message_pb2.WriteMessageRequest, message_pb2.TalkHead, 3.0, "/xinyu.wire.v1.Message/WriteMessage", repeatable=True)
TOUCH_MESSAGE = Method("Message", "touch_message", 736, message_pb2.TouchMessageRequest, message_pb2.TalkHead, 3.0, "/xinyu.wire.v1.Message/TouchMessage", repeatable=True)
LOAD_FILE = Method("Message", "load_file", 330, message_pb2.LoadFileRequest, message_pb2.MessageFile, 3.0, "/xinyu.wire.v1.Message/LoadFile", repeatable=True)
FORWARD = Method("Message", "forward", 740, message_pb2.ForwardRequest, message_pb2.ForwardResponse, 3.0, "/xinyu.wire.v1.Message/Forward", repeatable=True)
EDIT = Method("Message", "edit", 742, message_pb2.EditRequest, message_pb2.EditedMessage, 3.0, "/xinyu.wire.v1.Message/Edit", repeatable=True)
LOAD_VERSIONS = Method("Message", "load_versions", 743, message_pb2.LoadVersionsRequest, message_pb2.VersionsPage, 3.0, "/xinyu.wire.v1.Message/LoadVersions", repeatable=True)
REACT = Method("Message", "react", 744, message_pb2.ReactRequest, message_pb2.Reactions, 3.0, "/xinyu.wire.v1.Message/React", repeatable=True)
LOAD_REACTIONS = Method("Message", "load_reactions", 745, message_pb2.LoadReactionsRequest, message_pb2.ReactionsPage, 3.0, "/xinyu.wire.v1.Message/LoadReactions", repeatable=True)
PIN = Method("Message", "pin", 746, message_pb2.PinRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Message/Pin", repeatable=True)
LOAD_PINS = Method("Message", "load_pins", 747, message_pb2.LoadPinsRequest, message_pb2.RecordsPage, 3.0, "/xinyu.wire.v1.Message/LoadPins", repeatable=True)
LOAD_FORWARDED = Method("Message", "load_forwarded", 741, message_pb2.LoadForwardedRequest, message_pb2.RecordsPage, 3.0, "/xinyu.wire.v1.Message/LoadForwarded", repeatable=True)
SEARCH = Method("Message", "search", 361, message_pb2.SearchMessagesRequest, message_pb2.FoundPage, 10.0, "/xinyu.wire.v1.Message/Search", repeatable=True)

SERVICE = "Message"
METHODS = (LOAD_RECORDS, LOAD_HISTORY, HIDE, CLEAR_RECORDS, REVOKE, SEND, OPEN_TALK, CHANGE_PAIR, CHANGE_ROSTER, READ, LOAD_RANGE, LOAD_MEMBERS, LOAD_HEADS, SYNC_TALKS, LOAD_ROSTER, TYPING, LOAD_READERS, CHOOSE_RECEIPTS, CHOOSE_WEBHOOK, LOAD_WEBHOOKS, SCHEDULE, LIST_SCHEDULED, CANCEL_SCHEDULED, SET_EXPIRY, WRITE_MESSAGE, TOUCH_MESSAGE, LOAD_FILE, FORWARD, EDIT, LOAD_VERSIONS, REACT, LOAD_REACTIONS, PIN, LOAD_PINS, LOAD_FORWARDED, SEARCH,)


class MessageStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def load_records(
        self, request: message_pb2.LoadRecordsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RecordsPage:
        response: message_pb2.RecordsPage = await self.channel.call(LOAD_RECORDS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_history(
        self, request: message_pb2.LoadRecordsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RecordsPage:
        response: message_pb2.RecordsPage = await self.channel.call(LOAD_HISTORY, request, timeout_s=timeout_s, key=key)
        return response

    async def hide(
        self, request: message_pb2.HideRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(HIDE, request, timeout_s=timeout_s, key=key)
        return response

    async def clear_records(
        self, request: message_pb2.ClearRecordsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.OwnChange:
        response: message_pb2.OwnChange = await self.channel.call(CLEAR_RECORDS, request, timeout_s=timeout_s, key=key)
        return response

    async def revoke(
        self, request: message_pb2.RevokeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(REVOKE, request, timeout_s=timeout_s, key=key)
        return response

    async def send(
        self, request: message_pb2.SendRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.SendResponse:
        response: message_pb2.SendResponse = await self.channel.call(SEND, request, timeout_s=timeout_s, key=key)
        return response

    async def open_talk(
        self, request: message_pb2.OpenTalkRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.TalkHead:
        response: message_pb2.TalkHead = await self.channel.call(OPEN_TALK, request, timeout_s=timeout_s, key=key)
        return response

    async def change_pair(
        self, request: message_pb2.ChangePairRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.TalkHead:
        response: message_pb2.TalkHead = await self.channel.call(CHANGE_PAIR, request, timeout_s=timeout_s, key=key)
        return response

    async def change_roster(
        self, request: message_pb2.ChangeRosterRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.TalkHead:
        response: message_pb2.TalkHead = await self.channel.call(CHANGE_ROSTER, request, timeout_s=timeout_s, key=key)
        return response

    async def read(
        self, request: message_pb2.ReadRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.OwnChange:
        response: message_pb2.OwnChange = await self.channel.call(READ, request, timeout_s=timeout_s, key=key)
        return response

    async def load_range(
        self, request: message_pb2.LoadRangeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RangePage:
        response: message_pb2.RangePage = await self.channel.call(LOAD_RANGE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_members(
        self, request: message_pb2.LoadMembersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.MembersPage:
        response: message_pb2.MembersPage = await self.channel.call(LOAD_MEMBERS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_heads(
        self, request: message_pb2.LoadHeadsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.HeadsPage:
        response: message_pb2.HeadsPage = await self.channel.call(LOAD_HEADS, request, timeout_s=timeout_s, key=key)
        return response

    async def sync_talks(
        self, request: message_pb2.SyncTalksRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.SyncTalksResponse:
        response: message_pb2.SyncTalksResponse = await self.channel.call(SYNC_TALKS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_roster(
        self, request: message_pb2.LoadRosterRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RosterPage:
        response: message_pb2.RosterPage = await self.channel.call(LOAD_ROSTER, request, timeout_s=timeout_s, key=key)
        return response

    async def typing(
        self, request: message_pb2.TypingRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(TYPING, request, timeout_s=timeout_s, key=key)
        return response

    async def load_readers(
        self, request: message_pb2.LoadReadersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.ReadersPage:
        response: message_pb2.ReadersPage = await self.channel.call(LOAD_READERS, request, timeout_s=timeout_s, key=key)
        return response

    async def choose_receipts(
        self, request: message_pb2.ChooseReceiptsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CHOOSE_RECEIPTS, request, timeout_s=timeout_s, key=key)
        return response

    async def choose_webhook(
        self, request: message_pb2.ChooseWebhookRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CHOOSE_WEBHOOK, request, timeout_s=timeout_s, key=key)
        return response

    async def load_webhooks(
        self, request: message_pb2.LoadWebhooksRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.WebhooksPage:
        response: message_pb2.WebhooksPage = await self.channel.call(LOAD_WEBHOOKS, request, timeout_s=timeout_s, key=key)
        return response

    async def schedule(
        self, request: message_pb2.ScheduleRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.ScheduleResponse:
        response: message_pb2.ScheduleResponse = await self.channel.call(SCHEDULE, request, timeout_s=timeout_s, key=key)
        return response

    async def list_scheduled(
        self, request: message_pb2.ListScheduledRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.ScheduledPage:
        response: message_pb2.ScheduledPage = await self.channel.call(LIST_SCHEDULED, request, timeout_s=timeout_s, key=key)
        return response

    async def cancel_scheduled(
        self, request: message_pb2.CancelScheduledRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CANCEL_SCHEDULED, request, timeout_s=timeout_s, key=key)
        return response

    async def set_expiry(
        self, request: message_pb2.SetExpiryRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SET_EXPIRY, request, timeout_s=timeout_s, key=key)
        return response

    async def write_message(
        self, request: message_pb2.WriteMessageRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.TalkHead:
        response: message_pb2.TalkHead = await self.channel.call(WRITE_MESSAGE, request, timeout_s=timeout_s, key=key)
        return response

    async def touch_message(
        self, request: message_pb2.TouchMessageRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.TalkHead:
        response: message_pb2.TalkHead = await self.channel.call(TOUCH_MESSAGE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_file(
        self, request: message_pb2.LoadFileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.MessageFile:
        response: message_pb2.MessageFile = await self.channel.call(LOAD_FILE, request, timeout_s=timeout_s, key=key)
        return response

    async def forward(
        self, request: message_pb2.ForwardRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.ForwardResponse:
        response: message_pb2.ForwardResponse = await self.channel.call(FORWARD, request, timeout_s=timeout_s, key=key)
        return response

    async def edit(
        self, request: message_pb2.EditRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.EditedMessage:
        response: message_pb2.EditedMessage = await self.channel.call(EDIT, request, timeout_s=timeout_s, key=key)
        return response

    async def load_versions(
        self, request: message_pb2.LoadVersionsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.VersionsPage:
        response: message_pb2.VersionsPage = await self.channel.call(LOAD_VERSIONS, request, timeout_s=timeout_s, key=key)
        return response

    async def react(
        self, request: message_pb2.ReactRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.Reactions:
        response: message_pb2.Reactions = await self.channel.call(REACT, request, timeout_s=timeout_s, key=key)
        return response

    async def load_reactions(
        self, request: message_pb2.LoadReactionsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.ReactionsPage:
        response: message_pb2.ReactionsPage = await self.channel.call(LOAD_REACTIONS, request, timeout_s=timeout_s, key=key)
        return response

    async def pin(
        self, request: message_pb2.PinRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(PIN, request, timeout_s=timeout_s, key=key)
        return response

    async def load_pins(
        self, request: message_pb2.LoadPinsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RecordsPage:
        response: message_pb2.RecordsPage = await self.channel.call(LOAD_PINS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_forwarded(
        self, request: message_pb2.LoadForwardedRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RecordsPage:
        response: message_pb2.RecordsPage = await self.channel.call(LOAD_FORWARDED, request, timeout_s=timeout_s, key=key)
        return response

    async def search(
        self, request: message_pb2.SearchMessagesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.FoundPage:
        response: message_pb2.FoundPage = await self.channel.call(SEARCH, request, timeout_s=timeout_s, key=key)
        return response


class MessageServicer(Protocol):
    async def load_records(self, request: message_pb2.LoadRecordsRequest, context: Any) -> message_pb2.RecordsPage: ...

    async def load_history(self, request: message_pb2.LoadRecordsRequest, context: Any) -> message_pb2.RecordsPage: ...

    async def hide(self, request: message_pb2.HideRequest, context: Any) -> options_pb2.Empty: ...

    async def clear_records(self, request: message_pb2.ClearRecordsRequest, context: Any) -> message_pb2.OwnChange: ...

    async def revoke(self, request: message_pb2.RevokeRequest, context: Any) -> options_pb2.Empty: ...

    async def send(self, request: message_pb2.SendRequest, context: Any) -> message_pb2.SendResponse: ...

    async def open_talk(self, request: message_pb2.OpenTalkRequest, context: Any) -> message_pb2.TalkHead: ...

    async def change_pair(self, request: message_pb2.ChangePairRequest, context: Any) -> message_pb2.TalkHead: ...

    async def change_roster(self, request: message_pb2.ChangeRosterRequest, context: Any) -> message_pb2.TalkHead: ...

    async def read(self, request: message_pb2.ReadRequest, context: Any) -> message_pb2.OwnChange: ...

    async def load_range(self, request: message_pb2.LoadRangeRequest, context: Any) -> message_pb2.RangePage: ...

    async def load_members(self, request: message_pb2.LoadMembersRequest, context: Any) -> message_pb2.MembersPage: ...

    async def load_heads(self, request: message_pb2.LoadHeadsRequest, context: Any) -> message_pb2.HeadsPage: ...

    async def sync_talks(self, request: message_pb2.SyncTalksRequest, context: Any) -> message_pb2.SyncTalksResponse: ...

    async def load_roster(self, request: message_pb2.LoadRosterRequest, context: Any) -> message_pb2.RosterPage: ...

    async def typing(self, request: message_pb2.TypingRequest, context: Any) -> options_pb2.Empty: ...

    async def load_readers(self, request: message_pb2.LoadReadersRequest, context: Any) -> message_pb2.ReadersPage: ...

    async def choose_receipts(self, request: message_pb2.ChooseReceiptsRequest, context: Any) -> options_pb2.Empty: ...

    async def choose_webhook(self, request: message_pb2.ChooseWebhookRequest, context: Any) -> options_pb2.Empty: ...

    async def load_webhooks(self, request: message_pb2.LoadWebhooksRequest, context: Any) -> message_pb2.WebhooksPage: ...

    async def schedule(self, request: message_pb2.ScheduleRequest, context: Any) -> message_pb2.ScheduleResponse: ...

    async def list_scheduled(self, request: message_pb2.ListScheduledRequest, context: Any) -> message_pb2.ScheduledPage: ...

    async def cancel_scheduled(self, request: message_pb2.CancelScheduledRequest, context: Any) -> options_pb2.Empty: ...

    async def set_expiry(self, request: message_pb2.SetExpiryRequest, context: Any) -> options_pb2.Empty: ...

    async def write_message(self, request: message_pb2.WriteMessageRequest, context: Any) -> message_pb2.TalkHead: ...

    async def touch_message(self, request: message_pb2.TouchMessageRequest, context: Any) -> message_pb2.TalkHead: ...

    async def load_file(self, request: message_pb2.LoadFileRequest, context: Any) -> message_pb2.MessageFile: ...

    async def forward(self, request: message_pb2.ForwardRequest, context: Any) -> message_pb2.ForwardResponse: ...

    async def edit(self, request: message_pb2.EditRequest, context: Any) -> message_pb2.EditedMessage: ...

    async def load_versions(self, request: message_pb2.LoadVersionsRequest, context: Any) -> message_pb2.VersionsPage: ...

    async def react(self, request: message_pb2.ReactRequest, context: Any) -> message_pb2.Reactions: ...

    async def load_reactions(self, request: message_pb2.LoadReactionsRequest, context: Any) -> message_pb2.ReactionsPage: ...

    async def pin(self, request: message_pb2.PinRequest, context: Any) -> options_pb2.Empty: ...

    async def load_pins(self, request: message_pb2.LoadPinsRequest, context: Any) -> message_pb2.RecordsPage: ...

    async def load_forwarded(self, request: message_pb2.LoadForwardedRequest, context: Any) -> message_pb2.RecordsPage: ...

    async def search(self, request: message_pb2.SearchMessagesRequest, context: Any) -> message_pb2.FoundPage: ...
