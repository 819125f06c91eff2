"""The WebSocket connection engine: what a gateway sees of it.

One `Engine` owns listening sockets, connections and an epoll instance. The event loop drives it through one reader:

    engine = Engine(on_upgrade=..., on_message=..., on_close=...)
    engine.listen(listening_socket)
    loop.add_reader(engine.fileno(), engine.poll)

A connection is known by an id (int, 1 .. 2**53 - 1), made of its slot in the table and the slot's generation. An id is
valid from `on_upgrade` until `on_close` (or `refuse`, or `export`); afterwards every method refuses it: methods that
answer bool return False, others return None, 0 or an empty list, and nothing is raised.

Callbacks run only from `poll()`, never from inside another method. A callback may call every method of the engine, for
its own connection and for others; `poll()` called by a callback does nothing, and `shutdown()` called by one happens
when the running `poll()` ends. An exception that a callback raises is counted (`stats()["callback_errors"]`), handed to
`on_error`, or logged when there is none, and goes no further.

Not thread-safe: one engine belongs to one event loop thread.
"""

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Self, final

from xinyu._fast.logins import LoginDoor, Logins
from xinyu._fast.members import MemberSet

CODEC_LEGACY: Final[int]  # 0: the reference client's JSON dialect
CODEC_JSON: Final[int]  # 1: xinyu.v1.json
CODEC_PROTOBUF: Final[int]  # 2: xinyu.v1.protobuf
STATE_VERSION: Final[int]  # version of the bytes that export() makes
DONE: Final[object]  # what on_message returns instead of a call of release()
DEBUG_BUILD: Final[bool]  # True when the extension was built with all of Cython's checks

@final
class Frame:
    """One encoded server-to-client WebSocket frame, reference-counted, shared by every backlog that holds it."""

    def __new__(cls, payload: bytes | str, is_text: bool = True) -> Self:
        """The same as encode_frame()."""
    @property
    def size_bytes(self) -> int: ...
    @property
    def is_text(self) -> bool: ...
    def __bytes__(self) -> bytes: ...

def encode_frame(payload: bytes | str, is_text: bool = True) -> Frame:
    """Encode one unfragmented data frame (RFC 6455 section 5.2). A text payload must be valid UTF-8: ValueError."""

@final
class Engine:
    def __new__(
        cls,
        *,
        # -- callbacks -------------------------------------------------------------------------------------------
        on_upgrade: Callable[[int, str, str, dict[str, str]], object] | None = None,
        # (id, path, query, headers). path and query are as sent (not percent-decoded; query without "?");
        # headers holds only the names asked for in `headers` (lower-case keys; repeated headers joined by ", ").
        # Answer at once or later with accept(id, ...) or refuse(id, status).
        # None: every upgrade is accepted with codec 0 (what echo mode wants).
        on_logins: Callable[[Logins], object] | None = None,
        # (logins): users whose upgrades `login_door` took, which on_upgrade does not hear of; at the end of the slice
        # in which they came. Answer at once or later with admit(logins), or for each of their ids as to on_upgrade.
        on_message: Callable[[int, str | bytes, bool], object] | None = None,
        # (id, data, is_text). Takes one unit of the connection's credit, given back by release(id), or at once where
        # the callback returns DONE.
        # None: messages are dropped and their credit comes back at once.
        on_close: Callable[[int, int, int, int, bool], object] | None = None,
        # (id, user_id, session_id, code, clean): exactly once for every connection that accept() took, when it is gone;
        # user_id and session_id are 0 if never bound. clean: both close frames were exchanged. code: the code sent or
        # received first; 1005 = close frame without a code, 1006 = connection lost.
        on_error: Callable[[BaseException], object] | None = None,
        headers: Sequence[str] = (),
        login_door: LoginDoor | None = None,  # goes with on_logins
        echo: bool = False,
        # -- bounds ----------------------------------------------------------------------------------------------
        max_connections: int = ...,  # 1,048,576; accepting pauses there
        max_head_bytes: int = ...,  # 8 KiB; a longer request head is answered 431
        max_message_bytes: int | None = None,  # 1 MiB (16 MiB in echo mode); longer: close 1009
        max_fragments: int = ...,  # frames a message; more: close 1009
        credit: int = ...,  # messages in flight a connection, 64
        backlog_bytes: int = ...,  # 256 KiB; past it messages are dropped and the connection is marked
        backlog_frames: int = ...,  # 1,024
        ephemeral_backlog_bytes: int = ...,  # 64 KiB; past it ephemeral frames are dropped
        max_talks: int = ...,  # talks that one connection may join, 1,024
        sync_required_frames: Mapping[int, Frame] | None = None,  # codec -> Frame sent after messages were dropped;
        # a connection whose codec has none (legacy) is closed with 1013 instead
        # -- deadlines, seconds (resolution: tick_ms); 0 = off where said --------------------------------------------
        handshake_s: float = ...,  # 10: request head complete
        upgrade_s: float = ...,  # 10: accept() or refuse() called, else 503
        login_s: float = ...,  # 10: bind() called after accept(login_deadline=True), else close 4408
        close_s: float = ...,  # 5: peer's close frame and end of stream after our close frame
        slow_consumer_s: float = ...,  # 30: a queued frame is written, else close 1013
        heartbeat_s: float = ...,  # 30: server ping after that long without traffic in either direction; 0 = off
        read_timeout_s: float = ...,  # 120: something heard, else close 4408; 0 = off
        tick_ms: int = ...,  # 100: resolution of all deadlines
        # -- slices ----------------------------------------------------------------------------------------------
        slice_ms: float = ...,  # 5: poll(), a fan-out and flush() return after about that long, and the next poll()
        # goes on; 0: after the few steps that lie between two looks at the clock
        max_events: int = ...,  # 256: events taken from epoll at once
    ) -> Self:
        """ValueError for a setting out of range, TypeError for one of the wrong type, OSError if epoll fails."""

    # -- the loop's side -----------------------------------------------------------------------------------------------
    def fileno(self) -> int:
        """The epoll descriptor: readable while there is work. -1 after shutdown()."""
    def poll(self) -> None:
        """Do one slice of work. Never raises."""
    def listen(self, sock: socket.socket) -> None:
        """Accept from this bound and listening socket (made non-blocking). The engine keeps a reference, and closes it
        at shutdown(). ValueError: not a listening stream socket."""
    def pause_accept(self) -> None: ...
    def resume_accept(self) -> None: ...
    def shutdown(self) -> None:
        """Close every socket and free everything at once, without close frames and without on_close. Idempotent."""

    # -- the life of a connection --------------------------------------------------------------------------------------
    def accept(
        self,
        id: int,
        subprotocol: str | None = None,
        *,
        codec: int = 0,
        login_deadline: bool = False,
        headers: Iterable[tuple[str, str]] = (),
        user_id: int = 0,
        session_id: int = 0,
        expires_at_ms: int = 0,
        first: str | bytes = b"",
    ) -> bool:
        """Answer 101. Bytes that came behind the request are parsed by the next poll(). ValueError: header with bytes
        that HTTP does not allow, unknown codec.

        With a `user_id` it is bound at once, as by `bind`. `first` is a text message that leaves in the same write.
        False: stale, or the peer has gone; then nothing is bound, and no on_close follows."""
    def admit(self, logins: Logins) -> list[tuple[int, int]]:
        """accept() for all of them, each bound to its user and with the first event of its codec. Returns (id, user_id)
        of those who were not bound: gone, or still undecided because the user has as many connections as he may."""
    def refuse(self, id: int, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> bool:
        """Answer with an HTTP status (400..599), Content-Type application/json, Content-Length, Connection: close.
        An empty body stands for {"code":status,"message":reason phrase}. No on_close follows."""
    def bind(self, id: int, user_id: int, session_id: int = 0, expires_at_ms: int = 0) -> bool:
        """Attach a user (1 .. 2**63 - 1) to an open connection: ends the login deadline, adds it to the user's set.
        Unix ms; 0 = never expires; at expiry the engine closes with 4401. May be called again (token renewal)."""
    def set_codec(self, id: int, codec: int) -> bool: ...
    def release(self, id: int, n: int = 1) -> bool:
        """Give back credit for n messages that on_message delivered."""
    def close(self, id: int, code: int = 1000, reason: str = "") -> bool:
        """Start the closing handshake (RFC 6455 section 7): what is queued is still written, then the close frame;
        nothing more is sent or delivered. ValueError: code not allowed on the wire, reason longer than 123 bytes."""
    def abort(self, id: int) -> bool:
        """Close the socket at once; on_close with 1006 comes from the next poll()."""
    def close_all(self, code: int = 1012, reason: str = "", *, rate_per_s: int = 1000) -> None:
        """Close every connection, at most that many a second (undecided ones are answered 503). Connections accepted
        by the engine meanwhile are closed too; call pause_accept() first to drain. Done when stats()["connections"]
        is 0."""
    def export(self, id: int) -> tuple[int, bytes] | None:
        """Hand the connection over: (descriptor, state for adopt()). The descriptor belongs to the caller now; the slot
        is freed without on_close. None: stale id or a connection that is already being torn down."""
    def adopt(self, fd: int, state: bytes) -> int:
        """Take over a connection that another engine exported; returns its new id. Its credit is full again; an upgrade
        that was undecided comes to on_upgrade anew. ValueError: not such a state (the descriptor stays the caller's);
        OSError: not a socket."""

    # -- sending -------------------------------------------------------------------------------------------------------
    def send(self, id: int, data: str | bytes, *, binary: bool = False, ephemeral: bool = False) -> bool:
        """Send one message. True: written or queued; False: stale, closing, dropped because the peer is behind.
        str is sent as text; bytes as text holding UTF-8 (checked: ValueError), or as binary with binary=True."""
    def send_frame(self, id: int, frame: Frame, *, ephemeral: bool = False) -> bool: ...
    def hold(self) -> None:
        """From now on frames gather, up to 64 KiB a connection, until `flush`, which must follow within a turn
        of the loop or two: several for one connection leave in one write, in order. Counts as written. A connection
        for which 64 KiB or 64 frames have gathered is written to at once."""
    def flush(self) -> None:
        """Writes what has gathered since `hold` and ends it; what a slice is too short for, the next poll() writes.
        Does nothing where nothing has."""
    def ping(self, id: int, payload: bytes = b"") -> bool: ...
    def fan_out(self, ids: Iterable[int], frame: Frame, ephemeral: bool = False) -> int:
        """Send one frame to these connections. Returns to how many it was written or queued; stale ids are skipped.
        This and the fan-outs below write for a slice at most: the other frames wait, in order with whatever follows to
        the same connection, until the next poll()s write them."""
    def fan_out_users(
        self,
        user_ids: Iterable[int],
        frames_by_codec: Mapping[int, Frame],
        *,
        ephemeral: bool = False,
        except_id: int = 0,
    ) -> int:
        """Send to every open connection of these users the frame of its codec (none for that codec: skipped)."""
    def fan_out_members(
        self,
        members: MemberSet,
        audience: int,
        sequence: int,
        frames_by_codec: Mapping[int, Frame],
        *,
        ephemeral: bool = False,
    ) -> int:
        """The same to those of a large talk's members who are meant (`xinyu._fast.members`): MEMBERS, READERS, SEEING
        or OTHERS of `sequence`. Costs the smaller of the set and the users who are connected."""
    def has_member(self, members: MemberSet) -> bool:
        """Whether one who is in the set, or left a while ago, has an open connection."""
    def fan_out_talk(
        self, talk_id: int, frames_by_codec: Mapping[int, Frame], *, ephemeral: bool = False, except_id: int = 0
    ) -> int:
        """Send to every connection that joined this talk."""
    def fan_out_all(self, frame: Frame, ephemeral: bool = False) -> int:
        """Send to every open connection, whatever its codec."""
    def broadcast_rounds(self, frame: Frame, rounds: int) -> bool:
        """Send the frame `rounds` times (1 .. 1,000,000) to every connection that is open now, in slices, waiting for
        connections that are behind instead of dropping. False: too many broadcasts are waiting already (16)."""

    # -- sets of connections -------------------------------------------------------------------------------------------
    def join_talk(self, id: int, talk_id: int) -> bool:
        """Add to a talk's set (1 .. 2**63 - 1); twice is once. False: stale id, or max_talks are joined already."""
    def leave_talk(self, id: int, talk_id: int) -> bool: ...
    def connections_of_talk(self, talk_id: int) -> list[int]: ...
    def user_of(self, id: int) -> int:
        """0: stale or not bound."""
    def peer_of(self, id: int) -> str:
        """"ip:port" or "[ip6]:port"; "": stale, or the peer has gone."""
    def session_of(self, id: int) -> int: ...
    def codec_of(self, id: int) -> int | None: ...
    def connections_of(self, user_id: int) -> list[int]:
        """Open connections of the user, newest first."""
    def user_connection_count(self, user_id: int) -> int: ...
    def user_ids(self) -> list[int]:
        """Every user with an open connection here."""
    def connection_ids(self) -> list[int]:
        """Every open connection."""
    def is_open(self, id: int) -> bool:
        """Accepted, and no close has begun."""
    def backlog_of(self, id: int) -> int:
        """Bytes that wait for this peer."""
    def credit_of(self, id: int) -> int: ...
    def stats(self) -> dict[str, int]:
        """Counters since the start and gauges. Gauges: connections (all states), open, handshaking, users, talks,
        backlog_bytes, paused (open, but not read), unfinished (in the middle of a frame or a message), broadcasts,
        connection_bytes (of one struct). Counters: sockets_accepted, upgrades, accepted, refused, closed, reads, writes
        (system calls), messages_in,
        messages_out, bytes_in, bytes_out, pings_out, pongs_in, legacy_pings, dropped_ephemeral, dropped_messages,
        closed_slow, closed_silent, closed_login, closed_expired, closed_protocol, handshake_timeouts, upgrade_timeouts,
        accept_pauses, callback_errors, polls. Live objects: live_memberships;
        of the whole process live_buffers, live_nodes, live_frames."""
    def expires_at_ms_of(self, id: int) -> int:
        """As bound; 0: never, stale, or not bound."""
    def bound_sessions(self) -> bytes:
        """Native 64-bit pairs (user_id, session_id): one for each connection whose on_close is still to come and will
        name a user, those included that are being closed."""
