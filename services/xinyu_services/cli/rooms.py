"""The rooms put together: for each its store, service and servicer, offered on the network, and its dispatcher.

A room gets what it needs as arguments: platform objects, and stubs of the rooms that it calls. Which form of the
product runs (one process or many) shows only in what the platform's objects are. A room's code is loaded when it is
built: a process of the cluster has one of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from xinyu.base.clock import Clock
from xinyu.base.config import Config, WebhookSettings
from xinyu.base.metrics import Metrics
from xinyu.base.token import AccessTokens
from xinyu.delivery.dispatcher import Dispatcher, EventSource, Push
from xinyu.delivery.outbox import Outbox
from xinyu.delivery.routes import Routes
from xinyu.delivery.watches import Watches
from xinyu.outward.signature import webhook_secret
from xinyu.rpc.servicers import Servicers
from xinyu.storage.blobs import Blobs
from xinyu.storage.cache import Cache
from xinyu.storage.database import Database
from xinyu.storage.dialect import Dialect
from xinyu.storage.id_blocks import IdBlocks
from xinyu.storage.meta import load_epoch
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.gateway_rpc import GatewayStub
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.method import Channel
from xinyu.wire.v1.organize_rpc import OrganizeStub
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu.wire.v1.presence_watcher_rpc import PresenceWatcherStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.cli.upkeep import Purge
from xinyu_services.directory import Directory

WEBHOOK_USER_AGENT: Final = "XinYu-Webhook/1.0 (messages of a bot, to the address that its owner has set)"

if TYPE_CHECKING:
    from xinyu.delivery.stream_relay import StreamRelay
    from xinyu.outward.fetch import Outward
    from xinyu_services.user.codes import CodeSender, MailSender
    from xinyu_services.user.keys import ServerKeys
    from xinyu_services.user.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Platform:
    """What every room may be given."""

    config: Config
    clock: Clock
    database: Database
    dialect: Dialect
    routes: Routes
    watches: Watches
    cache: Cache
    # Opens the blob store, for the rooms that have something there.
    blobs: Callable[[], Blobs]
    tokens: AccessTokens
    keys: ServerKeys
    incarnation: str
    # What this process answers.
    servicers: Servicers
    # Carries the calls of a room to all others.
    channel: Callable[[str], Channel]
    # Of the gateway with this instance name, for this room.
    gateway_channel: Callable[[str, str], Channel]
    # Who is told everything while routes cannot be asked.
    all_gateways: Callable[[], Iterable[str]] = tuple
    # Of the room, where committed events are relayed.
    relay: Callable[[str], StreamRelay] | None = None
    # Transactions of the message room that the database can carry side by side.
    lanes: int = 1

    def ids(self, kind: str) -> IdBlocks:
        return IdBlocks(kind, self.database, self.dialect)

    def dispatcher(self, room: str, source: EventSource) -> Dispatcher:
        def gateway(instance: str) -> GatewayStub:
            return GatewayStub(self.gateway_channel(room, instance))

        outbox = Outbox(room, self.dialect, self.incarnation, self.clock)
        relay = None if self.relay is None else self.relay(room)
        return Dispatcher(
            outbox, source, self.database, self.routes, gateway, all_gateways=self.all_gateways, relay=relay
        )


@dataclass(frozen=True, slots=True)
class Room:
    """What must be started and stopped of a room. `stop` ends tasks, `close` threads; `run` is what it does by itself,
    until it is cancelled; `purge` lets go of what no device needs; `measure` adds the figures that the room has besides
    those of its outbox."""

    dispatcher: Dispatcher | None = None
    stop: Callable[[], Awaitable[None]] | None = None
    close: Callable[[], None] | None = None
    run: Callable[[], Coroutine[Any, Any, None]] | None = None
    purge: Purge | None = None
    measure: Callable[[Metrics], None] | None = None


def build_rooms(platform: Platform, names: Iterable[str]) -> list[Room]:
    """The rooms of these names, offered by this process; their dispatchers are not yet started."""
    channel = platform.channel("directory")
    directory = Directory(UserStub(channel), GroupStub(channel), platform.clock)
    return [ROOMS[name](platform, directory) for name in names]


def presence_room(platform: Platform, _directory: Directory) -> Room:
    from xinyu.wire.v1 import presence_rpc
    from xinyu_services.presence.neighbours import RpcWatchers
    from xinyu_services.presence.rpc import PresenceServicer
    from xinyu_services.presence.service import PresenceService

    watchers = RpcWatchers(lambda instance: PresenceWatcherStub(platform.gateway_channel("presence", instance)))
    service = PresenceService(platform.routes, platform.watches, watchers)
    platform.servicers.serve(presence_rpc.METHODS, PresenceServicer(service))
    return Room(stop=service.stop)


def user_room(platform: Platform, directory: Directory) -> Room:
    from xinyu.wire.v1 import user_rpc
    from xinyu_services.user.bots import Bots
    from xinyu_services.user.credentials import Credentials
    from xinyu_services.user.deletion import Deletion
    from xinyu_services.user.events import UserEvents
    from xinyu_services.user.limits import Limits
    from xinyu_services.user.logins import LoginEnds
    from xinyu_services.user.neighbours import (
        ContactFriendRows,
        ContactLeaving,
        GroupLeaving,
        MediaPictures,
        MessageLeaving,
        MessageReceipts,
        MessageWebhooks,
    )
    from xinyu_services.user.oauth import OAuth
    from xinyu_services.user.passwords import Passwords
    from xinyu_services.user.rpc import UserServicer
    from xinyu_services.user.service import UserService
    from xinyu_services.user.sessions import Sessions
    from xinyu_services.user.store import UserStore
    from xinyu_services.user.verification import Verification

    config, clock, database = platform.config, platform.clock, platform.database
    store = UserStore(platform.dialect, has_organisation=config.organize.enabled)
    contact, group = ContactStub(platform.channel("user")), GroupStub(platform.channel("user"))
    messages = MessageStub(platform.channel("user"))
    leaving = (MessageLeaving(messages), GroupLeaving(group), ContactLeaving(contact))
    receipts, webhooks = MessageReceipts(messages), MessageWebhooks(messages)
    events = UserEvents(
        database, store, ContactFriendRows(contact), leaving, receipts, webhooks, directory.forget_user
    )
    dispatcher = platform.dispatcher("user", events)
    passwords = Passwords(config.accounts, platform.keys.password_key)
    limits = Limits(platform.cache, clock)
    sessions = Sessions()
    sms, mail = code_senders(config, sessions, clock)
    verification = Verification(database, store, limits, sms, mail, clock, config.accounts)
    logins = LoginEnds(store, platform.cache, clock, platform.tokens.ttl_s)
    user_ids = platform.ids("user")
    service = UserService(
        database,
        store,
        user_ids,
        passwords,
        platform.tokens,
        limits,
        verification,
        logins,
        dispatcher,
        clock,
        MediaPictures(MediaStub(platform.channel("user"))),
    )
    credentials = Credentials(database, store, passwords, limits, verification, logins, dispatcher, clock.now_ms)
    providers = {}
    if config.oauth:
        from xinyu_services.user.openid import OpenIdProvider

        providers = {name: OpenIdProvider(each, sessions, clock) for name, each in config.oauth.items()}
    oauth = OAuth(
        database,
        store,
        user_ids,
        passwords,
        limits,
        verification,
        platform.cache,
        clock,
        providers,
        service.login_of,
    )
    deletion = Deletion(database, store, credentials, logins, dispatcher, clock.now_ms)
    bots = Bots(
        database,
        store,
        user_ids,
        service,
        platform.tokens,
        logins,
        dispatcher,
        clock,
        config.bots,
        config.webhooks,
        webhook_outward(config.webhooks),
        webhooks,
        partial(webhook_secret, platform.keys.token_secret),
    )
    servicer = UserServicer(service, credentials, verification, oauth, deletion, bots)
    platform.servicers.serve(user_rpc.METHODS, servicer)
    return Room(dispatcher, stop=sessions.close, close=passwords.close)


def code_senders(config: Config, sessions: Sessions, clock: Clock) -> tuple[CodeSender, MailSender]:
    """Of SMS and of mail; what is not configured goes to the log."""
    from xinyu_services.user.codes import LogCodeSender

    sms: CodeSender = LogCodeSender()
    mail: MailSender = LogCodeSender()
    if config.sms.webhook_url:
        from xinyu_services.user.sms_webhook import WebhookCodeSender

        sms = WebhookCodeSender(config.sms, sessions, clock)
    if config.mail.host:
        from xinyu_services.user.smtp import SmtpCodeSender

        mail = SmtpCodeSender(config.mail, clock)
    return sms, mail


def webhook_outward(settings: WebhookSettings) -> Outward:
    """What reaches webhooks, and knows which addresses they may have."""
    from xinyu.outward.fetch import Outward
    from xinyu.outward.public_address import is_public

    if settings.private_addresses:
        return Outward(WEBHOOK_USER_AGENT, is_allowed=lambda _address: True, any_port=True)
    return Outward(WEBHOOK_USER_AGENT, is_allowed=is_public)


def contact_room(platform: Platform, _directory: Directory) -> Room:
    from xinyu.wire.v1 import contact_rpc
    from xinyu_services.contact.events import ContactEvents
    from xinyu_services.contact.neighbours import RpcColleagues, RpcPeople, RpcPresence, RpcTalks
    from xinyu_services.contact.rpc import ContactServicer
    from xinyu_services.contact.service import ContactService
    from xinyu_services.contact.store import ContactStore

    channel, config = platform.channel("contact"), platform.config
    store = ContactStore(platform.dialect)
    people = RpcPeople(UserStub(channel))
    talks = RpcTalks(MessageStub(channel), TalkStub(channel))

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
        RpcPresence(PresenceStub(channel)),
        events,
        dispatcher,
        platform.clock,
        platform.ids("contact_folder"),
        RpcColleagues(OrganizeStub(channel)) if config.organize.enabled else None,
    )
    platform.servicers.serve(contact_rpc.METHODS, ContactServicer(service, config.zone))
    return Room(dispatcher, purge=service.purge_tombstones)


def group_room(platform: Platform, _directory: Directory) -> Room:
    from xinyu.wire.v1 import group_rpc
    from xinyu_services.group.administration import GroupAdministration
    from xinyu_services.group.application_store import ApplicationStore
    from xinyu_services.group.applications import Applications
    from xinyu_services.group.changes import GroupChanges
    from xinyu_services.group.events import GroupEvents
    from xinyu_services.group.neighbours import RpcFriends, RpcPeople, RpcPictures, RpcTalks
    from xinyu_services.group.notice_store import NoticeStore
    from xinyu_services.group.notices import Notices
    from xinyu_services.group.rpc import GroupServicer
    from xinyu_services.group.service import GroupService
    from xinyu_services.group.store import GroupStore
    from xinyu_services.group.vote_store import VoteStore
    from xinyu_services.group.vote_updates import VoteUpdates
    from xinyu_services.group.votes import Votes

    channel, database, clock, zone = platform.channel("group"), platform.database, platform.clock, platform.config.zone
    store, apply_store = GroupStore(platform.dialect), ApplicationStore(platform.dialect)
    notice_store, vote_store = NoticeStore(platform.dialect), VoteStore(platform.dialect)
    people, talks = RpcPeople(UserStub(channel)), RpcTalks(MessageStub(channel))
    events = GroupEvents(database, store, apply_store, notice_store, vote_store, people, talks)
    dispatcher = platform.dispatcher("group", events)
    changes = GroupChanges(platform.database, store, dispatcher)
    service = GroupService(
        platform.database,
        store,
        apply_store,
        platform.ids("group"),
        people,
        RpcFriends(ContactStub(channel)),
        talks,
        events,
        dispatcher,
        changes,
        platform.clock,
        platform.config.messages,
    )
    administration = GroupAdministration(
        database, store, changes, RpcPictures(MediaStub(channel)), clock, platform.config.messages
    )
    applications = Applications(
        database, store, apply_store, platform.ids("group_apply"), people, service.admit, dispatcher, clock
    )
    notices = Notices(database, store, notice_store, people, dispatcher, clock)
    updates = VoteUpdates(events.tell_answers)
    vote_ids = platform.ids("group_vote")
    votes = Votes(database, store, vote_store, vote_ids, people, events, updates, dispatcher, clock)
    servicer = GroupServicer(service, administration, applications, notices, votes, zone)
    platform.servicers.serve(group_rpc.METHODS, servicer)
    return Room(dispatcher, stop=updates.close)


def message_room(platform: Platform, directory: Directory) -> Room:
    from xinyu.wire.v1 import message_rpc
    from xinyu_services.message.events import MessageEvents
    from xinyu_services.message.rounds import run_rounds
    from xinyu_services.message.rpc import KnownPeople, MessageRpc, RpcOwnTalks
    from xinyu_services.message.search import MessageSearch
    from xinyu_services.message.search_index import SearchIndex
    from xinyu_services.message.service import MessageService
    from xinyu_services.message.store import MessageStore
    from xinyu_services.message.view import MessageView
    from xinyu_services.message.webhook_delivery import WebhookDelivery
    from xinyu_services.message.webhook_store import WebhookStore
    from xinyu_services.message.webhooks import Webhooks

    store = MessageStore(platform.dialect, platform.clock.now_ms)
    view = MessageView(platform.config.zone)
    talks = TalkStub(platform.channel("message"))
    by_talk_above = platform.config.messages.fan_out_by_talk_above
    events = MessageEvents(platform.database, store, view, directory, talks, by_talk_above)
    dispatcher = platform.dispatcher("message", events)
    service = MessageService(
        platform.database,
        store,
        dispatcher,
        platform.ids("talk"),
        KnownPeople(directory),
        platform.clock,
        platform.config.messages,
        platform.lanes,
    )
    index = SearchIndex(platform.database, store.terms)
    webhook_store, outward = WebhookStore(platform.dialect), webhook_outward(platform.config.webhooks)
    delivery = WebhookDelivery(
        platform.database,
        webhook_store,
        store,
        view,
        directory,
        outward,
        platform.clock,
        partial(webhook_secret, platform.keys.token_secret),
        platform.config.webhooks,
    )
    own_talks = RpcOwnTalks(talks)
    webhooks = Webhooks(platform.database, store, webhook_store, own_talks, platform.clock, delivery.wake)
    events.attach(service, index, webhooks)
    search = MessageSearch(platform.database, store, store.terms, index, own_talks)
    servicer = MessageRpc(service, search, webhooks, view, directory, dispatcher, platform.clock)
    platform.servicers.serve(message_rpc.METHODS, servicer)
    rounds = [service.scheduled.round, service.expiry.round, index.follow, index.walk]
    if platform.config.webhooks.enabled:
        rounds.append(delivery.round)

    async def stop() -> None:
        await delivery.close()
        await outward.close()

    def measure(metrics: Metrics) -> None:
        service.figures.measure(metrics)
        delivery.measure(metrics)

    return Room(
        dispatcher,
        stop=stop,
        run=partial(run_rounds, rounds),
        purge=service.scheduled.purge,
        measure=measure,
    )


def talk_room(platform: Platform, directory: Directory) -> Room:
    from xinyu.wire.v1 import talk_rpc
    from xinyu_services.talk.events import TalkEvents
    from xinyu_services.talk.neighbours import RpcMessages, RpcOnline, RpcRemarks, RpcRows
    from xinyu_services.talk.rpc import TalkRpc
    from xinyu_services.talk.service import TalkService
    from xinyu_services.talk.store import TalkStore
    from xinyu_services.talk.view import TalkView

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
    events.attach(service.load_session, service.robots_among)
    platform.servicers.serve(talk_rpc.METHODS, TalkRpc(service))
    return Room(dispatcher, purge=service.purge_tombstones)


def media_room(platform: Platform, _directory: Directory) -> Room:
    from xinyu.outward.fetch import Outward
    from xinyu.wire.v1 import media_rpc
    from xinyu_services.media.previews import USER_AGENT, Previews
    from xinyu_services.media.rpc import MediaServicer
    from xinyu_services.media.service import MediaService
    from xinyu_services.media.store import MediaStore

    store = MediaStore(platform.dialect)
    service = MediaService(platform.database, store, platform.blobs(), platform.clock, platform.config.media)
    outward = Outward(USER_AGENT)
    previews = Previews(outward, platform.cache, platform.clock, platform.config.previews)
    platform.servicers.serve(media_rpc.METHODS, MediaServicer(service, previews))
    return Room(stop=outward.close, purge=service.purge_uploads)


def emoticon_room(platform: Platform, _directory: Directory) -> Room:
    from xinyu.wire.v1 import emoticon_rpc
    from xinyu_services.emoticon.neighbours import RpcPictures
    from xinyu_services.emoticon.rpc import EmoticonServicer
    from xinyu_services.emoticon.service import EmoticonService
    from xinyu_services.emoticon.store import EmoticonStore

    service = EmoticonService(
        platform.database,
        EmoticonStore(platform.dialect),
        platform.ids("emoticon"),
        RpcPictures(MediaStub(platform.channel("emoticon"))),
        platform.clock,
        platform.config.emoticons,
    )
    platform.servicers.serve(emoticon_rpc.METHODS, EmoticonServicer(service))
    return Room()


def organize_room(platform: Platform, _directory: Directory) -> Room:
    from xinyu.wire.v1 import organize_rpc
    from xinyu_services.organize.neighbours import RpcPeople
    from xinyu_services.organize.rpc import OrganizeServicer
    from xinyu_services.organize.service import OrganizeService
    from xinyu_services.organize.store import OrganizeStore

    service = OrganizeService(
        platform.database,
        OrganizeStore(platform.dialect),
        RpcPeople(UserStub(platform.channel("organize"))),
        enabled=platform.config.organize.enabled,
    )
    platform.servicers.serve(organize_rpc.METHODS, OrganizeServicer(service))
    return Room()


def note_room(platform: Platform, _directory: Directory) -> Room:
    from xinyu.wire.v1 import note_rpc
    from xinyu_services.note.rpc import NoteServicer
    from xinyu_services.note.service import NoteService
    from xinyu_services.note.store import NoteStore

    settings = platform.config.notes
    service = NoteService(
        platform.database,
        NoteStore(platform.dialect),
        platform.ids("note"),
        platform.ids("note_class"),
        platform.ids("note_tag"),
        platform.ids("note_annex"),
        platform.blobs(),
        platform.clock,
        settings,
    )
    platform.servicers.serve(note_rpc.METHODS, NoteServicer(service, platform.config.zone, settings.bin_days))
    return Room(purge=service.purge)


# By the name under which a room is found (contract: discovery).
ROOMS: Final[Mapping[str, Callable[[Platform, Directory], Room]]] = {
    "presence": presence_room,
    "user": user_room,
    "contact": contact_room,
    "group": group_room,
    "message": message_room,
    "talk": talk_room,
    "media": media_room,
    "emoticon": emoticon_room,
    "organize": organize_room,
    "note": note_room,
}
