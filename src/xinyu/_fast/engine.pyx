"""The WebSocket connection engine: accepts, receives, parses, sends and times out by itself, on an epoll instance of
its own that is one reader of the event loop.

How it works. `poll()` is one slice: events from epoll (those left over from the last slice first), then the timers that
are due, then the list of work (connections whose buffered input may go on, dead ones to be reported and freed), then
frames that have gathered in backlogs (held, or left over by a fan-out that had a slice of its own), then broadcasts.
What does not fit into the slice keeps the descriptor readable: unread sockets because epoll is level-triggered,
everything else through an eventfd that is set while work is left. A timerfd gives the ticks while there are connections.
Time is measured in steps between which the clock is looked at (`_out_of_time`); each part does one step at least, and
events leave half of the slice to the rest when something waits there.

Received bytes go into one buffer for the whole process, are unmasked where they lie, and leave it as Python objects (or
as an echo) before the next recv(). A connection owns memory only for half a message, for input that waits for credit,
for a request that is undecided, and for frames that its peer has not taken. The parser, too, is one for all: a
connection has its own only while it is in the middle of a frame or a message.

Invariants:
- Python code runs only inside `poll()`, in the three callbacks (and while an iterable that a caller passed is being
  read, when no pointer is held). A connection that dies is closed at once, but its slot is freed only by the list of
  work, so a pointer is good while one event is handled; after a callback, and after every send, look at `state`.
- A connection is in its user's and talks' sets exactly while its state is STATE_OPEN. Who is to be its user stands in
  a batch of logins until then, not in the connection.
- A connection has no parser while its input is being parsed: `parser` is in its place, and idle at all other times.
- `interest` is what epoll was told last. No input is watched while there is buffered input, no credit, or a paused
  echo; then HUP or ERR closes the connection at once, since these cannot be masked. While an upgrade is undecided
  input is watched until some comes: most are decided before, and epoll need not be told of them.
- Every state but STATE_OPEN has a deadline (`phase_due`).

Errors inside are counted and reported to `on_error`; nothing unwinds into the loop.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeLatin1, PyUnicode_DecodeUTF8
from libc.errno cimport EAGAIN, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memmove, memset, strlen

from xinyu._fast.connection cimport *
from xinyu._fast.linux cimport *
from xinyu._fast.logins cimport (
    FIRST_EVENT_MOST, LOGINS_MOST, LoginDoor, Logins, login, login_lines, login_read, login_request,
)
from xinyu._fast.members cimport AUDIENCES, MemberSet, member_set_pick, member_set_pick_most, member_set_touches
from xinyu._fast.tokens cimport token_entry

cimport cython

import logging
import socket as socket_module
import struct
import zlib
from http import HTTPStatus

include "consts.pxi"

cdef extern from *:
    """
    #ifndef XINYU_DEBUG_BUILD
    #error "build through setup.py"
    #endif
    """
    const int XINYU_DEBUG_BUILD

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void *PyUnicode_DATA(object text)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    void PyErr_Clear()
    uint64_t as_number "PyLong_AsUnsignedLongLong"(object number)  # 2**64 - 1 with an exception set: none

CODEC_LEGACY = 0
CODEC_JSON = 1
CODEC_PROTOBUF = 2
STATE_VERSION = STATE_FORMAT
DEBUG_BUILD = XINYU_DEBUG_BUILD != 0
cdef object _DONE = object()
DONE = _DONE

cdef enum:
    CODECS = 3

# How a frame may be treated when its peer is behind.
cdef enum:
    KIND_MESSAGE = 0  # dropped past the bound; the connection is told later that it missed something
    KIND_EPHEMERAL = 1  # dropped first, silently
    KIND_CONTROL = 2  # pongs and pings: dropped past the bound, silently
    KIND_FORCED = 3  # always kept: close frames, HTTP answers, and what is paced elsewhere (echo, broadcasts)

# What epoll hands back for what is not a connection.
cdef uint64_t SPECIAL = <uint64_t>1 << 63
cdef uint64_t SPECIAL_TIMER = SPECIAL | 1
cdef uint64_t SPECIAL_WAKE = SPECIAL | 2
cdef uint64_t SPECIAL_LISTENER = SPECIAL | 16

cdef enum:
    FLAGS_EXPORTED = (FLAG_ACCEPTED | FLAG_LOGIN | FLAG_LAGGING | FLAG_CLOSE_SENT | FLAG_CLOSE_RECEIVED
                      | FLAG_WRITE_ENDED)

cdef struct broadcast:
    shared_buffer *buffer
    uint32_t rounds
    uint64_t opened_until

cdef int64_t live_frames = 0

_log = logging.getLogger(__name__)
# What export() writes (little-endian): this head, then the talks (u64 each), the gathered part of a message, that of a
# control frame, the input that waits, the frames of the backlog (u32 length, u8 begun, bytes), and CRC-32 of it all.
_STATE_MAGIC = b"XYCN"
_STATE_HEAD = struct.Struct(
    "<4sHBBHH"  # magic, version, state, codec, flags, close code
    "QQqI"  # user, session, expires_at_ms, milliseconds left of the phase's deadline
    "BBB4sQI"  # parser: stage, first byte, opcode of the message, mask, bytes left, fragments
    "IIBII"  # how many: talks, bytes of message, of control, of input, frames of backlog
)
_STATE_FRAME = struct.Struct("<IB")


cdef bint _is_utf8(const char *data, size_t n) noexcept:
    cdef utf8_state state
    utf8_start(&state)
    return utf8_feed(&state, <const uint8_t *>data, n) and state.owed == 0


@cython.final
cdef class Frame:
    """One encoded server-to-client WebSocket frame, reference-counted, shared by every backlog that holds it."""

    cdef shared_buffer *buffer

    def __cinit__(self, payload, is_text=True):
        global live_frames
        cdef const char *data
        cdef Py_ssize_t n
        cdef uint8_t header[WS_SERVER_HEADER_MAX]
        cdef size_t header_size
        cdef bint text = is_text
        if isinstance(payload, str):
            data = PyUnicode_AsUTF8AndSize(payload, &n)
        elif isinstance(payload, bytes):
            data = PyBytes_AS_STRING(payload)
            n = PyBytes_GET_SIZE(payload)
            if text and not _is_utf8(data, n):
                raise ValueError("a text payload must be UTF-8")
        else:
            raise TypeError(f"payload must be bytes or str, not {type(payload).__name__}")
        header_size = ws_header(header, WS_FIN | (WS_OP_TEXT if text else WS_OP_BINARY), n)
        self.buffer = buffer_new(header_size + n)
        if self.buffer == NULL:
            raise MemoryError
        live_frames += 1
        memcpy(self.buffer.data, header, header_size)
        memcpy(self.buffer.data + header_size, data, n)
        self.buffer.is_text = text

    def __dealloc__(self):
        global live_frames
        if self.buffer != NULL:
            buffer_release(self.buffer)
            live_frames -= 1

    @property
    def size_bytes(self):
        return self.buffer.length

    @property
    def is_text(self):
        return self.buffer.is_text != 0

    def __bytes__(self):
        return PyBytes_FromStringAndSize(<char *>self.buffer.data, self.buffer.length)


def encode_frame(payload, is_text=True):
    """Encode one unfragmented data frame (RFC 6455 section 5.2). A text payload must be valid UTF-8: ValueError."""
    return Frame(payload, is_text)


cdef int64_t _now_ns(int clock) noexcept:
    cdef timespec ts
    clock_gettime(clock, &ts)
    return ts.tv_sec * 1000000000 + ts.tv_nsec


cdef object _setting(str name, value, low, high, type kind=int):
    """A number within its range, or the error that names it."""
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
        raise TypeError(f"{name} must be a number" if kind is float else f"{name} must be an integer")
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, not {value}")
    return value


cdef int _check_user(user_id, session_id, expires_at_ms) except -1:
    _setting("user_id", user_id, 1, (1 << 63) - 1)
    _setting("session_id", session_id, 0, (1 << 64) - 1)
    _setting("expires_at_ms", expires_at_ms, 0, 1 << 52)
    return 0


cdef bytes _header_lines(headers):
    """Extra response headers, checked against header injection."""
    lines = []
    for name, value in headers:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError("a header is a pair of str")
        raw_name = name.encode("latin-1", "replace")
        try:
            raw_value = value.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"header {name!r} holds characters that HTTP does not allow") from None
        if not http_is_token(raw_name, len(raw_name)) or not http_is_field_value(raw_value, len(raw_value)):
            raise ValueError(f"header {name!r} holds characters that HTTP does not allow")
        lines.append(raw_name + b": " + raw_value + b"\r\n")
    return b"".join(lines)


cdef bytes _http_answer(int status, bytes body, bytes lines):
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    if not body:
        body = f'{{"code":{status},"message":"{phrase}"}}'.encode()
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n"
    ).encode() + lines + b"\r\n" + body


@cython.final
cdef class Engine:
    """See engine.pyi for what each argument and method means."""

    # -- what the caller gave
    cdef object on_upgrade  # callable or None
    cdef object on_logins  # callable or None
    cdef LoginDoor login_door  # or None
    cdef object on_message  # callable or None
    cdef object on_close  # callable or None
    cdef object on_error  # callable or None
    cdef list header_names  # [(lower-case name as bytes, as str)]
    cdef uint64_t header_lengths  # bit n: one of them has n characters
    cdef str subprotocol  # that of the last accept(), and its header line
    cdef bytes subprotocol_line
    cdef list listeners  # [socket.socket]
    cdef dict sync_frames  # {codec: Frame}; keeps the buffers below alive
    cdef shared_buffer *sync_buffers[CODECS]
    cdef bint echo
    cdef ws_limits limits
    cdef uint32_t max_head, max_credit, max_talks, backlog_frames
    cdef uint64_t backlog_bytes, ephemeral_backlog_bytes
    cdef uint32_t handshake_ticks, upgrade_ticks, login_ticks, close_ticks, slow_ticks, heartbeat_ticks, read_ticks
    cdef uint32_t tick_ms, max_events
    cdef int64_t slice_ns

    # -- machinery
    cdef bint made  # the descriptors below are ours (a call with wrong arguments leaves them 0)
    cdef int epfd, timerfd, wakefd
    cdef table connections
    cdef wheel *timers
    cdef idmap users, talks
    cdef epoll_event *events
    cdef int event_next, event_count
    cdef uint8_t *received  # the one receive buffer
    cdef uint8_t *corked  # frames for `current`, not yet sent
    cdef size_t cork_used
    cdef connection *cork_owner
    cdef bint holding  # between hold() and flush()
    cdef bint deferring  # a fan-out has used up its time: the rest of its frames gather, too
    cdef uint64_t *held  # ids of the connections whose frames gather, in the order of writing
    cdef size_t held_next, held_count, held_room
    cdef connection *current  # the connection whose input is being parsed
    cdef ws_parser parser  # of its frames
    cdef uint8_t *cursor  # of that input
    cdef uint8_t *cursor_end
    cdef dict logins  # {codec: Logins} of this slice
    cdef uint32_t work_head, work_tail  # links
    cdef int64_t started_ns, deadline_ns
    cdef uint32_t unlooked  # steps since the last look at the clock
    cdef uint32_t tick
    cdef bint in_poll, stop_requested, awake, ticking, timers_behind
    cdef bint accept_paused, accept_full
    cdef uint32_t accept_retry_due, early_skips
    cdef broadcast broadcasts[MAX_BROADCASTS]
    cdef uint32_t broadcast_head, broadcast_count, broadcast_cursor
    cdef uint64_t broadcast_stalled  # id of the connection that the first broadcast waits for, or 0
    cdef shared_buffer *go_buffer
    cdef bint sweeping, sweep_behind  # close_all() is at work; it has not done what it may by now
    cdef uint16_t sweep_code
    cdef bytes sweep_reason
    cdef double sweep_rate, sweep_allowance  # connections a tick, connections
    cdef uint32_t sweep_cursor

    # -- gauges and counters (stats())
    cdef uint32_t open_count
    cdef uint64_t opened_serial
    cdef uint64_t n_reads, n_writes  # system calls
    cdef uint64_t n_sockets, n_upgrades, n_accepted, n_refused, n_closed, n_messages_in, n_messages_out, n_bytes_in
    cdef uint64_t n_bytes_out, n_pings_out, n_pongs_in, n_legacy_pings, n_dropped_ephemeral, n_dropped_messages
    cdef uint64_t n_closed_slow, n_closed_silent, n_closed_login, n_closed_expired, n_closed_protocol
    cdef uint64_t n_handshake_timeouts, n_upgrade_timeouts, n_accept_pauses, n_callback_errors, n_polls
    cdef int64_t live_memberships

    def __cinit__(
        self,
        *,
        on_upgrade=None,
        on_logins=None,
        on_message=None,
        on_close=None,
        on_error=None,
        headers=(),
        LoginDoor login_door=None,
        echo=False,
        max_connections=DEFAULT_MAX_CONNECTIONS,
        max_head_bytes=DEFAULT_MAX_HEAD,
        max_message_bytes=None,
        max_fragments=DEFAULT_MAX_FRAGMENTS,
        credit=DEFAULT_CREDIT,
        backlog_bytes=DEFAULT_BACKLOG,
        backlog_frames=DEFAULT_BACKLOG_FRAMES,
        ephemeral_backlog_bytes=DEFAULT_EPHEMERAL_BACKLOG,
        max_talks=DEFAULT_MAX_TALKS,
        sync_required_frames=None,
        handshake_s=float(DEFAULT_HANDSHAKE_S),
        upgrade_s=float(DEFAULT_UPGRADE_S),
        login_s=float(DEFAULT_LOGIN_S),
        close_s=float(DEFAULT_CLOSE_S),
        slow_consumer_s=float(DEFAULT_SLOW_CONSUMER_S),
        heartbeat_s=float(DEFAULT_HEARTBEAT_S),
        read_timeout_s=float(DEFAULT_READ_TIMEOUT_S),
        tick_ms=DEFAULT_TICK_MS,
        slice_ms=float(DEFAULT_SLICE_MS),
        max_events=DEFAULT_MAX_EVENTS,
    ):
        self.epfd = self.timerfd = self.wakefd = -1
        self.made = True
        for name, value in (("on_upgrade", on_upgrade), ("on_logins", on_logins), ("on_message", on_message),
                            ("on_close", on_close), ("on_error", on_error)):
            if value is not None and not callable(value):
                raise TypeError(f"{name} must be callable or None")
        if (on_logins is None) != (login_door is None):
            raise TypeError("on_logins and login_door need each other")
        self.on_upgrade = on_upgrade
        self.on_logins = on_logins
        self.login_door = login_door
        self.logins = {}
        self.on_message = on_message
        self.on_close = on_close
        self.on_error = on_error
        self.header_names = []
        for name in headers:
            if not isinstance(name, str):
                raise TypeError("a header name is a str")
            raw = name.lower().encode("latin-1", "replace")
            if not http_is_token(raw, len(raw)):
                raise ValueError(f"not a header name: {name!r}")
            if len(raw) > 63:
                raise ValueError(f"a header name has at most 63 characters: {name!r}")
            self.header_names.append((raw, name.lower()))
            self.header_lengths |= <uint64_t>1 << <int>len(raw)
        self.echo = echo
        if max_message_bytes is None:
            max_message_bytes = DEFAULT_MAX_MESSAGE_ECHO if echo else DEFAULT_MAX_MESSAGE
        self.connections.limit = _setting("max_connections", max_connections, 1, 1 << ID_SLOT_BITS)
        self.max_head = _setting("max_head_bytes", max_head_bytes, 256, 1 << 16)
        self.limits.max_message = _setting("max_message_bytes", max_message_bytes, 1, 1 << 30)
        self.limits.max_fragments = _setting("max_fragments", max_fragments, 1, 1 << 30)
        self.max_credit = _setting("credit", credit, 1, 1 << 20)
        self.backlog_bytes = _setting("backlog_bytes", backlog_bytes, 1, 1 << 30)
        self.backlog_frames = _setting("backlog_frames", backlog_frames, 1, 1 << 24)
        self.ephemeral_backlog_bytes = _setting("ephemeral_backlog_bytes", ephemeral_backlog_bytes, 0, 1 << 30)
        self.max_talks = _setting("max_talks", max_talks, 0, 1 << 24)
        self.tick_ms = _setting("tick_ms", tick_ms, 5, 10000)
        self.max_events = _setting("max_events", max_events, 1, 65536)
        self.slice_ns = int(_setting("slice_ms", slice_ms, 0, 1000, float) * 1000000)
        self.handshake_ticks = self._ticks("handshake_s", handshake_s, False)
        self.upgrade_ticks = self._ticks("upgrade_s", upgrade_s, False)
        self.login_ticks = self._ticks("login_s", login_s, False)
        self.close_ticks = self._ticks("close_s", close_s, False)
        self.slow_ticks = self._ticks("slow_consumer_s", slow_consumer_s, False)
        self.heartbeat_ticks = self._ticks("heartbeat_s", heartbeat_s, True)
        self.read_ticks = self._ticks("read_timeout_s", read_timeout_s, True)
        self.sync_frames = {}
        for codec, frame in (sync_required_frames or {}).items():
            if not isinstance(frame, Frame):
                raise TypeError("sync_required_frames holds Frame objects")
            _setting("codec", codec, 0, CODECS - 1)
            self.sync_frames[codec] = frame
            self.sync_buffers[<int>codec] = (<Frame>frame).buffer
        self.listeners = []
        self.sweep_reason = b""

        self.timers = <wheel *>malloc(sizeof(wheel))
        self.events = <epoll_event *>calloc(self.max_events, sizeof(epoll_event))
        self.received = <uint8_t *>malloc(RECEIVE_BYTES)
        self.corked = <uint8_t *>malloc(CORK_BYTES)
        if self.timers == NULL or self.events == NULL or self.received == NULL or self.corked == NULL:
            raise MemoryError
        self.started_ns = _now_ns(CLOCK_MONOTONIC)
        self.tick = 1
        wheel_start(self.timers, 1, &self.connections.items)
        ws_start(&self.parser)
        self.epfd = epoll_create1(EPOLL_CLOEXEC)
        self.timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        self.wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.epfd < 0 or self.timerfd < 0 or self.wakefd < 0:
            raise OSError(errno, "cannot create the engine's descriptors")
        if not self._watch(self.timerfd, EPOLL_CTL_ADD, EPOLLIN, SPECIAL_TIMER) or not self._watch(
                self.wakefd, EPOLL_CTL_ADD, EPOLLIN, SPECIAL_WAKE):
            raise OSError(errno, "cannot watch the engine's descriptors")

    def __dealloc__(self):
        self._release_everything()

    cdef uint32_t _ticks(self, str name, value, bint may_be_off) except? 4294967295:
        """Seconds to ticks, rounded up, one more so that a deadline never comes early."""
        _setting(name, value, 0, 1 << 20, float)
        if value == 0:
            if not may_be_off:
                raise ValueError(f"{name} must be above 0")
            return 0
        return <uint32_t>(-(-value * 1000 // self.tick_ms)) + 1

    # ---- the loop's side --------------------------------------------------------------------------------------------

    def fileno(self):
        return self.epfd

    def poll(self):
        """Do one slice of work. Never raises."""
        if self.epfd < 0 or self.in_poll:
            return
        self.in_poll = True
        self.n_polls += 1
        self._slice()
        self.in_poll = False
        if self.stop_requested:
            self._shutdown()
        else:
            self._settle()

    def listen(self, sock):
        if not isinstance(sock, socket_module.socket):
            raise TypeError("listen() takes a socket")
        if self.epfd < 0:
            raise ValueError("the engine is shut down")
        if sock.type != socket_module.SOCK_STREAM or not sock.getsockopt(
                socket_module.SOL_SOCKET, socket_module.SO_ACCEPTCONN):
            raise ValueError("not a listening stream socket")
        sock.setblocking(False)
        _send_at_once(sock.fileno())  # Linux hands the option on to each socket that is accepted
        if not self._watch(sock.fileno(), EPOLL_CTL_ADD, self._listener_interest(),
                           SPECIAL_LISTENER + <uint64_t>len(self.listeners)):
            raise OSError(errno, "cannot watch the listening socket")
        self.listeners.append(sock)

    def pause_accept(self):
        self.accept_paused = True
        self._watch_listeners()

    def resume_accept(self):
        self.accept_paused = False
        self._watch_listeners()

    def shutdown(self):
        self.stop_requested = True
        if not self.in_poll:
            self._shutdown()

    cdef void _shutdown(self) noexcept:
        listeners, self.listeners = self.listeners, []
        self._release_everything()
        for sock in listeners:
            try:
                sock.close()
            except OSError as exc:
                self._report(exc)

    cdef void _release_everything(self) noexcept:
        """Descriptors and memory. No Python object is touched: __dealloc__ calls this."""
        cdef uint32_t i
        cdef connection *c
        for i in range(self.connections.used):
            c = table_at(&self.connections, i)
            if c.state != STATE_FREE:
                if c.fd >= 0:
                    close(c.fd)
                self._forget(c)
        table_free(&self.connections)
        self.open_count = 0
        self.work_head = self.work_tail = 0
        self.current = self.cork_owner = NULL
        self.event_next = self.event_count = 0
        idmap_free(&self.users)
        idmap_free(&self.talks)
        while self.broadcast_count:
            self._end_broadcast()
        if self.go_buffer != NULL:
            buffer_release(self.go_buffer)
            self.go_buffer = NULL
        free(self.events)
        self.events = NULL
        free(self.received)
        self.received = NULL
        free(self.corked)
        self.corked = NULL
        free(self.held)
        self.held = NULL
        self.held_next = self.held_count = self.held_room = 0
        free(self.timers)
        self.timers = NULL
        if not self.made:
            return
        if self.epfd >= 0:
            close(self.epfd)
        if self.timerfd >= 0:
            close(self.timerfd)
        if self.wakefd >= 0:
            close(self.wakefd)
        self.epfd = self.timerfd = self.wakefd = -1

    cdef bint _watch(self, int fd, int operation, uint32_t interest, uint64_t what) noexcept:
        cdef epoll_event event
        event.events = interest
        event.data.u64 = what
        return epoll_ctl(self.epfd, operation, fd, &event) == 0

    cdef void _slice(self) noexcept:
        """Events first, but no more than half of the time while something else waits for its share."""
        cdef epoll_event event
        cdef int64_t began_ns = _now_ns(CLOCK_MONOTONIC)
        cdef int64_t ends_ns = began_ns + self.slice_ns
        cdef int64_t now_ns
        self._set_tick(began_ns)
        if self.timers.armed == 0:
            self.timers.now = self.tick
        self.unlooked = 0
        self.deadline_ns = began_ns + self.slice_ns // 2 if self._is_behind() else ends_ns
        if self.event_next == self.event_count:
            self._ask_epoll()
        while self.event_next < self.event_count:
            event = self.events[self.event_next]
            self.event_next += 1
            self._on_event(event.events, event.data.u64)
            if self.stop_requested:
                return
            if self._out_of_time():
                break
            if (self.event_next == self.event_count and not self.awake
                    and _now_ns(CLOCK_MONOTONIC) - began_ns < ASK_AGAIN_NS):
                self._ask_epoll()  # a turn of the loop would cost more than these few events did
        if self.logins:
            self._hand_logins_on()
            if self.stop_requested:
                return
        now_ns = _now_ns(CLOCK_MONOTONIC)
        self._set_tick(now_ns)
        # What epoll does not know of shares what is left of the slice; each part does a step even if that is nothing.
        self.deadline_ns = now_ns + (ends_ns - now_ns) // 2 if self._has_frames_to_write() else ends_ns
        self._expire_timers()
        if self.sweep_behind:
            self._sweep()
        self._do_work()
        if self.logins and not self.stop_requested:  # of connections that were adopted
            self._hand_logins_on()
        if self.stop_requested:
            return
        self.deadline_ns = ends_ns
        if not self.holding:
            self._write_held()
        self._do_broadcasts()

    cdef void _ask_epoll(self) noexcept:
        cdef int n = epoll_wait(self.epfd, self.events, <int>self.max_events, 0)
        self.event_next = 0
        self.event_count = n if n > 0 else 0

    cdef bint _out_of_time(self) noexcept:
        """Ask after each step (an event, a message, a frame written): is the slice over? The clock is looked at once in
        CLOCK_EVERY steps, and after each when it is over: what asks next may do one step."""
        self.unlooked += 1
        if self.unlooked < CLOCK_EVERY:
            return False
        if _now_ns(CLOCK_MONOTONIC) >= self.deadline_ns:
            self.unlooked = CLOCK_EVERY
            return True
        self.unlooked = 0
        return False

    cdef void _set_tick(self, int64_t now_ns) noexcept:
        self.tick = <uint32_t>((now_ns - self.started_ns) // (<int64_t>self.tick_ms * 1000000)) + 1

    cdef bint _is_behind(self) noexcept:
        """Is something left that epoll does not know of?"""
        return self.work_head != 0 or self.timers_behind or self.sweep_behind or self._has_frames_to_write()

    cdef bint _has_frames_to_write(self) noexcept:
        return self.held_count != 0 and not self.holding or self._broadcast_can_go_on()

    cdef void _settle(self) noexcept:
        """Keep the descriptor readable exactly while something is left that epoll does not know of."""
        cdef uint64_t value
        cdef bint wanted = self.event_next < self.event_count or self._is_behind()
        if wanted:
            self._wake()
        elif self.awake and not wanted:
            eventfd_read(self.wakefd, &value)
            self.awake = False
        cdef bint ticking = self.connections.live != 0 or self.accept_retry_due != 0 or self.sweeping
        cdef itimerspec spec
        if ticking != self.ticking:
            memset(&spec, 0, sizeof(spec))
            if ticking:
                spec.it_interval.tv_sec = spec.it_value.tv_sec = self.tick_ms // 1000
                spec.it_interval.tv_nsec = spec.it_value.tv_nsec = (self.tick_ms % 1000) * 1000000
            timerfd_settime(self.timerfd, 0, &spec, NULL)
            self.ticking = ticking

    cdef void _wake(self) noexcept:
        """Let the loop call poll(), if it does not already."""
        if not self.awake:
            self.awake = eventfd_write(self.wakefd, 1) == 0

    cdef void _on_event(self, uint32_t events, uint64_t what) noexcept:
        cdef connection *c
        cdef uint64_t expirations
        if what >= SPECIAL:
            if what >= SPECIAL_LISTENER:
                self._accept_batch(<uint32_t>(what - SPECIAL_LISTENER))
            elif what == SPECIAL_TIMER:
                if read(self.timerfd, &expirations, sizeof(expirations)) > 0:
                    self._on_tick()
            return  # SPECIAL_WAKE: the rest of the slice does the work
        c = table_find(&self.connections, what)
        if c == NULL or c.state == STATE_DEAD:
            return  # closed by an earlier event of this batch
        if events & (EPOLLHUP | EPOLLERR) and not c.interest & EPOLLIN:
            self._kill(c)
            return
        if c.state == STATE_UNDECIDED:
            if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                self._kill(c)
            else:
                self._watch_connection(c)  # from now on for the peer's end only
            return
        if events & EPOLLOUT:
            self._flush(c)
        if events & (EPOLLIN | EPOLLHUP | EPOLLERR) and c.state != STATE_DEAD and c.interest & EPOLLIN:
            self._receive(c)

    # ---- accepting ----------------------------------------------------------------------------------------------------

    cdef uint32_t _listener_interest(self) noexcept:
        return 0 if self.accept_paused or self.accept_full or self.accept_retry_due else EPOLLIN

    cdef void _watch_listeners(self) noexcept:
        cdef uint64_t i = 0
        for sock in self.listeners:
            self._watch(sock.fileno(), EPOLL_CTL_MOD, self._listener_interest(), SPECIAL_LISTENER + i)
            i += 1

    cdef void _accept_batch(self, uint32_t listener) noexcept:
        cdef int fd, i
        cdef int listening = self.listeners[listener].fileno()
        for i in range(ACCEPT_BATCH):
            if self.connections.live >= self.connections.limit:
                self.accept_full = True
                self.n_accept_pauses += 1
                self._watch_listeners()
                return
            fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                if errno in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
                    # The socket stays in the listen queue and would report itself for ever: look away for a moment.
                    self.accept_retry_due = self._in_ticks(ACCEPT_RETRY_MS // self.tick_ms + 1)
                    self.n_accept_pauses += 1
                    self._watch_listeners()
                elif errno != EAGAIN:
                    continue  # the peer has gone already, or its network reported an error
                return
            self.n_sockets += 1
            self._greet(fd)
            if self._out_of_time() or self.accept_paused or self.stop_requested:
                return

    cdef void _greet(self, int fd) noexcept:
        """A socket that was accepted. In a storm its request has come already: read before epoll is told of it, it makes
        no event. Where that is not so it is tried less."""
        cdef connection *c
        cdef ssize_t n = -1
        cdef int error = EAGAIN
        if self.early_skips:
            self.early_skips -= 1
        else:
            self.n_reads += 1
            n = socket_recv(fd, self.received, self.max_head + 1)
            error = errno
            if n < 0:
                self.early_skips = EARLY_SKIPS
        c = self._new_connection(fd, STATE_HANDSHAKE, self.handshake_ticks)
        if c == NULL:
            close(fd)
        elif n > 0:
            self.n_bytes_in += <uint64_t>n
            self._receive_head(c, <size_t>n)
        elif n == 0 or error != EAGAIN and error != EINTR:
            self._kill(c)

    cdef connection *_new_connection(self, int fd, uint8_t state, uint32_t ticks) noexcept:
        """A connection for this non-blocking socket, watched and timed; NULL: no room (fd is left open)."""
        cdef connection *c = table_take(&self.connections)
        if c == NULL:
            return NULL
        c.fd = fd
        c.state = state
        c.credit = self.max_credit
        c.heard = c.sent = c.pinged = self.tick
        c.interest = EPOLLIN
        if not self._watch(fd, EPOLL_CTL_ADD, c.interest, connection_id(c)):
            c.fd = -1
            table_give(&self.connections, c)
            return NULL
        if ticks:
            c.phase_due = self._in_ticks(ticks)
            self._arm_by(c, c.phase_due)
        return c

    cdef void _on_tick(self) noexcept:
        if self.accept_retry_due and self._reached(self.accept_retry_due):
            self.accept_retry_due = 0
            self._watch_listeners()
        if self.sweeping:
            self.sweep_allowance = (self.sweep_allowance if self.sweep_allowance < 1 else 1) + self.sweep_rate
            self._sweep()

    # ---- deadlines ------------------------------------------------------------------------------------------------------

    cdef uint32_t _in_ticks(self, uint32_t ticks) noexcept:
        return self.tick + ticks

    cdef bint _reached(self, uint32_t due) noexcept:
        return due <= self.tick

    cdef void _arm_by(self, connection *c, uint32_t due) noexcept:
        """See the connection at this tick at the latest."""
        if not wheel_is_armed(&c.timer) or due < c.timer.due:
            wheel_arm(self.timers, &c.timer, c.slot, due)

    cdef void _rearm(self, connection *c) noexcept:
        """Set the timer to the earliest of the connection's deadlines. One that was cancelled is not taken out when
        it is cancelled: the timer fires for nothing once and comes here."""
        cdef uint32_t due = c.phase_due
        cdef uint32_t other
        cdef int64_t away
        if c.state == STATE_OPEN:
            if c.out != NULL:
                other = c.out.head.queued + self.slow_ticks
                due = other if due == 0 or other < due else due
            if self.read_ticks:
                other = c.heard + self.read_ticks
                due = other if due == 0 or other < due else due
            if self.heartbeat_ticks:
                other = self._ping_due(c)
                due = other if due == 0 or other < due else due
            if c.expires_at_ms:
                away = (c.expires_at_ms - _now_ns(CLOCK_REALTIME) // 1000000) // self.tick_ms + 1
                if away < 1:
                    away = 1
                if away > 1 << 29:
                    away = 1 << 29
                other = self._in_ticks(<uint32_t>away)
                due = other if due == 0 or other < due else due
        if due:
            wheel_arm(self.timers, &c.timer, c.slot, due)
        else:
            wheel_cancel(self.timers, &c.timer)

    cdef uint32_t _ping_due(self, connection *c) noexcept:
        """Both directions count as silence: a client that only hears must be seen to live, and one that only talks
        wants to hear that we do."""
        cdef uint32_t since = c.heard if c.heard < c.sent else c.sent
        if since < c.pinged:
            since = c.pinged
        return since + self.heartbeat_ticks

    cdef void _expire_timers(self) noexcept:
        cdef wheel_node *node
        self.timers_behind = False
        while True:
            node = wheel_expire(self.timers, self.tick)
            if node == NULL:
                return
            self._on_timer(<connection *>node)
            if self._out_of_time():
                self.timers_behind = True
                return

    cdef void _on_timer(self, connection *c) noexcept:
        if c.phase_due and self._reached(c.phase_due):
            if c.state == STATE_HANDSHAKE:
                self.n_handshake_timeouts += 1
                self._kill(c)
            elif c.state == STATE_UNDECIDED:
                self.n_upgrade_timeouts += 1
                self._answer(c, 503, b"", b"")
            elif c.state == STATE_OPEN:
                self.n_closed_login += 1
                self._begin_close(c, 4408, b"no login in time")
            else:
                self._kill(c)
        if c.state == STATE_OPEN:
            self._check_open(c)
        if c.state != STATE_DEAD:
            self._rearm(c)

    cdef void _check_open(self, connection *c) noexcept:
        if c.out != NULL and self._reached(c.out.head.queued + self.slow_ticks):
            self._close_slow(c)
            return
        if c.expires_at_ms and c.expires_at_ms <= _now_ns(CLOCK_REALTIME) // 1000000:
            self.n_closed_expired += 1
            self._begin_close(c, 4401, b"token expired")
            return
        if not c.interest & EPOLLIN:
            c.heard = self.tick  # it is we who do not listen
        if self.read_ticks and self._reached(c.heard + self.read_ticks):
            self.n_closed_silent += 1
            self._begin_close(c, 4408, b"nothing heard")
            return
        if self.heartbeat_ticks and self._reached(self._ping_due(c)):
            c.pinged = self.tick
            self.n_pings_out += 1
            self._send_parts(c, WS_FIN | WS_OP_PING, NULL, 0, KIND_CONTROL)

    # ---- receiving ------------------------------------------------------------------------------------------------------

    cdef void _receive(self, connection *c) noexcept:
        cdef size_t room = RECEIVE_BYTES
        cdef ssize_t n
        if c.state == STATE_HANDSHAKE:
            room = self.max_head + 1 - (c.input.length if c.input != NULL else 0)
        self.n_reads += 1
        n = socket_recv(c.fd, self.received, room)
        if n < 0:
            if errno != EAGAIN and errno != EINTR:
                self._kill(c)
            return
        if n == 0:
            self._kill(c)
            return
        self.n_bytes_in += <uint64_t>n
        c.heard = self.tick
        if c.state == STATE_HANDSHAKE:
            self._receive_head(c, <size_t>n)
        elif c.state != STATE_LINGER:
            self._parse(c, self.received, self.received + n)

    cdef void _receive_head(self, connection *c, size_t n) noexcept:
        cdef uint32_t before = c.input.length if c.input != NULL else 0
        cdef waiting_input *grown = <waiting_input *>realloc(c.input, sizeof(waiting_input) + before + n)
        if grown == NULL:
            self._kill(c)
            return
        memcpy(grown.data + before, self.received, n)
        grown.length = <uint32_t>(before + n)
        grown.offset = 0
        c.input = grown
        self._parse_head(c, before)

    cdef void _parse_head(self, connection *c, uint32_t searched) noexcept:
        """The request so far; `searched` bytes of it are known not to hold its end."""
        cdef const char *text = <const char *>c.input.data
        cdef upgrade_request request
        cdef int status
        cdef size_t head = upgrade_head_length(text, c.input.length, searched)
        if head == 0 or head > self.max_head:
            if not http_is_token(text, 1):
                self._answer(c, 400, b"", b"")  # not HTTP: do not wait for the end of it
            elif c.input.length > self.max_head:
                self._answer(c, 431, b"", b"")
            return
        status = upgrade_parse(text, head, &request)
        if status == 0:
            c.input.head = <uint32_t>head
            c.input.key = <uint32_t>(<size_t>request.key.text - <size_t>text)
            self._ask_for_upgrade(c, &request)
            return
        try:
            body = f'{{"code":{status},"message":"{request.why.decode()}"}}'.encode()
            # RFC 6455 section 4.4 and RFC 9110 section 15.5.22: say what would be welcome.
            lines = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" if status == 426 else b""
            self._answer(c, status, body, lines)
        except BaseException as exc:
            self._report(exc)
            self._kill(c)

    cdef void _ask_for_upgrade(self, connection *c, upgrade_request *request) noexcept:
        cdef int i
        self.n_upgrades += 1
        c.state = STATE_UNDECIDED
        c.phase_due = self._in_ticks(self.upgrade_ticks)
        if self.login_door is not None and self._take_login(c, request):
            if c.state == STATE_UNDECIDED:
                self._arm_by(c, c.phase_due)
            return
        if self.on_upgrade is None:
            self._accept(c, 0, NULL, 0, False, 0, NULL, 0)
            return
        self.unlooked += CALLBACK_STEPS
        try:
            headers = {}
            for i in range(request.header_count):
                if request.names[i].length > 63 or not self.header_lengths >> request.names[i].length & 1:
                    continue
                for raw, name in self.header_names:
                    if span_is(request.names[i], <const char *>PyBytes_AS_STRING(raw)):
                        value = _latin1(request.values[i])
                        headers[name] = f"{headers[name]}, {value}" if name in headers else value
            self.on_upgrade(connection_id(c), _latin1(request.path), _latin1(request.query), headers)
        except BaseException as exc:
            self._report(exc)
            if c.state == STATE_UNDECIDED:
                self._answer(c, 500, b"", b"")
        if c.state == STATE_UNDECIDED:  # decided at once, it needs no deadline of its own
            self._rearm(c)

    # ---- logins taken here --------------------------------------------------------------------------------------------

    cdef bint _take_login(self, connection *c, upgrade_request *request) noexcept:
        """Gather an undecided connection whose request holds a good token. False: on_upgrade decides on it."""
        cdef login_request asked
        cdef token_entry *token
        cdef Logins logins
        cdef login *each
        if not login_read(request, &asked):
            return False
        token = self.login_door.tokens.look_up(asked.token.text, asked.token.length)
        if (token == NULL or token.claims.expires_at_ms <= _now_ns(CLOCK_REALTIME) // 1000000
                or self._user_is_full(<uint64_t>token.claims.user_id)):
            return False
        try:
            if self.login_door.has_ended(token.claims.user_id, token.claims.expires_at_ms):
                return False
            logins = self.logins.get(asked.codec)
            if logins is None:
                logins = self.logins[asked.codec] = Logins(asked.codec)
        except BaseException as exc:
            self._report(exc)
            return False
        each = &logins.items[logins.count]
        each.id = connection_id(c)
        each.user_id = <uint64_t>token.claims.user_id
        each.expires_at_ms = token.claims.expires_at_ms
        each.device_at = <uint32_t>(<size_t>asked.device_id.text - <size_t>c.input.data) if asked.device_id.length else 0
        each.device_length = <uint8_t>asked.device_id.length
        memset(each.platform, 0, sizeof(each.platform))
        memcpy(each.platform, asked.platform.text, asked.platform.length)
        logins.count += 1
        if logins.count == LOGINS_MOST:
            self._hand_logins_on()
        return True

    cdef bint _user_is_full(self, uint64_t user_id) noexcept:
        cdef idmap_entry *entry = idmap_get(&self.users, user_id)
        return entry != NULL and entry.count >= self.login_door.connections_per_user

    cdef void _hand_logins_on(self) noexcept:
        gathered = self.logins
        self.logins = {}
        for logins in gathered.values():
            self.unlooked += CALLBACK_STEPS
            try:
                self.on_logins(logins)
            except BaseException as exc:
                self._report(exc)
                self._give_up(<Logins>logins)

    cdef void _give_up(self, Logins logins) noexcept:
        cdef uint32_t i
        cdef connection *c
        for i in range(logins.count):
            c = table_find(&self.connections, logins.items[i].id)
            if c != NULL and c.state == STATE_UNDECIDED:
                self._answer(c, 500, b"", b"")

    cdef bint _admit_login(self, int codec, login *each) noexcept:
        """False: nobody was bound, and what is still undecided is so because the user is full."""
        cdef connection *c = table_find(&self.connections, each.id)
        cdef char event[FIRST_EVENT_MOST]
        cdef size_t size
        if c == NULL or c.state != STATE_UNDECIDED or self._user_is_full(each.user_id):
            return False
        c.session_id = self.login_door.draw_session(codec)
        c.expires_at_ms = each.expires_at_ms
        size = self.login_door.write_first_event(
            event, codec, c.session_id, each.user_id, <const char *>c.input.data + each.device_at, each.device_length,
            each.platform, 3 if each.platform[2] else 2)
        return self._accept(c, codec, login_lines(codec), strlen(login_lines(codec)), False, each.user_id, event, size)

    cdef str _peer(self, int fd):
        cdef sockaddr_storage address
        cdef socklen_t size = sizeof(address)
        cdef char text[64]
        if getpeername(fd, <sockaddr *>&address, &size) == 0:
            if address.ss_family == AF_INET and inet_ntop(
                    AF_INET, &(<sockaddr_in *>&address).sin_addr, text, sizeof(text)) != NULL:
                return f"{text.decode()}:{ntohs((<sockaddr_in *>&address).sin_port)}"
            if address.ss_family == AF_INET6 and inet_ntop(
                    AF_INET6, &(<sockaddr_in6 *>&address).sin6_addr, text, sizeof(text)) != NULL:
                return f"[{text.decode()}]:{ntohs((<sockaddr_in6 *>&address).sin6_port)}"
        return ""

    cdef bint _may_parse(self, connection *c) noexcept:
        """May the next frame be taken? While closing, messages are dropped and need no credit."""
        return c.state == STATE_CLOSING or (
            c.state == STATE_OPEN and c.credit != 0 and not c.flags & FLAG_READ_PAUSED)

    cdef void _parse(self, connection *c, uint8_t *data, uint8_t *end) noexcept:
        """Handle the frames in data..end (the receive buffer, or the connection's own waiting input)."""
        cdef ws_event event
        cdef int kind
        cdef bint out_of_time = False
        self.current = c
        if c.parser != NULL:
            self.parser = c.parser[0]
            free(c.parser)
            c.parser = NULL
        self.cursor = data
        self.cursor_end = end
        self.cork_owner = c
        while self.cursor < self.cursor_end and self._may_parse(c):
            kind = ws_next(&self.parser, &self.limits, &self.cursor, self.cursor_end, &event)
            if kind == WS_MORE:
                break
            if kind == WS_MESSAGE:
                self._on_frame_message(c, &event)
            elif kind == WS_PING:
                if c.state == STATE_OPEN:
                    self._send_parts(c, WS_FIN | WS_OP_PONG, event.data, event.length, KIND_CONTROL)
            elif kind == WS_PONG:
                self.n_pongs_in += 1
            elif kind == WS_CLOSE:
                self._on_frame_close(c, &event)
            else:
                self.n_closed_protocol += 1
                self._fail(c, event.code, event.why)
            if c.state == STATE_DEAD or self.stop_requested:
                break
            ws_done(&self.parser)
            if self._out_of_time():
                out_of_time = True
                break
        if self.cork_owner == c:
            self._uncork()
            self.cork_owner = NULL
        self.current = NULL
        self._put_parser_away(c)
        if c.state == STATE_OPEN or c.state == STATE_CLOSING:
            self._keep_input(c, self.cursor, <size_t>(<Py_ssize_t>self.cursor_end - <Py_ssize_t>self.cursor))
            if out_of_time and c.input != NULL:
                self._queue_work(c)
        elif c.state == STATE_LINGER:
            self._free_input(c)
        if c.state != STATE_DEAD:
            self._watch_connection(c)

    cdef void _put_parser_away(self, connection *c) noexcept:
        """What has begun goes on with the connection's next input, in a parser of its own."""
        cdef ws_parser *own
        if c.state != STATE_OPEN and c.state != STATE_CLOSING:
            ws_free(&self.parser)
            return
        ws_done(&self.parser)
        if ws_is_idle(&self.parser):
            return
        own = <ws_parser *>malloc(sizeof(ws_parser))
        if own == NULL:
            ws_free(&self.parser)
            self._kill(c)
            return
        own[0] = self.parser
        ws_start(&self.parser)
        c.parser = own

    cdef void _keep_input(self, connection *c, uint8_t *rest, size_t n) noexcept:
        """What was not parsed waits in memory of the connection's own."""
        if c.input != NULL:  # then `rest` points into it
            c.input.offset = c.input.length - <uint32_t>n
            if n == 0:
                self._free_input(c)
        elif n and not _new_input(c, rest, n):
            self._kill(c)

    cdef void _free_input(self, connection *c) noexcept:
        free(c.input)
        c.input = NULL

    cdef void _on_frame_message(self, connection *c, ws_event *event) noexcept:
        cdef uint32_t rounds
        if c.state != STATE_OPEN:
            return
        self.n_messages_in += 1
        if self.echo:
            rounds = _go_rounds(event) if event.is_text else 0
            if rounds:
                self._go(c, rounds)
                return
            self._send_parts(c, WS_FIN | (WS_OP_TEXT if event.is_text else WS_OP_BINARY), event.data, event.length,
                             KIND_FORCED)
            if backlog_bytes(c.out) > self.backlog_bytes:
                c.flags |= FLAG_READ_PAUSED
            return
        if c.codec == 0 and event.is_text and is_legacy_ping(event.data, event.length):
            self._answer_legacy_ping(c)
            return
        if self.on_message is None:
            return
        c.credit -= 1
        self.unlooked += CALLBACK_STEPS
        try:
            data = _message_object(event)
            if (self.on_message(connection_id(c), data, event.is_text != 0) is _DONE and c.state == STATE_OPEN
                    and c.credit < self.max_credit):
                c.credit += 1
        except BaseException as exc:
            self._report(exc)

    cdef void _answer_legacy_ping(self, connection *c) noexcept:
        cdef char text[80]
        cdef int n = snprintf(text, sizeof(text), b'{"event":"pong","payload":{"ts":%lld}}',
                              <long long>(_now_ns(CLOCK_REALTIME) // 1000000))
        self.n_legacy_pings += 1
        self._send_parts(c, WS_FIN | WS_OP_TEXT, <uint8_t *>text, <size_t>n, KIND_CONTROL)

    cdef void _on_frame_close(self, connection *c, ws_event *event) noexcept:
        """RFC 6455 section 7.1: answer the peer's close frame, or take it as the answer to ours."""
        cdef uint8_t code[2]
        c.flags |= FLAG_CLOSE_RECEIVED
        if c.close_code == 0:
            c.close_code = event.code
        if not c.flags & FLAG_CLOSE_SENT:
            self._leave_open(c)
            c.flags |= FLAG_CLOSE_SENT
            code[0] = <uint8_t>(event.code >> 8)
            code[1] = <uint8_t>(event.code & 255)
            self._send_parts(c, WS_FIN | WS_OP_CLOSE, code, 0 if event.code == 1005 else 2, KIND_FORCED)
            if c.state == STATE_DEAD:
                return
        if not self._uncork():
            return
        if c.out == NULL:
            self._kill(c)  # both close frames are out: the server ends TCP first (section 7.1.1)
        else:
            self._begin_linger(c)

    cdef void _fail(self, connection *c, uint16_t code, const char *why) noexcept:
        """RFC 6455 section 7.1.7: say why, read no more."""
        cdef size_t n = 0
        while why[n]:
            n += 1
        if c.flags & FLAG_CLOSE_SENT:
            self._kill(c)
            return
        self._leave_open(c)
        self._send_close(c, code, why, n)
        if c.state != STATE_DEAD and self._uncork():
            self._begin_linger(c)

    # ---- the end of a connection ----------------------------------------------------------------------------------------

    cdef void _send_close(self, connection *c, uint16_t code, const char *why, size_t n) noexcept:
        cdef uint8_t payload[WS_CONTROL_MAX]
        payload[0] = <uint8_t>(code >> 8)
        payload[1] = <uint8_t>(code & 255)
        memcpy(payload + 2, why, n)
        if c.close_code == 0:
            c.close_code = code
        c.flags |= FLAG_CLOSE_SENT
        self._send_parts(c, WS_FIN | WS_OP_CLOSE, payload, n + 2, KIND_FORCED)

    cdef void _begin_close(self, connection *c, uint16_t code, bytes why) noexcept:
        self._leave_open(c)
        c.state = STATE_CLOSING
        c.phase_due = self._in_ticks(self.close_ticks)
        self._send_close(c, code, PyBytes_AS_STRING(why), <size_t>PyBytes_GET_SIZE(why))
        if c.state == STATE_DEAD:
            return
        self._rearm(c)
        if c != self.current:
            if c.input != NULL:
                self._queue_work(c)
            self._watch_connection(c)

    cdef void _close_slow(self, connection *c) noexcept:
        self.n_closed_slow += 1
        backlog_drop_unbegun(&c.out)
        self._begin_close(c, 1013, b"too slow")

    cdef void _begin_linger(self, connection *c) noexcept:
        """Nothing is read any more. Closing now could reset the connection before the peer has read our last bytes
        (its own may be under way), so end our side and wait for its end."""
        self._leave_open(c)
        c.state = STATE_LINGER
        c.phase_due = self._in_ticks(self.close_ticks)
        if c != self.current:  # else _parse() does it, which still reads from there
            self._free_input(c)
            _free_parser(c)
        if c.out == NULL:
            self._end_writing(c)
        self._rearm(c)
        if c.state != STATE_DEAD:
            self._watch_connection(c)

    cdef void _end_writing(self, connection *c) noexcept:
        if c.flags & FLAG_CLOSE_RECEIVED:
            self._kill(c)
        elif not c.flags & FLAG_WRITE_ENDED:
            c.flags |= FLAG_WRITE_ENDED
            shutdown(c.fd, SHUT_WR)

    cdef void _leave_open(self, connection *c) noexcept:
        if c.state == STATE_OPEN:
            self.open_count -= 1
            c.state = STATE_CLOSING
            self._leave_sets(c)

    cdef void _kill(self, connection *c) noexcept:
        """Close the socket and free what the connection owned. Its slot is freed from the list of work."""
        if c.state == STATE_DEAD:
            return
        if c.close_code == 0:
            c.close_code = 1006
        if self.cork_owner == c:
            self.cork_used = 0
            self.cork_owner = NULL
        self._leave_open(c)
        close(c.fd)
        c.fd = -1
        self._forget(c)
        c.state = STATE_DEAD
        self._queue_work(c)

    cdef void _forget(self, connection *c) noexcept:
        """Free everything that the connection owns but its slot."""
        wheel_cancel(self.timers, &c.timer)
        self._leave_sets(c)
        backlog_clear(&c.out)
        _free_parser(c)
        self._free_input(c)

    cdef void _bury(self, connection *c) noexcept:
        """Report a dead connection and free its slot."""
        cdef bint clean
        self.n_closed += 1
        if c.flags & FLAG_ACCEPTED and not c.flags & FLAG_SILENT and self.on_close is not None:
            self.unlooked += CALLBACK_STEPS
            try:
                clean = c.flags & FLAG_CLOSE_SENT != 0 and c.flags & FLAG_CLOSE_RECEIVED != 0
                self.on_close(connection_id(c), c.user_id, c.session_id, c.close_code, clean)
            except BaseException as exc:
                self._report(exc)
        table_give(&self.connections, c)
        if self.accept_full:
            self.accept_full = False
            self._watch_listeners()

    # ---- work that no readiness announces -----------------------------------------------------------------------------

    cdef void _queue_work(self, connection *c) noexcept:
        if c.flags & FLAG_QUEUED:
            return
        c.flags |= FLAG_QUEUED
        c.work_next = 0
        if self.work_tail:
            table_at(&self.connections, self.work_tail - 1).work_next = c.slot + 1
        else:
            self.work_head = c.slot + 1
        self.work_tail = c.slot + 1
        if not self.in_poll:
            self._wake()

    cdef void _do_work(self) noexcept:
        cdef connection *c
        cdef uint32_t link
        cdef uint32_t last = self.work_tail
        while self.work_head:
            link = self.work_head
            c = table_at(&self.connections, link - 1)
            self.work_head = c.work_next
            if self.work_head == 0:
                self.work_tail = 0
            c.flags &= <uint16_t>~FLAG_QUEUED
            if c.state == STATE_DEAD:
                self._bury(c)
            else:
                self._resume(c)
            if self.stop_requested or link == last or self._out_of_time():
                return

    cdef void _resume(self, connection *c) noexcept:
        """Buffered input may go on, or the socket may be watched again."""
        if c.state == STATE_HANDSHAKE:
            if c.input != NULL:
                self._parse_head(c, 0)
        elif c.state == STATE_OPEN or c.state == STATE_CLOSING:
            if c.flags & FLAG_LAGGING and c.out == NULL and c.state == STATE_OPEN:
                self._tell_of_loss(c)  # adopted so
            if c.state == STATE_DEAD:
                return
            if c.input != NULL and self._may_parse(c):
                self._parse(c, c.input.data + c.input.offset, c.input.data + c.input.length)
            else:
                self._watch_connection(c)

    cdef void _watch_connection(self, connection *c) noexcept:
        """Tell epoll what this connection waits for."""
        cdef uint32_t wanted = 0
        if c.state == STATE_HANDSHAKE or c.state == STATE_LINGER:
            wanted = EPOLLIN
        elif c.state == STATE_UNDECIDED:
            wanted = EPOLLRDHUP
        elif c.input == NULL and self._may_parse(c):
            wanted = EPOLLIN
        if c.out != NULL and not c.flags & FLAG_HELD:
            wanted |= EPOLLOUT
        if wanted != c.interest:
            c.interest = <uint16_t>wanted
            if not self._watch(c.fd, EPOLL_CTL_MOD, wanted, connection_id(c)):
                self._kill(c)

    # ---- sending ----------------------------------------------------------------------------------------------------------

    cdef bint _send_parts(self, connection *c, uint8_t first, const uint8_t *payload, size_t n, int kind) noexcept:
        """A frame made of this payload. False: dropped, or the connection was lost."""
        cdef uint8_t header[WS_SERVER_HEADER_MAX]
        cdef size_t header_size = ws_header(header, first, n)
        if not first & 0x08:
            self.n_messages_out += 1
        return self._transmit(c, header, header_size, payload, n, NULL, kind)

    cdef bint _send_buffer(self, connection *c, shared_buffer *buffer, int kind) noexcept:
        self.n_messages_out += 1
        return self._transmit(c, NULL, 0, buffer.data, buffer.length, buffer, kind)

    cdef bint _transmit(self, connection *c, const uint8_t *head, size_t head_size, const uint8_t *body,
                        size_t body_size, shared_buffer *buffer, int kind) noexcept:
        """Send or queue head and body. False: dropped, or the connection was lost."""
        cdef size_t total = head_size + body_size
        if self.cork_owner == c and c.out == NULL:
            if total <= CORK_SMALL and total <= CORK_BYTES - self.cork_used:
                if head_size:
                    memcpy(self.corked + self.cork_used, head, head_size)
                if body_size:
                    memcpy(self.corked + self.cork_used + head_size, body, body_size)
                self.cork_used += total
                return True
            if not self._uncork():
                return False
        return self._write_or_queue(c, head, head_size, body, body_size, buffer, kind)

    cdef bint _write_or_queue(self, connection *c, const uint8_t *head, size_t head_size, const uint8_t *body,
                              size_t body_size, shared_buffer *buffer, int kind) noexcept:
        """Write head and body now, or queue what the socket does not take: a reference if it is a shared buffer."""
        cdef size_t total = head_size + body_size
        cdef size_t written = 0
        cdef ssize_t n
        cdef iovec vectors[2]
        cdef msghdr message
        cdef bint kept
        if c.flags & FLAG_HELD and (c.out.bytes + total > HOLD_BYTES or c.out.frames >= FLUSH_VECTORS):
            self._end_hold(c)
            if c.state == STATE_DEAD:
                return False
        if c.out != NULL:
            if not self._admit(c, total, kind):
                return False
        elif (self.holding and total <= HOLD_BYTES or self.deferring) and self._begin_hold(c):
            pass
        else:
            self.n_writes += 1
            if head_size == 0:
                n = socket_send(c.fd, body, body_size)
            else:
                memset(&message, 0, sizeof(message))
                vectors[0].iov_base = <void *>head
                vectors[0].iov_len = head_size
                vectors[1].iov_base = <void *>body
                vectors[1].iov_len = body_size
                message.msg_iov = vectors
                message.msg_iovlen = 2
                n = socket_sendmsg(c.fd, &message)
            if n < 0:
                if errno != EAGAIN and errno != EINTR:
                    self._kill(c)
                    return False
            else:
                written = <size_t>n
                self.n_bytes_out += written
                c.sent = self.tick
                if written == total:
                    return True
        if buffer != NULL:
            kept = backlog_append(&c.out, buffer, <uint32_t>written, 1, self.tick)
        elif written < head_size:
            kept = self._queue_copy(c, head + written, head_size - written, body, body_size, written != 0)
        else:
            kept = self._queue_copy(c, NULL, 0, body + (written - head_size), total - written, written != 0)
        if not kept:
            self._kill(c)
            return False
        if not c.flags & FLAG_HELD:
            self._after_queueing(c)
        return True

    cdef bint _begin_hold(self, connection *c) noexcept:
        """Let frames for `c` gather until _write_held(). False: no memory for that, write at once."""
        cdef uint64_t *grown
        cdef size_t room
        if self.held_count == self.held_room:
            if self.held_next > self.held_room // 2:
                self.held_count -= self.held_next
                memmove(self.held, self.held + self.held_next, self.held_count * sizeof(uint64_t))
                self.held_next = 0
            else:
                room = self.held_room * 2 if self.held_room else 64
                grown = <uint64_t *>realloc(self.held, room * sizeof(uint64_t))
                if grown == NULL:
                    return False
                self.held = grown
                self.held_room = room
        self.held[self.held_count] = connection_id(c)
        self.held_count += 1
        c.flags |= FLAG_HELD
        return True

    cdef void _write_held(self) noexcept:
        """Write what has gathered, until the slice is over."""
        cdef connection *c
        while self.held_next < self.held_count:
            c = table_find(&self.connections, self.held[self.held_next])
            self.held_next += 1
            if c != NULL and c.state != STATE_DEAD and c.flags & FLAG_HELD:
                self._end_hold(c)
            if self._out_of_time():
                break
        if self.held_next == self.held_count:
            self.held_next = self.held_count = 0

    cdef void _end_hold(self, connection *c) noexcept:
        """Write what was gathered for `c`; what its socket does not take is an ordinary backlog."""
        c.flags &= <uint16_t>~FLAG_HELD
        self._flush(c)
        if c.state != STATE_DEAD and c.out != NULL:
            self._after_queueing(c)

    cdef bint _queue_copy(self, connection *c, const uint8_t *head, size_t head_size, const uint8_t *body,
                          size_t body_size, bint begun) noexcept:
        """Queue bytes that nobody shares. Only what is unwritten is kept; if the frame has begun to be written, one
        byte in front of it stands for that, so that its offset says so."""
        cdef shared_buffer *own = buffer_new(head_size + body_size + begun)
        cdef bint kept
        if own == NULL:
            return False
        if head_size:
            memcpy(own.data + begun, head, head_size)
        if body_size:
            memcpy(own.data + begun + head_size, body, body_size)
        kept = backlog_append(&c.out, own, begun, 1, self.tick)
        buffer_release(own)
        return kept

    cdef void _after_queueing(self, connection *c) noexcept:
        if c.state == STATE_OPEN:
            self._arm_by(c, c.out.head.queued + self.slow_ticks)
        if c != self.current:
            self._watch_connection(c)

    cdef bint _uncork(self) noexcept:
        """Send what was gathered for `cork_owner`. False: the connection is lost."""
        cdef connection *c = self.cork_owner
        cdef size_t n = self.cork_used
        cdef ssize_t written
        if c == NULL:
            return True
        if n == 0:
            return True
        self.cork_used = 0
        self.n_writes += 1
        written = socket_send(c.fd, self.corked, n)
        if written < 0:
            if errno != EAGAIN and errno != EINTR:
                self._kill(c)
                return False
            written = 0
        self.n_bytes_out += <uint64_t>written
        c.sent = self.tick
        if <size_t>written < n:
            if not self._queue_copy(c, NULL, 0, self.corked + written, n - <size_t>written, written != 0):
                self._kill(c)
                return False
            self._after_queueing(c)
        return True

    cdef bint _admit(self, connection *c, size_t n, int kind) noexcept:
        """May these bytes join a backlog that is not empty? An empty one takes any single frame."""
        cdef uint64_t after = c.out.bytes + n
        if kind == KIND_FORCED:
            return True
        if kind == KIND_EPHEMERAL:
            if (c.flags & FLAG_LAGGING or after > self.ephemeral_backlog_bytes or after > self.backlog_bytes
                    or c.out.frames >= self.backlog_frames):
                self.n_dropped_ephemeral += 1
                return False
            return True
        if after <= self.backlog_bytes and c.out.frames < self.backlog_frames and not c.flags & FLAG_LAGGING:
            return True
        if kind == KIND_CONTROL:
            return False
        self.n_dropped_messages += 1
        if self.sync_buffers[c.codec] != NULL:
            c.flags |= FLAG_LAGGING
        elif c.state == STATE_OPEN:
            self._close_slow(c)
        return False

    cdef void _tell_of_loss(self, connection *c) noexcept:
        """The backlog of a marked connection is written: tell it that it missed something."""
        c.flags &= <uint16_t>~FLAG_LAGGING
        if self.sync_buffers[c.codec] != NULL:
            self._send_buffer(c, self.sync_buffers[c.codec], KIND_MESSAGE)
        else:  # it has changed its codec, or comes from an engine that had a frame for it
            self._close_slow(c)

    cdef void _flush(self, connection *c) noexcept:
        """Write as much of the backlog as the socket takes."""
        cdef iovec vectors[FLUSH_VECTORS]
        cdef msghdr message
        cdef backlog_node *node
        cdef uint32_t k
        cdef size_t offered
        cdef size_t budget = FLUSH_BYTES
        cdef ssize_t n
        cdef int count
        memset(&message, 0, sizeof(message))
        message.msg_iov = vectors
        while c.out != NULL:
            count = 0
            offered = 0
            node = c.out.head
            while node != NULL and count < FLUSH_VECTORS:
                for k in range(node.times):
                    if count == FLUSH_VECTORS:
                        break
                    vectors[count].iov_base = node.buffer.data + (node.offset if k == 0 else 0)
                    vectors[count].iov_len = node.buffer.length - (node.offset if k == 0 else 0)
                    offered += vectors[count].iov_len
                    count += 1
                node = node.next
            message.msg_iovlen = <size_t>count
            self.n_writes += 1
            n = socket_sendmsg(c.fd, &message)
            if n < 0:
                if errno != EAGAIN and errno != EINTR:
                    self._kill(c)
                    return
                break
            self.n_bytes_out += <uint64_t>n
            c.sent = self.tick
            backlog_written(&c.out, <size_t>n)
            if <size_t>n < offered or <size_t>n >= budget:
                break
            budget -= <size_t>n
        if c.out == NULL:
            if c.flags & FLAG_LAGGING and c.state == STATE_OPEN:
                self._tell_of_loss(c)
            elif c.state == STATE_LINGER:
                self._end_writing(c)
        if c.state == STATE_DEAD:
            return
        if c.flags & FLAG_READ_PAUSED and backlog_bytes(c.out) <= self.backlog_bytes // 2:
            c.flags &= <uint16_t>~FLAG_READ_PAUSED
            c.heard = self.tick
            if c.input != NULL:
                self._queue_work(c)
        self._watch_connection(c)

    # ---- broadcasts in rounds -----------------------------------------------------------------------------------------

    cdef void _go(self, connection *c, uint32_t rounds) noexcept:
        """Echo mode's "go R"."""
        cdef shared_buffer *buffer
        cdef size_t header_size
        cdef uint8_t header[WS_SERVER_HEADER_MAX]
        if self.go_buffer == NULL:
            header_size = ws_header(header, WS_FIN | WS_OP_TEXT, GO_PAYLOAD)
            buffer = buffer_new(header_size + GO_PAYLOAD)
            if buffer == NULL:
                return
            memcpy(buffer.data, header, header_size)
            memset(buffer.data + header_size, c'x', GO_PAYLOAD)
            buffer.is_text = True
            self.go_buffer = buffer
        if not self._begin_broadcast(self.go_buffer, rounds):
            self._begin_close(c, 1013, b"too many broadcasts are waiting")

    cdef bint _begin_broadcast(self, shared_buffer *buffer, uint32_t rounds) noexcept:
        cdef broadcast *b
        if self.broadcast_count == MAX_BROADCASTS:
            return False
        b = &self.broadcasts[(self.broadcast_head + self.broadcast_count) % MAX_BROADCASTS]
        self.broadcast_count += 1
        buffer.references += 1
        b.buffer = buffer
        b.rounds = rounds
        b.opened_until = self.opened_serial
        if not self.in_poll:
            self._wake()
        return True

    cdef void _end_broadcast(self) noexcept:
        buffer_release(self.broadcasts[self.broadcast_head].buffer)
        self.broadcast_head = (self.broadcast_head + 1) % MAX_BROADCASTS
        self.broadcast_count -= 1
        self.broadcast_cursor = 0
        self.broadcast_stalled = 0

    cdef bint _broadcast_can_go_on(self) noexcept:
        cdef connection *c
        if self.broadcast_count == 0:
            return False
        if self.broadcast_stalled == 0:
            return True
        c = table_find(&self.connections, self.broadcast_stalled)
        return c == NULL or c.state != STATE_OPEN or backlog_bytes(c.out) <= self.backlog_bytes // 2

    cdef void _do_broadcasts(self) noexcept:
        """Rounds are sent in bursts: one burst to every connection, then the next. A connection that has not taken half
        of the backlog's bound is waited for, so memory is bounded and nothing is dropped; one that takes nothing is
        closed by the slow consumer's deadline and the rest goes on."""
        cdef broadcast *b
        cdef connection *c
        cdef uint32_t burst
        while self._broadcast_can_go_on():
            self.broadcast_stalled = 0
            b = &self.broadcasts[self.broadcast_head]
            burst = BURST_BYTES // b.buffer.length
            if burst > FLUSH_VECTORS:
                burst = FLUSH_VECTORS
            if burst < 1:
                burst = 1
            if burst > b.rounds:
                burst = b.rounds
            while self.broadcast_cursor < self.connections.used:
                c = table_at(&self.connections, self.broadcast_cursor)
                if c.state == STATE_OPEN and c.opened <= b.opened_until:
                    if backlog_bytes(c.out) > self.backlog_bytes // 2:
                        self.broadcast_stalled = connection_id(c)
                        return
                    self._send_burst(c, b.buffer, burst)
                self.broadcast_cursor += 1
                if self._out_of_time():
                    return
            self.broadcast_cursor = 0
            b.rounds -= burst
            if b.rounds == 0:
                self._end_broadcast()

    cdef void _send_burst(self, connection *c, shared_buffer *buffer, uint32_t times) noexcept:
        cdef iovec vectors[FLUSH_VECTORS]
        cdef msghdr message
        cdef uint32_t k
        cdef ssize_t n = 0
        cdef size_t total = <size_t>buffer.length * times
        cdef uint32_t whole
        self.n_messages_out += times
        if c.out == NULL:
            memset(&message, 0, sizeof(message))
            for k in range(times):
                vectors[k].iov_base = buffer.data
                vectors[k].iov_len = buffer.length
            message.msg_iov = vectors
            message.msg_iovlen = times
            self.n_writes += 1
            n = socket_sendmsg(c.fd, &message)
            if n < 0:
                if errno != EAGAIN and errno != EINTR:
                    self._kill(c)
                    return
                n = 0
            self.n_bytes_out += <uint64_t>n
            c.sent = self.tick
            if <size_t>n == total:
                return
        whole = <uint32_t>(<size_t>n // buffer.length)
        if not backlog_append(&c.out, buffer, <uint32_t>(<size_t>n % buffer.length), times - whole, self.tick):
            self._kill(c)
            return
        self._after_queueing(c)

    # ---- sets ---------------------------------------------------------------------------------------------------------------

    cdef bint _join_user(self, connection *c, uint64_t user_id) noexcept:
        cdef idmap_entry *entry = idmap_put(&self.users, user_id)
        if entry == NULL:
            return False
        c.user_id = user_id
        c.user_prev = 0
        c.user_next = entry.first
        if entry.first:
            table_at(&self.connections, entry.first - 1).user_prev = c.slot + 1
        entry.first = c.slot + 1
        entry.count += 1
        return True

    cdef void _leave_user(self, connection *c) noexcept:
        """Out of the user's set; user_id stays, for on_close."""
        cdef idmap_entry *entry
        if c.user_prev:
            table_at(&self.connections, c.user_prev - 1).user_next = c.user_next
        if c.user_next:
            table_at(&self.connections, c.user_next - 1).user_prev = c.user_prev
        entry = idmap_get(&self.users, c.user_id)
        if entry != NULL:
            if entry.first == c.slot + 1:
                entry.first = c.user_next
            entry.count -= 1
            if entry.count == 0:
                idmap_remove(&self.users, c.user_id)
        c.user_prev = c.user_next = 0

    cdef bint _in_user_set(self, connection *c) noexcept:
        cdef idmap_entry *entry
        if c.user_id == 0:
            return False
        if c.user_prev or c.user_next:
            return True
        entry = idmap_get(&self.users, c.user_id)
        return entry != NULL and entry.first == c.slot + 1

    cdef void _leave_sets(self, connection *c) noexcept:
        if self._in_user_set(c):
            self._leave_user(c)
        while c.talks != NULL:
            self._leave_talk(c, c.talks, NULL)

    cdef bint _join_talk(self, connection *c, uint64_t talk_id) noexcept:
        cdef membership *m = c.talks
        cdef membership *first
        cdef idmap_entry *entry
        cdef uint32_t joined = 0
        while m != NULL:
            if m.talk_id == talk_id:
                return True
            m = m.next
            joined += 1
        if joined >= self.max_talks:
            return False
        m = <membership *>malloc(sizeof(membership))
        if m == NULL:
            return False
        entry = idmap_put(&self.talks, talk_id)
        if entry == NULL:
            free(m)
            return False
        first = <membership *>entry.head
        m.talk_id = talk_id
        m.connection = c
        m.talk_prev = NULL
        m.talk_next = first
        if first != NULL:
            first.talk_prev = m
        entry.head = m
        m.next = c.talks
        c.talks = m
        self.live_memberships += 1
        return True

    cdef void _leave_talk(self, connection *c, membership *m, membership *before) noexcept:
        """Remove m, which stands behind `before` in the connection's list."""
        cdef idmap_entry *entry = idmap_get(&self.talks, m.talk_id)
        if m.talk_prev != NULL:
            m.talk_prev.talk_next = m.talk_next
        else:
            entry.head = m.talk_next
        if m.talk_next != NULL:
            m.talk_next.talk_prev = m.talk_prev
        if entry.head == NULL:
            idmap_remove(&self.talks, m.talk_id)
        if before == NULL:
            c.talks = m.next
        else:
            before.next = m.next
        free(m)
        self.live_memberships -= 1

    # ---- upgrades -----------------------------------------------------------------------------------------------------------

    cdef bint _accept(self, connection *c, int codec, const char *lines, size_t lines_size, bint login_deadline,
                      uint64_t user_id, const char *first, size_t first_size) noexcept:
        """`lines` are headers of the answer, `first` is the text of a frame that goes with it (no bytes: none)."""
        cdef char small[ANSWER_BYTES]
        cdef char *answer = small
        cdef size_t most = UPGRADE_SWITCHING_SIZE + 28 + 4 + lines_size + WS_SERVER_HEADER_MAX + first_size
        cdef bint is_open
        if most > sizeof(small):
            answer = <char *>malloc(most)
            if answer == NULL:
                self._kill(c)
                return False
        is_open = self._open(c, codec, answer, _write_answer(answer, c, lines, lines_size, first, first_size),
                             login_deadline, user_id)
        if is_open and first_size:
            self.n_messages_out += 1
        if answer != small:
            free(answer)
        return is_open

    cdef bint _open(self, connection *c, int codec, const char *answer, size_t answer_size, bint login_deadline,
                    uint64_t user_id) noexcept:
        if user_id and not self._join_user(c, user_id):
            self._kill(c)
            return False
        c.state = STATE_OPEN
        self.open_count += 1
        self.opened_serial += 1
        c.opened = self.opened_serial
        c.codec = <uint8_t>codec
        c.heard = c.sent = c.pinged = self.tick
        c.phase_due = 0
        if login_deadline:
            c.flags |= FLAG_LOGIN
            c.phase_due = self._in_ticks(self.login_ticks)
        if not self._transmit(c, NULL, 0, <const uint8_t *>answer, answer_size, NULL, KIND_FORCED):
            return False
        c.flags |= FLAG_ACCEPTED
        self.n_accepted += 1
        c.input.offset = c.input.head
        if c.input.offset == c.input.length:
            self._free_input(c)
        else:
            self._queue_work(c)
        self._rearm(c)
        self._watch_connection(c)
        return c.state == STATE_OPEN

    cdef void _answer(self, connection *c, int status, bytes body, bytes lines) noexcept:
        """An HTTP answer that ends the connection."""
        cdef bytes answer
        self.n_refused += 1
        try:
            answer = _http_answer(status, body, lines)
        except BaseException as exc:
            self._report(exc)
            self._kill(c)
            return
        self._free_input(c)
        c.state = STATE_LINGER
        if self._transmit(c, NULL, 0, <const uint8_t *>PyBytes_AS_STRING(answer),
                          <size_t>PyBytes_GET_SIZE(answer), NULL, KIND_FORCED):
            self._begin_linger(c)

    # ---- reporting ----------------------------------------------------------------------------------------------------------

    cdef void _report(self, exc) noexcept:
        self.n_callback_errors += 1
        try:
            if self.on_error is not None:
                self.on_error(exc)
            else:
                _log.error("a callback of the engine failed", exc_info=exc)
        except BaseException as second:
            try:
                _log.error("on_error failed", exc_info=second)
            except BaseException:
                return  # even logging is broken: counted, and nothing else is left to do

    # ---- the methods of engine.pyi ------------------------------------------------------------------------------------------

    cdef connection *_find(self, id) except? NULL:
        """The connection of an id that Python gave; NULL: none, or a dead one."""
        cdef uint64_t number
        cdef connection *c
        if not isinstance(id, int):
            raise TypeError(f"a connection id is an int, not {type(id).__name__}")
        number = as_number(id)
        if number == <uint64_t>-1:  # negative, or too great
            PyErr_Clear()
            return NULL
        c = table_find(&self.connections, number)
        return c if c != NULL and c.state != STATE_DEAD else NULL

    cdef connection *_find_open(self, id) except? NULL:
        cdef connection *c = self._find(id)
        return c if c != NULL and c.state == STATE_OPEN else NULL

    def accept(self, id, subprotocol=None, *, codec=0, login_deadline=False, headers=(), user_id=0, session_id=0,
               expires_at_ms=0, first=b""):
        cdef bytes lines = b""
        _setting("codec", codec, 0, CODECS - 1)
        if headers:
            lines = _header_lines(headers)
        if subprotocol is not None:
            if subprotocol is not self.subprotocol:
                self._set_subprotocol(subprotocol)
            lines = self.subprotocol_line + lines
        if isinstance(first, str):
            first = first.encode()
        elif not isinstance(first, bytes):
            raise TypeError(f"first must be bytes or str, not {type(first).__name__}")
        elif not _is_utf8(PyBytes_AS_STRING(first), PyBytes_GET_SIZE(first)):
            raise ValueError("a text message must be UTF-8")
        if user_id:
            _check_user(user_id, session_id, expires_at_ms)
        cdef connection *c = self._find(id)
        if c == NULL or c.state != STATE_UNDECIDED:
            return False
        if user_id:
            c.session_id = session_id
            c.expires_at_ms = expires_at_ms
        return self._accept(c, codec, PyBytes_AS_STRING(lines), <size_t>PyBytes_GET_SIZE(lines),
                            login_deadline and not user_id, user_id,
                            PyBytes_AS_STRING(first), <size_t>PyBytes_GET_SIZE(first))

    def admit(self, Logins logins not None):
        cdef uint32_t i
        cdef list left = []
        for i in range(logins.count):
            if not self._admit_login(logins.codec, &logins.items[i]):
                left.append((logins.items[i].id, logins.items[i].user_id))
        return left

    cdef int _set_subprotocol(self, subprotocol) except -1:
        cdef bytes line = _header_lines([("Sec-WebSocket-Protocol", subprotocol)])
        raw = subprotocol.encode("latin-1", "replace")
        if not http_is_token(raw, len(raw)):
            raise ValueError(f"not a subprotocol: {subprotocol!r}")
        self.subprotocol = subprotocol
        self.subprotocol_line = line
        return 0

    def refuse(self, id, status, body=b"", headers=()):
        _setting("status", status, 400, 599)
        if not isinstance(body, bytes):
            raise TypeError("body must be bytes")
        cdef bytes lines = _header_lines(headers)
        cdef connection *c = self._find(id)
        if c == NULL or c.state != STATE_UNDECIDED:
            return False
        self._answer(c, status, body, lines)
        return True

    def bind(self, id, user_id, session_id=0, expires_at_ms=0):
        _check_user(user_id, session_id, expires_at_ms)
        cdef connection *c = self._find_open(id)
        if c == NULL:
            return False
        if c.user_id != <uint64_t>user_id:
            if c.user_id:
                self._leave_user(c)
            if not self._join_user(c, user_id):
                c.user_id = 0
                raise MemoryError
        c.session_id = session_id
        c.expires_at_ms = expires_at_ms
        if c.flags & FLAG_LOGIN:
            c.flags &= <uint16_t>~FLAG_LOGIN
            c.phase_due = 0
        self._rearm(c)
        return True

    def set_codec(self, id, codec):
        _setting("codec", codec, 0, CODECS - 1)
        cdef connection *c = self._find_open(id)
        if c == NULL:
            return False
        c.codec = codec
        return True

    def release(self, id, n=1):
        if n != 1 or type(n) is not int:
            _setting("n", n, 1, 1 << 20)
        cdef connection *c = self._find_open(id)
        if c == NULL:
            return False
        cdef uint32_t more = n
        cdef bint stopped = c.credit == 0
        c.credit = c.credit + more if more < self.max_credit - c.credit else self.max_credit
        if stopped and c != self.current:
            c.heard = self.tick
            if c.input != NULL:
                self._queue_work(c)
            else:
                self._watch_connection(c)
        return True

    def close(self, id, code=1000, reason=""):
        why = self._close_reason(code, reason)
        cdef connection *c = self._find(id)
        if c == NULL:
            return False
        if c.state == STATE_HANDSHAKE or c.state == STATE_UNDECIDED:
            self._answer(c, 503, b"", b"")
            return True
        if c.state != STATE_OPEN:
            return False
        self._begin_close(c, code, why)
        return True

    cdef bytes _close_reason(self, code, reason):
        _setting("code", code, 1000, 4999)
        if not ws_close_code_allowed(code):
            raise ValueError(f"close code {code} may not be sent")
        if not isinstance(reason, str):
            raise TypeError("reason must be a str")
        why = reason.encode()
        if len(why) > WS_CONTROL_MAX - 2:
            raise ValueError(f"reason must be at most {WS_CONTROL_MAX - 2} bytes of UTF-8")
        return why

    def abort(self, id):
        cdef connection *c = self._find(id)
        if c == NULL:
            return False
        self._kill(c)
        return True

    def close_all(self, code=1012, reason="", *, rate_per_s=1000):
        self.sweep_reason = self._close_reason(code, reason)
        self.sweep_code = code
        self.sweep_rate = _setting("rate_per_s", rate_per_s, 1, 1 << 24) * <double>self.tick_ms / 1000
        self.sweep_allowance = 1
        self.sweep_cursor = 0
        self.sweeping = self.connections.live != 0

    cdef void _sweep(self) noexcept:
        """close_all(): as many as the rate allows, from where it stopped, in slices."""
        cdef uint32_t looked = 0
        cdef connection *c
        self.sweep_behind = False
        while looked < self.connections.used and self.sweep_allowance >= 1:
            if self.sweep_cursor >= self.connections.used:
                self.sweep_cursor = 0
            c = table_at(&self.connections, self.sweep_cursor)
            self.sweep_cursor += 1
            looked += 1
            if c.state == STATE_OPEN:
                self._begin_close(c, self.sweep_code, self.sweep_reason)
            elif c.state == STATE_UNDECIDED:
                self._answer(c, 503, b"", b"")
            elif c.state == STATE_HANDSHAKE:
                self._kill(c)
            else:
                continue
            self.sweep_allowance -= 1
            if self._out_of_time():
                self.sweep_behind = True
                return
        if self.connections.live == 0:
            self.sweeping = False

    def send(self, id, data, *, binary=False, ephemeral=False):
        cdef const char *bytes_of
        cdef Py_ssize_t n
        cdef uint8_t first = WS_FIN | WS_OP_TEXT
        if isinstance(data, str):
            if binary:
                raise TypeError("binary data must be bytes")
            bytes_of = PyUnicode_AsUTF8AndSize(data, &n)
        elif isinstance(data, bytes):
            bytes_of = PyBytes_AS_STRING(data)
            n = PyBytes_GET_SIZE(data)
            if binary:
                first = WS_FIN | WS_OP_BINARY
            elif not _is_utf8(bytes_of, n):
                raise ValueError("text must be UTF-8")
        else:
            raise TypeError(f"data must be str or bytes, not {type(data).__name__}")
        cdef connection *c = self._find_open(id)
        if c == NULL:
            return False
        return self._send_parts(c, first, <const uint8_t *>bytes_of, <size_t>n,
                                KIND_EPHEMERAL if ephemeral else KIND_MESSAGE)

    def send_frame(self, id, Frame frame not None, *, ephemeral=False):
        cdef connection *c = self._find_open(id)
        if c == NULL:
            return False
        return self._send_buffer(c, frame.buffer, KIND_EPHEMERAL if ephemeral else KIND_MESSAGE)

    def hold(self):
        self.holding = True

    def flush(self):
        self.holding = False
        self._begin_slice()
        self._write_held()
        self._leave_rest()

    cdef void _begin_slice(self) noexcept:
        """Of a method that may have much to write: of its own, or what poll() has left of its own."""
        if not self.in_poll:
            self.unlooked = 0
            self.deadline_ns = _now_ns(CLOCK_MONOTONIC) + self.slice_ns

    cdef void _leave_rest(self) noexcept:
        """The method ends; what has gathered is written by poll()."""
        self.deferring = False
        if self.held_count and not self.holding and not self.in_poll:
            self._wake()

    cdef bint _fan_to(self, connection *c, shared_buffer *buffer, int kind) noexcept:
        """One frame of many: written, or left to poll() if the slice is over. It keeps its place in the connection's
        order either way, as whatever follows gathers behind it."""
        if not self.deferring and self._out_of_time():
            self.deferring = True
        return self._send_buffer(c, buffer, kind)

    def ping(self, id, bytes payload=b""):
        if len(payload) > WS_CONTROL_MAX:
            raise ValueError(f"a ping carries at most {WS_CONTROL_MAX} bytes")
        cdef connection *c = self._find_open(id)
        if c == NULL:
            return False
        self.n_pings_out += 1
        return self._send_parts(c, WS_FIN | WS_OP_PING, <const uint8_t *>PyBytes_AS_STRING(payload),
                                <size_t>PyBytes_GET_SIZE(payload), KIND_CONTROL)

    def fan_out(self, ids, Frame frame not None, ephemeral=False):
        cdef int kind = KIND_EPHEMERAL if ephemeral else KIND_MESSAGE
        cdef connection *c
        cdef Py_ssize_t reached = 0
        self._begin_slice()
        try:
            for id in ids:
                c = self._find_open(id)
                if c != NULL and self._fan_to(c, frame.buffer, kind):
                    reached += 1
        finally:
            self._leave_rest()
        return reached

    def fan_out_users(self, user_ids, frames_by_codec, *, ephemeral=False, except_id=0):
        cdef shared_buffer *buffers[CODECS]
        cdef tuple kept = self._by_codec(frames_by_codec, buffers)
        cdef int kind = KIND_EPHEMERAL if ephemeral else KIND_MESSAGE
        cdef uint64_t left_out = except_id if 0 < except_id < 1 << 53 else 0
        cdef Py_ssize_t reached = 0
        self._begin_slice()
        try:
            for user_id in user_ids:
                if 0 < user_id < 1 << 63:
                    reached += self._fan_to_user(user_id, buffers, kind, left_out)
        finally:
            self._leave_rest()
        return reached

    def fan_out_members(self, MemberSet members not None, audience, sequence, frames_by_codec, *, ephemeral=False):
        cdef shared_buffer *buffers[CODECS]
        cdef tuple kept = self._by_codec(frames_by_codec, buffers)
        cdef int kind = KIND_EPHEMERAL if ephemeral else KIND_MESSAGE
        cdef int who = _setting("audience", audience, 0, AUDIENCES - 1)
        cdef int64_t seen = sequence
        cdef size_t found, i
        cdef Py_ssize_t reached = 0
        # Picked before anything is sent: a connection may leave the set of users by what is sent to it.
        cdef uint64_t *picked = <uint64_t *>malloc(
            (member_set_pick_most(&members.set, &self.users) + 1) * sizeof(uint64_t))
        if picked == NULL:
            raise MemoryError
        found = member_set_pick(&members.set, &self.users, who, seen, picked)
        self._begin_slice()
        for i in range(found):
            reached += self._fan_to_user(picked[i], buffers, kind, 0)
        self._leave_rest()
        free(picked)
        return reached

    def has_member(self, MemberSet members not None):
        return member_set_touches(&members.set, &self.users) != 0

    cdef Py_ssize_t _fan_to_user(self, uint64_t user_id, shared_buffer **buffers, int kind, uint64_t left_out) noexcept:
        """To all of a user's connections but one; how many were reached."""
        cdef idmap_entry *entry = idmap_get(&self.users, user_id)
        cdef connection *c = table_linked(&self.connections, entry.first) if entry != NULL else NULL
        cdef connection *following
        cdef Py_ssize_t reached = 0
        while c != NULL:
            following = table_linked(&self.connections, c.user_next)  # c may leave by what is sent to it
            if buffers[c.codec] != NULL and connection_id(c) != left_out and self._fan_to(c, buffers[c.codec], kind):
                reached += 1
            c = following
        return reached

    def fan_out_talk(self, talk_id, frames_by_codec, *, ephemeral=False, except_id=0):
        cdef shared_buffer *buffers[CODECS]
        cdef tuple kept = self._by_codec(frames_by_codec, buffers)
        cdef int kind = KIND_EPHEMERAL if ephemeral else KIND_MESSAGE
        cdef uint64_t left_out = except_id if 0 < except_id < 1 << 53 else 0
        cdef membership *m
        cdef membership *following
        cdef connection *c
        cdef Py_ssize_t reached = 0
        if not 0 < talk_id < 1 << 63:
            return 0
        cdef idmap_entry *entry = idmap_get(&self.talks, talk_id)
        m = <membership *>entry.head if entry != NULL else NULL
        self._begin_slice()
        while m != NULL:
            following = m.talk_next
            c = m.connection
            if buffers[c.codec] != NULL and connection_id(c) != left_out:
                if self._fan_to(c, buffers[c.codec], kind):
                    reached += 1
            m = following
        self._leave_rest()
        return reached

    cdef tuple _by_codec(self, frames_by_codec, shared_buffer **buffers):
        """Fill an array by codec; the tuple keeps the buffers alive."""
        cdef int codec
        for codec in range(CODECS):
            buffers[codec] = NULL
        kept = tuple(frames_by_codec.items())
        for number, frame in kept:
            if not isinstance(frame, Frame):
                raise TypeError("frames_by_codec holds Frame objects")
            buffers[<int>_setting("codec", number, 0, CODECS - 1)] = (<Frame>frame).buffer
        return kept

    def fan_out_all(self, Frame frame not None, ephemeral=False):
        cdef int kind = KIND_EPHEMERAL if ephemeral else KIND_MESSAGE
        cdef uint32_t i
        cdef connection *c
        cdef Py_ssize_t reached = 0
        self._begin_slice()
        for i in range(self.connections.used):
            c = table_at(&self.connections, i)
            if c.state == STATE_OPEN and self._fan_to(c, frame.buffer, kind):
                reached += 1
        self._leave_rest()
        return reached

    def broadcast_rounds(self, Frame frame not None, rounds):
        _setting("rounds", rounds, 1, MAX_ROUNDS)
        return self.epfd >= 0 and self._begin_broadcast(frame.buffer, rounds)

    def join_talk(self, id, talk_id):
        _setting("talk_id", talk_id, 1, (1 << 63) - 1)
        cdef connection *c = self._find_open(id)
        return c != NULL and self._join_talk(c, talk_id)

    def leave_talk(self, id, talk_id):
        _setting("talk_id", talk_id, 1, (1 << 63) - 1)
        cdef connection *c = self._find_open(id)
        cdef membership *m
        cdef membership *before = NULL
        cdef uint64_t wanted = talk_id
        if c == NULL:
            return False
        m = c.talks
        while m != NULL:
            if m.talk_id == wanted:
                self._leave_talk(c, m, before)
                return True
            before = m
            m = m.next
        return False

    def connections_of_talk(self, talk_id):
        if not 0 < talk_id < 1 << 63:
            return []
        cdef idmap_entry *entry = idmap_get(&self.talks, talk_id)
        cdef membership *m = <membership *>entry.head if entry != NULL else NULL
        cdef list ids = []
        while m != NULL:
            ids.append(connection_id(m.connection))
            m = m.talk_next
        return ids

    def user_of(self, id):
        cdef connection *c = self._find(id)
        return c.user_id if c != NULL else 0

    def peer_of(self, id):
        cdef connection *c = self._find(id)
        return self._peer(c.fd) if c != NULL else ""

    def session_of(self, id):
        cdef connection *c = self._find(id)
        return c.session_id if c != NULL else 0

    def codec_of(self, id):
        cdef connection *c = self._find_open(id)
        return c.codec if c != NULL else None

    def connections_of(self, user_id):
        if not 0 < user_id < 1 << 63:
            return []
        cdef idmap_entry *entry = idmap_get(&self.users, user_id)
        cdef connection *c = table_linked(&self.connections, entry.first) if entry != NULL else NULL
        cdef list ids = []
        while c != NULL:
            ids.append(connection_id(c))
            c = table_linked(&self.connections, c.user_next)
        return ids

    def user_connection_count(self, user_id):
        if not 0 < user_id < 1 << 63:
            return 0
        cdef idmap_entry *entry = idmap_get(&self.users, user_id)
        return entry.count if entry != NULL else 0

    def user_ids(self):
        cdef list ids = []
        cdef uint32_t i
        for i in range(self.users.size):
            if self.users.places[i].key:
                ids.append(self.users.places[i].key)
        return ids

    def connection_ids(self):
        cdef list ids = []
        cdef uint32_t i
        cdef connection *c
        for i in range(self.connections.used):
            c = table_at(&self.connections, i)
            if c.state == STATE_OPEN:
                ids.append(connection_id(c))
        return ids

    def is_open(self, id):
        return self._find_open(id) != NULL

    def backlog_of(self, id):
        cdef connection *c = self._find(id)
        return backlog_bytes(c.out) if c != NULL else 0

    def credit_of(self, id):
        cdef connection *c = self._find_open(id)
        return c.credit if c != NULL else 0

    def export(self, id):
        cdef connection *c = self._find(id)
        cdef int fd
        if c == NULL:
            return None
        if c == self.cork_owner and not self._uncork():
            return None
        state = self._export_state(c)
        fd = c.fd
        self._watch(fd, EPOLL_CTL_DEL, 0, 0)
        self._leave_open(c)
        self._forget(c)
        if self.cork_owner == c:
            self.cork_owner = NULL
        c.fd = -1
        c.flags |= FLAG_SILENT
        c.state = STATE_DEAD
        self._queue_work(c)
        return fd, state

    cdef bytes _export_state(self, connection *c):
        """An undecided upgrade is written as a handshake whose request has come in: it will be parsed again. The same
        goes for the beginning of a frame's header, which is put in front of the waiting input."""
        cdef ws_parser *p = c.parser
        cdef membership *m = c.talks
        cdef backlog_node *node = c.out.head if c.out != NULL else NULL
        cdef uint32_t k, offset
        cdef bint begun
        cdef ws_parser idle
        cdef bytes waiting = b""
        cdef list parts = []
        cdef list frames = []
        cdef list talks = []
        cdef int64_t left_ms = 0
        ws_start(&idle)
        if p == NULL:  # its frames are being parsed, or it is between two
            p = &self.parser if c == self.current else &idle
        if c == self.current:
            waiting = _bytes(self.cursor, <size_t>(<Py_ssize_t>self.cursor_end - <Py_ssize_t>self.cursor))
        elif c.input != NULL:
            waiting = _bytes(c.input.data + c.input.offset, c.input.length - c.input.offset)
        if p.stage == WS_HEADER:
            waiting = _bytes(p.header, p.header_length) + waiting
        if c.phase_due:
            left_ms = (<int64_t>c.phase_due - self.tick) * self.tick_ms
            if left_ms < 1:
                left_ms = 1
        while node != NULL:
            for k in range(node.times):
                offset = node.offset if k == 0 else 0
                begun = offset != 0
                frames.append(_STATE_FRAME.pack(node.buffer.length - offset, begun))
                frames.append(_bytes(node.buffer.data + offset, node.buffer.length - offset))
            node = node.next
        while m != NULL:
            talks.append(m.talk_id.to_bytes(8, "little"))
            m = m.next
        parts.append(_STATE_HEAD.pack(
            _STATE_MAGIC, STATE_FORMAT, STATE_HANDSHAKE if c.state == STATE_UNDECIDED else c.state, c.codec,
            c.flags & FLAGS_EXPORTED, c.close_code,
            c.user_id, c.session_id, c.expires_at_ms, left_ms,
            p.stage, p.first, p.message_opcode, _bytes(p.mask, 4), p.left, p.fragments,
            len(talks), p.length, p.control_length, len(waiting), len(frames) // 2,
        ))
        parts.extend(talks)
        if p.length:
            parts.append(_bytes(p.message, p.length))
        if p.control_length:
            parts.append(_bytes(p.control, p.control_length))
        parts.append(waiting)
        parts.extend(frames)
        raw = b"".join(parts)
        return raw + zlib.crc32(raw).to_bytes(4, "little")

    def adopt(self, fd, state):
        if not isinstance(state, bytes):
            raise TypeError("state must be bytes")
        if self.epfd < 0:
            raise ValueError("the engine is shut down")
        head, talks, message, control, waiting, frames = self._checked_state(state)
        cdef int descriptor = fd
        cdef int kind = 0
        cdef socklen_t size = sizeof(kind)
        if getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &size) != 0:
            raise OSError(errno, "not a socket")
        if kind != SOCK_STREAM:
            raise OSError(0, "not a stream socket")
        fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _send_at_once(descriptor)
        self._set_tick(_now_ns(CLOCK_MONOTONIC))
        if self.timers.armed == 0:
            self.timers.now = self.tick
        cdef connection *c = self._new_connection(descriptor, head[2], 0)
        if c == NULL:
            raise OSError(0, "no room for another connection")
        try:
            self._restore(c, head, talks, message, control, waiting, frames)
        except BaseException:
            self._watch(descriptor, EPOLL_CTL_DEL, 0, 0)
            if c.state == STATE_OPEN:
                self.open_count -= 1
            self._forget(c)
            table_give(&self.connections, c)
            raise
        return connection_id(c)

    cdef tuple _checked_state(self, bytes state):
        """Take the state apart, or ValueError. Nothing in it is believed: it may come from anywhere."""
        end = len(state) - 4
        if end < _STATE_HEAD.size or zlib.crc32(state[:end]) != int.from_bytes(state[end:], "little"):
            raise ValueError("not the state of a connection: damaged")
        head = _STATE_HEAD.unpack_from(state)
        (magic, version, phase, codec, flags, close_code, user_id, session_id, expires_at_ms, left_ms,
         stage, first, opcode, mask, left, fragments,
         talk_count, message_size, control_size, input_size, frame_count) = head
        if magic != _STATE_MAGIC:
            raise ValueError("not the state of a connection")
        if version != STATE_FORMAT:
            raise ValueError(f"state of version {version}; this engine reads {STATE_FORMAT}")
        at_websocket = phase in (STATE_OPEN, STATE_CLOSING)
        is_control = bool(first & 0x08)
        if not (
            phase in (STATE_HANDSHAKE, STATE_OPEN, STATE_CLOSING, STATE_LINGER)
            and codec < CODECS
            and not flags & ~FLAGS_EXPORTED
            and (phase != STATE_OPEN or not flags & (FLAG_CLOSE_SENT | FLAG_CLOSE_RECEIVED | FLAG_WRITE_ENDED))
            and (phase != STATE_CLOSING or flags & FLAG_CLOSE_SENT and not flags & FLAG_CLOSE_RECEIVED)
            and (phase != STATE_HANDSHAKE or not flags)
            and (not at_websocket or flags & FLAG_ACCEPTED)
            and user_id < 1 << 63
            and 0 <= expires_at_ms <= 1 << 52
            and left_ms <= 1 << 30
            and (left_ms > 0) == (phase != STATE_OPEN or bool(flags & FLAG_LOGIN))
            and stage in (WS_HEADER, WS_PAYLOAD)
            and opcode in (0, WS_OP_TEXT, WS_OP_BINARY)
            and (at_websocket or (stage == WS_HEADER and opcode == 0))
            and fragments <= self.limits.max_fragments
            and (fragments > 0 or opcode == 0)
            and (message_size == 0 or opcode != 0)
            and message_size <= self.limits.max_message
            and talk_count <= self.max_talks
            and (talk_count == 0 or phase == STATE_OPEN)
            and input_size <= (self.max_head + 1 if phase == STATE_HANDSHAKE else RECEIVE_BYTES + 16)
            and (input_size == 0 or phase != STATE_LINGER)
        ):
            raise ValueError("not a possible state of a connection")
        if stage == WS_HEADER:
            possible = control_size == 0
        elif is_control:
            possible = (first & 0xF0 == WS_FIN and first & 0x0F in (WS_OP_CLOSE, WS_OP_PING, WS_OP_PONG)
                        and 0 < left and left + control_size <= WS_CONTROL_MAX)
        else:
            possible = (first & 0x70 == 0 and first & 0x0F <= WS_OP_BINARY and opcode != 0 and control_size == 0
                        and 0 < left <= self.limits.max_message - message_size)
        if not possible:
            raise ValueError("not a possible state of a parser")

        at = _STATE_HEAD.size
        if at + 8 * talk_count + message_size + control_size + input_size + _STATE_FRAME.size * frame_count > end:
            raise ValueError("not the state of a connection: too short")
        talks = struct.unpack_from(f"<{talk_count}Q", state, at)
        if any(not 0 < talk < 1 << 63 for talk in talks):
            raise ValueError("not a possible state of a connection")
        at += 8 * talk_count
        message = state[at:at + message_size]
        at += message_size
        control = state[at:at + control_size]
        at += control_size
        waiting = state[at:at + input_size]
        at += input_size
        frames = []
        for _ in range(frame_count):
            if at + _STATE_FRAME.size > end:
                raise ValueError("not the state of a connection: too short")
            size, begun = _STATE_FRAME.unpack_from(state, at)
            at += _STATE_FRAME.size
            if size == 0 or begun > 1 or size > end - at or (begun and frames):
                raise ValueError("not a possible backlog")
            frames.append((begun, state[at:at + size]))
            at += size
        if at != end or at > STATE_MAX_BACKLOG + self.limits.max_message + RECEIVE_BYTES + 65536:
            raise ValueError("not the state of a connection: wrong size")
        return head, talks, message, control, waiting, frames

    cdef int _restore(self, connection *c, head, tuple talks, bytes message, bytes control, bytes waiting,
                      list frames) except -1:
        """Fill a new connection from a checked state."""
        cdef ws_parser *p
        cdef bytes mask
        cdef bytes frame
        (_, _, _, c.codec, c.flags, c.close_code, user_id, c.session_id, c.expires_at_ms, left_ms,
         stage, first, opcode, mask, left, fragments, _, _, _, _, _) = head
        if c.state == STATE_OPEN:
            self.open_count += 1
            self.opened_serial += 1
            c.opened = self.opened_serial
        if stage == WS_PAYLOAD or opcode:
            p = c.parser = <ws_parser *>malloc(sizeof(ws_parser))
            if p == NULL:
                raise MemoryError
            ws_start(p)
            p.stage, p.first, p.message_opcode, p.left, p.fragments = stage, first, opcode, left, fragments
            memcpy(p.mask, <char *>mask, 4)
            if opcode == WS_OP_TEXT and not utf8_feed(&p.utf8, <uint8_t *><char *>message, len(message)):
                raise ValueError("not a possible state of a parser: text is not UTF-8")
            if message and not ws_keep(p, <uint8_t *><char *>message, len(message)):
                raise MemoryError
            if control:
                p.control = <uint8_t *>malloc(WS_CONTROL_MAX)
                if p.control == NULL:
                    raise MemoryError
                memcpy(p.control, <char *>control, len(control))
                p.control_length = <uint8_t>len(control)
        if waiting and not _new_input(c, <uint8_t *><char *>waiting, len(waiting)):
            raise MemoryError
        for begun, frame in frames:
            if not self._queue_copy(c, NULL, 0, <uint8_t *><char *>frame, len(frame), begun):
                raise MemoryError
        if self.echo and backlog_bytes(c.out) > self.backlog_bytes:
            c.flags |= FLAG_READ_PAUSED
        if user_id:
            if c.state != STATE_OPEN:
                c.user_id = user_id  # only for on_close
            elif not self._join_user(c, user_id):
                raise MemoryError
        for talk in reversed(talks):
            if not self._join_talk(c, talk):
                raise MemoryError
        if left_ms:
            c.phase_due = self._in_ticks(<uint32_t>(left_ms // self.tick_ms) + 1)
        self._rearm(c)
        self._queue_work(c)
        self._watch_connection(c)  # not for input before what waits has been parsed
        return 0

    def stats(self):
        cdef uint64_t waiting = 0
        cdef uint32_t handshaking = 0, paused = 0, unfinished = 0, i
        cdef connection *c
        for i in range(self.connections.used):
            c = table_at(&self.connections, i)
            waiting += backlog_bytes(c.out) if c.state != STATE_FREE else 0
            unfinished += c.state != STATE_FREE and c.parser != NULL
            handshaking += c.state == STATE_HANDSHAKE or c.state == STATE_UNDECIDED
            paused += c.state == STATE_OPEN and not c.interest & EPOLLIN
        return {
            "connections": self.connections.live,
            "open": self.open_count,
            "handshaking": handshaking,
            "users": self.users.used,
            "talks": self.talks.used,
            "backlog_bytes": waiting,
            "paused": paused,
            "unfinished": unfinished,
            "broadcasts": self.broadcast_count,
            "sockets_accepted": self.n_sockets,
            "upgrades": self.n_upgrades,
            "accepted": self.n_accepted,
            "refused": self.n_refused,
            "closed": self.n_closed,
            "reads": self.n_reads,
            "writes": self.n_writes,
            "messages_in": self.n_messages_in,
            "messages_out": self.n_messages_out,
            "bytes_in": self.n_bytes_in,
            "bytes_out": self.n_bytes_out,
            "pings_out": self.n_pings_out,
            "pongs_in": self.n_pongs_in,
            "legacy_pings": self.n_legacy_pings,
            "dropped_ephemeral": self.n_dropped_ephemeral,
            "dropped_messages": self.n_dropped_messages,
            "closed_slow": self.n_closed_slow,
            "closed_silent": self.n_closed_silent,
            "closed_login": self.n_closed_login,
            "closed_expired": self.n_closed_expired,
            "closed_protocol": self.n_closed_protocol,
            "handshake_timeouts": self.n_handshake_timeouts,
            "upgrade_timeouts": self.n_upgrade_timeouts,
            "accept_pauses": self.n_accept_pauses,
            "callback_errors": self.n_callback_errors,
            "polls": self.n_polls,
            "connection_bytes": sizeof(connection),
            "live_memberships": self.live_memberships,
            "live_buffers": live_buffers,
            "live_nodes": live_nodes,
            "live_frames": live_frames,
        }

    def expires_at_ms_of(self, id):
        cdef connection *c = self._find(id)
        return c.expires_at_ms if c != NULL else 0

    def bound_sessions(self):
        cdef uint32_t i
        cdef Py_ssize_t count = 0
        cdef connection *c
        for i in range(self.connections.used):
            count += _owes_close(table_at(&self.connections, i))
        cdef bytes pairs = PyBytes_FromStringAndSize(NULL, count * 2 * sizeof(uint64_t))
        cdef uint64_t *pair = <uint64_t *>PyBytes_AS_STRING(pairs)
        for i in range(self.connections.used):
            c = table_at(&self.connections, i)
            if _owes_close(c):
                pair[0], pair[1] = c.user_id, c.session_id
                pair += 2
        return pairs


cdef bint _owes_close(connection *c) noexcept:
    """Whether on_close will name a user."""
    return c.state != STATE_FREE and c.user_id and c.flags & FLAG_ACCEPTED and not c.flags & FLAG_SILENT


cdef size_t _write_answer(char *out, connection *c, const char *lines, size_t lines_size, const char *first,
                          size_t first_size) noexcept:
    """RFC 6455 section 4.2.2: the answer that opens a connection, and the first frame. Bytes written."""
    cdef char *at = out
    memcpy(at, UPGRADE_SWITCHING, UPGRADE_SWITCHING_SIZE)
    at += UPGRADE_SWITCHING_SIZE
    websocket_accept_key(<const char *>c.input.data + c.input.key, at)
    at += 28
    memcpy(at, b"\r\n", 2)
    at += 2
    if lines_size:
        memcpy(at, lines, lines_size)
        at += lines_size
    memcpy(at, b"\r\n", 2)
    at += 2
    if first_size:
        at += ws_header(<uint8_t *>at, WS_FIN | WS_OP_TEXT, first_size)
        memcpy(at, first, first_size)
        at += first_size
    return <size_t>at - <size_t>out


cdef void _send_at_once(int fd) noexcept:
    cdef int one = 1
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))  # a local socket has no such option: no harm


cdef bint _new_input(connection *c, const uint8_t *data, size_t n) noexcept:
    """Keep these bytes for later; False: out of memory."""
    cdef waiting_input *kept = <waiting_input *>malloc(sizeof(waiting_input) + n)
    if kept == NULL:
        return False
    memcpy(kept.data, data, n)
    kept.length = <uint32_t>n
    kept.offset = 0
    c.input = kept
    return True


cdef void _free_parser(connection *c) noexcept:
    if c.parser != NULL:
        ws_free(c.parser)
        free(c.parser)
        c.parser = NULL


cdef bytes _bytes(const uint8_t *data, size_t n):
    return PyBytes_FromStringAndSize(<const char *>data, <Py_ssize_t>n)


cdef str _latin1(span s):
    return PyUnicode_DecodeLatin1(s.text, <Py_ssize_t>s.length, NULL)


cdef object _message_object(ws_event *event):
    """str for text, bytes for binary."""
    cdef object text
    if not event.is_text:
        return PyBytes_FromStringAndSize(<char *>event.data, <Py_ssize_t>event.length)
    if not event.is_ascii:
        return PyUnicode_DecodeUTF8(<char *>event.data, <Py_ssize_t>event.length, NULL)
    text = PyUnicode_New(<Py_ssize_t>event.length, 127)
    if event.length:
        memcpy(PyUnicode_DATA(text), event.data, event.length)
    return text


cdef uint32_t _go_rounds(ws_event *event) noexcept:
    """R of "go R" with R from 1 to 1,000,000 in plain digits; 0: some other message."""
    cdef uint32_t rounds = 0
    cdef size_t i
    if event.length < 4 or event.length > 10 or memcmp(event.data, b"go ", 3) != 0 or event.data[3] == c'0':
        return 0
    for i in range(3, event.length):
        if not c'0' <= event.data[i] <= c'9':
            return 0
        rounds = rounds * 10 + (event.data[i] - c'0')
    return rounds if rounds <= MAX_ROUNDS else 0
