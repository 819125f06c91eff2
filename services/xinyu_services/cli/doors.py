"""What the rooms offer at the two doors: every REST route and every client event of the product.
Each door loads its own part only."""

from __future__ import annotations

from xinyu.base.clock import Clock
from xinyu.base.config import Config
from xinyu.gateway.http.form import Form
from xinyu.gateway.http.route import AnyRoute
from xinyu.gateway.ws.event import ClientEvent
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
    from xinyu_services.contact import http as contact_http
    from xinyu_services.emoticon import http as emoticon_http
    from xinyu_services.group import http as group_http
    from xinyu_services.media import http as media_http
    from xinyu_services.media.door import UploadDoor
    from xinyu_services.media.model import Kind
    from xinyu_services.message import http as message_http
    from xinyu_services.message import scheduled_http
    from xinyu_services.note import http as note_http
    from xinyu_services.organize import http as organize_http
    from xinyu_services.talk import http as talk_http
    from xinyu_services.user import http as user_http
    from xinyu_services.user.export import Exports

    media, emoticons = MediaStub(channel), EmoticonStub(channel)
    door = UploadDoor(media, blobs, clock, config.media)

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
        *user_http.routes(UserStub(channel), config.zone),
        *contact_http.routes(ContactStub(channel), PresenceStub(channel)),
        *group_http.routes(GroupStub(channel), TalkStub(channel), config.zone),
        *message_http.routes(MessageStub(channel), media, emoticons, config.messages.max_text_characters),
        *scheduled_http.routes(MessageStub(channel), media, emoticons, config.messages.max_text_characters),
        *talk_http.routes(TalkStub(channel), MessageStub(channel)),
        *media_http.routes(media, door, config.media),
        *emoticon_http.routes(emoticons, take_picture, config.media),
        *organize_http.routes(OrganizeStub(channel)),
        *note_http.routes(NoteStub(channel), door, config.notes),
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
    ]
