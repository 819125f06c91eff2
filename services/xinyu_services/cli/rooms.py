"""The rooms put together: for each its store, service and servicer, offered on the network, and its dispatcher.

A room gets what it needs as arguments: platform objects, and stubs of the rooms that it calls. Which form of the
product runs (one process or many) shows only in what the platform's objects are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xinyu.base.clock import Clock
from xinyu.base.config import Config
from xinyu.base.token import AccessTokens
from xinyu.delivery.dispatcher import Dispatcher, EventSource, Push
from xinyu.delivery.outbox import Outbox
from xinyu.delivery.routes import Routes
from xinyu.rpc.in_process import InProcessChannel, InProcessNetwork
from xinyu.storage.cache import Cache
from xinyu.storage.database import Database
from xinyu.storage.dialect import Dialect
from xinyu.storage.id_blocks import IdBlocks
from xinyu.storage.meta import load_epoch
from xinyu.wire.v1 import contact_rpc, group_rpc, message_rpc, presence_rpc, talk_rpc, user_rpc
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.gateway_rpc import GatewayStub
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.method import Channel
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.cli.upkeep import Purge
from xinyu_services.contact.events import ContactEvents
from xinyu_services.contact.neighbours import RpcPeople as ContactPeople
from xinyu_services.contact.neighbours import RpcPresence as ContactPresence
from xinyu_services.contact.neighbours import RpcTalks as ContactTalks
from xinyu_services.contact.rpc import ContactServicer
from xinyu_services.contact.service import ContactService
from xinyu_services.contact.store import ContactStore
from xinyu_services.directory import Directory
from xinyu_services.group.events import GroupEvents
from xinyu_services.group.neighbours import RpcFriends as GroupFriends
from xinyu_services.group.neighbours import RpcPeople as GroupPeople
from xinyu_services.group.neighbours import RpcTalks as GroupTalks
from xinyu_services.group.rpc import GroupServicer
from xinyu_services.group.service import GroupService
from xinyu_services.group.store import GroupStore
from xinyu_services.message.events import MessageEvents
from xinyu_services.message.rpc import KnownPeople, MessageRpc
from xinyu_services.message.service import MessageService
from xinyu_services.message.store import MessageStore
from xinyu_services.message.view import MessageView
from xinyu_services.presence.rpc import PresenceServicer
from xinyu_services.talk.events import TalkEvents
from xinyu_services.talk.neighbours import RpcMessages, RpcOnline, RpcRemarks, RpcRows
from xinyu_services.talk.rpc import TalkRpc
from xinyu_services.talk.service import TalkService
from xinyu_services.talk.store import TalkStore
from xinyu_services.talk.view import TalkView
from xinyu_services.user.codes import LogCodeSender
from xinyu_services.user.events import UserEvents
from xinyu_services.user.keys import ServerKeys
from xinyu_services.user.limits import Limits
from xinyu_services.user.neighbours import ContactFriendRows
from xinyu_services.user.passwords import Passwords
from xinyu_services.user.rpc import UserServicer
from xinyu_services.user.service import UserService
from xinyu_services.user.store import UserStore


@dataclass(frozen=True, slots=True)
class Platform:
    """What every room may be given."""

    config: Config
    clock: Clock
    database: Database
    dialect: Dialect
    routes: Routes
    cache: Cache
    network: InProcessNetwork
    tokens: AccessTokens
    keys: ServerKeys
    incarnation: str
    epoch: str
    # Of the gateway with this instance name, for this room.
    gateway_channel: Callable[[str, str], Channel]

    def channel(self, room: str) -> InProcessChannel:
        return self.network.channel(room)

    def ids(self, kind: str) -> IdBlocks:
        return IdBlocks(kind, self.database, self.dialect)

    def dispatcher(self, room: str, source: EventSource) -> Dispatcher:
        def gateway(instance: str) -> GatewayStub:
            return GatewayStub(self.gateway_channel(room, instance))

        outbox = Outbox(room, self.dialect, self.incarnation, self.clock)
        return Dispatcher(outbox, source, self.database, self.routes, gateway)


@dataclass(frozen=True, slots=True)
class Room:
    """What must be started and stopped of a room. `close` ends threads; `purge` lets go of what no device needs."""

    dispatcher: Dispatcher | None = None
    close: Callable[[], None] | None = None
    purge: Purge | None = None


def build_rooms(platform: Platform) -> list[Room]:
    """Every room, offered on the network; their dispatchers are not yet started."""
    directory_channel = platform.channel("directory")
    directory = Directory(UserStub(directory_channel), GroupStub(directory_channel), platform.clock)
    return [
        presence_room(platform),
        user_room(platform, directory),
        contact_room(platform),
        group_room(platform),
        message_room(platform, directory),
        talk_room(platform, directory),
    ]


def presence_room(platform: Platform) -> Room:
    platform.network.serve(presence_rpc.METHODS, PresenceServicer(platform.routes))
    return Room()


def user_room(platform: Platform, directory: Directory) -> Room:
    store = UserStore(platform.dialect)
    friend_rows = ContactFriendRows(ContactStub(platform.channel("user")))
    events = UserEvents(platform.database, store, friend_rows, directory.forget_user)
    dispatcher = platform.dispatcher("user", events)
    passwords = Passwords(platform.config.accounts, platform.keys.password_key)
    service = UserService(
        platform.database,
        store,
        platform.ids("user"),
        passwords,
        platform.tokens,
        Limits(platform.cache, platform.clock),
        LogCodeSender(),
        dispatcher,
        platform.clock,
        platform.config.accounts,
    )
    platform.network.serve(user_rpc.METHODS, UserServicer(service))
    return Room(dispatcher, passwords.close)


def contact_room(platform: Platform) -> Room:
    channel, config = platform.channel("contact"), platform.config
    store = ContactStore(platform.dialect)
    people = ContactPeople(UserStub(channel))
    talks = ContactTalks(MessageStub(channel), TalkStub(channel))

    def push(pushes: Sequence[Push]) -> None:
        dispatcher.push(pushes)

    events = ContactEvents(platform.database, store, people, talks, push, config.messages.greeting, config.zone)
    dispatcher = platform.dispatcher("contact", events)
    service = ContactService(
        platform.database,
        store,
        platform.ids("apply"),
        people,
        talks,
        ContactPresence(PresenceStub(channel)),
        events,
        dispatcher,
        platform.clock,
    )
    platform.network.serve(contact_rpc.METHODS, ContactServicer(service, config.zone))
    return Room(dispatcher, purge=service.purge_tombstones)


def group_room(platform: Platform) -> Room:
    channel = platform.channel("group")
    store = GroupStore(platform.dialect)
    people, talks = GroupPeople(UserStub(channel)), GroupTalks(MessageStub(channel))
    events = GroupEvents(platform.database, store, people, talks)
    dispatcher = platform.dispatcher("group", events)
    service = GroupService(
        platform.database,
        store,
        platform.ids("group"),
        people,
        GroupFriends(ContactStub(channel)),
        talks,
        events,
        dispatcher,
        platform.clock,
        platform.config.messages,
    )
    platform.network.serve(group_rpc.METHODS, GroupServicer(service))
    return Room(dispatcher)


def message_room(platform: Platform, directory: Directory) -> Room:
    store, view = MessageStore(platform.dialect), MessageView(platform.config.zone)
    talks = TalkStub(platform.channel("message"))
    events = MessageEvents(platform.database, store, view, directory, talks)
    dispatcher = platform.dispatcher("message", events)
    service = MessageService(
        platform.database,
        store,
        dispatcher,
        platform.ids("talk"),
        KnownPeople(directory),
        platform.clock,
        platform.config.messages,
    )
    events.attach(service)
    platform.network.serve(message_rpc.METHODS, MessageRpc(service, view, directory, dispatcher, platform.clock))
    return Room(dispatcher)


def talk_room(platform: Platform, directory: Directory) -> Room:
    channel, dialect = platform.channel("talk"), platform.dialect
    store, view = TalkStore(dialect), TalkView(platform.config.zone)
    events = TalkEvents(platform.database, store, view, platform.routes)
    dispatcher = platform.dispatcher("talk", events)
    contacts = ContactStub(channel)
    service = TalkService(
        platform.database,
        store,
        view,
        dispatcher,
        directory,
        RpcMessages(MessageStub(channel)),
        RpcRows(contacts.load_rows),
        RpcRows(UserStub(channel).load_rows),
        RpcRemarks(contacts),
        RpcOnline(PresenceStub(channel)),
        lambda connection: load_epoch(connection, dialect),
        platform.clock,
    )
    events.attach(service.load_session)
    platform.network.serve(talk_rpc.METHODS, TalkRpc(service))
    return Room(dispatcher, purge=service.purge_tombstones)
