"""The SDK's front: one user on one device, connected, caught up, and able to send.

It ties together what each has a file of its own: `replica` (what the device holds), `outgoing` (what is on its way),
`connection` (the socket) and `api` (REST). After each thing that happens, `_pump` does what the parts ask for: the
replica's next sync, the sends that are due, the notices for the application. Everything runs in one event loop and
nothing here awaits while state is half changed.

Guarantees: a message that `send` has returned is stored on the server, exactly once, however often the connection broke
meanwhile; what the views show is what the server held when `is_synced` last became true, plus the pushes since;
`state()` taken at any moment and given to a new Client continues from there, unsent messages included.

Owned tasks: the connection, the sync timer, one a running sync page and one a send on the wire; `close` ends all.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import weakref
from collections import deque
from collections.abc import Coroutine, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from xinyu.client import notices
from xinyu.client.api import (
    Api,
    Application,
    Contact,
    ContactGroup,
    Emoticon,
    Forwarded,
    GroupMember,
    OwnDetail,
    Reactor,
    Session,
    Token,
    User,
    Version,
)
from xinyu.client.backoff import Backoff
from xinyu.client.connection import Connection, Dialect
from xinyu.client.errors import (
    ClientError,
    ClosedError,
    NetworkError,
    NotConnected,
    NotLoggedIn,
    ProtocolError,
    UnknownTalk,
)
from xinyu.client.outgoing import Outgoing, Send, new_msg_id
from xinyu.client.replica import Conversation, Replica
from xinyu.client.shapes import (
    PUSHES,
    Member,
    MembersAnswer,
    Number,
    RangeAnswer,
    ReactionCount,
    Record,
    SessionReady,
    SyncAnswer,
    SyncRequest,
    read,
)
from xinyu.client.uploads import Media, Progress, Uploads

log = logging.getLogger(__name__)

EXPIRE_EVERY_S: Final = 1.0  # how late a message may disappear
SYNC_EVERY_S: Final = 900.0  # so that a lost last push is seen (design: data, "Catching up")
MAX_ASKED_AGAIN: Final = 30  # range or roster answers in a row that were older than what is held
ASK_AGAIN_S: Final = 0.05
STATE_FORMAT: Final = 1


class _State(msgspec.Struct):
    format: int
    device_id: str
    replica: bytes
    outgoing: bytes


class _ReactAnswer(msgspec.Struct, frozen=True, kw_only=True):
    reactions: list[ReactionCount]


class _ReadAnswer(msgspec.Struct):
    read_sequence: Number


class EventStream:
    """Notices for one reader: `async for notice in client.events()`.

    Bounded: when `limit` notices wait, all of them are dropped and one NoticesDropped stands in their place; what the
    client holds is complete all the same, so the reader reads its views again. Ends when the client is closed.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: deque[notices.Notice] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> notices.Notice:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def put(self, notice: notices.Notice) -> None:
        if len(self._queue) >= self._limit:
            dropped = sum(n.count if isinstance(n, notices.NoticesDropped) else 1 for n in self._queue)
            self._queue.clear()
            self._queue.append(notices.NoticesDropped(dropped))
        self._queue.append(notice)
        self._arrived.set()

    def close(self) -> None:
        """What waits can still be read; then the stream ends."""
        self._closed = True
        self._arrived.set()


class Client:
    """One user on one device.

    http_url: origin of the HTTP gateway, e.g. "http://127.0.0.1:8080"; ws_url: the WebSocket's, asked of the HTTP
    gateway when None. device_id: what this device is called on every login, made when None; platform: web, pc or app.
    dialect: "json", or "protobuf" for frames a little smaller.
    token: of an earlier login. state: what `state()` returned in an earlier life of this device (ValueError when it
    is something else). Use it as an async context manager, or call `close`.
    """

    def __init__(
        self,
        http_url: str,
        ws_url: str | None = None,
        *,
        device_id: str | None = None,
        platform: str = "pc",
        dialect: Dialect = "json",
        token: str = "",
        state: bytes | None = None,
        request_timeout_s: float = 10.0,
        sync_every_s: float = SYNC_EVERY_S,
        max_unsent: int = 1000,
        max_events: int = 10_000,
        max_records: int = 10_000,
        backoff: Backoff | None = None,
        random: Random | None = None,
    ) -> None:
        self.api = Api(http_url, token=token, timeout_s=request_timeout_s)
        self._ws_url = ws_url
        self._platform = platform
        self._dialect = dialect
        self._request_timeout_s = request_timeout_s
        self._sync_every_s = sync_every_s
        self._max_events = max_events
        self._random = random or Random()
        self._backoff = backoff
        self._sync_backoff = Backoff(random=self._random)
        self.device_id = device_id or secrets.token_hex(12)
        self._replica = Replica(max_records=max_records)
        self._outgoing = Outgoing(limit=max_unsent, random=self._random)
        if state is not None:
            stored = _read_state(state)
            self.device_id = device_id or stored.device_id
            self._replica = Replica.restore(stored.replica, max_records=max_records)
            self._outgoing = Outgoing.restore(stored.outgoing, limit=max_unsent, random=self._random)
        self._uploads = Uploads(self.api)
        self._waiting: dict[str, asyncio.Future[Record]] = {}  # by msg_id
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()
        self._connection: Connection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._send_timer: asyncio.TimerHandle | None = None
        self._caught_up = asyncio.Event()
        self._stop_error: ClientError | None = None

    # ------------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def register(self, nickname: str, mobile: str, password: str, *, sms_code: str = "") -> Token:
        """Make an account and log in with it. Raises ApiError, e.g. reason `mobile_taken`."""
        token = await self.api.register(nickname, mobile, password, platform=self._platform, sms_code=sms_code)
        self.api.token = token.access_token
        return token

    async def login(self, mobile: str, password: str) -> Token:
        """Raises ApiError, e.g. reason `wrong_password`."""
        token = await self.api.login(mobile, password, platform=self._platform)
        self.api.token = token.access_token
        return token

    async def start(self, timeout_s: float = 15.0) -> None:
        """Connect, and return once this device has caught up.

        Raises ApiError when the login is refused, NetworkError when it took longer than `timeout_s` (the connection
        goes on trying: `wait_synced` waits for it), NotLoggedIn without a token.
        """
        if not self.api.token:
            raise NotLoggedIn("log in or register first")
        if self._stop_error is not None:  # a new login after the old one was refused
            await self.stop()
        if self._connection is None:
            if self._ws_url is None:
                self._ws_url = (await self.api.server_config()).websocket_url
            self._stop_error = None
            self._connection = Connection(
                self._ws_url,
                self,
                token=lambda: self.api.token,
                device_id=self.device_id,
                platform=self._platform,
                dialect=self._dialect,
                request_timeout_s=self._request_timeout_s,
                backoff=self._backoff,
                random=self._random,
            )
            self._connection.start()
            self._spawn(self._sync_timer(), "xinyu-sync-timer")
            self._spawn(self._expiry_timer(), "xinyu-expiry-timer")
        await self.wait_synced(timeout_s)

    async def wait_synced(self, timeout_s: float = 15.0) -> None:
        """Return once connected and caught up. Raises NetworkError after `timeout_s`, or what ended the session."""
        if self._connection is None and self._stop_error is None:
            raise ClosedError("the client is not started")
        try:
            async with asyncio.timeout(timeout_s):
                await self._caught_up.wait()
        except TimeoutError:
            raise NetworkError(f"not caught up within {timeout_s:g} s") from None
        if self._stop_error is not None:
            raise self._stop_error

    async def stop(self) -> None:
        """Go offline; what is held and queued stays, and `start` goes online again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
        self._caught_up.clear()

    async def close(self) -> None:
        """Go offline for good: whoever waits for a send gets ClosedError (the message stays in `state()`)."""
        await self.stop()
        await self.api.close()
        self._fail_waiting(ClosedError("the client was closed; unsent messages are in its state"))
        for stream in list(self._streams):
            stream.close()

    def state(self) -> bytes:
        """What this device must keep over a restart, as one value: store it whole, in place of the one before."""
        return msgspec.msgpack.encode(
            _State(
                format=STATE_FORMAT,
                device_id=self.device_id,
                replica=self._replica.snapshot(),
                outgoing=self._outgoing.snapshot(),
            )
        )

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and self._connection.is_ready

    @property
    def is_synced(self) -> bool:
        """Connected, and no sync under way."""
        return self._replica.is_synced

    @property
    def user_id(self) -> int:
        """0 before the first connection."""
        return self._replica.user_id

    @property
    def replica(self) -> Replica:
        """What this device holds, for reading."""
        return self._replica

    def reconnect(self) -> None:
        """Give up the present connection and make a new one at once (the network has changed, say)."""
        if self._connection is not None:
            self._connection.reconnect()

    # ------------------------------------------------------------------ sending

    async def send_text(
        self,
        talk_mode: int,
        to_from_id: int,
        text: str,
        *,
        msg_id: str | None = None,
        quote_id: str | None = None,
        mentions: Sequence[int] = (),
    ) -> Record:
        """Send a text to a peer (talk_mode 1) or a group (2); returns once it is stored. `mentions`: user ids, 0 =
        everybody. See `send`."""
        body = {"content": text, "mentions": list(mentions)} if mentions else {"content": text}
        return await self.send(talk_mode, to_from_id, "text", body, msg_id=msg_id, quote_id=quote_id)

    async def send(
        self,
        talk_mode: int,
        to_from_id: int,
        type: str,  # the contract's word
        body: dict[str, Any],
        *,
        msg_id: str | None = None,
        quote_id: str | None = None,
    ) -> Record:
        """Queue a message and wait until it is stored, through reconnects, for as long as that takes.

        Returns the stored Record; `record.undelivered` when the two are no friends (nothing was stored). Raises
        ApiError when it is refused for good, SendQueueFull at once when the queue has no room, ClosedError when the
        client is closed meanwhile. A caller that gives up waiting does not take the message back.
        """
        if self._stop_error is not None:
            raise self._stop_error
        send = Send(
            msg_id=msg_id or new_msg_id(),
            talk_mode=talk_mode,
            to_from_id=to_from_id,
            type=type,
            body=body,
            quote_id=quote_id or "",
        )
        self._outgoing.put(send)
        future = self._waiting.get(send.msg_id)
        if future is None:
            future = self._waiting[send.msg_id] = asyncio.get_running_loop().create_future()
            future.add_done_callback(_retrieve)
        self._pump_sends()
        return await asyncio.shield(future)

    async def upload_picture(self, source: Path | bytes, name: str = "") -> Media:
        """Upload a picture, whose `src` a message or a profile may carry. See `Uploads.media`."""
        return await self._uploads.media(source, name)

    async def upload_file(
        self, source: Path | bytes, name: str = "", *, upload_id: str = "", on_progress: Progress | None = None
    ) -> str:
        """Upload any file in parts; returns the upload_id that `send_file` takes. See `Uploads.file`."""
        return await self._uploads.file(source, name, upload_id=upload_id, on_progress=on_progress)

    async def send_picture(
        self, talk_mode: int, to_from_id: int, picture: Media, *, msg_id: str | None = None, quote_id: str | None = None
    ) -> Record:
        """Send a picture that has been uploaded. See `send`."""
        width, height = picture.size
        body = {"url": picture.src, "width": width, "height": height, "size": 0}
        return await self.send(talk_mode, to_from_id, "image", body, msg_id=msg_id, quote_id=quote_id)

    async def send_file(
        self, talk_mode: int, to_from_id: int, upload_id: str, *, msg_id: str | None = None, quote_id: str | None = None
    ) -> Record:
        """Send a file that has been uploaded. See `send`."""
        body = {"upload_id": upload_id}
        return await self.send(talk_mode, to_from_id, "file", body, msg_id=msg_id, quote_id=quote_id)

    async def send_card(self, talk_mode: int, to_from_id: int, user_id: int, *, msg_id: str | None = None) -> Record:
        """Send somebody's name and picture. See `send`."""
        return await self.send(talk_mode, to_from_id, "card", {"user_id": user_id}, msg_id=msg_id)

    async def forward(
        self,
        talk_mode: int,
        to_from_id: int,
        msg_ids: list[str],
        *,
        user_ids: list[int] | None = None,
        group_ids: list[int] | None = None,
        is_merged: bool = False,
        msg_id: str = "",
    ) -> list[Forwarded]:
        """Send messages of the talk to friends and groups, each as a copy or all merged in one; what became of each.
        The same call within 30 s, or with the same `msg_id`, sends nothing twice: repeat it after a NetworkError."""
        return await self.api.forward(
            talk_mode,
            to_from_id,
            msg_ids,
            user_ids=user_ids or [],
            group_ids=group_ids or [],
            is_merged=is_merged,
            msg_id=msg_id,
        )

    async def forward_records(self, msg_ids: list[str]) -> list[Record]:
        """The messages in a merged forward, by the `msg_ids` of its body, as far as this user may read them."""
        return await self.api.forward_records(msg_ids)

    async def download_file(self, msg_id: str) -> bytes:
        """The file of a file message that this user may read, whole in memory."""
        return await self.api.download_file(msg_id)

    @property
    def unsent(self) -> list[Send]:
        """What is queued, oldest first."""
        return list(self._outgoing)

    def typing(self, talk_mode: int, to_from_id: int) -> None:
        """Tell the peer that this user types; lost when there is no connection."""
        if self._connection is not None and self._connection.is_ready:
            self._connection.post("im.message.keyboard", {"talk_mode": talk_mode, "to_from_id": to_from_id})

    async def revoke(self, talk_mode: int, to_from_id: int, msg_id: str) -> None:
        """Recall a message for everybody."""
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_id": msg_id}
        await self._request("im.message.revoke", body)

    async def edit(self, talk_mode: int, to_from_id: int, msg_id: str, body: dict[str, Any]) -> Record:
        """Give a message of one's own another text (or code, or items), as `send` takes it; the stored Record."""
        asked = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_id": msg_id, "body": body}
        return read(Record, await self._request("im.message.edit", asked))

    async def edits(self, talk_mode: int, to_from_id: int, msg_id: str) -> list[Version]:
        """All texts that a message has had, the first one first."""
        return await self.api.edits(talk_mode, to_from_id, msg_id)

    async def react(
        self, talk_mode: int, to_from_id: int, msg_id: str, emoji: str, *, is_set: bool = True
    ) -> list[ReactionCount]:
        """React to a message with an emoji, or take that back; what the message has then."""
        asked = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_id": msg_id, "emoji": emoji}
        answer = await self._request("im.message.react", asked | {"action": 1 if is_set else 2})
        return read(_ReactAnswer, answer).reactions

    async def reactors(self, talk_mode: int, to_from_id: int, msg_id: str, emoji: str = "") -> list[Reactor]:
        """Who reacted to a message, the earliest first; with that emoji, or with whatever."""
        return await self.api.reactors(talk_mode, to_from_id, msg_id, emoji)

    async def pin(self, talk_mode: int, to_from_id: int, msg_id: str, *, is_set: bool = True) -> None:
        """Keep a message of the talk in sight of all its members, or no longer."""
        asked = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_id": msg_id, "action": 1 if is_set else 2}
        await self._request("im.message.pin", asked)

    async def pins(self, talk_mode: int, to_from_id: int) -> list[Record]:
        """What is pinned in the talk, the newest pin first."""
        return await self.api.pins(talk_mode, to_from_id)

    async def hide(self, talk_mode: int, to_from_id: int, msg_ids: list[str]) -> None:
        """Hide messages from oneself, on all of one's devices."""
        await self.api.hide_messages(talk_mode, to_from_id, msg_ids)

    async def mark_read(self, talk_id: int, sequence: int | None = None) -> None:
        """Read up to `sequence`, or up to everything that this device holds."""
        at = self._replica.cursors(talk_id)[0] if sequence is None else sequence
        answer = read(_ReadAnswer, await self._request("im.talk.read", {"talk_id": talk_id, "sequence": at}))
        self._replica.read_answered(talk_id, answer.read_sequence)
        self._pump()

    # ------------------------------------------------------------------ views

    def conversations(self) -> list[Conversation]:
        """The conversation list: pinned ones first, then the newest."""
        return self._replica.conversation_list()

    def talk(self, talk_mode: int, to_from_id: int) -> Conversation | None:
        """The talk with a peer (1) or of a group (2), listed or not; None when there is none on this device."""
        return self._replica.find(talk_mode, to_from_id)

    def unread(self, talk_id: int) -> int:
        return self._replica.unread(talk_id)

    async def history(self, talk_id: int, before: int | None = None, limit: int = 30) -> list[Record]:
        """At most `limit` messages with sequence < `before` (None = from the newest), newest first; fetches what this
        device does not hold. An empty list = nothing older. Raises UnknownTalk, NetworkError, ApiError."""
        asked_again = 0
        while True:
            page = self._replica.history(talk_id, before, limit)
            if page.missing is None:
                return page.records
            answer = read(RangeAnswer, await self._request("im.message.range", page.missing.request))
            if not self._replica.apply_range(page.missing, answer):
                asked_again += 1
                if asked_again > MAX_ASKED_AGAIN:
                    raise NetworkError(f"talk {talk_id} changes faster than its history is answered")
                await asyncio.sleep(ASK_AGAIN_S)

    async def members(self, talk_id: int) -> list[Member]:
        """The members of a group's talk, by user id; fetches what changed since it was asked last."""
        asked_again = 0
        while asked_again < MAX_ASKED_AGAIN:
            roster = self._replica.roster(talk_id)
            if roster.missing is None:
                return roster.members
            answer = read(MembersAnswer, await self._request("im.talk.members", roster.missing.request))
            if not self._replica.apply_members(roster.missing, answer):
                if answer.change > roster.missing.request.change:
                    continue  # a page of a large group
                asked_again += 1
                await asyncio.sleep(ASK_AGAIN_S)
        raise NetworkError(f"talk {talk_id} changes faster than its members are answered")

    def events(self) -> EventStream:
        """Notices from now on; each stream gets all of them. See `EventStream` for its bound."""
        stream = EventStream(self._max_events)
        self._streams.add(stream)
        return stream

    # ------------------------------------------------------------------ contacts and groups

    async def detail(self) -> OwnDetail:
        return await self.api.own_detail()

    async def search(self, mobile: str) -> User:
        """The user with that mobile number; ApiError 404 when there is none."""
        return await self.api.search(mobile)

    async def apply(self, user_id: int, remark: str = "hello") -> None:
        """Ask somebody to become a friend."""
        await self.api.apply(user_id, remark)

    async def applications(self) -> list[Application]:
        """Who asks to become a friend of this user."""
        return await self.api.applications()

    async def accept(self, apply_id: int, remark: str = "") -> Session:
        """Accept an application: both are friends and have a talk, whose entry is returned."""
        return await self.api.accept(apply_id, remark)

    async def contacts(self) -> list[Contact]:
        return await self.api.contacts()

    async def edit_remark(self, user_id: int, remark: str) -> None:
        """What one calls a friend, at most 10 characters; "" = by his own name."""
        await self.api.edit_remark(user_id, remark)

    async def delete_contact(self, user_id: int) -> None:
        """End the friendship: he leaves one's list, and neither can write to the other where friendship counts."""
        await self.api.delete_contact(user_id)

    async def block(self, user_id: int, *, is_block: bool = True) -> None:
        """Take no messages and no applications of somebody, or take them again."""
        await self.api.block(user_id, is_block=is_block)

    async def blocked(self) -> list[Contact]:
        """Whom one has blocked."""
        return await self.api.blocked()

    async def contact_groups(self) -> list[ContactGroup]:
        """One's own folders of friends."""
        return await self.api.contact_groups()

    async def save_contact_groups(self, groups: list[ContactGroup]) -> None:
        """The whole list as it is to be: what is missing is deleted, and its friends are in none."""
        await self.api.save_contact_groups(groups)

    async def move_contact(self, user_id: int, group_id: int) -> None:
        """Keep a friend in one of the folders, 0 = in none."""
        await self.api.move_contact(user_id, group_id)

    async def emoticons(self) -> list[Emoticon]:
        """One's own pictures, the newest first; sent as type `emoticon` with {emoticon_id}."""
        return await self.api.emoticons()

    async def add_emoticon(self, url: str) -> Emoticon:
        """Keep a picture that was uploaded here, as a message shows it."""
        return await self.api.add_emoticon(url)

    async def delete_emoticon(self, emoticon_id: int) -> None:
        await self.api.delete_emoticon(emoticon_id)

    async def open_talk(self, talk_mode: int, to_from_id: int) -> Session:
        """Make the talk's entry in the list, or show it again; `id` is the talk id."""
        return await self.api.open_talk(talk_mode, to_from_id)

    async def pin_talk(self, talk_id: int, *, is_pinned: bool = True) -> None:
        """Keep the talk at the top of the list, on all devices."""
        talk = self._known(talk_id)
        await self.api.pin_talk(talk.talk_mode, talk.to_from_id, is_pinned=is_pinned)

    async def silence_talk(self, talk_id: int, *, is_silent: bool = True) -> None:
        """Whether devices make no sound for it."""
        talk = self._known(talk_id)
        await self.api.silence_talk(talk.talk_mode, talk.to_from_id, is_silent=is_silent)

    async def save_draft(self, talk_id: int, draft: str) -> None:
        """What is half written, for all devices; "" removes it."""
        talk = self._known(talk_id)
        await self.api.save_draft(talk.talk_mode, talk.to_from_id, draft)

    async def clear_records(self, talk_id: int) -> None:
        """Clear the talk for oneself, up to what this device holds."""
        talk = self._known(talk_id)
        await self.api.clear_records(talk.talk_mode, talk.to_from_id, talk.last_sequence)

    async def hide_talk(self, talk_id: int) -> None:
        """Take the talk off the list until something new comes."""
        talk = self._known(talk_id)
        await self.api.hide_talk(talk.talk_mode, talk.to_from_id, talk.last_sequence)

    async def create_group(self, name: str, user_ids: list[int]) -> int:
        """Returns the group id; the talk is (2, group id)."""
        return await self.api.create_group(name, user_ids)

    async def invite(self, group_id: int, user_ids: list[int]) -> None:
        await self.api.invite(group_id, user_ids)

    async def group_members(self, group_id: int) -> list[GroupMember]:
        """The members with their names, for showing; `members` has what changes with the talk."""
        return await self.api.group_members(group_id)

    async def remove_member(self, group_id: int, user_id: int) -> None:
        await self.api.remove_members(group_id, [user_id])

    async def leave(self, group_id: int) -> None:
        await self.api.leave_group(group_id)

    def _known(self, talk_id: int) -> Conversation:
        talk = self._replica.conversation(talk_id)
        if talk is None:
            raise UnknownTalk(f"this device holds no talk {talk_id}")
        return talk

    # ------------------------------------------------------------------ the connection's calls

    def on_ready(self, ready: SessionReady) -> None:
        self._replica.connected(ready.uid, ready.epoch)
        self._sync_backoff.reset()
        self._pump()

    def on_event(self, event: str, payload: Any) -> None:
        shape = PUSHES.get(event)
        if shape is not None:
            try:
                self._replica.receive(read(shape, payload))
            except ProtocolError as error:  # as good as a lost push
                log.warning("a push that makes no sense: %s", error)
                self._replica.sync()
        elif event == "sync.required":
            self._replica.sync()
        elif event == "im.message.keyboard" and isinstance(payload, dict):
            fields = [payload.get(name) for name in ("talk_mode", "to_from_id", "from_id")]
            if all(isinstance(field, int) for field in fields):
                self._notify(notices.Typing(*fields))  # type: ignore[arg-type]
        else:
            self._notify(notices.OtherEvent(event, payload))
        self._pump()

    def on_lost(self) -> None:
        self._replica.disconnected()
        self._outgoing.disconnected()
        self._pump()

    def on_state(self, state: str, detail: str) -> None:
        self._notify(notices.ConnectionChanged(state, detail))

    def on_stopped(self, error: ClientError) -> None:
        self._stop_error = error
        self._fail_waiting(error)
        self._caught_up.set()  # whoever waits must hear of it

    # ------------------------------------------------------------------ what happens by itself

    def _pump(self) -> None:
        for notice in self._replica.take_notices():
            self._notify(notice)
        request = self._replica.take_sync()
        if request is not None:
            self._spawn(self._sync(request), "xinyu-sync")
        if self._replica.is_synced:
            self._caught_up.set()
        elif self._stop_error is None:
            self._caught_up.clear()
        self._pump_sends()

    def _pump_sends(self) -> None:
        connection = self._connection
        if connection is None or not connection.is_ready:
            return
        loop = asyncio.get_running_loop()
        for send in self._outgoing.take_due(_monotonic_ms()):
            self._spawn(self._send(connection, send), "xinyu-send")
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None
        due_ms = self._outgoing.next_due_ms()
        if due_ms is not None:
            delay_s = max(0.0, (due_ms - _monotonic_ms()) / 1000)
            self._send_timer = loop.call_later(delay_s, self._pump_sends)

    async def _send(self, connection: Connection, send: Send) -> None:
        try:
            record = read(Record, await connection.request("im.message.send", send))
        except NotConnected:
            return  # `on_lost` has put it back into the queue, or does so now
        except ClientError as error:
            if self._outgoing.refused(send.msg_id, error, _monotonic_ms()):
                future = self._waiting.pop(send.msg_id, None)
                if future is not None and not future.done():
                    future.set_exception(error)
                self._notify(notices.SendRefused(send.msg_id, error))
        else:
            self._outgoing.stored(send.msg_id)
            try:
                self._replica.stored(record)
            except ProtocolError as error:
                log.warning("an answer to a send that makes no sense: %s", error)
                self._replica.sync()
            future = self._waiting.pop(send.msg_id, None)
            if future is not None and not future.done():
                future.set_result(record)
            self._notify(notices.SendStored(send.msg_id, record))
        self._pump()

    async def _sync(self, request: SyncRequest) -> None:
        try:
            answer = read(SyncAnswer, await self._request("sync", request))
            self._replica.apply_sync(request, answer)
            self._sync_backoff.reset()
        except ClientError as error:
            log.warning("sync failed: %s", error)
            await asyncio.sleep(self._sync_backoff.next_ms() / 1000)
            self._replica.sync_failed(request)
        self._pump()

    async def _sync_timer(self) -> None:
        while True:
            await asyncio.sleep(self._sync_every_s * self._random.uniform(0.9, 1.1))
            self._replica.sync()
            self._pump()

    async def _expiry_timer(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            self._replica.expire(int(time.time() * 1000))
            self._pump()

    async def _request(self, event: str, payload: Any) -> Any:
        if self._connection is None:
            raise self._stop_error or NotConnected("the client is not started")
        return await self._connection.request(event, payload)

    def _notify(self, notice: notices.Notice) -> None:
        for stream in self._streams:
            stream.put(notice)

    def _fail_waiting(self, error: ClientError) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(error)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the client failed", exc_info=task.exception())


def _retrieve(future: asyncio.Future[Record]) -> None:
    """A caller that gave up waiting must not make the loop complain about an exception that nobody took."""
    if not future.cancelled():
        future.exception()


def _monotonic_ms() -> int:
    return int(time.monotonic() * 1000)


def _read_state(state: bytes) -> _State:
    try:
        stored = msgspec.msgpack.decode(state, type=_State)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"not a client's state: {error}") from None
    if stored.format != STATE_FORMAT:
        raise ValueError(f"a state of format {stored.format}, this version reads {STATE_FORMAT}")
    return stored
