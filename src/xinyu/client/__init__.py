"""The Python SDK: an asyncio client that keeps an exact copy of what its user may see.

    async with Client("http://127.0.0.1:8080") as client:
        await client.login("13800000001", "correct horse")
        await client.start()
        await client.send_text(SINGLE, peer_id, "hello")

Reading order: `client` (the front), `replica` (what a device holds and how it catches up), `outgoing` (messages on
their way), `connection` (the socket), `api` (REST), `uploads` (files), `shapes` (what crosses the wire), `notices`,
`ranges`, `backoff`, `errors`.
"""

from __future__ import annotations

from xinyu.client.api import (
    Application,
    Contact,
    ContactGroup,
    Emoticon,
    GroupDetail,
    GroupMember,
    OwnDetail,
    PublicGroup,
    Session,
    Token,
    User,
)
from xinyu.client.client import Client, EventStream
from xinyu.client.errors import (
    ApiError,
    ClientError,
    ClosedError,
    NetworkError,
    NotConnected,
    NotLoggedIn,
    ProtocolError,
    SendQueueFull,
    UnknownTalk,
)
from xinyu.client.notices import (
    ConnectionChanged,
    Notice,
    NoticesDropped,
    OtherEvent,
    PeerRead,
    ReadChanged,
    RecordAdded,
    RecordChanged,
    RecordRemoved,
    ResetDone,
    RosterChanged,
    RowsChanged,
    SendRefused,
    SendStored,
    Synced,
    TalkForgotten,
    TalkUpdated,
    Typing,
)
from xinyu.client.outgoing import Outgoing, Send, new_msg_id
from xinyu.client.replica import Conversation, HistoryPage, Replica
from xinyu.client.shapes import GROUP, SINGLE, Member, OwnMembership, Profile, ReactionCount, Record
from xinyu.client.uploads import Media, Uploads

__all__ = [
    "GROUP",
    "SINGLE",
    "ApiError",
    "Application",
    "Client",
    "ClientError",
    "ClosedError",
    "ConnectionChanged",
    "Contact",
    "ContactGroup",
    "Conversation",
    "Emoticon",
    "EventStream",
    "Forwarded",
    "GroupDetail",
    "GroupMember",
    "HistoryPage",
    "Media",
    "Member",
    "NetworkError",
    "NotConnected",
    "NotLoggedIn",
    "Notice",
    "NoticesDropped",
    "OtherEvent",
    "Outgoing",
    "OwnDetail",
    "OwnMembership",
    "PeerRead",
    "Profile",
    "ProtocolError",
    "PublicGroup",
    "ReactionCount",
    "Reactor",
    "ReadChanged",
    "Record",
    "RecordAdded",
    "RecordChanged",
    "RecordRemoved",
    "Replica",
    "ResetDone",
    "RosterChanged",
    "RowsChanged",
    "Send",
    "SendQueueFull",
    "SendRefused",
    "SendStored",
    "Session",
    "Synced",
    "TalkForgotten",
    "TalkUpdated",
    "Token",
    "Typing",
    "UnknownTalk",
    "Uploads",
    "User",
    "Version",
    "new_msg_id",
]
