"""Export of one's own data: JSON Lines, each made when the client has taken the one before.

Nothing is gathered and nothing is stored for it: what a client has not read yet has not been asked for, so an export
costs a page of memory whatever its length, and ends with its connection. It is what the user may read at that moment,
by the rules of each room, and no snapshot: what comes in meanwhile may be in it or not. The last line says that it is
whole. Pictures and files stand in it as their addresses.

Bounds: one at a time a user and MAX_AT_ONCE a process; a client that stops reading is cut off by the gateway. Of one
with more than MAX_TALKS conversations, those are left out that have been quiet for longest.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec

from xinyu.base.errors import OVERLOADED, TOO_MANY, UNKNOWN_NOTE, XinYuError
from xinyu.gateway.http.route import HttpCall, Nothing, Stream, StreamRoute
from xinyu.wire.v1 import contact_pb2, group_pb2, message_pb2, note_pb2, options_pb2, talk_pb2, user_pb2
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.note_rpc import NoteStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.talk_key import talk_key

MAX_AT_ONCE: Final = 16
MAX_TALKS: Final = 10_000
HEADS_PAGE: Final = 100
# Of numbers: what one range may name.
MESSAGES_PAGE: Final = 200
PLAIN: Final = options_pb2.CODEC_V1_JSON

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Exports:
    """Those of one gateway process."""

    def __init__(
        self,
        user: UserStub,
        contact: ContactStub,
        group: GroupStub,
        talk: TalkStub,
        message: MessageStub,
        note: NoteStub,
    ) -> None:
        self._user = user
        self._contact = contact
        self._group = group
        self._talk = talk
        self._message = message
        self._note = note
        self._running: set[int] = set()

    def route(self) -> StreamRoute:
        """`user/export`."""

        async def export(call: HttpCall, _: Nothing) -> Stream:
            return Stream(self.lines(call.user_id), "application/x-ndjson", "xinyu-export.jsonl")

        return StreamRoute("user/export", Nothing, export)

    async def lines(self, user_id: int) -> AsyncGenerator[bytes, None]:
        """One line each, the first one when there is room for it. Raises TOO_MANY, OVERLOADED, and what a room's call
        may end with."""
        if user_id in self._running:
            raise XinYuError(TOO_MANY, "An export of yours is running.")
        if len(self._running) >= MAX_AT_ONCE:
            raise XinYuError(OVERLOADED)
        self._running.add(user_id)
        try:
            counts: dict[str, int] = {}
            async for kind, value in self._values(user_id):
                counts[kind] = counts.get(kind, 0) + 1
                yield _line(kind, value)
            yield _line("end", counts)
        finally:
            self._running.discard(user_id)

    async def _values(self, user_id: int) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        profile = await self._user.load_user(user_pb2.UserRequest(user_id=user_id))
        yield "profile", {field.name: value for field, value in profile.ListFields()}
        settings = await self._user.load_settings(user_pb2.LoadSettingsRequest(user_id=user_id, codec=PLAIN))
        yield "setting", _decode(settings.encoded)["setting"]
        own = contact_pb2.ContactListRequest(user_id=user_id, codec=PLAIN)
        for kind, page in (
            ("contact", await self._contact.list(own)),
            ("contact_group", await self._contact.list_folders(own)),
            ("contact_application", await self._contact.list_applies(own)),
            ("group", await self._group.list(group_pb2.GroupListRequest(user_id=user_id, codec=PLAIN))),
        ):
            for item in _decode(page.items):
                yield kind, item
        async for found in self._messages(user_id):
            yield found
        async for note in self._notes(user_id):
            yield "note", note

    async def _messages(self, user_id: int) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        listed = await self._talk.list_talks(talk_pb2.ListTalksRequest(user_id=user_id, limit=MAX_TALKS))
        talk_ids = list(listed.talk_ids)
        for start in range(0, len(talk_ids), HEADS_PAGE):
            request = message_pb2.LoadHeadsRequest(user_id=user_id, codec=PLAIN)
            request.talk_ids.extend(talk_ids[start : start + HEADS_PAGE])
            for head in (await self._message.load_heads(request)).heads:
                named = {"talk_id": head.talk_id, "talk_mode": head.talk_mode, "to_from_id": head.to_from_id}
                yield "talk", named
                key = talk_key(user_id, head.talk_mode, head.to_from_id)
                for low in range(1, head.last_sequence + 1, MESSAGES_PAGE):
                    span = message_pb2.LoadRangeRequest(
                        user_id=user_id,
                        talk_id=head.talk_id,
                        from_sequence=low,
                        to_sequence=min(low + MESSAGES_PAGE - 1, head.last_sequence),
                        codec=PLAIN,
                    )
                    for record in _decode((await self._message.load_range(span, key=key)).records):
                        yield "message", record

    async def _notes(self, user_id: int) -> AsyncIterator[dict[str, Any]]:
        listed = await self._note.list(note_pb2.ListNotesRequest(user_id=user_id))
        for item in _decode(listed.encoded)["items"]:
            request = note_pb2.NoteItemRequest(user_id=user_id, id=item["article_id"])
            try:
                yield _decode((await self._note.load(request)).encoded)
            except XinYuError as error:
                if error.code is not UNKNOWN_NOTE:  # deleted since it was listed
                    raise


def _line(kind: str, value: dict[str, Any]) -> bytes:
    return _encode({"kind": kind, **value}) + b"\n"
