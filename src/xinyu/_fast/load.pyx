"""The load generator of `xinyu bench`: many WebSocket clients on one epoll instance, without the GIL.

How it works. `step(seconds)` is a bounded turn: dial what is missing, wait for events, handle them, again, until the
time is over or enough messages have come. The caller looks at signals and prints progress between steps. A client is a
C struct; its frames are masked once, with one key for all, and sent again and again. All received bytes go into one
buffer and are compared with what was sent where they lie, so a megabyte that comes in pieces needs no memory.

A client's output is a position in the endless repetition of the one frame: `phase` bytes of it are written, `owed`
bytes are still to come. Anything else (a pong, a close frame, a text of the caller's) is `urgent` and goes between two
frames. The time of each message in flight stands in a ring of `depth` places a client; an echo that comes back belongs
to the oldest.

Invariants:
- A slot's descriptor is closed inside the handling of its event, and slots are filled only between two turns of events:
  an event of a closed slot is told by its state, never mistaken for one of its successor.
- What could not be parsed (the beginning of a head, a frame header or a control frame) is kept by the client and put in
  front of its next bytes. Payloads are never kept.
- `open_count`, `busy` (dialing or upgrading) and `closing` count the states; the rest of the capacity is on the stack
  of free slots.
- The first failure is remembered with its detail and later ones are counted; a client that failed is not dialed again.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, ETIMEDOUT, ENOTCONN, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from xinyu._fast.connection cimport WS_OP_CLOSE, WS_OP_PING, WS_OP_PONG, WS_OP_TEXT, ws_header
from xinyu._fast.histogram cimport Histogram, histogram, histogram_record
from xinyu._fast.linux cimport *

cimport cython

import errno as error_numbers
import os
import socket as socket_module

cdef extern from "<sys/socket.h>" nogil:
    enum:
        SO_ERROR
        SO_LINGER
    struct linger:
        int l_onoff
        int l_linger
    int socket(int family, int kind, int protocol)
    int bind(int fd, const sockaddr *address, socklen_t length)
    int connect(int fd, const sockaddr *address, socklen_t length)

cdef extern from "<netinet/in.h>" nogil:
    """
    #include <netinet/in.h>
    #include <arpa/inet.h>
    #include <strings.h>
    #ifndef IP_BIND_ADDRESS_NO_PORT
    #define IP_BIND_ADDRESS_NO_PORT 24
    #endif
    """
    enum:
        IPPROTO_IP
        IP_BIND_ADDRESS_NO_PORT
    uint32_t htonl(uint32_t n)
    int strncasecmp(const char *a, const char *b, size_t n)

cdef extern from * nogil:
    """
    /* Where `what` begins in the n bytes at `where`, -1: nowhere. (Cython cannot subtract pointers under overflowcheck.) */
    static inline Py_ssize_t find_bytes(const uint8_t *where, size_t n, const char *what, size_t m) {
        const uint8_t *found = (const uint8_t *)memmem(where, n, what, m);
        return found == NULL ? -1 : (Py_ssize_t)(found - where);
    }
    """
    Py_ssize_t find_bytes(const uint8_t *where, size_t n, const char *what, size_t m)

cdef enum:
    MAX_CLIENTS = 1048576
    MAX_DEPTH = 65536  # messages in flight a client
    MAX_STAMPS = 67108864  # messages in flight in all: 512 MiB of times
    MAX_PAYLOAD = 16777216  # bytes
    MAX_REQUEST = 16384  # bytes; fits the send buffer of a new socket
    MAX_HEAD = 16384  # bytes of the answer to the upgrade
    RECEIVE_BYTES = 262144
    KEPT_BYTES = 16384  # the most that a client keeps: a head
    BLOB_BYTES = 65536  # copies of a small frame that lie in a row, to be sent by one call
    EVENTS = 256
    CONTROL_MAX = 125
    DUE_BATCH = 1024  # messages sent because they are due, between two looks at events
    SWEEP_NS = 250000000
    WAIT_NS = 50000000  # the longest wait for events in a row
    LOOPBACK_SOURCE = 0x7F000002  # 127.0.0.2

cdef enum:
    STATE_FREE = 0
    STATE_DIALING = 1  # connect() is under way
    STATE_UPGRADING = 2  # the request is sent
    STATE_OPEN = 3
    STATE_CLOSING = 4  # our close frame is sent

cdef enum:
    EXPECT_ANY = 0
    EXPECT_ECHO = 1
    EXPECT_SIZE = 2

cdef enum:
    FAILED_NOT = 0
    FAILED_SOCKET = 1  # detail: errno
    FAILED_CONNECT = 2  # detail: errno
    FAILED_SLOW = 3
    FAILED_CLOSED = 4
    FAILED_STATUS = 5  # detail: HTTP status
    FAILED_NOT_HTTP = 6
    FAILED_ACCEPT_KEY = 7
    FAILED_FRAME = 8
    FAILED_ECHO = 9
    FAILED_LOST = 10  # detail: close code, 0 without a close frame
    FAILED_MEMORY = 11

cdef uint64_t TIMER = <uint64_t>1 << 32  # what epoll hands back for the timer; clients are below

cdef struct client:
    uint32_t slot
    int fd
    uint8_t state
    uint8_t out_armed
    uint8_t first  # first byte of the frame whose payload is being read
    uint8_t in_message
    uint32_t phase
    uint64_t owed
    uint64_t left  # payload bytes of that frame still to come
    uint64_t at  # bytes of its message that have come
    uint8_t *kept
    uint8_t *urgent
    uint32_t kept_size
    uint32_t urgent_size
    uint32_t urgent_done
    uint32_t in_flight
    uint32_t oldest  # place in the ring of times
    uint32_t messages
    int64_t began_ns


cdef int64_t clock_ns() noexcept nogil:
    cdef timespec ts
    clock_gettime(CLOCK_MONOTONIC, &ts)
    return <int64_t>ts.tv_sec * 1000000000 + ts.tv_nsec


@cython.final
@cython.nonecheck(False)  # self is never None, and in a debug build the check would ask for the GIL
cdef class Load:
    """Clients of one server. See load.pyi."""

    cdef client *clients
    cdef uint32_t *free_slots
    cdef int64_t *stamps
    cdef uint8_t *buffer
    cdef uint8_t *blob
    cdef size_t blob_size
    cdef size_t frame_size
    cdef bytes payload
    cdef const uint8_t *expected
    cdef size_t expected_size
    cdef uint8_t expected_opcode
    cdef uint8_t mask[4]
    cdef bytes requests
    cdef const char *request_text
    cdef uint32_t *request_at
    cdef uint32_t request_count
    cdef uint32_t next_request
    cdef bytes accept_key
    cdef const char *accept_text
    cdef size_t accept_size
    cdef sockaddr_storage address
    cdef socklen_t address_size
    cdef uint32_t sources
    cdef uint32_t capacity
    cdef uint32_t depth
    cdef uint32_t at_once
    cdef int64_t deadline_ns
    cdef Histogram _latency
    cdef Histogram _handshake
    cdef histogram *latency_values
    cdef histogram *handshake_values
    cdef int poll_fd
    cdef int timer_fd
    cdef int expect
    # counts
    cdef uint32_t free_count
    cdef uint32_t open_count
    cdef uint32_t busy
    cdef uint32_t closing
    cdef uint32_t target
    cdef uint64_t dialed
    cdef uint64_t opened
    cdef uint64_t closed
    cdef uint64_t failed
    cdef uint64_t lost
    cdef uint64_t sent
    cdef uint64_t received
    cdef uint64_t received_bytes
    cdef uint64_t in_flight
    cdef uint64_t unexpected
    cdef uint64_t pings
    cdef int failure_kind
    cdef int failure_detail
    # pacing
    cdef double dial_per_s
    cdef double dial_credit
    cdef int64_t dial_clock_ns
    cdef bint turning
    cdef uint32_t turn_messages
    cdef double turn_per_s
    cdef double turn_credit
    cdef int64_t turn_clock_ns
    cdef uint32_t turn_cursor
    cdef bint echoing
    cdef uint64_t budget  # messages that may still be sent
    cdef double gap_ns  # between two messages at a given rate; 0: as answers come
    cdef double due_ns
    cdef uint32_t due_cursor
    cdef int64_t mark_ns
    cdef int64_t sweep_ns  # when deadlines are looked at next
    cdef int64_t seen_ns  # the last turn of the loop

    def __cinit__(
        self,
        int family,
        str host,
        uint16_t port,
        requests,
        bytes accept_key not None,
        Histogram latency not None,
        Histogram handshake not None,
        *,
        Py_ssize_t clients,
        Py_ssize_t depth=1,
        bytes payload not None=b"",
        bint is_text=True,
        bytes mask not None=b"\x00\x00\x00\x00",
        Py_ssize_t at_once=64,
        Py_ssize_t sources=0,
        double handshake_timeout_s=10.0,
    ):
        cdef Py_ssize_t i
        cdef bytes request
        cdef uint32_t at = 0
        self.poll_fd = self.timer_fd = -1
        if not 1 <= clients <= MAX_CLIENTS:
            raise ValueError(f"clients must lie between 1 and {MAX_CLIENTS}")
        if not 1 <= depth <= MAX_DEPTH or clients * depth > MAX_STAMPS:
            raise ValueError(f"depth must lie between 1 and {MAX_DEPTH}, clients * depth below {MAX_STAMPS}")
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(f"a payload has at most {MAX_PAYLOAD} bytes")
        if len(mask) != 4:
            raise ValueError("a mask has 4 bytes")
        if at_once < 1 or sources < 0 or sources > 65000 or not 0 < handshake_timeout_s <= 3600:
            raise ValueError("at_once, sources or handshake_timeout_s is out of range")
        if not requests or any(not isinstance(each, bytes) or not 0 < len(each) <= MAX_REQUEST for each in requests):
            raise ValueError(f"requests are bytes, at least one, each of 1 to {MAX_REQUEST} bytes")
        self._set_address(family, host, port)
        self.seen_ns = clock_ns()
        self.capacity = clients
        self.depth = depth
        self.at_once = at_once
        self.sources = sources
        self.deadline_ns = <int64_t>(handshake_timeout_s * 1e9)
        self.clients = <client *>calloc(clients, sizeof(client))
        self.free_slots = <uint32_t *>malloc(clients * sizeof(uint32_t))
        self.stamps = <int64_t *>malloc(clients * depth * sizeof(int64_t))
        self.buffer = <uint8_t *>malloc(KEPT_BYTES + RECEIVE_BYTES)
        self.request_count = len(requests)
        self.request_at = <uint32_t *>malloc((len(requests) + 1) * sizeof(uint32_t))
        if (self.clients == NULL or self.free_slots == NULL or self.stamps == NULL or self.buffer == NULL
                or self.request_at == NULL):
            raise MemoryError
        for i in range(clients):
            self.clients[i].fd = -1
            self.clients[i].slot = <uint32_t>i
            self.free_slots[i] = <uint32_t>(clients - 1 - i)
        self.free_count = clients
        self.requests = b"".join(requests)
        self.request_text = PyBytes_AS_STRING(self.requests)
        if len(self.requests) > 0x7FFFFFFF:
            raise ValueError("the requests are too long")
        for i, request in enumerate(requests):
            self.request_at[i] = at
            at += <uint32_t>len(request)
        self.request_at[self.request_count] = at
        self.accept_key = accept_key
        self.accept_text = PyBytes_AS_STRING(accept_key)
        self.accept_size = PyBytes_GET_SIZE(accept_key)
        self._latency = latency
        self._handshake = handshake
        self.latency_values = latency.values
        self.handshake_values = handshake.values
        self._set_payload(payload, is_text, mask)
        self.poll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self.poll_fd < 0 or self.timer_fd < 0:
            raise OSError(errno, os.strerror(errno))
        if not self._watch(self.timer_fd, EPOLL_CTL_ADD, EPOLLIN, TIMER):
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        if self.clients != NULL:
            self._close_all()
        if self.poll_fd >= 0:
            close(self.poll_fd)
        if self.timer_fd >= 0:
            close(self.timer_fd)
        free(self.clients)
        free(self.free_slots)
        free(self.stamps)
        free(self.buffer)
        free(self.blob)
        free(self.request_at)

    cdef int _set_address(self, int family, str host, uint16_t port) except -1:
        cdef sockaddr_in *four
        cdef sockaddr_in6 *six
        cdef bytes packed = socket_module.inet_pton(family, host)
        memset(&self.address, 0, sizeof(self.address))
        self.address.ss_family = <unsigned short>family
        if family == AF_INET:
            four = <sockaddr_in *>&self.address
            four.sin_port = ntohs(port)
            memcpy(&four.sin_addr, PyBytes_AS_STRING(packed), 4)
            self.address_size = sizeof(sockaddr_in)
        elif family == AF_INET6:
            six = <sockaddr_in6 *>&self.address
            six.sin6_port = ntohs(port)
            memcpy(&six.sin6_addr, PyBytes_AS_STRING(packed), 16)
            self.address_size = sizeof(sockaddr_in6)
        else:
            raise ValueError("the address must be one of IPv4 or IPv6")
        return 0

    cdef int _set_payload(self, bytes payload, bint is_text, bytes mask) except -1:
        """Mask one frame, and lay as many copies of it in a row as one call may send."""
        cdef uint8_t header[14]
        cdef size_t n = PyBytes_GET_SIZE(payload)
        cdef size_t header_size, copies, i
        cdef const uint8_t *data = <const uint8_t *>PyBytes_AS_STRING(payload)
        self.payload = payload
        self.expected = data
        self.expected_size = n
        self.expected_opcode = WS_OP_TEXT if is_text else 2
        memcpy(self.mask, PyBytes_AS_STRING(mask), 4)
        header_size = ws_header(header, 0x80 | self.expected_opcode, n)
        header[1] |= 0x80
        memcpy(header + header_size, self.mask, 4)
        header_size += 4
        self.frame_size = header_size + n
        copies = 1
        while copies < self.depth and (copies + 1) * self.frame_size <= BLOB_BYTES:
            copies += 1
        self.blob_size = copies * self.frame_size
        self.blob = <uint8_t *>malloc(self.blob_size)
        if self.blob == NULL:
            raise MemoryError
        memcpy(self.blob, header, header_size)
        for i in range(n):
            self.blob[header_size + i] = data[i] ^ self.mask[i & 3]
        for i in range(1, copies):
            memcpy(self.blob + i * self.frame_size, self.blob, self.frame_size)
        return 0

    # ---- what Python asks for

    def open_to(self, Py_ssize_t count, double per_s=0.0):
        if not 0 <= count <= self.capacity:
            raise ValueError(f"{count} connections were asked for, {self.capacity} are possible")
        if not 0 <= per_s < 1e9:
            raise ValueError("a rate is not negative and below 1e9")
        self.target = count
        self.dial_per_s = per_s
        self.dial_credit = 0.0
        self.dial_clock_ns = clock_ns()

    def step(self, double seconds, uint64_t received=0):
        if not 0 <= seconds <= 60:
            raise ValueError("a step takes at most 60 s")
        with nogil:
            self._run(clock_ns() + <int64_t>(seconds * 1e9), received)
        PyErr_CheckSignals()

    def start_echo(self, double per_s=0.0, uint64_t limit=0):
        cdef uint32_t i
        if not 0 <= per_s < 1e9:
            raise ValueError("a rate is not negative and below 1e9")
        if self.echoing or self.in_flight:
            raise RuntimeError("messages are in flight already")
        self.expect = EXPECT_ECHO
        self.echoing = True
        self.budget = limit if limit else <uint64_t>-1
        self.gap_ns = 1e9 / per_s if per_s else 0.0
        self.due_ns = <double>clock_ns()
        if self.gap_ns == 0.0:
            with nogil:
                for i in range(self.capacity):
                    if self.clients[i].state == STATE_OPEN:
                        self._owe(&self.clients[i], self.depth, clock_ns())
                        self._flush(&self.clients[i])

    def stop_echo(self):
        self.echoing = False

    def expect_size(self, Py_ssize_t size):
        """Count messages of `size` bytes to each client from now on."""
        cdef uint32_t i
        if size < 0:
            raise ValueError("a size is not negative")
        self.expect = EXPECT_SIZE
        self.expected_size = size
        self.mark_ns = clock_ns()
        for i in range(self.capacity):
            self.clients[i].messages = 0

    def send_text(self, bytes text not None):
        cdef uint32_t i
        if len(text) > CONTROL_MAX:
            raise ValueError("the text is too long")
        for i in range(self.capacity):
            if self.clients[i].state == STATE_OPEN:
                self.mark_ns = clock_ns()
                self._say(&self.clients[i], WS_OP_TEXT, <const uint8_t *>PyBytes_AS_STRING(text), len(text))
                return
        raise RuntimeError("no connection is open")

    def start_turning(self, uint32_t messages=1, double per_s=0.0):
        cdef uint32_t i
        if not 0 <= per_s < 1e9:
            raise ValueError("a rate is not negative and below 1e9")
        if messages:
            self.expect = EXPECT_ECHO
        self.budget = <uint64_t>-1
        self.turn_messages = messages
        for i in range(self.capacity):  # those that are open already may go at once
            self.clients[i].messages = messages
        self.turn_per_s = per_s
        self.turn_credit = 0.0
        self.turn_clock_ns = clock_ns()
        self.turning = True

    def stop_turning(self):
        self.turning = False

    def close(self):
        self._close_all()

    def messages_range(self):
        cdef uint32_t i, least = 0xFFFFFFFF, most = 0
        for i in range(self.capacity):
            if self.clients[i].state == STATE_OPEN:
                least = min(least, self.clients[i].messages)
                most = max(most, self.clients[i].messages)
        if least > most:
            least = 0
        return (least, most)

    def stats(self):
        return {
            "open": self.open_count,
            "connecting": self.busy,
            "closing": self.closing,
            "opened": self.opened,
            "closed": self.closed,
            "failed": self.failed,
            "lost": self.lost,
            "sent": self.sent,
            "received": self.received,
            "received_bytes": self.received_bytes,
            "in_flight": self.in_flight,
            "unexpected": self.unexpected,
            "pings": self.pings,
        }

    def failure(self):
        cdef int detail = self.failure_detail
        if self.failure_kind == FAILED_NOT:
            return None
        if self.failure_kind == FAILED_SOCKET:
            return f"a socket cannot be opened: {os.strerror(detail)}"
        if self.failure_kind == FAILED_CONNECT:
            return os.strerror(detail) if detail != error_numbers.ETIMEDOUT else "no answer to the connection"
        if self.failure_kind == FAILED_SLOW:
            return f"the upgrade was not answered within {self.deadline_ns / 1e9:g} s"
        if self.failure_kind == FAILED_CLOSED:
            return "the server closed the connection instead of answering the upgrade"
        if self.failure_kind == FAILED_STATUS:
            return f"the upgrade was refused with HTTP status {detail}"
        if self.failure_kind == FAILED_NOT_HTTP:
            return "this is no WebSocket server: its answer is not HTTP"
        if self.failure_kind == FAILED_ACCEPT_KEY:
            return "this is no WebSocket server: status 101 without the right Sec-WebSocket-Accept"
        if self.failure_kind == FAILED_FRAME:
            return "the server sent a frame that the protocol forbids"
        if self.failure_kind == FAILED_ECHO:
            return "the server sent something else back than it was sent: it is no echo server"
        if self.failure_kind == FAILED_LOST:
            return "the server closed an open connection" + (f" with code {detail}" if detail else "")
        return "out of memory"

    # ---- the loop

    cdef void _run(self, int64_t until_ns, uint64_t received) noexcept nogil:
        cdef epoll_event events[EVENTS]
        cdef int64_t now, wait
        cdef int n, i
        while True:
            now = clock_ns()
            if now >= until_ns or (received and self.received >= received):
                return
            if now - self.seen_ns > SWEEP_NS * 4:
                # We stood still (suspended, or not stepped): what came meanwhile is unread, and nobody's fault.
                self.sweep_ns = now + self.deadline_ns
            self.seen_ns = now
            if now >= self.sweep_ns:
                self._sweep(now)
            if self.turning:
                self._turn(now)
            if self.open_count + self.busy < self.target:
                self._dial(now)
            wait = min(until_ns - now, <int64_t>WAIT_NS)
            if self.open_count + self.busy < self.target or self.turning:
                wait = min(wait, <int64_t>1000000)
            if self.echoing and self.gap_ns > 0.0:
                self._send_due(now)
                self._arm_timer(now)
            n = epoll_wait(self.poll_fd, events, EVENTS, <int>((wait + 999999) // 1000000))
            if n < 0:
                return  # EINTR: the caller looks at signals
            for i in range(n):
                if events[i].data.u64 == TIMER:
                    self._drain_timer()
                else:
                    self._on_event(&self.clients[events[i].data.u64], events[i].events)

    cdef bint _watch(self, int fd, int operation, uint32_t mask, uint64_t key) noexcept nogil:
        cdef epoll_event event
        event.events = mask
        event.data.u64 = key
        return epoll_ctl(self.poll_fd, operation, fd, &event) == 0

    cdef void _clear(self, client *c) noexcept nogil:
        cdef uint32_t slot = c.slot
        memset(c, 0, sizeof(client))
        c.slot = slot
        c.fd = -1

    cdef void _on_event(self, client *c, uint32_t mask) noexcept nogil:
        if c.state == STATE_FREE:
            return
        if c.state == STATE_DIALING:
            self._on_connected(c)
            return
        if mask & EPOLLOUT:
            self._flush(c)
        if c.state != STATE_FREE and mask & (EPOLLIN | EPOLLERR | EPOLLHUP):
            self._read(c)

    # ---- dialing

    cdef void _dial(self, int64_t now) noexcept nogil:
        if self.dial_per_s > 0.0:
            self.dial_credit = min(self.dial_credit + self.dial_per_s * <double>(now - self.dial_clock_ns) / 1e9,
                                   <double>self.at_once)
        self.dial_clock_ns = now
        while self.open_count + self.busy < self.target and self.busy < self.at_once and self.free_count:
            if self.failed:
                return
            if self.dial_per_s > 0.0:
                if self.dial_credit < 1.0:
                    return
                self.dial_credit -= 1.0
            self._dial_one()

    cdef void _dial_one(self) noexcept nogil:
        cdef client *c = &self.clients[self.free_slots[self.free_count - 1]]
        cdef sockaddr_in source
        cdef int one = 1
        cdef int fd = socket(self.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if fd < 0:
            self._note(FAILED_SOCKET, errno)
            self.failed += 1
            return
        self._clear(c)
        c.fd = fd
        c.state = STATE_DIALING
        c.began_ns = clock_ns()
        self.free_count -= 1
        self.busy += 1
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
        if self.sources and self.address.ss_family == AF_INET:
            memset(&source, 0, sizeof(source))
            (<sockaddr *>&source).sa_family = AF_INET
            source.sin_addr.s_addr = htonl(LOOPBACK_SOURCE + <uint32_t>(self.dialed % self.sources))
            setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one))
            if bind(fd, <sockaddr *>&source, sizeof(source)) < 0:
                self._fail(c, FAILED_SOCKET, errno)
                return
        self.dialed += 1
        if connect(fd, <sockaddr *>&self.address, self.address_size) == 0:
            if self._watch(fd, EPOLL_CTL_ADD, EPOLLIN, c.slot):
                self._send_request(c)
            else:
                self._fail(c, FAILED_SOCKET, errno)
        elif errno != EINPROGRESS:
            self._fail(c, FAILED_CONNECT, errno)
        elif not self._watch(fd, EPOLL_CTL_ADD, EPOLLOUT, c.slot):
            self._fail(c, FAILED_SOCKET, errno)

    cdef void _on_connected(self, client *c) noexcept nogil:
        cdef int problem = 0
        cdef socklen_t size = sizeof(problem)
        if getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0:
            problem = errno
        if problem:
            self._fail(c, FAILED_CONNECT, problem)
        elif self._watch(c.fd, EPOLL_CTL_MOD, EPOLLIN, c.slot):
            self._send_request(c)
        else:
            self._fail(c, FAILED_SOCKET, errno)

    cdef void _send_request(self, client *c) noexcept nogil:
        cdef uint32_t at = self.request_at[self.next_request]
        cdef uint32_t n = self.request_at[self.next_request + 1] - at
        self.next_request = (self.next_request + 1) % self.request_count
        c.state = STATE_UPGRADING
        if send(c.fd, self.request_text + at, n, MSG_NOSIGNAL) != <ssize_t>n:
            self._fail(c, FAILED_CONNECT, errno)

    # ---- reading

    cdef void _read(self, client *c) noexcept nogil:
        cdef uint8_t *data = self.buffer
        cdef size_t n = c.kept_size
        cdef ssize_t got
        cdef Py_ssize_t head = 0
        cdef int64_t now
        if n:
            memcpy(data, c.kept, n)
        got = recv(c.fd, data + n, RECEIVE_BYTES, MSG_DONTWAIT)
        if got <= 0:
            if got < 0 and errno in (EAGAIN, EINTR):
                return
            self._on_end(c)
            return
        now = clock_ns()
        if n:
            free(c.kept)
            c.kept = NULL
            c.kept_size = 0
        n += <size_t>got
        self.received_bytes += <uint64_t>got
        if c.state == STATE_UPGRADING:
            head = self._read_head(c, data, n)
            if head < 0:
                return
            self._on_open(c, now)
        if c.state != STATE_FREE and n > <size_t>head:
            self._read_frames(c, data + head, n - <size_t>head, now)

    cdef void _on_end(self, client *c) noexcept nogil:
        if c.state == STATE_UPGRADING:
            self._fail(c, FAILED_CLOSED, 0)
        elif c.state == STATE_OPEN:
            self._fail(c, FAILED_LOST, 0)
        else:
            self._release(c)

    cdef void _keep(self, client *c, const uint8_t *data, size_t n) noexcept nogil:
        c.kept = <uint8_t *>malloc(n)
        if c.kept == NULL:
            self._fail(c, FAILED_MEMORY, 0)
            return
        memcpy(c.kept, data, n)
        c.kept_size = <uint32_t>n

    cdef Py_ssize_t _read_head(self, client *c, const uint8_t *data, size_t n) noexcept nogil:
        """The size of a complete answer that accepts the upgrade (RFC 6455 section 4.1); -1: incomplete, or failed."""
        cdef Py_ssize_t end = find_bytes(data, n, b"\r\n\r\n", 4)
        cdef Py_ssize_t at, next_line
        cdef int status
        if memcmp(data, b"HTTP/", min(n, <size_t>5)) != 0:
            self._fail(c, FAILED_NOT_HTTP, 0)
            return -1
        if end < 0:
            if n >= MAX_HEAD:
                self._fail(c, FAILED_NOT_HTTP, 0)
            else:
                self._keep(c, data, n)
            return -1
        if end < 12 or not (48 <= data[9] <= 57 and 48 <= data[10] <= 57 and 48 <= data[11] <= 57):
            self._fail(c, FAILED_NOT_HTTP, 0)
            return -1
        status = (data[9] - 48) * 100 + (data[10] - 48) * 10 + (data[11] - 48)
        if status != 101:
            self._fail(c, FAILED_STATUS, status)
            return -1
        at = 0
        while True:
            next_line = find_bytes(data + at, <size_t>(end - at), b"\r\n", 2)
            if next_line < 0:
                break
            at += next_line + 2
            if end - at > 21 and strncasecmp(<const char *>data + at, b"sec-websocket-accept:", 21) == 0:
                at += 21
                while at < end and data[at] == 32:
                    at += 1
                if <size_t>(end - at) >= self.accept_size and memcmp(data + at, self.accept_text, self.accept_size) == 0:
                    return end + 4
                break
        self._fail(c, FAILED_ACCEPT_KEY, 0)
        return -1

    cdef void _on_open(self, client *c, int64_t now) noexcept nogil:
        c.state = STATE_OPEN
        self.busy -= 1
        self.open_count += 1
        self.opened += 1
        histogram_record(self.handshake_values, <uint64_t>max(now - c.began_ns, <int64_t>0), 1)
        if self.turn_messages:
            self._owe(c, 1, now)
            self._flush(c)
        elif self.echoing and self.gap_ns == 0.0:
            self._owe(c, self.depth, now)
            self._flush(c)

    cdef void _read_frames(self, client *c, const uint8_t *data, size_t n, int64_t now) noexcept nogil:
        cdef size_t header, take
        cdef uint64_t length
        cdef uint32_t answered = 0
        cdef uint8_t opcode
        while n:
            if c.left:
                take = <size_t>min(c.left, <uint64_t>n)
                if (self.expect == EXPECT_ECHO and c.in_flight
                        and memcmp(data, self.expected + c.at, take) != 0):
                    self._fail(c, FAILED_ECHO, 0)
                    return
                c.at += take
                c.left -= take
                data += take
                n -= take
                if c.left == 0 and c.first & 0x80:
                    if not self._on_message(c, now):
                        return
                    answered += 1
                continue
            if n < 2:
                break
            if data[0] & 0x70 or data[1] & 0x80:
                self._fail(c, FAILED_FRAME, 0)
                return
            header = 4 if data[1] == 126 else 10 if data[1] == 127 else 2
            if n < header:
                break
            length = data[1]
            if header == 4:
                length = <uint64_t>data[2] << 8 | data[3]
            elif header == 10:
                length = 0
                for take in range(2, 10):
                    length = length << 8 | data[take]
            opcode = data[0] & 0x0F
            if opcode & 8:
                if length > CONTROL_MAX or not data[0] & 0x80:
                    self._fail(c, FAILED_FRAME, 0)
                    return
                if n < header + length:
                    break
                self._on_control(c, opcode, data + header, <size_t>length)
                if c.state == STATE_FREE:
                    return
                data += header + length
                n -= header + length
                continue
            if opcode > 2 or (opcode == 0) != (c.in_message != 0):
                self._fail(c, FAILED_FRAME, 0)
                return
            if opcode:
                c.at = 0
                c.in_message = 1
            if self.expect == EXPECT_ECHO and c.in_flight and (
                length > self.expected_size - c.at or (opcode and opcode != self.expected_opcode)
            ):
                self._fail(c, FAILED_ECHO, 0)
                return
            c.first = data[0]
            c.left = length
            data += header
            n -= header
            if length == 0 and c.first & 0x80:
                if not self._on_message(c, now):
                    return
                answered += 1
        if n:
            self._keep(c, data, n)
        if answered and c.state == STATE_OPEN:
            if self.echoing and self.gap_ns == 0.0:
                self._owe(c, answered, now)
                self._flush(c)
            elif c.messages < self.turn_messages and c.in_flight == 0:
                self._owe(c, 1, now)
                self._flush(c)

    cdef bint _on_message(self, client *c, int64_t now) noexcept nogil:
        """A message is complete. False: it was the wrong one, and the client is gone."""
        cdef int64_t began
        c.in_message = 0
        if self.expect == EXPECT_ECHO and c.in_flight:
            if c.at != self.expected_size:
                self._fail(c, FAILED_ECHO, 0)
                return False
            began = self.stamps[<size_t>c.slot * self.depth + c.oldest]
            c.oldest = (c.oldest + 1) % self.depth
            c.in_flight -= 1
            self.in_flight -= 1
        elif self.expect == EXPECT_SIZE and c.at == self.expected_size:
            began = self.mark_ns
        else:
            self.unexpected += 1
            return True
        c.messages += 1
        self.received += 1
        histogram_record(self.latency_values, <uint64_t>max(now - began, <int64_t>0), 1)
        return True

    cdef void _on_control(self, client *c, uint8_t opcode, const uint8_t *data, size_t n) noexcept nogil:
        if opcode == WS_OP_PING:
            self.pings += 1
            if c.state == STATE_OPEN:
                self._say(c, WS_OP_PONG, data, n)
        elif opcode == WS_OP_CLOSE:
            if c.state == STATE_OPEN:
                self._fail(c, FAILED_LOST, data[0] << 8 | data[1] if n >= 2 else 0)
        elif opcode != WS_OP_PONG:
            self._fail(c, FAILED_FRAME, 0)

    # ---- writing

    cdef uint32_t _owe(self, client *c, uint32_t count, int64_t began) noexcept nogil:
        """Take up to `count` more messages on, as far as the ring and the budget allow. Nothing is written yet."""
        cdef int64_t *ring = self.stamps + <size_t>c.slot * self.depth
        cdef uint32_t i
        count = min(count, self.depth - c.in_flight)
        if count > self.budget:
            count = <uint32_t>self.budget
        for i in range(count):
            ring[(c.oldest + c.in_flight + i) % self.depth] = began
        c.in_flight += count
        self.in_flight += count
        self.sent += count
        if self.budget != <uint64_t>-1:
            self.budget -= count
        c.owed += count * <uint64_t>self.frame_size
        return count

    cdef void _flush(self, client *c) noexcept nogil:
        cdef ssize_t n
        cdef size_t take
        while True:
            if c.urgent_size and c.phase == 0:
                n = send(c.fd, c.urgent + c.urgent_done, c.urgent_size - c.urgent_done, MSG_NOSIGNAL)
                if n >= 0:
                    c.urgent_done += <uint32_t>n
                    if c.urgent_done == c.urgent_size:
                        free(c.urgent)
                        c.urgent = NULL
                        c.urgent_size = c.urgent_done = 0
                    continue
            elif c.owed:
                take = <size_t>min(c.owed, <uint64_t>(self.blob_size - c.phase))
                if c.urgent_size:
                    take = min(take, self.frame_size - c.phase)
                n = send(c.fd, self.blob + c.phase, take, MSG_NOSIGNAL)
                if n >= 0:
                    c.phase = <uint32_t>((c.phase + <size_t>n) % self.frame_size)
                    c.owed -= <uint64_t>n
                    continue
            else:
                if c.out_armed:
                    c.out_armed = 0
                    self._watch(c.fd, EPOLL_CTL_MOD, EPOLLIN, c.slot)
                return
            if errno != EAGAIN and errno != EINTR:
                self._on_end(c)
            elif not c.out_armed:
                c.out_armed = 1
                self._watch(c.fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT, c.slot)
            return

    cdef void _say(self, client *c, uint8_t opcode, const uint8_t *data, size_t n) noexcept nogil:
        """Send one small frame between two of the others. n <= CONTROL_MAX."""
        cdef uint8_t *grown
        cdef uint8_t *out
        cdef size_t i
        if c.urgent_size > KEPT_BYTES:
            return  # a peer that asks and does not read
        grown = <uint8_t *>realloc(c.urgent, c.urgent_size + 6 + n)
        if grown == NULL:
            self._fail(c, FAILED_MEMORY, 0)
            return
        c.urgent = grown
        out = grown + c.urgent_size
        out[0] = 0x80 | opcode
        out[1] = <uint8_t>(0x80 | n)
        memcpy(out + 2, self.mask, 4)
        for i in range(n):
            out[6 + i] = data[i] ^ self.mask[i & 3]
        c.urgent_size += <uint32_t>(6 + n)
        self._flush(c)

    # ---- pacing

    cdef void _send_due(self, int64_t now) noexcept nogil:
        """Send what is due at the given rate, each from the next client that may. Its time counts from when it was due,
        so that a server that stands still cannot hide it."""
        cdef uint32_t tries
        cdef int turn
        cdef client *c
        for turn in range(DUE_BATCH):
            if self.due_ns > <double>now or self.budget == 0:
                return
            tries = 0
            while True:
                c = &self.clients[self.due_cursor]
                self.due_cursor = (self.due_cursor + 1) % self.capacity
                if c.state == STATE_OPEN and c.in_flight < self.depth:
                    break
                tries += 1
                if tries == self.capacity:
                    return
            self._owe(c, 1, <int64_t>self.due_ns)
            self.due_ns += self.gap_ns
            self._flush(c)

    cdef void _arm_timer(self, int64_t now) noexcept nogil:
        cdef itimerspec when
        if self.due_ns <= <double>now:
            return  # behind: answers wake us
        memset(&when, 0, sizeof(when))
        when.it_value.tv_sec = <int64_t>self.due_ns // 1000000000
        when.it_value.tv_nsec = <long>(<int64_t>self.due_ns % 1000000000)
        timerfd_settime(self.timer_fd, 1, &when, NULL)  # 1: TFD_TIMER_ABSTIME

    cdef void _drain_timer(self) noexcept nogil:
        cdef uint64_t expirations
        read(self.timer_fd, &expirations, sizeof(expirations))

    cdef void _turn(self, int64_t now) noexcept nogil:
        """Close clients in the order of their slots, as long as no more than `at_once` are missing."""
        cdef int looked
        cdef client *c
        cdef uint8_t code[2]
        code[0] = 0x03  # 1000
        code[1] = 0xE8
        if self.turn_per_s > 0.0:
            self.turn_credit = min(self.turn_credit + self.turn_per_s * <double>(now - self.turn_clock_ns) / 1e9,
                                   <double>self.at_once)
        self.turn_clock_ns = now
        for looked in range(EVENTS):
            if self.failed or self.closing >= self.at_once or self.open_count + self.at_once <= self.target:
                return
            if self.turn_per_s > 0.0 and self.turn_credit < 1.0:
                return
            c = &self.clients[self.turn_cursor]
            self.turn_cursor = (self.turn_cursor + 1) % self.capacity
            if c.state == STATE_OPEN and c.in_flight == 0 and c.messages >= self.turn_messages:
                self.turn_credit -= 1.0
                c.state = STATE_CLOSING
                c.began_ns = now
                self.open_count -= 1
                self.closing += 1
                self._say(c, WS_OP_CLOSE, code, 2)

    # ---- endings

    cdef void _sweep(self, int64_t now) noexcept nogil:
        cdef uint32_t i
        cdef client *c
        self.sweep_ns = now + SWEEP_NS
        if self.busy + self.closing == 0:
            return
        for i in range(self.capacity):
            c = &self.clients[i]
            if c.state in (STATE_FREE, STATE_OPEN) or now - c.began_ns < self.deadline_ns:
                continue
            if c.state == STATE_CLOSING:
                self._release(c)
            else:
                self._fail(c, FAILED_SLOW if c.state == STATE_UPGRADING else FAILED_CONNECT, ETIMEDOUT)

    cdef void _note(self, int kind, int detail) noexcept nogil:
        if self.failure_kind == FAILED_NOT:
            self.failure_kind = kind
            self.failure_detail = detail

    cdef void _fail(self, client *c, int kind, int detail) noexcept nogil:
        if c.state != STATE_CLOSING:
            self._note(kind, detail)
            if c.state == STATE_OPEN:
                self.lost += 1
                if self.target:
                    self.target -= 1
            else:
                self.failed += 1
        self._release(c)

    cdef void _release(self, client *c) noexcept nogil:
        if c.state == STATE_OPEN:
            self.open_count -= 1
        elif c.state == STATE_CLOSING:
            self.closing -= 1
            self.closed += 1
        else:
            self.busy -= 1
        self.in_flight -= c.in_flight
        close(c.fd)
        free(c.kept)
        free(c.urgent)
        self._clear(c)
        self.free_slots[self.free_count] = c.slot
        self.free_count += 1

    cdef void _close_all(self) noexcept nogil:
        cdef uint32_t i
        # With a reset: thousands of places in TIME_WAIT, and ports taken out of it again, would disturb the next run.
        cdef linger abort
        abort.l_onoff = 1
        abort.l_linger = 0
        self.target = 0
        self.echoing = self.turning = False
        for i in range(self.capacity):
            if self.clients[i].state != STATE_FREE:
                setsockopt(self.clients[i].fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort))
                self._release(&self.clients[i])
