"""What the rooms offer at the two doors: every REST route and every client event of the product.

A route whose request and answer are JSON objects is a client event as well, called like its path: what can be done over
HTTP can be done over a WebSocket that is open anyway. Not so where a caller is not logged in yet, where the handler
must know how the request came (`Route.http_only`), and where the WebSocket has an event of its own for it.
"""

from __future__ import annotations

from typing import Any, Final

from xinyu.base.clock import Clock
from xinyu.base.config import Config
from xinyu.gateway.http.form import Form
from xinyu.gateway.http.route import AnyRoute, HttpCall, Route
from xinyu.gateway.ws.envelope import routed_codec
from xinyu.gateway.ws.event import ClientEvent, EventCall
from xinyu.storage.blobs import Blobs
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.emoticon_rpc import EmoticonStub
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.media_rpc import MediaStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.method import Channel
from xinyu.wire.v1.note_rpc import NoteStub
from xinyu.wire.v1.organize_rpc import OrganizeStub
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu.wire.v1.user_rpc import UserStub


def http_routes(channel: Channel, config: Config, blobs: Blobs, clock: Clock) -> list[AnyRoute]:
    """`channel` is the HTTP gateway's; `blobs` is where it puts what is uploaded."""
    from xinyu_services.emoticon import http as emoticon_http
    from xinyu_services.media import http as media_http
    from xinyu_services.media.door import UploadDoor
    from xinyu_services.media.model import Kind
    from xinyu_services.note import http as note_http
    from xinyu_services.user.export import Exports

    door = UploadDoor(MediaStub(channel), blobs, clock, config.media)
    exports = Exports(
        UserStub(channel),
        ContactStub(channel),
        GroupStub(channel),
        TalkStub(channel),
        MessageStub(channel),
        NoteStub(channel),
    )

    async def take_picture(user_id: int, form: Form, base_url: str) -> str:
        return (await door.whole(user_id, form, base_url, (Kind.PICTURE,))).url

    return [
        *_json_routes(channel, config),
        *media_http.file_routes(door, config.media),
        *emoticon_http.file_routes(EmoticonStub(channel), take_picture, config.media),
        *note_http.file_routes(NoteStub(channel), door, config.notes),
        exports.route(),
    ]


def client_events(channel: Channel, config: Config) -> list[ClientEvent]:
    """`channel` is the WebSocket gateway's."""
    from xinyu_services.message import ws as message_ws
    from xinyu_services.presence import ws as presence_ws
    from xinyu_services.talk import ws as talk_ws

    return [
        *message_ws.events(
            MessageStub(channel), MediaStub(channel), EmoticonStub(channel), config.messages.max_text_characters
        ),
        *talk_ws.events(TalkStub(channel)),
        *presence_ws.events(ContactStub(channel)),
        *(_event(route) for route in _json_routes(channel, config) if isinstance(route, Route) and _is_event(route)),
    ]


def _json_routes(channel: Channel, config: Config) -> list[AnyRoute]:
    """Those that need nothing but other rooms."""
    from xinyu_services.contact import http as contact_http
    from xinyu_services.emoticon import http as emoticon_http
    from xinyu_services.group import http as group_http
    from xinyu_services.media import http as media_http
    from xinyu_services.message import http as message_http
    from xinyu_services.message import scheduled_http
    from xinyu_services.note import http as note_http
    from xinyu_services.organize import http as organize_http
    from xinyu_services.talk import http as talk_http
    from xinyu_services.user import http as user_http

    media, emoticons = MediaStub(channel), EmoticonStub(channel)
    return [
        *user_http.routes(UserStub(channel), config.zone),
        *contact_http.routes(ContactStub(channel), PresenceStub(channel)),
        *group_http.routes(GroupStub(channel), TalkStub(channel), config.zone),
        *message_http.routes(MessageStub(channel), media, emoticons, config.messages.max_text_characters),
        *scheduled_http.routes(MessageStub(channel), media, emoticons, config.messages.max_text_characters),
        *talk_http.routes(TalkStub(channel), MessageStub(channel)),
        *media_http.routes(media),
        *emoticon_http.routes(emoticons),
        *organize_http.routes(OrganizeStub(channel)),
        *note_http.routes(NoteStub(channel)),
    ]


# Routes that have an event of another name, or of the same.
_WITH_AN_EVENT: Final = frozenset(
    (
        "message/send",
        "message/edit",
        "message/react",
        "message/pin",
        "message/revoke",
        "message/range",
        "message/search",
        "talk/members",
        "talk/read",
        "sync",
    )
)


def _is_event(route: Route) -> bool:
    return not (route.open or route.http_only or route.path in _WITH_AN_EVENT)


def _event(route: Route) -> ClientEvent:
    async def handle(call: EventCall, body: Any) -> Any:
        told = HttpCall(call.user_id, routed_codec(call.codec), address="", user_agent="", secure=False)
        return await route.handler(told, body)

    return ClientEvent(route.path, route.request_type, handle, limit="send" if route.limit else "")
