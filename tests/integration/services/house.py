"""All rooms on a test's platform, put together as the composition root does it, and what tests ask of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tests.database_storage import Storage
from tests.integration.presence_room import presence_servicer
from tests.integration.services.embedded_platform import EmbeddedPlatform, embedded_platform
from tests.integration.services.media.media_room import MediaRoom
from tests.integration.services.user.user_room import SERVER_SECRET, UserRoom
from xinyu.base.config import MessageSettings, WebhookSettings
from xinyu.base.errors import ErrorCode, XinYuError
from xinyu.gateway.http.route import HttpCall, Route
from xinyu.outward.fetch import Outward
from xinyu.outward.signature import webhook_secret
from xinyu.storage.id_blocks import IdBlocks
from xinyu.storage.meta import load_epoch
from xinyu.wire.v1 import (
    contact_rpc,
    group_rpc,
    media_rpc,
    message_pb2,
    message_rpc,
    presence_rpc,
    talk_pb2,
    talk_rpc,
    user_rpc,
)
from xinyu.wire.v1.presence_watcher_rpc import PresenceWatcherStub
from xinyu_services.contact import http as contact_http
from xinyu_services.contact import neighbours as contact_neighbours
from xinyu_services.contact.events import ContactEvents
from xinyu_services.contact.rpc import ContactServicer
from xinyu_services.contact.service import ContactService
from xinyu_services.contact.store import ContactStore
from xinyu_services.directory import Directory
from xinyu_services.group import http as group_http
from xinyu_services.group import neighbours as group_neighbours
from xinyu_services.group.administration import GroupAdministration
from xinyu_services.group.application_store import ApplicationStore
from xinyu_services.group.applications import Applications
from xinyu_services.group.changes import GroupChanges
from xinyu_services.group.events import GroupEvents
from xinyu_services.group.notice_store import NoticeStore
from xinyu_services.group.notices import Notices
from xinyu_services.group.rpc import GroupServicer
from xinyu_services.group.service import GroupService
from xinyu_services.group.store import GroupStore
from xinyu_services.group.vote_store import VoteStore
from xinyu_services.group.vote_updates import VoteUpdates
from xinyu_services.group.votes import Votes
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
from xinyu_services.user import http as user_http

ZONE = ZoneInfo("Asia/Shanghai")


class House:
    """`post` calls a route of the four rooms under test as the HTTP gateway would: strictly decoded body in, what the
    client reads out."""

    def __init__(self, platform: EmbeddedPlatform, settings: MessageSettings, directory: Path) -> None:
        self.platform = platform
        self.media = MediaRoom(platform, directory)
        network, clock = platform.network, platform.clock
        presence = presence_servicer(
            platform.routes,
            watcher=lambda gateway: PresenceWatcherStub(network.channel("presence", instance=gateway)),
        )
        network.serve(presence_rpc.METHODS, presence)
        self.user = UserRoom(platform)
        self._contact(settings)
        self._group(settings)
        names = network.channel("directory")
        directory = Directory(user_rpc.UserStub(names), group_rpc.GroupStub(names), clock)
        self._message(settings, directory)
        self._talk(directory)
        channel = network.channel("test")
        self.contact = contact_rpc.ContactStub(channel)
        self.group = group_rpc.GroupStub(channel)
        self.message = message_rpc.MessageStub(channel)
        self.talk = talk_rpc.TalkStub(channel)
        presence_stub = presence_rpc.PresenceStub(channel)
        self._routes = route_table(self.user.stub, self.contact, self.group, self.talk, presence_stub)

    def _contact(self, settings: MessageSettings) -> None:
        platform, channel = self.platform, self.platform.network.channel("contact")
        store = self.contact_store = ContactStore(platform.dialect)
        people = contact_neighbours.RpcPeople(user_rpc.UserStub(channel))
        talks = contact_neighbours.RpcTalks(message_rpc.MessageStub(channel), talk_rpc.TalkStub(channel))
        presence = contact_neighbours.RpcPresence(presence_rpc.PresenceStub(channel))
        events = ContactEvents(
            platform.database, store, people, talks, lambda pushes: dispatcher.push(pushes), settings.greeting, ZONE
        )
        dispatcher = self.contact_dispatcher = platform.dispatcher("contact", events)
        apply_ids = IdBlocks("apply", platform.database, platform.dialect)
        folder_ids = IdBlocks("contact_folder", platform.database, platform.dialect)
        service = self.contact_service = ContactService(
            platform.database, store, apply_ids, people, talks, presence, events, dispatcher, platform.clock, folder_ids
        )
        platform.network.serve(contact_rpc.METHODS, ContactServicer(service, ZONE))

    def _group(self, settings: MessageSettings) -> None:
        platform, channel = self.platform, self.platform.network.channel("group")
        store = GroupStore(platform.dialect)
        people = group_neighbours.RpcPeople(user_rpc.UserStub(channel))
        friends = group_neighbours.RpcFriends(contact_rpc.ContactStub(channel))
        talks = group_neighbours.RpcTalks(message_rpc.MessageStub(channel))
        apply_store, notice_store = ApplicationStore(platform.dialect), NoticeStore(platform.dialect)
        vote_store, database, clock = VoteStore(platform.dialect), platform.database, platform.clock
        events = GroupEvents(database, store, apply_store, notice_store, vote_store, people, talks)
        self.group_events = events
        dispatcher = platform.dispatcher("group", events)
        group_ids, apply_ids, vote_ids = (
            IdBlocks(kind, database, platform.dialect) for kind in ("group", "group_apply", "group_vote")
        )
        changes = GroupChanges(database, store, dispatcher)
        service = self.group_service = GroupService(
            database, store, apply_store, group_ids, people, friends, talks, events, dispatcher, changes, clock,
            settings,
        )  # fmt: skip
        pictures = group_neighbours.RpcPictures(media_rpc.MediaStub(channel))
        administration = GroupAdministration(database, store, changes, pictures, clock, settings)
        applications = Applications(
            database, store, apply_store, apply_ids, people, service.admit, dispatcher, clock
        )
        notices = Notices(database, store, notice_store, people, dispatcher, clock)
        self.vote_updates = VoteUpdates(events.tell_answers)
        votes = Votes(database, store, vote_store, vote_ids, people, events, self.vote_updates, dispatcher, clock)
        servicer = GroupServicer(service, administration, applications, notices, votes, ZONE)
        platform.network.serve(group_rpc.METHODS, servicer)

    def _message(self, settings: MessageSettings, directory: Directory) -> None:
        platform = self.platform
        store, view = MessageStore(platform.dialect, platform.clock.now_ms), MessageView(ZONE)
        talks = talk_rpc.TalkStub(platform.network.channel("message"))
        events = MessageEvents(platform.database, store, view, directory, talks, settings.fan_out_by_talk_above)
        dispatcher = platform.dispatcher("message", events)
        service = MessageService(
            platform.database,
            store,
            dispatcher,
            IdBlocks("talk", platform.database, platform.dialect),
            KnownPeople(directory),
            platform.clock,
            settings,
        )
        index = SearchIndex(platform.database, store.terms)
        webhook_store, own_talks = WebhookStore(platform.dialect), RpcOwnTalks(talks)
        self.outward = Outward("XinYu test", is_allowed=lambda _address: True, any_port=True)
        self.delivery = WebhookDelivery(
            platform.database,
            webhook_store,
            store,
            view,
            directory,
            self.outward,
            platform.clock,
            partial(webhook_secret, SERVER_SECRET),
            WebhookSettings(enabled=True),
        )
        self.webhooks = Webhooks(
            platform.database, store, webhook_store, own_talks, platform.clock, self.delivery.wake
        )
        events.attach(service, index, self.webhooks)
        search = MessageSearch(platform.database, store, store.terms, index, own_talks)
        self.message_servicer = MessageRpc(
            service, search, self.webhooks, view, directory, dispatcher, platform.clock
        )
        platform.network.serve(message_rpc.METHODS, self.message_servicer)

    def _talk(self, directory: Directory) -> None:
        platform, channel = self.platform, self.platform.network.channel("talk")
        store, view = TalkStore(platform.dialect), TalkView(ZONE)
        events = TalkEvents(platform.database, store, view, platform.routes)
        dispatcher = platform.dispatcher("talk", events)
        contacts = contact_rpc.ContactStub(channel)
        service = TalkService(
            platform.database,
            store,
            view,
            dispatcher,
            directory,
            RpcMessages(message_rpc.MessageStub(channel)),
            RpcRows(contacts.load_rows),
            RpcRows(user_rpc.UserStub(channel).load_rows),
            RpcRemarks(contacts),
            RpcOnline(presence_rpc.PresenceStub(channel)),
            lambda connection: load_epoch(connection, platform.dialect),
            platform.clock,
        )
        events.attach(service.load_session, service.robots_among)
        platform.network.serve(talk_rpc.METHODS, TalkRpc(service))

    def route(self, path: str) -> Route:
        return self._routes[path]

    async def post(self, path: str, user_id: int, /, *, codec: int = 0, **body: Any) -> Any:
        """The answer as the client reads it. Raises msgspec.ValidationError where the gateway answers 400 `invalid`."""
        route = self._routes[path]
        assert route.open or user_id, f"{path} wants a token"
        answer = await route.handler(HttpCall(user_id, codec, "127.0.0.1", "test", True), decode(route, body))
        return {} if answer is None else json.loads(msgspec.json.encode(answer))

    async def befriend(self, one: int, other: int) -> None:
        """Two users become friends in the way that users do."""
        await self.post("contact-apply/create", one, user_id=other, remark="hello")
        applies = (await self.post("contact-apply/list", other))["items"]
        (apply_id,) = [item["id"] for item in applies if item["friend_id"] == one]
        await self.post("contact-apply/accept", other, apply_id=apply_id)

    async def records(self, user_id: int, mode: int, to_from_id: int) -> list[dict[str, Any]]:
        """The talk's records as this user reads them, newest first."""
        page = await self.message.load_records(
            message_pb2.LoadRecordsRequest(
                user_id=user_id,
                target=message_pb2.TalkTarget(talk_mode=mode, to_from_id=to_from_id),
                limit=100,
                codec=1,  # type: ignore[arg-type]
            )
        )
        records: list[dict[str, Any]] = json.loads(page.items)
        return records

    async def sessions(self, user_id: int) -> list[dict[str, Any]]:
        """The user's conversation list."""
        page = await self.talk.list_sessions(talk_pb2.ListSessionsRequest(user_id=user_id))
        sessions: list[dict[str, Any]] = json.loads(page.items)
        return sessions


def route_table(
    user: user_rpc.UserStub,
    contact: contact_rpc.ContactStub,
    group: group_rpc.GroupStub,
    talk: talk_rpc.TalkStub,
    presence: presence_rpc.PresenceStub,
) -> dict[str, Route]:
    """The routes of the user, contact and group rooms by path."""
    routes = [
        *user_http.routes(user, ZONE),
        *contact_http.routes(contact, presence),
        *group_http.routes(group, talk, ZONE),
    ]
    return {route.path: route for route in routes}


def decode(route: Route, body: dict[str, Any]) -> Any:
    """The request as the gateway decodes it; raises msgspec.ValidationError where it answers 400 `invalid`."""
    return msgspec.json.decode(json.dumps(body), type=route.request_type)


@asynccontextmanager
async def open_house(storage: Storage, **settings: Any) -> AsyncIterator[House]:
    """`settings`: of the section `messages`."""
    with tempfile.TemporaryDirectory(prefix="xinyu-media-") as directory:
        async with embedded_platform(storage) as platform:
            house = House(platform, MessageSettings(**settings), Path(directory))
            try:
                yield house
            finally:
                await house.vote_updates.close()
                house.user.passwords.close()
                house.media.close()


async def refused(call: Awaitable[Any], code: ErrorCode) -> XinYuError:
    """The refusal that `call` must end with."""
    with pytest.raises(XinYuError) as caught:
        await call
    assert caught.value.code is code, caught.value
    return caught.value
