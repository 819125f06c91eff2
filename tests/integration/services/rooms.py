"""Message and talk rooms on a real database, as one process runs them, for tests of these rooms.

The rooms that they ask (user, contact, group, presence) answer from plain dicts here, so that a test says in a line who
exists; the gateway keeps what is delivered. Every call is serialised and parsed again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from xinyu.base.clock import Clock, SystemClock
from xinyu.base.config import MessageSettings, WebhookSettings
from xinyu.base.errors import XinYuError
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Outbox
from xinyu.delivery.routes import MemoryRoutes
from xinyu.delivery.stream_relay import StreamRelay
from xinyu.outward.fetch import Outward
from xinyu.outward.signature import webhook_secret
from xinyu.rpc.context import Context
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.storage import lease
from xinyu.storage.database import Database
from xinyu.storage.id_blocks import IdBlocks
from xinyu.storage.meta import load_epoch
from xinyu.wire.v1 import (
    contact_pb2,
    contact_rpc,
    gateway_pb2,
    gateway_rpc,
    group_pb2,
    group_rpc,
    message_pb2,
    message_rpc,
    options_pb2,
    presence_pb2,
    presence_rpc,
    talk_pb2,
    talk_rpc,
    user_pb2,
    user_rpc,
)
from xinyu_services.directory import Directory
from xinyu_services.message.events import MessageEvents
from xinyu_services.message.rpc import KnownPeople, MessageRpc, RpcOwnTalks
from xinyu_services.message.search import MessageSearch
from xinyu_services.message.search_index import SearchIndex
from xinyu_services.message.service import MessageService
from xinyu_services.message.store import MessageStore
from xinyu_services.message.view import MessageView
from xinyu_services.message.webhook_delivery import WebhookDelivery
from xinyu_services.message.webhook_store import WebhookStore
from xinyu_services.message.webhooks import Webhooks
from xinyu_services.talk.events import TalkEvents
from xinyu_services.talk.neighbours import RpcMessages, RpcOnline, RpcRemarks, RpcRows
from xinyu_services.talk.rpc import TalkRpc
from xinyu_services.talk.service import TalkService
from xinyu_services.talk.store import TalkStore
from xinyu_services.talk.view import TalkView

GATEWAY = "gateway-1"
SECRET = b"s" * 32


class Neighbours:
    """The rooms around: who exists, under which name, and what a user's own rows are."""

    def __init__(self) -> None:
        self.users: dict[int, str] = {}
        self.groups: dict[int, str] = {}
        self.contact_rows: dict[int, list[dict[str, Any]]] = {}
        self.floors: dict[tuple[str, int], int] = {}

    # user
    async def load_names(self, request: Any, context: Context) -> Any:
        if isinstance(request, user_pb2.LoadNamesRequest):
            return user_pb2.NamesPage(
                names=[
                    user_pb2.UserName(user_id=u, nickname=self.users[u]) for u in request.user_ids if u in self.users
                ]
            )
        return group_pb2.GroupNamesPage(
            names=[group_pb2.GroupName(group_id=g, name=self.groups[g]) for g in request.group_ids if g in self.groups]
        )

    # contact
    async def load_remarks(self, request: contact_pb2.LoadRemarksRequest, context: Context) -> contact_pb2.RemarksPage:
        return contact_pb2.RemarksPage()

    async def load_rows(self, request: options_pb2.RowsRequest, context: Context) -> options_pb2.RowsResponse:
        rows = [r for r in self.contact_rows.get(request.user_id, ()) if r["version"] > request.version]
        page = rows[: request.limit]
        return options_pb2.RowsResponse(
            version=max((r["version"] for r in self.contact_rows.get(request.user_id, ())), default=0),
            floor=self.floors.get(("contact", request.user_id), 0),
            rows=[
                options_pb2.Row(version=r["version"], key=r["user_id"], encoded=json.dumps(r).encode()) for r in page
            ],
            more=len(rows) > len(page),
        )

    # presence
    async def load_online(self, request: presence_pb2.OnlineRequest, context: Context) -> presence_pb2.OnlineResponse:
        return presence_pb2.OnlineResponse()


class NoRows:
    """A room in which nobody has rows."""

    async def load_rows(self, request: options_pb2.RowsRequest, context: Context) -> options_pb2.RowsResponse:
        return options_pb2.RowsResponse()


class RecordingGateway:
    """Keeps what is delivered, in order: (user_id, codec, envelope)."""

    def __init__(self) -> None:
        self.delivered: list[tuple[int, int, dict[str, Any]]] = []
        self.traces: list[tuple[str, list[str]]] = []  # of each call: its own, and those that it names

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Context) -> options_pb2.Empty:
        self.traces.append((context.trace_id, list(request.trace_ids)))
        for delivery in request.deliveries:
            for event in delivery.events:
                for user_id in delivery.user_ids:
                    self.delivered.append((user_id, event.codec, json.loads(event.payload)))
        return options_pb2.Empty()

    def of(self, user_id: int, codec: int, event: str = "") -> list[dict[str, Any]]:
        return [
            envelope["payload"]
            for user, spoken, envelope in self.delivered
            if user == user_id and spoken == codec and (not event or envelope["event"] == event)
        ]


class Rooms:
    """One process' message and talk rooms."""

    def __init__(
        self,
        database: Database,
        *,
        incarnation: str = "first",
        clock: Clock | None = None,
        settings: MessageSettings | None = None,
        neighbours: Neighbours | None = None,
        routes: Any = None,
        lanes: int = 1,
        relay: Callable[[str], StreamRelay | None] = lambda _room: None,
        outward: Outward | None = None,
        webhook_timeout_s: float = 60.0,
    ) -> None:
        clock = self.clock = clock or SystemClock()
        self.incarnation = incarnation
        self.database = database
        self.neighbours = neighbours or Neighbours()
        self.gateway = RecordingGateway()
        self.routes = routes or MemoryRoutes()
        self.network = InProcessNetwork(serialise=True)
        channel = self.network.channel("test")
        self.network.serve([user_rpc.LOAD_NAMES], self.neighbours)
        self.network.serve([group_rpc.LOAD_NAMES], self.neighbours)
        self.network.serve([contact_rpc.LOAD_REMARKS, contact_rpc.LOAD_ROWS], self.neighbours)
        self.network.serve([presence_rpc.LOAD_ONLINE], self.neighbours)
        self.network.serve([user_rpc.LOAD_ROWS], NoRows())
        self.network.serve(gateway_rpc.METHODS, self.gateway, instance=GATEWAY)
        self.messages = message_rpc.MessageStub(channel)
        self.talks = talk_rpc.TalkStub(channel)
        directory = Directory(user_rpc.UserStub(channel), group_rpc.GroupStub(channel), clock)
        zone = ZoneInfo("Asia/Shanghai")

        def gateway(instance: str) -> gateway_rpc.GatewayStub:
            return gateway_rpc.GatewayStub(self.network.channel("dispatcher", instance=instance))

        settings = settings or MessageSettings()
        store, view = MessageStore(database.dialect, clock.now_ms), MessageView(zone)
        events = MessageEvents(database, store, view, directory, self.talks, settings.fan_out_by_talk_above)
        self.message_dispatcher = Dispatcher(
            Outbox("message", database.dialect, incarnation, clock),
            events,
            database,
            self.routes,
            gateway,
            relay=relay("message"),
        )
        self.service = MessageService(
            database,
            store,
            self.message_dispatcher,
            IdBlocks("talk", database, database.dialect),
            KnownPeople(directory),
            clock,
            settings,
            lanes,
        )
        self.index = SearchIndex(database, store.terms)
        webhook_store, own_talks = WebhookStore(database.dialect), RpcOwnTalks(self.talks)
        self.outward = outward or Outward("XinYu test", is_allowed=lambda _address: True, any_port=True)
        self.delivery = WebhookDelivery(
            database,
            webhook_store,
            store,
            view,
            directory,
            self.outward,
            clock,
            partial(webhook_secret, SECRET),
            WebhookSettings(enabled=True, timeout_s=webhook_timeout_s),
            share=lambda: 1.0,
        )
        self.webhooks = Webhooks(database, store, webhook_store, own_talks, clock, self.delivery.wake)
        events.attach(self.service, self.index, self.webhooks)
        search = MessageSearch(database, store, store.terms, self.index, own_talks)
        self.network.serve(
            message_rpc.METHODS,
            MessageRpc(self.service, search, self.webhooks, view, directory, self.message_dispatcher, clock),
        )
        talk_store, talk_view = TalkStore(database.dialect), TalkView(zone)
        talk_events = TalkEvents(database, talk_store, talk_view, self.routes)
        self.talk_dispatcher = Dispatcher(
            Outbox("talk", database.dialect, incarnation, clock),
            talk_events,
            database,
            self.routes,
            gateway,
            relay=relay("talk"),
        )
        contacts = contact_rpc.ContactStub(channel)
        self.talk_service = TalkService(
            database,
            talk_store,
            talk_view,
            self.talk_dispatcher,
            directory,
            RpcMessages(self.messages),
            RpcRows(contacts.load_rows),
            RpcRows(user_rpc.UserStub(channel).load_rows),
            RpcRemarks(contacts),
            RpcOnline(presence_rpc.PresenceStub(channel)),
            lambda connection: load_epoch(connection, database.dialect),
            clock,
        )
        talk_events.attach(self.talk_service.load_session, self.talk_service.robots_among)
        self.network.serve(talk_rpc.METHODS, TalkRpc(self.talk_service))

    async def take_over(self) -> None:
        """This process' lease begins, and that of all others ends."""
        dialect = self.database.dialect
        await self.database.write(lambda connection: lease.take_over(connection, dialect, self.incarnation))

    async def start(self) -> None:
        await self.take_over()
        self.message_dispatcher.start()
        self.talk_dispatcher.start()

    async def stop(self) -> None:
        await self.network.drain(5.0)
        await self.message_dispatcher.close()
        await self.talk_dispatcher.close()
        await self.delivery.close()
        await self.outward.close()

    async def settle(self) -> None:
        """Until everything that was committed has been handed on."""
        while self.message_dispatcher.outbox.open_count or self.talk_dispatcher.outbox.open_count:
            await asyncio.sleep(0.001)

    # ---------------------------------------------------------------- the neighbours' words

    async def befriend(self, low: int, high: int, *, revision: int = 1, greeting: bool = False) -> int:
        request = message_pb2.ChangePairRequest(user_low=low, user_high=high, revision=revision)
        if greeting:
            request.greeting.CopyFrom(
                message_pb2.SystemMessage(
                    msg_id=f"greet-{low}-{high}", sender_id=high, msg_type=1, body=b'{"content":"hi"}'
                )
            )
        return (await self.messages.change_pair(request)).talk_id

    async def roster(
        self, group_id: int, entries: Iterable[tuple[int, int, int, int]], **fields: Any
    ) -> message_pb2.TalkHead:
        """entries: (user_id, state, role, revision)."""
        return await self.messages.change_roster(
            message_pb2.ChangeRosterRequest(
                group_id=group_id,
                entries=[message_pb2.RosterEntry(user_id=u, state=s, role=r, revision=v) for u, s, r, v in entries],
                **fields,
            )
        )

    # ---------------------------------------------------------------- what clients do

    async def send(
        self,
        user_id: int,
        mode: int,
        to_from_id: int,
        text: str,
        *,
        msg_id: str = "",
        codec: int = 1,
        quote_id: str = "",
    ) -> dict[str, Any]:
        result = await self.send_new(
            message_pb2.NewMessage(
                user_id=user_id,
                talk_mode=mode,
                to_from_id=to_from_id,
                msg_type=1,
                body=json.dumps({"content": text}).encode(),
                msg_id=msg_id,
                quote_id=quote_id,
                codec=codec,  # type: ignore[arg-type]
            )
        )
        record: dict[str, Any] = json.loads(result.record)
        return record

    async def send_file(
        self, user_id: int, mode: int, to_from_id: int, key: str, *, msg_id: str = ""
    ) -> dict[str, Any]:
        """A file message, as the doors make one out of an upload."""
        body = {"drive": 1, "name": "a.bin", "path": key, "size": 1, "url": f"http://127.0.0.1/media/{key}"}
        result = await self.send_new(
            message_pb2.NewMessage(
                user_id=user_id,
                talk_mode=mode,
                to_from_id=to_from_id,
                msg_type=6,
                body=json.dumps(body).encode(),
                msg_id=msg_id,
                codec=1,  # type: ignore[arg-type]
            )
        )
        record: dict[str, Any] = json.loads(result.record)
        return record

    async def send_new(self, message: message_pb2.NewMessage) -> message_pb2.SendResult:
        """One message in a call of its own; a refusal is raised."""
        (result,) = (await self.messages.send(message_pb2.SendRequest(messages=[message]))).results
        if result.HasField("refusal"):
            refusal = result.refusal
            wait_ms = refusal.retry_after_ms if refusal.HasField("retry_after_ms") else None
            raise XinYuError.from_wire(refusal.reason, refusal.message, wait_ms)
        return result

    async def records(
        self, user_id: int, mode: int, to_from_id: int, *, cursor: int = 0, limit: int = 30, codec: int = 1
    ) -> list[dict[str, Any]]:
        page = await self.messages.load_records(
            message_pb2.LoadRecordsRequest(
                user_id=user_id,
                target=message_pb2.TalkTarget(talk_mode=mode, to_from_id=to_from_id),
                cursor=cursor,
                limit=limit,
                codec=codec,  # type: ignore[arg-type]
            )
        )
        items: list[dict[str, Any]] = json.loads(page.items)
        return items

    async def sync(
        self,
        user_id: int,
        *,
        epoch: str = "",
        versions: dict[str, int] | None = None,
        talks: Iterable[tuple[int, int, int, int]] = (),
        next_: str = "",
    ) -> dict[str, Any]:
        answer = await self.talks.sync(
            talk_pb2.SyncRequest(
                user_id=user_id,
                epoch=epoch,
                versions=versions or {},
                talks=[options_pb2.TalkCursor(talk_id=t, sequence=s, change=c, own=o) for t, s, c, o in talks],
                next=next_,
                codec=options_pb2.CODEC_V1_JSON,
            )
        )
        page: dict[str, Any] = json.loads(answer.answer)
        return page

    async def recall(self, user_id: int, mode: int, to_from_id: int, msg_id: str) -> None:
        await self.messages.revoke(
            message_pb2.RevokeRequest(user_id=user_id, target=target(mode, to_from_id), msg_id=msg_id)
        )

    async def hide(self, user_id: int, mode: int, to_from_id: int, *msg_ids: str) -> None:
        await self.messages.hide(
            message_pb2.HideRequest(user_id=user_id, target=target(mode, to_from_id), msg_ids=msg_ids)
        )

    async def clear(
        self, user_id: int, mode: int, to_from_id: int, sequence: int | None = None
    ) -> message_pb2.OwnChange:
        return await self.messages.clear_records(
            message_pb2.ClearRecordsRequest(
                user_id=user_id,
                target=target(mode, to_from_id),
                sequence=sequence or 0,
                has_sequence=sequence is not None,
            )
        )

    async def read(self, user_id: int, talk_id: int, sequence: int | None = None) -> message_pb2.OwnChange:
        return await self.messages.read(
            message_pb2.ReadRequest(
                user_id=user_id, talk_id=talk_id, sequence=sequence or 0, has_sequence=sequence is not None
            )
        )

    async def list(self, user_id: int, codec: int = 0) -> list[dict[str, Any]]:
        response = await self.talks.list_sessions(talk_pb2.ListSessionsRequest(user_id=user_id, codec=codec))  # type: ignore[arg-type]
        items: list[dict[str, Any]] = json.loads(response.items)
        return items


def target(mode: int, to_from_id: int) -> message_pb2.TalkTarget:
    return message_pb2.TalkTarget(talk_mode=mode, to_from_id=to_from_id)


async def refused(call: Awaitable[Any]) -> str:
    """The reason that `call` was refused for; "" when it was not."""
    try:
        await call
    except XinYuError as refusal:
        return refusal.reason
    return ""
