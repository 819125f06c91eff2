"""Stub and servicer of the Talk service. Generated from xinyu/wire/v1/talk.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1 import talk_pb2
from xinyu.wire.v1.method import Channel, Method

LIST_SESSIONS = Method("Talk", "list_sessions", 701, talk_pb2.ListSessionsRequest, talk_pb2.ListSessionsResponse, 3.0, "/xinyu.wire.v1.Talk/ListSessions", repeatable=True)
CREATE_SESSION = Method("Talk", "create_session", 704, talk_pb2.CreateSessionRequest, talk_pb2.SessionView, 3.0, "/xinyu.wire.v1.Talk/CreateSession", repeatable=True)
DELETE_SESSION = Method("Talk", "delete_session", 705, talk_pb2.DeleteSessionRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Talk/DeleteSession", repeatable=True)
ENSURE_SESSIONS = Method("Talk", "ensure_sessions", 709, talk_pb2.EnsureSessionsRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Talk/EnsureSessions", repeatable=True)
SYNC = Method("Talk", "sync", 710, talk_pb2.SyncRequest, talk_pb2.SyncResponse, 10.0, "/xinyu.wire.v1.Talk/Sync", repeatable=True)
LOAD_SESSION = Method("Talk", "load_session", 711, talk_pb2.CreateSessionRequest, talk_pb2.SessionView, 3.0, "/xinyu.wire.v1.Talk/LoadSession", repeatable=True)
MARK_SESSION = Method("Talk", "mark_session", 713, talk_pb2.MarkSessionRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Talk/MarkSession", repeatable=True)
COUNT_SCHEDULED = Method("Talk", "count_scheduled", 780, talk_pb2.CountScheduledRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Talk/CountScheduled", repeatable=True)
LIST_TALKS = Method("Talk", "list_talks", 714, talk_pb2.ListTalksRequest, talk_pb2.ListTalksResponse, 3.0, "/xinyu.wire.v1.Talk/ListTalks", repeatable=True)
LOAD_EPOCH = Method("Talk", "load_epoch", 712, options_pb2.Empty, talk_pb2.EpochResponse, 3.0, "/xinyu.wire.v1.Talk/LoadEpoch", repeatable=True)

SERVICE = "Talk"
METHODS = (LIST_SESSIONS, CREATE_SESSION, DELETE_SESSION, ENSURE_SESSIONS, SYNC, LOAD_SESSION, MARK_SESSION, COUNT_SCHEDULED, LIST_TALKS, LOAD_EPOCH,)


class TalkStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def list_sessions(
        self, request: talk_pb2.ListSessionsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> talk_pb2.ListSessionsResponse:
        response: talk_pb2.ListSessionsResponse = await self.channel.call(LIST_SESSIONS, request, timeout_s=timeout_s, key=key)
        return response

    async def create_session(
        self, request: talk_pb2.CreateSessionRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> talk_pb2.SessionView:
        response: talk_pb2.SessionView = await self.channel.call(CREATE_SESSION, request, timeout_s=timeout_s, key=key)
        return response

    async def delete_session(
        self, request: talk_pb2.DeleteSessionRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE_SESSION, request, timeout_s=timeout_s, key=key)
        return response

    async def ensure_sessions(
        self, request: talk_pb2.EnsureSessionsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(ENSURE_SESSIONS, request, timeout_s=timeout_s, key=key)
        return response

    async def sync(
        self, request: talk_pb2.SyncRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> talk_pb2.SyncResponse:
        response: talk_pb2.SyncResponse = await self.channel.call(SYNC, request, timeout_s=timeout_s, key=key)
        return response

    async def load_session(
        self, request: talk_pb2.CreateSessionRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> talk_pb2.SessionView:
        response: talk_pb2.SessionView = await self.channel.call(LOAD_SESSION, request, timeout_s=timeout_s, key=key)
        return response

    async def mark_session(
        self, request: talk_pb2.MarkSessionRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(MARK_SESSION, request, timeout_s=timeout_s, key=key)
        return response

    async def count_scheduled(
        self, request: talk_pb2.CountScheduledRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(COUNT_SCHEDULED, request, timeout_s=timeout_s, key=key)
        return response

    async def list_talks(
        self, request: talk_pb2.ListTalksRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> talk_pb2.ListTalksResponse:
        response: talk_pb2.ListTalksResponse = await self.channel.call(LIST_TALKS, request, timeout_s=timeout_s, key=key)
        return response

    async def load_epoch(
        self, request: options_pb2.Empty, *, timeout_s: float | None = None, key: str = ""
    ) -> talk_pb2.EpochResponse:
        response: talk_pb2.EpochResponse = await self.channel.call(LOAD_EPOCH, request, timeout_s=timeout_s, key=key)
        return response


class TalkServicer(Protocol):
    async def list_sessions(self, request: talk_pb2.ListSessionsRequest, context: Any) -> talk_pb2.ListSessionsResponse: ...

    async def create_session(self, request: talk_pb2.CreateSessionRequest, context: Any) -> talk_pb2.SessionView: ...

    async def delete_session(self, request: talk_pb2.DeleteSessionRequest, context: Any) -> options_pb2.Empty: ...

    async def ensure_sessions(self, request: talk_pb2.EnsureSessionsRequest, context: Any) -> options_pb2.Empty: ...

    async def sync(self, request: talk_pb2.SyncRequest, context: Any) -> talk_pb2.SyncResponse: ...

    async def load_session(self, request: talk_pb2.CreateSessionRequest, context: Any) -> talk_pb2.SessionView: ...

    async def mark_session(self, request: talk_pb2.MarkSessionRequest, context: Any) -> options_pb2.Empty: ...

    async def count_scheduled(self, request: talk_pb2.CountScheduledRequest, context: Any) -> options_pb2.Empty: ...

    async def list_talks(self, request: talk_pb2.ListTalksRequest, context: Any) -> talk_pb2.ListTalksResponse: ...

    async def load_epoch(self, request: options_pb2.Empty, context: Any) -> talk_pb2.EpochResponse: ...
