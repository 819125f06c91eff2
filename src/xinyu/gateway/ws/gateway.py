"""The WebSocket gateway: who is at the other end, what he may say, and whom his events go to.

The engine owns sockets, frames, deadlines and the sets of connections; this file holds no object for a connection. What
it must know of one stands in the engine: the user, the codec, and the session number, whose two lowest bits repeat the
codec because a closed connection is asked for it no more.

Logging in. A user is routed (`RouteChanges`) before his connection opens: at the upgrade, where the token or ticket
comes with it, so that his connection opens, bound and with its first event, in one step of the loop and nothing that is
pushed after the route exists can miss it; or at `session.open`. No login has a task of its own: those of one turn share
a call of the presence room. The usual one, with a token, has no object either: the engine takes it (`LoginDoor`), hands
on all of its slice together (`_on_logins`) and admits them when they are routed; `_on_upgrade` sees what it leaves,
every refusal included. The route is given back by `on_close` if the user was bound, else by whoever asked for it: never
by both, never by neither.

An event. `on_message` decodes the envelope and starts one task for the room's handler; tasks start in order of arrival,
and one connection's are bounded by the engine's credit, which each gives back once, at its end. A refusal is an
`event_error`; the connection is kept. Of the hot events (`ClientEvent.together`) those that the engine hands on in one
turn share a task and a call, so a lone message waits for nothing and a busy loop fills its calls by itself. While two
calls are under way events gather until one ends, but never longer than 5 ms: a call that hangs holds nobody up. One
that carries a trace id of its own goes alone.

Deliver: a push names users, or a large talk whose members the gateway knows (`TalkMembers`); each gets the frame of
its codec, encoded once. Rooms know two dialects; where a connection speaks protobuf, its frames are made of the JSON
ones here (`xinyu.dialect.protobuf`), and it is routed as one of those.

With a lease (`leased`, where routes are shared with other processes) `GatewayLease` keeps the routes alive, and tells
them anew when they were lost.

Stopping: no new connections, new events are refused with `shutting_down`, running ones end and are answered, then every
connection is closed with 1012, spread over time, and the delay after which to come back stands in the reason.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from xinyu._fast import engine as fast
from xinyu._fast import logins as fast_logins
from xinyu.base.clock import Clock
from xinyu.base.config import WebSocketSettings
from xinyu.base.errors import (
    BAD_JSON,
    BINARY_FRAME,
    FORBIDDEN,
    INTERNAL,
    INVALID,
    SHUTTING_DOWN,
    TEXT_FRAME,
    UNAUTHENTICATED,
    UNKNOWN_EVENT,
    XinYuError,
)
from xinyu.base.logging import is_debug
from xinyu.base.token import AccessToken, AccessTokens
from xinyu.base.trace import incoming_trace_id, new_trace_id, trace_id
from xinyu.dialect import protobuf
from xinyu.gateway.credentials import Tickets
from xinyu.gateway.decoding import decode, invalid
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.proxies import HEADERS as FORWARDED
from xinyu.gateway.proxies import TrustedProxies
from xinyu.gateway.rate_limit import RateLimit
from xinyu.gateway.ws import envelope as envelopes
from xinyu.gateway.ws import upgrade as upgrades
from xinyu.gateway.ws.envelope import CODEC_JSON, CODEC_LEGACY, CODEC_PROTOBUF, Envelope, routed_codec
from xinyu.gateway.ws.event import ClientEvent, EventCall
from xinyu.gateway.ws.frames import OurFrames, in_both
from xinyu.gateway.ws.gateway_lease import GatewayLease
from xinyu.gateway.ws.presence_watching import PresenceWatching
from xinyu.gateway.ws.route_changes import RouteChanges
from xinyu.gateway.ws.talk_absences import TalkAbsences
from xinyu.gateway.ws.talk_members import TalkMembers
from xinyu.gateway.ws.upgrade import Upgrade
from xinyu.wire.v1 import gateway_pb2, options_pb2
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.presence_rpc import PresenceStub

log = structlog.get_logger(__name__)

RESTARTING: Final = 1012
NOT_AUTHENTICATED: Final = 4401
KICKED: Final = 4403
TOO_MANY_CONNECTIONS: Final = 4429
RECONNECT_DELAY_MS: Final = 1000
CLOSE_WITHIN_S: Final = 2.0
MIN_CLOSE_RATE_PER_S: Final = 1000
# Events in one call: what a lane of the message room takes in one transaction.
MAX_TOGETHER: Final = 200
# While so many of their calls are under way, events gather until one of these ends, but no longer than that.
CALLS_AT_ONCE: Final = 2
COLLECT_AT_MOST_S: Final = 0.005
_CODEC_BITS: Final = 2


class SessionOpen(msgspec.Struct, frozen=True):
    """The first event where neither header nor ticket came with the upgrade."""

    token: str
    device_id: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class _Handler:
    event: ClientEvent
    decode: Callable[[msgspec.Raw], Any]


class _Login(msgspec.Struct, frozen=True, gc=False):
    """A connection whose user is being routed: at its upgrade, or by the `session.open` that is `request`."""

    id: int
    codec: int
    access: AccessToken
    device_id: str
    platform: str
    request: Envelope | None


# Connection, who, payload, ackid of one event that waits to be handed on with others.
_Collected = tuple[int, EventCall, Any, str]


class WebSocketGateway:
    """One instance: own engine, own routes. Also the servicer of `xinyu.wire.v1.gateway_rpc`, and `watching` that of
    `presence_watcher_rpc`. `instance` and `incarnation` name it in routes; `epoch` is the database's."""

    def __init__(
        self,
        settings: WebSocketSettings,
        tokens: AccessTokens,
        tickets: Tickets,
        origins: AllowedOrigins,
        presence: PresenceStub,
        message: MessageStub,
        events: Iterable[ClientEvent],
        *,
        send_limit: RateLimit,
        clock: Clock,
        epoch: str,
        instance: str,
        incarnation: str,
        proxies: TrustedProxies | None = None,
        leased: bool = False,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._tickets = tickets
        self._origins = origins
        absences = TalkAbsences(clock)
        self._routes: RouteChanges[_Login | fast_logins.Logins] = RouteChanges(
            presence, self._on_routed, self._own, absences, gateway=instance, incarnation=incarnation
        )
        self._send_limit = send_limit
        self._proxies = proxies or TrustedProxies()
        self._clock = clock
        self.instance = instance
        self._connections_per_user = settings.connections_per_user
        self._door = fast_logins.LoginDoor(
            tokens.verified,
            connections_per_user=settings.connections_per_user,
            first_events={CODEC_LEGACY: _CONNECT, CODEC_JSON: _session_ready(settings, epoch)},
            ended=tokens.ended,
        )
        self._handlers: dict[str, _Handler] = {}
        for event in events:
            if event.name in self._handlers or event.name in _OWN_EVENTS:
                raise ValueError(f"two events are called {event.name}")
            self._handlers[event.name] = _Handler(event, msgspec.json.Decoder(event.payload_type).decode)
        self._decode_open = msgspec.json.Decoder(SessionOpen).decode
        self._opening: set[int] = set()  # connections whose session.open is being looked at
        self._collected: list[_Collected] = []
        self._collected_for: _Handler | None = None
        self._calls_together = 0
        self._hand_on_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._frames = OurFrames()
        sync_required = in_both(envelopes.event("sync.required", {"reason": "behind"}))
        self.engine = fast.Engine(
            on_upgrade=self._on_upgrade,
            on_logins=self._on_logins,
            on_message=self._on_message,
            on_close=self._on_close,
            on_error=self._on_error,
            headers=(*upgrades.HEADERS, *(FORWARDED if self._proxies else ())),
            login_door=self._door,
            max_message_bytes=settings.max_message_bytes,
            max_fragments=settings.max_fragments,
            credit=settings.in_flight_per_connection,
            backlog_bytes=settings.backlog_bytes,
            sync_required_frames=sync_required,
            handshake_s=settings.handshake_timeout_s,
            login_s=settings.login_timeout_s,
            slow_consumer_s=settings.slow_consumer_timeout_s,
            heartbeat_s=settings.heartbeat_s,
            read_timeout_s=settings.read_timeout_s,
        )
        self.members = TalkMembers(
            self.engine,
            message,
            presence,
            absences,
            self._routes,
            self._own,
            {CODEC_LEGACY: fast.encode_frame(envelopes.event("im.session.reload", {})), **sync_required},
            gateway=instance,
            most_held=settings.members_held,
        )
        self.watching = PresenceWatching(
            presence, self.engine, self._frames, gateway=instance, incarnation=incarnation
        )
        self._lease = (
            GatewayLease(presence, self._routes, self.engine, gateway=instance, on_begin=self.watching.begin)
            if leased
            else None
        )
        self._upkeep: list[asyncio.Task[None]] = []

    # ---------------------------------------------------------------- life

    def start(self, listening: socket.socket) -> None:
        """Begins to accept from a bound socket, which it owns from now on."""
        self.engine.listen(listening)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.engine.fileno(), self.engine.poll)
        self._upkeep = [loop.create_task(each.run()) for each in (self._lease, self.watching) if each is not None]

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Ends within `timeout_s`; what is left then is cut."""
        if self.engine.fileno() < 0:
            return
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        self._is_stopping = True
        self.engine.pause_accept()
        self._hand_on()
        self._routes.tell()
        await self._wait_for_tasks(timeout_s / 2)
        connections = self.engine.stats()["connections"]
        self.engine.close_all(
            RESTARTING,
            f"reconnect after {RECONNECT_DELAY_MS} ms",
            rate_per_s=max(MIN_CLOSE_RATE_PER_S, int(connections / CLOSE_WITHIN_S)),
        )
        while self.engine.stats()["connections"] and loop.time() < deadline_s - 0.5:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        self._routes.stop()
        await self._wait_for_tasks(max(0.0, deadline_s - loop.time()))
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)
        if self._lease is not None:
            await self._lease.end()
        loop.remove_reader(self.engine.fileno())
        self.engine.shutdown()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait_for_tasks(self, timeout_s: float) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_error(self, error: BaseException) -> None:
        log.error("websocket_callback_failed", exc_info=error)

    # ---------------------------------------------------------------- logging in

    def _on_logins(self, logins: fast_logins.Logins) -> None:
        """The engine has looked at tokens and connections of the users; `_admit_together` goes on."""
        if self._is_stopping:
            self._refuse_together(logins, XinYuError(SHUTTING_DOWN))
        else:
            self._routes.connect(logins.user_ids, logins.codec, logins)

    def _on_upgrade(self, id: int, path: str, query: str, headers: dict[str, str]) -> None:
        try:
            if self._is_stopping:
                raise XinYuError(SHUTTING_DOWN)
            upgrade = upgrades.read(path, query, headers, self._origins)
            if upgrade.ticket and not upgrade.token:
                self._own(self._spend_ticket(id, upgrade))
            elif upgrade.token or upgrade.codec == CODEC_LEGACY:
                self._log_in(id, upgrade, self._tokens.verify(upgrade.token))
            else:
                self.engine.accept(id, upgrade.subprotocol, codec=upgrade.codec, login_deadline=True)
        except XinYuError as error:
            if is_debug():
                peer = self._proxies.client(self.engine.peer_of(id), lambda name: headers.get(name, ""))
                log.debug("upgrade_refused", path=path, reason=error.reason, address=peer.address)
            self._refuse(id, error)

    def _refuse(self, id: int, error: XinYuError) -> None:
        body = msgspec.json.encode({"code": error.status, "message": error.message, "data": None})
        self.engine.refuse(id, error.status, body, (("X-XinYu-Reason", error.reason),))

    def _refuse_together(self, logins: fast_logins.Logins, error: XinYuError) -> None:
        for connection in logins.ids:
            self._refuse(connection, error)

    async def _spend_ticket(self, id: int, upgrade: Upgrade) -> None:
        try:
            access = await self._tickets.spend(upgrade.ticket)
            self._tokens.check(access)
            self._log_in(id, upgrade, access)
        except XinYuError as error:
            self._refuse(id, error)
        except Exception:
            log.exception("websocket_upgrade_failed")
            self._refuse(id, XinYuError(INTERNAL))

    def _log_in(self, id: int, upgrade: Upgrade, access: AccessToken) -> None:
        """Routes the user of an upgrade; `_admit` goes on."""
        login = _Login(id, upgrade.codec, access, upgrade.device_id, upgrade.platform, None)
        if self._is_full(access.user_id):
            self._turn_away(login.id, login.codec)
        else:
            self._routes.connect((access.user_id,), routed_codec(upgrade.codec), login)

    def _is_full(self, user_id: int) -> bool:
        return self.engine.user_connection_count(user_id) >= self._connections_per_user

    def _turn_away(self, id: int, codec: int) -> None:
        """One connection of the user too many. Does nothing where it has gone."""
        self.engine.accept(id, _SUBPROTOCOLS[codec], codec=codec, login_deadline=True)
        self.engine.close(id, TOO_MANY_CONNECTIONS, "too many connections")

    def _on_routed(self, login: _Login | fast_logins.Logins, refusal: XinYuError | None) -> None:
        """The presence room has answered."""
        if isinstance(login, fast_logins.Logins):
            self._admit_together(login, refusal)
            return
        is_bound = False
        try:
            if login.request is None:
                is_bound = self._admit(login, refusal)
            else:
                is_bound = self._end_open(login, login.request, refusal)
        finally:
            if refusal is None and not is_bound:  # else the route is on_close's
                self._routes.disconnect(login.access.user_id, routed_codec(login.codec))

    def _admit_together(self, logins: fast_logins.Logins, refusal: XinYuError | None) -> None:
        if refusal is not None:
            self._refuse_together(logins, refusal)
            return
        for connection, user_id in self.engine.admit(logins):
            self._turn_away(connection, logins.codec)
            self._routes.disconnect(user_id, logins.codec)

    def _admit(self, login: _Login, refusal: XinYuError | None) -> bool:
        """Opens the connection; False: nobody was bound to it."""
        codec, access = login.codec, login.access
        try:
            if refusal is not None:
                raise refusal
            if self._is_full(access.user_id):
                self._turn_away(login.id, codec)
                return False
            session = self._door.new_session(codec)
            first = self._first_event(login, session)
            is_bound = self.engine.accept(
                login.id,
                _SUBPROTOCOLS[codec],
                codec=codec,
                user_id=access.user_id,
                session_id=session,
                expires_at_ms=access.expires_at_ms,
                first=b"" if codec == CODEC_PROTOBUF else first,
            )
            if codec == CODEC_PROTOBUF and is_bound:
                self._frames.protobuf_connections += 1
                self._send(login.id, codec, first)
            return is_bound
        except XinYuError as error:
            self._refuse(login.id, error)
        except Exception:
            log.exception("websocket_upgrade_failed")
            self._refuse(login.id, XinYuError(INTERNAL))
        return False

    def _open(self, id: int, codec: int, request: Envelope) -> bool:
        """`session.open`: a login after the upgrade, or a new token for the same user. True: the user is being routed,
        and `_end_open` goes on."""
        opened = decode_payload(self._decode_open, request.payload)
        device, platform = upgrades.device_id(opened.device_id), upgrades.platform(opened.platform)
        login = _Login(id, codec, self._tokens.verify(opened.token), device, platform, request)
        user_id = self.engine.user_of(id)
        if user_id == login.access.user_id:
            self._bind(login, self.engine.session_of(id))
        elif user_id:
            raise XinYuError(FORBIDDEN, "This connection belongs to another user.")
        elif self._is_full(login.access.user_id):
            self._turn_away(id, codec)
        else:
            self._opening.add(id)
            self._routes.connect((login.access.user_id,), routed_codec(codec), login)
            return True
        return False

    def _end_open(self, login: _Login, request: Envelope, refusal: XinYuError | None) -> bool:
        """False: nobody was bound to the connection."""
        try:
            if refusal is not None:
                raise refusal
            if self._is_full(login.access.user_id):
                self._turn_away(login.id, login.codec)
                return False
            return self._bind(login, self._door.new_session(login.codec))
        except XinYuError as error:
            self._send(login.id, login.codec, envelopes.event_error(login.codec, error, request.ackid))
        except Exception:
            log.exception("session_open_failed")
            refused = envelopes.event_error(login.codec, XinYuError(INTERNAL), request.ackid)
            self._send(login.id, login.codec, refused)
        finally:
            self._opening.discard(login.id)
            self.engine.release(login.id)
        return False

    def _bind(self, login: _Login, session: int) -> bool:
        """False: the connection has gone."""
        access = login.access
        first = self._first_event(login, session)
        was_bound = self.engine.user_of(login.id)
        is_bound = self.engine.bind(login.id, access.user_id, session, access.expires_at_ms)
        if login.codec == CODEC_PROTOBUF and is_bound and not was_bound:
            self._frames.protobuf_connections += 1
        self._send(login.id, login.codec, first)
        return is_bound

    def _first_event(self, login: _Login, session: int) -> bytes:
        codec = routed_codec(login.codec)
        return self._door.first_event(codec, session, login.access.user_id, login.device_id, login.platform).encode()

    def _on_close(self, id: int, user_id: int, session_id: int, _code: int, _clean: bool) -> None:
        self._opening.discard(id)
        self.watching.closed(id)
        if user_id:
            codec = session_id & ((1 << _CODEC_BITS) - 1)
            if codec == CODEC_PROTOBUF:
                self._frames.protobuf_connections -= 1
            self._routes.disconnect(user_id, routed_codec(codec))

    def end_logins(self, user_ids: Iterable[int]) -> None:
        """Closes what was opened with a token of these users that is void by now (`EndedLogins.on_ended`)."""
        kicked = in_both(envelopes.event("session.kicked", {"reason": "login_ended"}))
        for user_id in user_ids:
            ended = self._tokens.ended.get(user_id, 0)
            for connection in self.engine.connections_of(user_id):
                if self.engine.expires_at_ms_of(connection) <= ended:
                    frame = kicked.get(self.engine.codec_of(connection) or CODEC_LEGACY)
                    if frame is not None:
                        self.engine.send_frame(connection, frame)
                    self.engine.close(connection, KICKED, "login ended")

    # ---------------------------------------------------------------- events of clients

    def _on_message(self, id: int, data: str | bytes, is_text: bool) -> None:
        engine = self.engine
        codec = engine.codec_of(id) or CODEC_LEGACY
        ackid = ""
        try:
            if is_text == (codec == CODEC_PROTOBUF):
                raise XinYuError(TEXT_FRAME if is_text else BINARY_FRAME)
            request = envelopes.decode(data if is_text else _json_of(data))
            ackid = request.ackid
            name = request.event
            user_id = engine.user_of(id)
            if name == "session.open" and codec != CODEC_LEGACY:
                if id in self._opening:
                    raise XinYuError(INVALID, "A login of this connection is under way.")
                if not self._open(id, codec, request):
                    engine.release(id)
                return
            if not user_id:
                raise XinYuError(UNAUTHENTICATED)
            handler = self._handlers.get(name)
            if handler is None or (codec == CODEC_LEGACY and not handler.event.legacy):
                self._answer_own(id, codec, name, request)
            else:
                if self._is_stopping:
                    raise XinYuError(SHUTTING_DOWN)
                if handler.event.limit:
                    self._send_limit.take(user_id)
                payload = decode_payload(handler.decode, request.payload)
                if handler.event.together is not None:
                    self._collect(handler, (id, EventCall(user_id, codec), payload, ackid), request.trace_id)
                else:
                    self._hand_on()  # what came before it starts before it
                    self._own(self._handle(id, user_id, codec, handler, payload, request))
                return
        except XinYuError as error:
            self._send(id, codec, envelopes.event_error(codec, error, ackid))
        except Exception:
            log.exception("websocket_event_failed")
            self._send(id, codec, envelopes.event_error(codec, XinYuError(INTERNAL), ackid))
        engine.release(id)

    async def _handle(
        self, id: int, user_id: int, codec: int, handler: _Handler, payload: Any, request: Envelope
    ) -> None:
        _set_trace_id(request.trace_id)
        try:
            assert handler.event.handler is not None
            result = await handler.event.handler(EventCall(user_id, codec), payload)
            if handler.event.watches == "begin":
                result = await self.watching.subscribe(id, result)
            elif handler.event.watches == "end":
                self.watching.unsubscribe(id, result)
                result = None
            self._answer(id, codec, request.ackid, result)
        except XinYuError as error:
            self._answer(id, codec, request.ackid, error)
        except Exception:
            log.exception("event_failed", event_name=handler.event.name)
            self._answer(id, codec, request.ackid, XinYuError(INTERNAL))
        finally:
            self.engine.release(id)
        if is_debug():
            log.debug("event_answered", event_name=handler.event.name, events=1)

    def _collect(self, handler: _Handler, collected: _Collected, client_trace_id: str) -> None:
        if client_trace_id or handler is not self._collected_for:
            self._hand_on()
        if not self._collected:
            self._collected_for = handler
            loop = asyncio.get_running_loop()
            if self._calls_together < CALLS_AT_ONCE:
                loop.call_soon(self._hand_on)
            else:
                self._hand_on_timer = loop.call_later(COLLECT_AT_MOST_S, self._hand_on)
        self._collected.append(collected)
        if client_trace_id or len(self._collected) >= MAX_TOGETHER:
            self._hand_on(client_trace_id)

    def _hand_on(self, client_trace_id: str = "") -> None:
        if self._hand_on_timer is not None:
            self._hand_on_timer.cancel()
            self._hand_on_timer = None
        if self._collected and self._collected_for is not None:
            self._calls_together += 1
            collected, self._collected = self._collected, []
            self._own(self._handle_together(self._collected_for, collected, client_trace_id))

    async def _handle_together(self, handler: _Handler, collected: list[_Collected], client_trace_id: str) -> None:
        _set_trace_id(client_trace_id)
        results: Sequence[Any] = ()
        try:
            assert handler.event.together is not None
            results = await handler.event.together([(call, payload) for _, call, payload, _ in collected])
            if len(results) != len(collected):
                raise RuntimeError(f"{handler.event.name}: {len(results)} answers to {len(collected)} events")
        except XinYuError as error:
            results = [error] * len(collected)
        except Exception:
            log.exception("event_failed", event_name=handler.event.name)
            results = [XinYuError(INTERNAL)] * len(collected)
        finally:
            self._calls_together -= 1
            self._hand_on()
            # What was stored is about to be pushed, to the senders' connections as well: one write for both.
            self.engine.hold()
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self.engine.flush)
            for (connection, call, _, ackid), result in zip(collected, results, strict=False):
                self._answer(connection, call.codec, ackid, result)
            for connection, _, _, _ in collected:
                self.engine.release(connection)
            if is_debug():
                log.debug("event_answered", event_name=handler.event.name, events=len(collected))

    def _answer(self, id: int, codec: int, ackid: str, result: Any) -> None:
        if isinstance(result, XinYuError):
            self._send(id, codec, envelopes.event_error(codec, result, ackid))
        elif ackid and codec != CODEC_LEGACY:
            self._send(id, codec, envelopes.ack(ackid, result))

    def _send(self, id: int, codec: int, envelope: bytes) -> None:
        if codec == CODEC_PROTOBUF:
            self.engine.send(id, protobuf.from_json(envelope), binary=True)
        else:
            self.engine.send(id, envelope)

    def _answer_own(self, id: int, codec: int, name: str, request: Envelope) -> None:
        """The events that ask nothing of a room."""
        answered = bool(request.ackid) and codec != CODEC_LEGACY
        if name in ("ack", "pong"):
            return
        if name == "heartbeat" and codec != CODEC_LEGACY:
            payload: Any = {"server_time_ms": self._clock.now_ms()}
            answer = envelopes.ack(request.ackid, payload)
        elif name == "ping":
            payload = {"ts": self._clock.now_ms()}
            answer = envelopes.ack(request.ackid, payload) if answered else envelopes.event("pong", payload)
        elif name == "echo":
            payload = request.payload
            answer = envelopes.ack(request.ackid, payload) if answered else envelopes.event("echo", payload)
        else:
            raise XinYuError(UNKNOWN_EVENT)
        self._send(id, codec, answer)

    # ---------------------------------------------------------------- events for clients

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Any) -> options_pb2.Empty:
        """Servicer of Gateway.Deliver: hands each push to the connections of its users, in order."""
        fan_out, encode = self.engine.fan_out_users, fast.encode_frame
        self.engine.hold()
        try:
            for delivery in request.deliveries:
                frames: dict[int, fast.Frame] = {}
                for event in delivery.events:
                    if event.codec == CODEC_JSON:
                        frames.update(self._frames.of(event.payload))
                    else:
                        frames[event.codec] = encode(event.payload)
                if delivery.HasField("members"):
                    size_bytes = sum(len(event.payload) for event in delivery.events)
                    self.members.deliver(delivery.members, frames, size_bytes, ephemeral=delivery.ephemeral)
                else:
                    fan_out(delivery.user_ids, frames, ephemeral=delivery.ephemeral)
        finally:
            self.engine.flush()
        if is_debug():
            for trace in request.trace_ids or (trace_id.get(),):
                log.debug("pushed", trace_id=trace, deliveries=len(request.deliveries))
        return options_pb2.Empty()


def _session_ready(settings: WebSocketSettings, epoch: str) -> str:
    """`session.ready`, for `LoginDoor` to fill in."""
    common = {
        "epoch": epoch,
        "heartbeat_ms": int(settings.heartbeat_s * 1000),
        "max_message_bytes": settings.max_message_bytes,
    }
    return (
        '{"event":"session.ready","payload":{"session_id":"$session_id","uid":$user_id,"device_id":"$device_id",'
        f'"server_time_ms":$now_ms,{msgspec.json.encode(common).decode().removeprefix("{")}}}'
    )


def _set_trace_id(client_trace_id: str) -> None:
    trace_id.set(incoming_trace_id("", client_trace_id) if client_trace_id else new_trace_id())


def _json_of(data: str | bytes) -> bytes:
    """A binary message of the protobuf dialect as its JSON envelope."""
    try:
        return protobuf.to_json(data if isinstance(data, bytes) else data.encode())
    except ValueError:
        raise XinYuError(INVALID, "The message is no Envelope of client.proto.") from None


def decode_payload(decoder: Callable[[msgspec.Raw], Any], payload: msgspec.Raw) -> Any:
    """A payload that is no object is a wrong field of a right envelope."""
    try:
        return decode(decoder, payload)
    except XinYuError as error:
        raise invalid("payload") if error.code is BAD_JSON else error from None


# The reference client's first event, likewise.
_CONNECT: Final = '{"event":"connect","payload":{"uid":$user_id,"platform":"$platform","ts":$now_ms}}'
_SUBPROTOCOLS: Final = {CODEC_LEGACY: None, **upgrades.SUBPROTOCOLS}
_OWN_EVENTS: Final = frozenset(("session.open", "heartbeat", "ping", "pong", "ack", "echo"))
