"""Stub and servicer of the Message service. Generated from xinyu/wire/v1/message.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import message_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

LOAD_RECORDS = Method("Message", "load_records", 301, message_pb2.LoadRecordsRequest, message_pb2.RecordsPage, 3.0)
LOAD_HISTORY = Method("Message", "load_history", 302, message_pb2.LoadRecordsRequest, message_pb2.RecordsPage, 3.0)
HIDE = Method("Message", "hide", 304, message_pb2.HideRequest, options_pb2.Empty, 3.0)
CLEAR_RECORDS = Method("Message", "clear_records", 306, message_pb2.ClearRecordsRequest, message_pb2.OwnChange, 3.0)
REVOKE = Method("Message", "revoke", 307, message_pb2.RevokeRequest, options_pb2.Empty, 3.0)
SEND = Method("Message", "send", 308, message_pb2.SendRequest, message_pb2.SendResponse, 3.0)
OPEN_TALK = Method("Message", "open_talk", 310, message_pb2.OpenTalkRequest, message_pb2.TalkHead, 3.0)
CHANGE_PAIR = Method("Message", "change_pair", 311, message_pb2.ChangePairRequest, message_pb2.TalkHead, 3.0)
CHANGE_ROSTER = Method("Message", "change_roster", 312, message_pb2.ChangeRosterRequest, message_pb2.TalkHead, 3.0)
READ = Method("Message", "read", 313, message_pb2.ReadRequest, message_pb2.OwnChange, 3.0)
LOAD_RANGE = Method("Message", "load_range", 314, message_pb2.LoadRangeRequest, message_pb2.RangePage, 3.0)
LOAD_MEMBERS = Method("Message", "load_members", 315, message_pb2.LoadMembersRequest, message_pb2.MembersPage, 3.0)
LOAD_HEADS = Method("Message", "load_heads", 316, message_pb2.LoadHeadsRequest, message_pb2.HeadsPage, 3.0)
SYNC_TALKS = Method("Message", "sync_talks", 317, message_pb2.SyncTalksRequest, message_pb2.SyncTalksResponse, 3.0)
TYPING = Method("Message", "typing", 318, message_pb2.TypingRequest, options_pb2.Empty, 0.8)

SERVICE = "Message"
METHODS = (LOAD_RECORDS, LOAD_HISTORY, HIDE, CLEAR_RECORDS, REVOKE, SEND, OPEN_TALK, CHANGE_PAIR, CHANGE_ROSTER, READ, LOAD_RANGE, LOAD_MEMBERS, LOAD_HEADS, SYNC_TALKS, TYPING,)


class MessageStub:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def load_records(
        self, request: message_pb2.LoadRecordsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RecordsPage:
        response: message_pb2.RecordsPage = await self._channel.call(LOAD_RECORDS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_history(
        self, request: message_pb2.LoadRecordsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RecordsPage:
        response: message_pb2.RecordsPage = await self._channel.call(LOAD_HISTORY, request, timeout_s=timeout_s, key=key)
        return response

    async def hide(
        self, request: message_pb2.HideRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(HIDE, request, timeout_s=timeout_s, key=key)
        return response

    async def clear_records(
        self, request: message_pb2.ClearRecordsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.OwnChange:
        response: message_pb2.OwnChange = await self._channel.call(CLEAR_RECORDS, request, timeout_s=timeout_s, key=key)
        return response

    async def revoke(
        self, request: message_pb2.RevokeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(REVOKE, request, timeout_s=timeout_s, key=key)
        return response

    async def send(
        self, request: message_pb2.SendRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.SendResponse:
        response: message_pb2.SendResponse = await self._channel.call(SEND, request, timeout_s=timeout_s, key=key)
        return response

    async def open_talk(
        self, request: message_pb2.OpenTalkRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.TalkHead:
        response: message_pb2.TalkHead = await self._channel.call(OPEN_TALK, request, timeout_s=timeout_s, key=key)
        return response

    async def change_pair(
        self, request: message_pb2.ChangePairRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.TalkHead:
        response: message_pb2.TalkHead = await self._channel.call(CHANGE_PAIR, request, timeout_s=timeout_s, key=key)
        return response

    async def change_roster(
        self, request: message_pb2.ChangeRosterRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.TalkHead:
        response: message_pb2.TalkHead = await self._channel.call(CHANGE_ROSTER, request, timeout_s=timeout_s, key=key)
        return response

    async def read(
        self, request: message_pb2.ReadRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.OwnChange:
        response: message_pb2.OwnChange = await self._channel.call(READ, request, timeout_s=timeout_s, key=key)
        return response

    async def load_range(
        self, request: message_pb2.LoadRangeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.RangePage:
        response: message_pb2.RangePage = await self._channel.call(LOAD_RANGE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_members(
        self, request: message_pb2.LoadMembersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.MembersPage:
        response: message_pb2.MembersPage = await self._channel.call(LOAD_MEMBERS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_heads(
        self, request: message_pb2.LoadHeadsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.HeadsPage:
        response: message_pb2.HeadsPage = await self._channel.call(LOAD_HEADS, request, timeout_s=timeout_s, key=key)
        return response

    async def sync_talks(
        self, request: message_pb2.SyncTalksRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> message_pb2.SyncTalksResponse:
        response: message_pb2.SyncTalksResponse = await self._channel.call(SYNC_TALKS, request, timeout_s=timeout_s, key=key)
        return response

    async def typing(
        self, request: message_pb2.TypingRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self._channel.call(TYPING, request, timeout_s=timeout_s, key=key)
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

    async def typing(self, request: message_pb2.TypingRequest, context: Any) -> options_pb2.Empty: ...
