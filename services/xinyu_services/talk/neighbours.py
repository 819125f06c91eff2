"""The rooms that the talk room asks, as it sees them: its ports over their RPC stubs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from xinyu.base.errors import XinYuError
from xinyu.wire.v1 import contact_pb2, message_pb2, options_pb2, presence_pb2
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu_services.talk.model import Cursor, Head
from xinyu_services.talk.ports import OpenedTalk, RowPage, TalkPage
from xinyu_services.talk_key import talk_key

LoadRows = Callable[[options_pb2.RowsRequest], Awaitable[options_pb2.RowsResponse]]


class RpcMessages:
    """`Messages` over the message room."""

    def __init__(self, messages: MessageStub) -> None:
        self._messages = messages

    async def heads(self, user_id: int, talk_ids: Sequence[int], codec: int) -> dict[int, Head]:
        page = await self._messages.load_heads(
            message_pb2.LoadHeadsRequest(user_id=user_id, talk_ids=talk_ids, codec=codec)  # type: ignore[arg-type]
        )
        return {head.talk_id: _head(head) for head in page.heads}

    async def head(self, user_id: int, mode: int, to_from_id: int, codec: int) -> Head | None:
        page = await self._messages.load_heads(
            message_pb2.LoadHeadsRequest(
                user_id=user_id,
                targets=[message_pb2.TalkTarget(talk_mode=mode, to_from_id=to_from_id)],
                codec=codec,  # type: ignore[arg-type]
            ),
            key=talk_key(user_id, mode, to_from_id),
        )
        return _head(page.heads[0]) if page.heads else None

    async def open(self, user_id: int, mode: int, to_from_id: int) -> OpenedTalk:
        head = await self._messages.open_talk(
            message_pb2.OpenTalkRequest(
                user_id=user_id, target=message_pb2.TalkTarget(talk_mode=mode, to_from_id=to_from_id)
            ),
            key=talk_key(user_id, mode, to_from_id),
        )
        return OpenedTalk(head.talk_id, head.last_sequence, head.is_member, head.dismissed)

    async def sync(
        self, user_id: int, cursors: Sequence[Cursor], talk_limit: int, record_limit: int, codec: int
    ) -> TalkPage:
        answer = await self._messages.sync_talks(
            message_pb2.SyncTalksRequest(
                user_id=user_id,
                talks=[
                    options_pb2.TalkCursor(
                        talk_id=c.talk_id, sequence=c.sequence, change=c.change, own=c.own, named=c.named
                    )
                    for c in cursors
                ],
                talk_limit=talk_limit,
                record_limit=record_limit,
                codec=codec,  # type: ignore[arg-type]
            )
        )
        return TalkPage(list(answer.talks), answer.more, answer.cut_at_talk_id)


class RpcRows:
    """`Rows` over a room's `load_rows`."""

    def __init__(self, load_rows: LoadRows) -> None:
        self._load_rows = load_rows

    async def newer(self, user_id: int, version: int, limit: int, codec: int) -> RowPage:
        page = await self._load_rows(
            options_pb2.RowsRequest(user_id=user_id, version=version, limit=limit, codec=codec)  # type: ignore[arg-type]
        )
        last_version = page.rows[-1].version if page.rows else version
        return RowPage(page.version, page.floor, [row.encoded for row in page.rows], last_version, page.more)


class RpcRemarks:
    """`Remarks` over the contact room."""

    def __init__(self, contacts: ContactStub) -> None:
        self._contacts = contacts

    async def of(self, user_id: int, peers: Sequence[int]) -> dict[int, str]:
        page = await self._contacts.load_remarks(contact_pb2.LoadRemarksRequest(owner_id=user_id, user_ids=peers))
        return {remark.user_id: remark.remark for remark in page.remarks}


class RpcOnline:
    """`Online` over the presence room."""

    def __init__(self, presence: PresenceStub) -> None:
        self._presence = presence

    async def among(self, user_ids: Sequence[int]) -> set[int]:
        try:
            answer = await self._presence.load_online(presence_pb2.OnlineRequest(user_ids=user_ids))
        except XinYuError:
            return set()
        return set(answer.online_user_ids)


def _head(head: message_pb2.Head) -> Head:
    return Head(
        head.talk_id,
        head.talk_mode,
        head.to_from_id,
        head.last_sequence,
        head.unread,
        head.digest,
        head.last_at_ms,
        head.member_state,
        head.dismissed,
    )
