"""A plain client of both dialects, written from the contract's text and sharing no code with the product.

It speaks REST with aiohttp and events with websockets, and keeps what it hears in the order of arrival.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

ANSWER_DEADLINE_S = 20.0
Json = dict[str, Any]


class Server(Protocol):
    """Where a server of either form is reached."""

    @property
    def http_url(self) -> str: ...

    @property
    def websocket_url(self) -> str: ...

    @property
    def legacy_websocket_url(self) -> str: ...


class Answer:
    """Status, headers and JSON of a REST answer."""

    def __init__(self, status: int, headers: Any, data: Any) -> None:
        self.status = status
        self.headers = headers
        self.data = data


class Rest:
    """POSTs to `/api/v1/`. `token` "" = none is sent."""

    def __init__(self, server: Server, headers: Json | None = None) -> None:
        self._server = server
        self._headers = headers or {}
        self._session: aiohttp.ClientSession
        self.token = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_DEADLINE_S))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(
        self, method: str, path: str, body: bytes | io.BytesIO | None = None, headers: Json | None = None
    ) -> Answer:
        """Anything to anywhere; the answer must be JSON, as all of them must."""
        sent = {**self._headers, **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        async with self._session.request(method, self._server.http_url + path, data=body, headers=sent) as response:
            text = await response.text()
            return Answer(response.status, response.headers, json.loads(text) if text else None)

    async def call(self, path: str, body: Any = None) -> Answer:
        data = json.dumps({} if body is None else body).encode()
        return await self.send("POST", f"/api/v1/{path}", data, {"Content-Type": "application/json"})

    async def ok(self, path: str, body: Any = None) -> Any:
        answer = await self.call(path, body)
        assert answer.status == 200, (path, answer.status, answer.data)
        return answer.data

    async def refused(self, path: str, body: Any, status: int) -> Answer:
        answer = await self.call(path, body)
        assert answer.status == status, (path, answer.status, answer.data)
        assert set(answer.data) == {"code", "message", "data"}
        assert answer.data["code"] == status
        assert answer.data["message"]
        if status != 429:
            assert answer.data["data"] is None
        assert answer.headers["X-XinYu-Reason"]
        return answer


class Events:
    """One WebSocket. `heard` holds every event that has come and was not yet taken."""

    def __init__(self, socket: ClientConnection, *, acknowledges: bool) -> None:
        self.socket = socket
        self.heard: list[Json] = []
        self._acknowledges = acknowledges

    @classmethod
    async def legacy(cls, server: Server, token: str) -> Events:
        """As the reference client connects."""
        return cls(
            await connect(f"{server.legacy_websocket_url}?token={token}&platform=web", compression=None),
            acknowledges=True,
        )

    @classmethod
    async def ours(cls, server: Server, query: str = "", headers: Json | None = None) -> Events:
        socket = await connect(
            server.websocket_url + (f"?{query}" if query else ""),
            subprotocols=["xinyu.v1.json"],  # type: ignore[list-item]
            additional_headers=headers or {},
            compression=None,
            max_size=None,
        )
        return cls(socket, acknowledges=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.socket.close()

    async def say(self, event: str, payload: Any = None, **beside: Any) -> None:
        message = {"event": event, **({} if payload is None else {"payload": payload}), **beside}
        await self.socket.send(json.dumps(message))

    async def receive(self) -> None:
        """Hears one more event. Raises ConnectionClosed."""
        text = await self.socket.recv()
        assert isinstance(text, str), "events are text frames"
        message = json.loads(text)
        assert "event" in message
        assert "payload" in message
        if self._acknowledges and message.get("ackid"):
            await self.socket.send('{"event":"ack","ackid":"' + message["ackid"] + '"}')
        self.heard.append(message)

    async def take(self, event: str, fits: Callable[[Any], bool] = lambda _: True) -> Json:
        """The oldest event of that name whose payload fits, waited for; it is taken out of `heard`."""
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                while True:
                    for message in self.heard:
                        if message["event"] == event and fits(message["payload"]):
                            self.heard.remove(message)
                            return message
                    await self.receive()
        except TimeoutError:
            raise AssertionError(f"no {event} came; heard: {self.heard}") from None

    async def ask(self, event: str, payload: Any, ackid: str) -> Json:
        """Our dialect: the answer to a request, `ack` or `event_error`."""
        await self.say(event, payload, ackid=ackid)
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                while True:
                    for message in self.heard:
                        if message.get("ackid") == ackid:
                            self.heard.remove(message)
                            return message
                    await self.receive()
        except TimeoutError:
            raise AssertionError(f"no answer to {event}; heard: {self.heard}") from None

    async def drain(self) -> None:
        """Hears all that was pushed before now: an echo comes back behind it."""
        await self.say("echo", {"mark": "drain"})
        await self.take("echo", lambda payload: payload == {"mark": "drain"})


class Person(Rest):
    """A registered user with REST, and the events of one page where `listen` was called."""

    def __init__(self, server: Server, name: str, mobile: str) -> None:
        super().__init__(server)
        self.server = server
        self.name = name
        self.mobile = mobile
        self.user_id = 0
        self.events: Events

    async def register(self) -> Json:
        answer: Json = await self.ok(
            "auth/register",
            {
                "nickname": self.name,
                "mobile": self.mobile,
                "password": "correct horse battery",
                "platform": "web",
                "sms_code": "123456",
            },
        )
        await self.enter(answer)
        return answer

    async def login(self) -> Json:
        answer: Json = await self.ok(
            "auth/login", {"mobile": self.mobile, "password": "correct horse battery", "platform": "web"}
        )
        await self.enter(answer)
        return answer

    async def enter(self, token: Json) -> None:
        self.token = token["access_token"]
        self.user_id = (await self.ok("user/detail"))["id"]

    async def listen(self) -> None:
        self.events = await Events.legacy(self.server, self.token)

    async def befriend(self, other: Person) -> Json:
        """`other` accepts; answers the session that he is shown."""
        await self.ok("contact-apply/create", {"user_id": other.user_id, "remark": f"I am {self.name}"})
        (asked,) = (await other.ok("contact-apply/list"))["items"]
        session: Json = (await other.ok("contact-apply/accept", {"apply_id": asked["id"]}))["session"]
        return session
