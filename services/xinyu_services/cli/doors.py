"""What the rooms offer at the two doors: every REST route and every client event of the product."""

from __future__ import annotations

from xinyu.base.config import Config
from xinyu.gateway.http.route import Route
from xinyu.gateway.ws.event import ClientEvent
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.method import Channel
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.contact import http as contact_http
from xinyu_services.group import http as group_http
from xinyu_services.message import http as message_http
from xinyu_services.message import ws as message_ws
from xinyu_services.talk import http as talk_http
from xinyu_services.talk import ws as talk_ws
from xinyu_services.user import http as user_http


def http_routes(channel: Channel, config: Config) -> list[Route]:
    """`channel` is the HTTP gateway's."""
    return [
        *user_http.routes(UserStub(channel)),
        *contact_http.routes(ContactStub(channel), PresenceStub(channel)),
        *group_http.routes(GroupStub(channel), TalkStub(channel), config.zone),
        *message_http.routes(MessageStub(channel), config.messages.max_text_characters),
        *talk_http.routes(TalkStub(channel), MessageStub(channel)),
    ]


def client_events(channel: Channel, config: Config) -> list[ClientEvent]:
    """`channel` is the WebSocket gateway's."""
    return [
        *message_ws.events(MessageStub(channel), config.messages.max_text_characters),
        *talk_ws.events(TalkStub(channel)),
    ]
