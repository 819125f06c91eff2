"""REST calls of the HTTP gateway, typed (contract: http-api). One method a route, one `call` for the rest.

Every call is a POST of a JSON object with a deadline; success is status 200 and the answer itself, everything else an
ApiError. Texts come as typed, not HTML-escaped (`X-XinYu-Text: plain`). Nothing is repeated here by itself: a
NetworkError means that it is unknown whether the call was carried out.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from xinyu.client.errors import ApiError, NetworkError, NotLoggedIn, ProtocolError
from xinyu.client.shapes import Number, Record

T = TypeVar("T")
MAX_ANSWER_BYTES: Final = 128 * 1024 * 1024
LINES_SILENCE_S: Final = 60.0


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """expires_in: seconds."""

    access_token: str
    type: str = "Bearer"
    expires_in: int = 0


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /config.json`: where the WebSocket is, and the server's version."""

    websocket_url: str
    version: str = ""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, as `contact/search` shows him."""

    user_id: Number
    nickname: str = ""
    avatar: str = ""
    mobile: str = ""
    gender: int = 0
    motto: str = ""


class OwnDetail(msgspec.Struct, frozen=True, kw_only=True):
    """`user/detail`: oneself. birthday: YYYY-MM-DD or ""."""

    id: Number
    nickname: str = ""
    avatar: str = ""
    mobile: str = ""
    email: str = ""
    gender: int = 0
    motto: str = ""
    birthday: str = ""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a user's devices share. theme_mode: light, dark or auto; the last three are "Y" or "N"."""

    theme_mode: str = ""
    theme_bag_img: str = ""
    theme_color: str = ""
    notify_cue_tone: str = ""
    keyboard_event_notify: str = ""
    read_receipts: str = ""


class _SettingAnswer(msgspec.Struct):
    setting: Settings


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A friend. group_id: of one's own folders, 0 = none; is_robot 1: a bot."""

    user_id: Number
    nickname: str = ""
    avatar: str = ""
    gender: int = 0
    motto: str = ""
    remark: str = ""
    group_id: int = 0
    is_robot: int = 2


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """A pending application to oneself; `friend_id` is the asker."""

    id: Number
    user_id: Number
    friend_id: Number
    remark: str = ""
    nickname: str = ""
    avatar: str = ""
    created_at: str = ""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the conversation list as REST answers it; `id` is the talk id."""

    id: Number
    talk_mode: int
    to_from_id: Number
    name: str = ""
    avatar: str = ""
    remark: str = ""
    unread_num: int = 0
    msg_text: str = ""
    updated_at: str = ""
    is_top: int = 2
    is_disturb: int = 2
    is_robot: int = 2


class GroupMember(msgspec.Struct, frozen=True, kw_only=True):
    """leader: 1 owner, 2 admin, 3 member; remark: the visit card; is_robot 1: a bot."""

    user_id: Number
    nickname: str = ""
    avatar: str = ""
    gender: int = 0
    leader: int = 3
    is_mute: int = 2
    remark: str = ""
    motto: str = ""
    is_robot: int = 2


class PublicGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group that its owner has made public. `count` of `max_num` are in it."""

    group_id: Number
    name: str
    type: int = 1
    avatar: str = ""
    profile: str = ""
    count: int = 0
    max_num: int = 0
    is_member: bool = False
    created_at: str = ""


class GroupApplication(msgspec.Struct, frozen=True, kw_only=True):
    """A request to join a group. Of one's own: `avatar` is the group's, and `state` what became of it: 1 pending,
    2 agreed, 3 declined, 4 withdrawn. Of others: `user_id`, `nickname` and `avatar` are the asker's."""

    id: Number
    group_id: Number
    user_id: int = 0
    group_name: str = ""
    remark: str = ""
    nickname: str = ""
    avatar: str = ""
    state: int = 1
    created_at: str = ""


class GroupNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A group's notice, in markdown."""

    content: str
    created_at: str = ""
    updated_at: str = ""
    modify_user_name: str = ""


class GroupDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A group as its members see it. visit_card: one's own name in it; mention_all: who may mention everybody, 1 owner
    and admins, 2 all; notice None = there is none."""

    group_id: Number
    group_name: str = ""
    profile: str = ""
    avatar: str = ""
    created_at: str = ""
    is_manager: bool = False
    is_disturb: int = 2
    visit_card: str = ""
    is_mute: int = 2
    is_overt: int = 2
    slow_mode_s: int = 0
    mention_all: int = 1
    notice: GroupNotice | None = None


class NoticeEdit(msgspec.Struct, frozen=True, kw_only=True):
    """One edit of a group's notice; `content` "" removed it."""

    content: str
    user_id: Number
    nickname: str = ""
    updated_at: str = ""


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """A vote in a group's list. answer_mode: 1 one option, 2 several; is_anonymous: 1 open, 2 secret; status:
    1 running, 2 ended."""

    vote_id: Number
    title: str
    answer_mode: int = 1
    is_anonymous: int = 1
    status: int = 1
    created_by: int = 0
    created_at: str = ""
    is_voted: bool = False


class VoteOption(msgspec.Struct, frozen=True, kw_only=True):
    """`num`: who chose it; `is_checked`: oneself did."""

    key: str
    value: str
    num: int = 0
    is_checked: bool = False


class VoteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who chose which keys; in a secret vote user_id is 0, nickname and answer_time are empty."""

    options: list[str]
    user_id: int = 0
    nickname: str = ""
    answer_time: str = ""


class VoteDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A vote as one member sees it. answer_num: who may vote; answered_num: who has. `cursor`: of the next page of
    answers, "" = there are no more."""

    vote_id: Number
    group_id: Number
    title: str
    answer_options: list[VoteOption]
    answered_users: list[VoteAnswer]
    answer_mode: int = 1
    answer_num: int = 0
    answered_num: int = 0
    is_anonymous: int = 1
    is_submit: bool = False
    status: int = 1
    created_by: int = 0
    cursor: str = ""


class ContactGroup(msgspec.Struct, frozen=True, kw_only=True):
    """One's own folder of friends. `id` 0 = a new one; `count`: friends in it, answered only."""

    id: int
    name: str
    sort: int = 0
    count: int = 0


class Forwarded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one copy of a forward: its msg_id, or the reason why it was not sent."""

    ok: bool
    to_talk_mode: int
    to_id: Number
    msg_id: str = ""
    err: str = ""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One text of a message, as its `extra`, and since when; 0 = as it was sent."""

    extra: str
    edited_at_ms: Number = 0


class Reactor(msgspec.Struct, frozen=True, kw_only=True):
    """Who reacted to a message, with what and when."""

    user_id: Number
    emoji: str
    nickname: str = ""
    avatar: str = ""
    reacted_at_ms: Number = 0


class _ReactorsPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Reactor]
    cursor: str = ""


class Emoticon(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of one's own collection."""

    emoticon_id: Number
    url: str


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    """One of one's own. `webhook_state`: "" where it has no webhook, ok, failing (why and since when is beside it),
    suspended, or unknown."""

    bot_id: Number
    name: str
    avatar: str = ""
    created_at: str = ""
    webhook_url: str = ""
    webhook_state: str = ""
    webhook_failure: str = ""
    webhook_failing_since_ms: Number = 0


class BotToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a bot logs in with: the `token` of its own Api or Client. It is told once, and so is what its webhook's
    deliveries are signed with, where one was set."""

    bot_id: Number
    token: str
    webhook_secret: str = ""


class UpdatedBot(msgspec.Struct, frozen=True, kw_only=True):
    """`webhook_secret`: of a webhook that was set; told once."""

    webhook_secret: str = ""


class LinkPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says of itself, as plain text; `image`: the address of a picture, "" = none."""

    url: str
    title: str
    description: str = ""
    image: str = ""
    site_name: str = ""


class MessageReader(msgspec.Struct, frozen=True, kw_only=True):
    """Who could read a message, and whether he has."""

    user_id: Number
    nickname: str = ""
    avatar: str = ""
    read: bool = False


class Readers(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a message's readers; the numbers are those of all pages. `cursor` asks for the next, "" = the last."""

    items: list[MessageReader]
    read_num: int
    unread_num: int
    cursor: str = ""


class ScheduledMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An own message that is to be sent. state: waits, or failed for the reason of an error."""

    scheduled_id: str
    talk_id: Number
    talk_mode: int
    to_from_id: Number
    type: str
    body: dict[str, Any]
    send_at_ms: Number
    quote_id: str = ""
    state: str = "waits"
    reason: str = ""


class _ScheduleAnswer(msgspec.Struct):
    scheduled_id: str


class FoundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """highlights: where the keyword's words stand, as (from, to) in characters of the text that is shown."""

    record: Record
    highlights: list[tuple[int, int]]


class FoundPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. cursor "" = the last page; a page that has few or none may be followed by another."""

    items: list[FoundMessage]
    cursor: str = ""


class _Refusal(msgspec.Struct):
    code: int
    message: str = ""
    data: Any = None


class _Items(msgspec.Struct):
    items: msgspec.Raw


class _AcceptAnswer(msgspec.Struct):
    session: Session


class _GroupAnswer(msgspec.Struct):
    group_id: Number


class _PublicPage(msgspec.Struct):
    items: list[PublicGroup]
    next: bool = False


class _MembersPage(msgspec.Struct):
    items: list[GroupMember]
    cursor: str = ""


class _VotesPage(msgspec.Struct):
    items: list[Vote]
    cursor: int = 0


class _Num(msgspec.Struct):
    num: int


class Api:
    """The calls. Owns an aiohttp session, which `close` ends. `token` "" = not logged in."""

    def __init__(self, http_url: str, *, token: str = "", timeout_s: float = 10.0) -> None:
        self._url = http_url.rstrip("/")
        self.token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, path: str, body: dict[str, Any], *, needs_token: bool = True) -> bytes:
        """POST /api/v1/{path}: the bytes of a 200 answer. Raises ApiError, NetworkError or NotLoggedIn."""
        if needs_token and not self.token:
            raise NotLoggedIn(f"{path} needs a login")
        return await self._exchange("POST", f"/api/v1/{path}", msgspec.json.encode(body))

    async def call_as(self, shape: type[T], path: str, body: dict[str, Any], *, needs_token: bool = True) -> T:
        """`call`, and its answer as that shape; ProtocolError when it does not fit."""
        return _decode(shape, path, await self.call(path, body, needs_token=needs_token))

    async def call_items(self, shape: type[T], path: str, body: dict[str, Any]) -> list[T]:
        """`call`, and the `items` of its answer."""
        answer = await self.call_as(_Items, path, body)
        return _decode(list[shape], path, bytes(answer.items))  # type: ignore[valid-type]

    async def call_form(self, shape: type[T], path: str, fields: dict[str, str], data: bytes, file_name: str) -> T:
        """POST a form to /api/v1/{path}, its field `file` first, and its answer as that shape; raises as `call_as`."""
        if not self.token:
            raise NotLoggedIn(f"{path} needs a login")
        form = aiohttp.FormData(quote_fields=True)
        form.add_field("file", io.BytesIO(data), filename=file_name, content_type="application/octet-stream")
        for name, value in fields.items():
            form.add_field(name, value)
        return _decode(shape, path, await self._exchange("POST", f"/api/v1/{path}", form))

    async def _exchange(self, method: str, path: str, body: bytes | aiohttp.FormData | None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, auto_decompress=True)
        headers = {"X-XinYu-Text": "plain"}
        if not isinstance(body, aiohttp.FormData):
            headers["Content-Type"] = "application/json"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            async with self._session.request(method, self._url + path, data=body, headers=headers) as response:
                answer = await response.content.read(MAX_ANSWER_BYTES + 1)
                while chunk := await response.content.read(MAX_ANSWER_BYTES + 1 - len(answer)):
                    answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise ProtocolError(f"{path}: an answer of more than {MAX_ANSWER_BYTES} bytes")
                if response.status != 200:
                    if response.status in (502, 503, 504) and "X-XinYu-Reason" not in response.headers:
                        raise NetworkError(f"{path}: a proxy answered {response.status}")
                    raise _api_error(response.status, response.headers.get("X-XinYu-Reason", ""), answer)
                return answer
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"{path}: {type(error).__name__} {error}") from error

    async def _lines(self, path: str) -> AsyncIterator[bytes]:
        """Of an answer that may take as long as it likes, but for LINES_SILENCE_S between two pieces of it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, auto_decompress=True)
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=LINES_SILENCE_S, sock_read=LINES_SILENCE_S)
        try:
            async with self._session.get(self._url + path, headers=headers, timeout=timeout) as response:
                if response.status != 200:
                    reason = response.headers.get("X-XinYu-Reason", "")
                    raise _api_error(response.status, reason, await response.content.read(MAX_ANSWER_BYTES))
                begun = bytearray()
                async for piece in response.content.iter_any():
                    *lines, rest = piece.split(b"\n")
                    for line in lines:
                        yield bytes(begun) + line
                        begun.clear()
                    begun += rest
                    if len(begun) > MAX_ANSWER_BYTES:
                        raise ProtocolError(f"{path}: a line of more than {MAX_ANSWER_BYTES} bytes")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise NetworkError(f"{path}: {type(error).__name__} {error}") from error

    async def server_config(self) -> ServerConfig:
        return _decode(ServerConfig, "config.json", await self._exchange("GET", "/config.json", None))

    # ------------------------------------------------------------------ auth, user

    async def register(self, nickname: str, mobile: str, password: str, *, platform: str, sms_code: str = "") -> Token:
        body = {
            "nickname": nickname,
            "mobile": mobile,
            "password": password,
            "platform": platform,
            "sms_code": sms_code,
        }
        return await self.call_as(Token, "auth/register", body, needs_token=False)

    async def login(self, mobile: str, password: str, *, platform: str) -> Token:
        body = {"mobile": mobile, "password": password, "platform": platform}
        return await self.call_as(Token, "auth/login", body, needs_token=False)

    async def own_detail(self) -> OwnDetail:
        return await self.call_as(OwnDetail, "user/detail", {})

    async def change_detail(self, **values: str | int | None) -> None:
        """Fields of OwnDetail, but mobile and email; what is not named stays."""
        await self.call("user/detail-update", values)

    async def settings(self) -> Settings:
        return (await self.call_as(_SettingAnswer, "user/setting", {})).setting

    async def change_settings(self, **values: str) -> None:
        """Fields of Settings; what is not named stays. All devices hear of it."""
        await self.call("user/setting/save", values)

    async def show_reads(self, *, is_shown: bool) -> None:
        """Whether others are shown what one reads, and one is shown what they do."""
        await self.change_settings(read_receipts="Y" if is_shown else "N")

    async def delete_account(self, password: str) -> None:
        """Ends the account for good, and all logins with it (docs/http-api.md, `user/delete`)."""
        await self.call("user/delete", {"password": password})

    # ------------------------------------------------------------------ bots

    async def create_bot(self, name: str, avatar: str = "", webhook_url: str = "") -> BotToken:
        webhook = {"webhook_url": webhook_url} if webhook_url else {}
        return await self.call_as(BotToken, "bot/create", {"name": name, "avatar": avatar} | webhook)

    async def bots(self) -> list[Bot]:
        return await self.call_items(Bot, "bot/list", {})

    async def update_bot(
        self, bot_id: int, *, name: str | None = None, avatar: str | None = None, webhook_url: str | None = None
    ) -> UpdatedBot:
        """Changes what is given. A `webhook_url` gets a new secret each time; "" takes the webhook away."""
        values = {"name": name, "avatar": avatar, "webhook_url": webhook_url}
        given = {key: value for key, value in values.items() if value is not None}
        return await self.call_as(UpdatedBot, "bot/update", {"bot_id": bot_id} | given)

    async def reset_bot_token(self, bot_id: int) -> BotToken:
        return await self.call_as(BotToken, "bot/token-reset", {"bot_id": bot_id})

    async def delete_bot(self, bot_id: int) -> None:
        await self.call("bot/delete", {"bot_id": bot_id})

    # ------------------------------------------------------------------ contacts

    async def search(self, mobile: str) -> User:
        return await self.call_as(User, "contact/search", {"mobile": mobile})

    async def contacts(self) -> list[Contact]:
        return await self.call_items(Contact, "contact/list", {})

    async def apply(self, user_id: int, remark: str = "") -> None:
        await self.call("contact-apply/create", {"user_id": user_id, "remark": remark})

    async def applications(self) -> list[Application]:
        return await self.call_items(Application, "contact-apply/list", {})

    async def accept(self, apply_id: int, remark: str = "") -> Session:
        answer = await self.call_as(_AcceptAnswer, "contact-apply/accept", {"apply_id": apply_id, "remark": remark})
        return answer.session

    async def edit_remark(self, user_id: int, remark: str) -> None:
        await self.call("contact/edit-remark", {"user_id": user_id, "remark": remark})

    async def move_contact(self, user_id: int, group_id: int) -> None:
        await self.call("contact/change-group", {"user_id": user_id, "group_id": group_id})

    async def delete_contact(self, user_id: int) -> None:
        await self.call("contact/delete", {"user_id": user_id})

    async def block(self, user_id: int, *, is_block: bool) -> None:
        await self.call("contact/block", {"user_id": user_id, "action": 1 if is_block else 2})

    async def blocked(self) -> list[Contact]:
        return await self.call_items(Contact, "contact/block-list", {})

    async def contact_groups(self) -> list[ContactGroup]:
        return await self.call_items(ContactGroup, "contact-group/list", {})

    async def save_contact_groups(self, groups: list[ContactGroup]) -> None:
        items = [{"id": group.id, "name": group.name, "sort": group.sort} for group in groups]
        await self.call("contact-group/save", {"items": items})

    # ------------------------------------------------------------------ emoticons

    async def emoticons(self) -> list[Emoticon]:
        return await self.call_items(Emoticon, "emoticon/customize/list", {})

    async def add_emoticon(self, url: str) -> Emoticon:
        return await self.call_as(Emoticon, "emoticon/customize/create", {"url": url})

    async def delete_emoticon(self, emoticon_id: int) -> None:
        await self.call("emoticon/customize/delete", {"emoticon_id": emoticon_id})

    # ------------------------------------------------------------------ talks

    async def open_talk(self, talk_mode: int, to_from_id: int) -> Session:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id}
        return await self.call_as(Session, "talk/session-create", body)

    async def hide_messages(self, talk_mode: int, to_from_id: int, msg_ids: list[str]) -> None:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_ids": msg_ids}
        await self.call("message/delete", body)

    async def pin_talk(self, talk_mode: int, to_from_id: int, *, is_pinned: bool = True) -> None:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "action": 1 if is_pinned else 2}
        await self.call("talk/session-top", body)

    async def silence_talk(self, talk_mode: int, to_from_id: int, *, is_silent: bool = True) -> None:
        """Whether the user's devices make no sound for it (`is_disturb`)."""
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "action": 1 if is_silent else 2}
        await self.call("talk/session-disturb", body)

    async def save_draft(self, talk_mode: int, to_from_id: int, draft: str) -> None:
        """At most 1,000 characters; "" removes it."""
        await self.call("talk/draft", {"talk_mode": talk_mode, "to_from_id": to_from_id, "draft": draft})

    async def clear_records(self, talk_mode: int, to_from_id: int, sequence: int) -> None:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "sequence": sequence}
        await self.call("talk/session-clear-records", body)

    async def hide_talk(self, talk_mode: int, to_from_id: int, sequence: int) -> None:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "sequence": sequence}
        await self.call("talk/session-delete", body)

    async def edits(self, talk_mode: int, to_from_id: int, msg_id: str) -> list[Version]:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_id": msg_id}
        return await self.call_items(Version, "message/edits", body)

    async def reactors(self, talk_mode: int, to_from_id: int, msg_id: str, emoji: str = "") -> list[Reactor]:
        asked = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_id": msg_id, "emoji": emoji}
        found: list[Reactor] = []
        cursor = ""
        while True:
            page = await self.call_as(_ReactorsPage, "message/reactions", asked | {"cursor": cursor})
            found += page.items
            cursor = page.cursor
            if not cursor:
                return found

    async def pins(self, talk_mode: int, to_from_id: int) -> list[Record]:
        return await self.call_items(Record, "message/pins", {"talk_mode": talk_mode, "to_from_id": to_from_id})

    async def forward(
        self,
        talk_mode: int,
        to_from_id: int,
        msg_ids: list[str],
        *,
        user_ids: list[int],
        group_ids: list[int],
        is_merged: bool,
        msg_id: str = "",
    ) -> list[Forwarded]:
        what = {"action": 2 if is_merged else 1, "msg_ids": msg_ids, "user_ids": user_ids, "group_ids": group_ids}
        body = {"type": "forward", "talk_mode": talk_mode, "to_from_id": to_from_id, "body": what, "msg_id": msg_id}
        return await self.call_items(Forwarded, "message/send", body)

    async def forward_records(self, msg_ids: list[str]) -> list[Record]:
        return await self.call_items(Record, "message/forward-records", {"msg_ids": msg_ids})

    async def schedule(
        self,
        talk_mode: int,
        to_from_id: int,
        type_name: str,
        body: dict[str, Any],
        send_at_ms: int,
        *,
        quote_id: str = "",
        msg_id: str = "",
    ) -> str:
        """The id of a message that is sent later. A call that is repeated schedules nothing more."""
        message = {"type": type_name, "talk_mode": talk_mode, "to_from_id": to_from_id, "body": body}
        more = {"quote_id": quote_id, "msg_id": msg_id, "send_at_ms": send_at_ms}
        return (await self.call_as(_ScheduleAnswer, "message/schedule", message | more)).scheduled_id

    async def scheduled(self) -> list[ScheduledMessage]:
        return await self.call_items(ScheduledMessage, "message/schedule-list", {})

    async def cancel_scheduled(self, scheduled_id: str) -> None:
        await self.call("message/schedule-cancel", {"scheduled_id": scheduled_id})

    async def expire_after(self, talk_mode: int, to_from_id: int, expire_after_s: int) -> None:
        """How long messages of a talk live that are sent from now on; 0 = for ever."""
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "expire_after_s": expire_after_s}
        await self.call("talk/expire-after", body)

    async def readers(self, talk_mode: int, to_from_id: int, msg_id: str, cursor: str = "") -> Readers:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_id": msg_id, "cursor": cursor}
        return await self.call_as(Readers, "message/readers", body)

    async def search_messages(
        self,
        keyword: str,
        *,
        talk: tuple[int, int] | None = None,
        from_id: int | None = None,
        msg_type: int | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        cursor: str = "",
    ) -> FoundPage:
        """One's own messages with all words of `keyword`; `talk`: talk_mode and to_from_id of the only one that is
        looked into."""
        asked = {
            "keyword": keyword, "talk_mode": talk and talk[0], "to_from_id": talk and talk[1], "from_id": from_id,
            "msg_type": msg_type, "since_ms": since_ms, "until_ms": until_ms, "cursor": cursor or None,
        }  # fmt: skip
        body = {name: value for name, value in asked.items() if value is not None}
        return await self.call_as(FoundPage, "message/search", body)

    async def download_file(self, msg_id: str) -> bytes:
        """The file of a file message, at most MAX_ANSWER_BYTES of it."""
        return await self._exchange("GET", f"/api/v1/talk/file-download?msg_id={msg_id}", None)

    async def export(self) -> AsyncIterator[dict[str, Any]]:
        """All that is one's own, an object a line as it comes; `kind` says what each is. Raises ProtocolError where the
        server ended it before its end."""
        kind = ""
        async for line in self._lines("/api/v1/user/export"):
            value = _decode(dict[str, Any], "user/export", line)
            kind = str(value.get("kind", ""))
            if kind != "end":
                yield value
        if kind != "end":
            raise ProtocolError("the export ended before its end")

    async def preview(self, url: str) -> LinkPreview:
        """Of a page that a text names. Raises ApiError (`no_preview`; `not_found` where the server makes none)."""
        return await self.call_as(LinkPreview, "message/preview", {"url": url})

    # ------------------------------------------------------------------ groups

    async def create_group(self, name: str, user_ids: list[int]) -> int:
        return (await self.call_as(_GroupAnswer, "group/create", {"name": name, "user_ids": user_ids})).group_id

    async def invite(self, group_id: int, user_ids: list[int]) -> None:
        await self.call("group/invite", {"group_id": group_id, "user_ids": user_ids})

    async def group_members(self, group_id: int) -> list[GroupMember]:
        members: list[GroupMember] = []
        cursor = ""
        while True:
            page = await self.call_as(
                _MembersPage, "group/member-list", {"group_id": group_id} | ({"cursor": cursor} if cursor else {})
            )
            members += page.items
            cursor = page.cursor
            if not cursor:
                return members

    async def remove_members(self, group_id: int, user_ids: list[int]) -> None:
        await self.call("group/remove-member", {"group_id": group_id, "user_ids": user_ids})

    async def leave_group(self, group_id: int) -> None:
        await self.call("group/secede", {"group_id": group_id})

    async def group_detail(self, group_id: int) -> GroupDetail:
        return await self.call_as(GroupDetail, "group/detail", {"group_id": group_id})

    async def assign_admin(self, group_id: int, user_id: int, *, is_admin: bool = True) -> None:
        await self.call("group/assign-admin", {"group_id": group_id, "user_id": user_id, "action": _action(is_admin)})

    async def hand_over_group(self, group_id: int, user_id: int) -> None:
        await self.call("group/handover", {"group_id": group_id, "user_id": user_id})

    async def dismiss_group(self, group_id: int) -> None:
        await self.call("group/dismiss", {"group_id": group_id})

    async def mute_group(self, group_id: int, *, is_muted: bool = True) -> None:
        await self.call("group/mute", {"group_id": group_id, "action": _action(is_muted)})

    async def mute_member(self, group_id: int, user_id: int, *, is_muted: bool = True, duration_s: int = 0) -> None:
        """`duration_s` 0 = until he is unmuted."""
        body = {"group_id": group_id, "user_id": user_id, "action": _action(is_muted), "duration_s": duration_s}
        await self.call("group/no-speak", body)

    async def publish_group(self, group_id: int, *, is_public: bool = True) -> None:
        await self.call("group/overt", {"group_id": group_id, "action": _action(is_public)})

    async def public_groups(self, name: str = "", page: int = 1) -> tuple[list[PublicGroup], bool]:
        """(a page, from 1, of those whose name holds `name`, newest first; whether there are more)."""
        found = await self.call_as(_PublicPage, "group/overt-list", {"page": page, "name": name})
        return found.items, found.next

    async def set_visit_card(self, group_id: int, card: str) -> None:
        await self.call("group/remark-update", {"group_id": group_id, "remark": card})

    async def change_group(
        self, group_id: int, name: str, *, avatar: str | None = None, profile: str | None = None
    ) -> None:
        """None stays as it is, "" empties."""
        body: dict[str, Any] = {"group_id": group_id, "group_name": name, "avatar": avatar, "profile": profile}
        await self.call("group/setting", {key: value for key, value in body.items() if value is not None})

    async def change_group_rules(
        self, group_id: int, *, slow_mode_s: int | None = None, mention_all: int | None = None
    ) -> None:
        """None stays as it is. slow_mode_s 0 = off; mention_all: who may mention everybody, 1 owner and admins, 2
        all."""
        body: dict[str, Any] = {"group_id": group_id, "slow_mode_s": slow_mode_s, "mention_all": mention_all}
        await self.call("group/rules", {key: value for key, value in body.items() if value is not None})

    # ------------------------------------------------------------------ requests to join groups

    async def apply_to_group(self, group_id: int, remark: str = "") -> None:
        await self.call("group-apply/create", {"group_id": group_id, "remark": remark})

    async def agree_group_application(self, apply_id: int) -> None:
        await self.call("group-apply/agree", {"apply_id": apply_id})

    async def decline_group_application(self, apply_id: int, remark: str = "") -> None:
        await self.call("group-apply/decline", {"apply_id": apply_id, "remark": remark})

    async def delete_group_application(self, apply_id: int) -> None:
        """Takes one's own back, or declines another's."""
        await self.call("group-apply/delete", {"apply_id": apply_id})

    async def group_applications(self, group_id: int = 0) -> list[GroupApplication]:
        """What waits for an answer in one group; 0 = in all that one manages."""
        if not group_id:
            return await self.call_items(GroupApplication, "group-apply/all", {})
        return await self.call_items(GroupApplication, "group-apply/list", {"group_id": group_id})

    async def own_group_applications(self) -> list[GroupApplication]:
        return await self.call_items(GroupApplication, "group-apply/mine", {})

    async def count_group_applications(self) -> int:
        return (await self.call_as(_Num, "group-apply/unread-num", {})).num

    # ------------------------------------------------------------------ notices and votes of groups

    async def edit_notice(self, group_id: int, content: str) -> None:
        """`content` "" removes it."""
        await self.call("group-notice/edit", {"group_id": group_id, "content": content})

    async def notice_history(self, group_id: int) -> list[NoticeEdit]:
        return await self.call_items(NoticeEdit, "group-notice/history", {"group_id": group_id})

    async def create_vote(
        self, group_id: int, title: str, options: list[str], *, several: bool = False, secret: bool = False
    ) -> None:
        """The vote's number comes with its message of type 11."""
        body = {
            "group_id": group_id,
            "title": title,
            "options": options,
            "mode": 2 if several else 1,
            "is_anonymous": 2 if secret else 1,
        }
        await self.call("group-vote/create", body)

    async def vote_detail(self, vote_id: int, cursor: str = "") -> VoteDetail:
        """With a page of its answers; `cursor`: of the page before."""
        body = {"vote_id": vote_id} | ({"cursor": cursor} if cursor else {})
        return await self.call_as(VoteDetail, "group-vote/detail", body)

    async def submit_vote(self, vote_id: int, keys: list[str]) -> None:
        await self.call("group-vote/submit", {"vote_id": vote_id, "options": keys})

    async def votes(self, group_id: int) -> list[Vote]:
        """All of a group, newest first."""
        votes: list[Vote] = []
        cursor = 0
        while True:
            body = {"group_id": group_id} | ({"cursor": cursor} if cursor else {})
            page = await self.call_as(_VotesPage, "group-vote/list", body)
            votes += page.items
            cursor = page.cursor
            if not cursor:
                return votes

    async def finish_vote(self, vote_id: int) -> None:
        await self.call("group-vote/finish", {"vote_id": vote_id})


def _action(is_on: bool) -> int:
    return 1 if is_on else 2


def _decode(shape: type[T], path: str, answer: bytes) -> T:
    try:
        return msgspec.json.decode(answer, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path}: {error}") from None


def _api_error(status: int, reason: str, answer: bytes) -> ApiError:
    try:
        refusal = msgspec.json.decode(answer, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ApiError(status, status, reason, "")  # not from our gateway: a proxy in between
    retry_after_ms = refusal.data.get("retry_after_ms") if isinstance(refusal.data, dict) else None
    if not isinstance(retry_after_ms, int):
        retry_after_ms = None
    return ApiError(status, refusal.code, reason, refusal.message, retry_after_ms)
