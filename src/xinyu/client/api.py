"""REST calls of the HTTP gateway, typed (contract: http-api). One method a route, one `call` for the rest.

Every call is a POST of a JSON object with a deadline; success is status 200 and the answer itself, everything else an
ApiError. Texts come as typed, not HTML-escaped (`X-XinYu-Text: plain`). Nothing is repeated here by itself: a
NetworkError means that it is unknown whether the call was carried out.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from xinyu.client.errors import ApiError, NetworkError, NotLoggedIn, ProtocolError
from xinyu.client.shapes import Number

T = TypeVar("T")
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024


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


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A friend. group_id: of one's own folders, 0 = none."""

    user_id: Number
    nickname: str = ""
    avatar: str = ""
    gender: int = 0
    motto: str = ""
    remark: str = ""
    group_id: int = 0


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
    """leader: 1 owner, 2 admin, 3 member; remark: the visit card."""

    user_id: Number
    nickname: str = ""
    avatar: str = ""
    gender: int = 0
    leader: int = 3
    is_mute: int = 2
    remark: str = ""
    motto: str = ""


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

    async def _exchange(self, method: str, path: str, body: bytes | None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, auto_decompress=True)
        headers = {"X-XinYu-Text": "plain", "Content-Type": "application/json"}
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
                    raise _api_error(response.status, response.headers.get("X-XinYu-Reason", ""), answer)
                return answer
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

    # ------------------------------------------------------------------ talks

    async def open_talk(self, talk_mode: int, to_from_id: int) -> Session:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id}
        return await self.call_as(Session, "talk/session-create", body)

    async def hide_messages(self, talk_mode: int, to_from_id: int, msg_ids: list[str]) -> None:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "msg_ids": msg_ids}
        await self.call("message/delete", body)

    async def clear_records(self, talk_mode: int, to_from_id: int, sequence: int) -> None:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "sequence": sequence}
        await self.call("talk/session-clear-records", body)

    async def hide_talk(self, talk_mode: int, to_from_id: int, sequence: int) -> None:
        body = {"talk_mode": talk_mode, "to_from_id": to_from_id, "sequence": sequence}
        await self.call("talk/session-delete", body)

    # ------------------------------------------------------------------ groups

    async def create_group(self, name: str, user_ids: list[int]) -> int:
        return (await self.call_as(_GroupAnswer, "group/create", {"name": name, "user_ids": user_ids})).group_id

    async def invite(self, group_id: int, user_ids: list[int]) -> None:
        await self.call("group/invite", {"group_id": group_id, "user_ids": user_ids})

    async def group_members(self, group_id: int) -> list[GroupMember]:
        return await self.call_items(GroupMember, "group/member-list", {"group_id": group_id})

    async def remove_members(self, group_id: int, user_ids: list[int]) -> None:
        await self.call("group/remove-member", {"group_id": group_id, "user_ids": user_ids})

    async def leave_group(self, group_id: int) -> None:
        await self.call("group/secede", {"group_id": group_id})


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
