"""The Talk service: wire types to use cases."""

from __future__ import annotations

from typing import Final

import msgspec

from xinyu.base.errors import INVALID, XinYuError
from xinyu.rpc.context import Context
from xinyu.wire.v1 import talk_pb2 as wire
from xinyu.wire.v1.options_pb2 import Empty
from xinyu_services.talk.model import Cursor, Mark
from xinyu_services.talk.service import Seed, TalkService

MAX_SESSIONS_AT_ONCE: Final = 1_000
MAX_TALKS_AT_ONCE: Final = 10_000
_encode = msgspec.json.Encoder().encode


class TalkRpc:
    """`xinyu.wire.v1.talk_rpc.TalkServicer`."""

    def __init__(self, service: TalkService) -> None:
        self._service = service

    async def list_sessions(self, request: wire.ListSessionsRequest, context: Context) -> wire.ListSessionsResponse:
        return wire.ListSessionsResponse(
            items=_encode(await self._service.list_sessions(request.user_id, request.codec))
        )

    async def list_talks(self, request: wire.ListTalksRequest, context: Context) -> wire.ListTalksResponse:
        if not 1 <= request.limit <= MAX_TALKS_AT_ONCE:
            raise XinYuError(INVALID, f"1 to {MAX_TALKS_AT_ONCE} talks.")
        return wire.ListTalksResponse(talk_ids=await self._service.list_talks(request.user_id, request.limit))

    async def create_session(self, request: wire.CreateSessionRequest, context: Context) -> wire.SessionView:
        talk_id, session = await self._service.create_session(
            request.user_id, request.target.talk_mode, request.target.to_from_id, request.codec
        )
        return wire.SessionView(talk_id=talk_id, session=_encode(session))

    async def load_session(self, request: wire.CreateSessionRequest, context: Context) -> wire.SessionView:
        talk_id, session = await self._service.load_session(
            request.user_id, request.target.talk_mode, request.target.to_from_id, request.codec
        )
        return wire.SessionView(talk_id=talk_id, session=_encode(session))

    async def delete_session(self, request: wire.DeleteSessionRequest, context: Context) -> Empty:
        await self._service.delete_session(
            request.user_id,
            request.target.talk_mode,
            request.target.to_from_id,
            request.sequence if request.has_sequence else None,
        )
        return Empty()

    async def mark_session(self, request: wire.MarkSessionRequest, context: Context) -> Empty:
        await self._service.mark_session(
            request.user_id,
            request.target.talk_mode,
            request.target.to_from_id,
            Mark(
                request.is_top if request.HasField("is_top") else None,
                request.is_disturb if request.HasField("is_disturb") else None,
                request.draft if request.HasField("draft") else None,
            ),
        )
        return Empty()

    async def ensure_sessions(self, request: wire.EnsureSessionsRequest, context: Context) -> Empty:
        if len(request.sessions) > MAX_SESSIONS_AT_ONCE:
            raise XinYuError(INVALID, f"More than {MAX_SESSIONS_AT_ONCE} sessions at once.")
        await self._service.ensure_sessions(
            request.talk_id,
            request.talk_mode,
            [Seed(s.user_id, s.to_from_id, s.revision, s.hidden_sequence) for s in request.sessions],
        )
        return Empty()

    async def count_scheduled(self, request: wire.CountScheduledRequest, context: Context) -> Empty:
        await self._service.count_scheduled(
            request.user_id, request.talk_id, request.waiting, request.failed, request.revision
        )
        return Empty()

    async def load_epoch(self, request: Empty, context: Context) -> wire.EpochResponse:
        return wire.EpochResponse(epoch=await self._service.epoch())

    async def sync(self, request: wire.SyncRequest, context: Context) -> wire.SyncResponse:
        page = await self._service.sync(
            request.user_id,
            request.epoch,
            request.versions,
            [Cursor(t.talk_id, t.sequence, t.change, t.own) for t in request.talks],
            request.next,
            request.codec,
        )
        return wire.SyncResponse(answer=_encode(page))
