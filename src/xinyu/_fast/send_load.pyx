"""The load generator of `xinyu bench send`: messages through talks, each accounted for, without the GIL.

How it works. The caller opens the WebSockets and hands their descriptors over, the members of a talk in a row. Each
sender has one masked frame; of it only the message's number changes, in the `ackid` and in the `msg_id`, so a send is a
copy, sixteen digits and a system call. An id is the run's 8 hexadecimal digits, 8 of the sender's connection and 8 of the
number: from any answer or push it leads in one step to the sender and to the place of the message in his ring of
`in_flight` places. A place holds when it was sent (or due), whether it was acknowledged, and a bit for each member whom
it has reached; it is free again when the message is done: acknowledged, and at every member.

What is checked of each push: that its receiver is a member, that he had not had it, and that its sequence is above all
that he had before. What a place still lacks at the end is lost.

Events are recognised by the bytes of the few fields that matter; JSON is not parsed. This relies on what the protocol
says (one envelope, "event" first in it) and on texts of ours that hold no quotes.

Invariants:
- A message's place is its number modulo `in_flight`, and its number is kept there until the place is used again. A push
  of an older number is a double, told by its sequence, or belongs to a message that was refused without being undone.
- A sender with unwritten bytes starts no new messages, so a connection's `pending` is bounded by its ring.
- A connection is closed inside the handling of its event or by `close`, and its place is not used again.
- Senders who may send go on the list `due` and are served after each turn of events: answers that came together are
  answered by one write.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from xinyu._fast.connection cimport WS_OP_CLOSE, WS_OP_PING, WS_OP_PONG, WS_OP_TEXT, ws_header
from xinyu._fast.histogram cimport Histogram, histogram, histogram_record
from xinyu._fast.linux cimport *

cimport cython

import os

cdef extern from * nogil:
    """
    /* Where `what` ends in the n bytes at `where`, looked for from `from` on; -1: nowhere. */
    static inline Py_ssize_t after_bytes(const uint8_t *where, size_t n, size_t from, const char *what, size_t m) {
        const uint8_t *found = from < n ? (const uint8_t *)memmem(where + from, n - from, what, m) : NULL;
        return found == NULL ? -1 : (Py_ssize_t)(found - where + m);
    }
    /* Eight hexadecimal digits, in lower case, into out[0..8), each XORed with the mask that is due at `at`. */
    static inline void put_digits(uint8_t *out, uint32_t value, const uint8_t *mask, size_t at) {
        for (int i = 0; i < 8; i++)
            out[i] = (uint8_t)"0123456789abcdef"[(value >> (28 - 4 * i)) & 15] ^ mask[(at + i) & 3];
    }
    static inline int read_digits(const uint8_t *data, uint32_t *value) {
        *value = 0;
        for (int i = 0; i < 8; i++) {
            uint8_t digit = data[i];
            if (digit >= '0' && digit <= '9')
                *value = *value << 4 | (uint32_t)(digit - '0');
            else if (digit >= 'a' && digit <= 'f')
                *value = *value << 4 | (uint32_t)(digit - 'a' + 10);
            else
                return 0;
        }
        return 1;
    }
    """
    Py_ssize_t after_bytes(const uint8_t *where, size_t n, size_t start, const char *what, size_t m)
    void put_digits(uint8_t *out, uint32_t value, const uint8_t *mask, size_t at)
    int read_digits(const uint8_t *data, uint32_t *value)

cdef enum:
    MAX_CONNECTIONS = 1048576
    MAX_IN_FLIGHT = 65536  # a sender
    MAX_TEXT = 65536  # bytes
    MAX_FRAME = 66560  # MAX_TEXT and what is around it
    MAX_EVENT = 1048576  # bytes of an event from the server: more than any answer to a send
    MAX_PENDING_PONGS = 16384  # bytes: of a peer that asks and does not read
    RECEIVE_BYTES = 262144
    OUT_BYTES = 65536  # frames of one sender that go out by one call
    CONTROL_MAX = 125
    EVENTS = 256
    DUE_BATCH = 1024  # messages sent because they are due, between two looks at events
    WAIT_NS = 50000000  # the longest wait for events in a row
    MAX_PAUSE_MS = 60000
    RUN_DIGITS = 8
    ID_DIGITS = 24
    REASONS = 16
    REASON_BYTES = 32
    LOST_ERRNO = 65536  # a loss's detail: a close code below this, errno above

cdef uint64_t TIMER = <uint64_t>1 << 32  # what epoll hands back for the timer; connections are below
# Members of a talk: 64 a word of a place's bits.
cdef uint32_t WORD_BITS = 64

cdef struct message:
    int64_t began_ns
    uint32_t number
    uint32_t arrived
    uint8_t is_under_way
    uint8_t is_acknowledged

cdef struct talk:
    uint32_t first  # connection
    uint32_t members
    uint32_t words  # of bits a message

cdef struct connection:
    uint32_t index
    int fd  # -1: lost
    uint32_t talk
    uint8_t is_ready
    uint8_t out_armed
    uint8_t is_due  # on the list
    uint64_t last_sequence  # the highest that came here
    uint8_t *kept  # the beginning of a frame
    uint32_t kept_size
    uint8_t *pending  # not written
    uint32_t pending_size
    uint32_t pending_done
    # of a sender
    uint8_t *frame  # NULL: does not send
    uint32_t frame_size
    uint32_t header_size
    uint32_t ackid_at  # of the number's digits, in the payload
    uint32_t msg_id_at
    uint32_t next_number
    message *messages
    uint64_t *bits
    int64_t paused_until_ns  # 0: not paused

cdef struct refusal:
    char reason[REASON_BYTES]
    uint64_t count


cdef int64_t clock_ns() noexcept nogil:
    cdef timespec ts
    clock_gettime(CLOCK_MONOTONIC, &ts)
    return <int64_t>ts.tv_sec * 1000000000 + ts.tv_nsec


cdef uint64_t read_number(const uint8_t *data, size_t n, Py_ssize_t at) noexcept nogil:
    """Decimal digits from `at` on; 0 for none."""
    cdef uint64_t value = 0
    if at < 0:
        return 0
    while <size_t>at < n and 48 <= data[at] <= 57 and value < <uint64_t>1 << 56:
        value = value * 10 + (data[at] - 48)
        at += 1
    return value


@cython.final
@cython.nonecheck(False)  # self is never None, and in a debug build the check would ask for the GIL
cdef class SendLoad:
    """Connections in talks, and the account of their messages. See send_load.pyi."""

    cdef connection *connections
    cdef talk *talks
    cdef uint32_t *due
    cdef uint8_t *buffer
    cdef uint8_t *out
    cdef uint32_t capacity
    cdef uint32_t count
    cdef uint32_t talk_count
    cdef uint32_t due_count
    cdef uint32_t depth
    cdef bytes run
    cdef const char *run_text
    cdef bytes text
    cdef uint8_t mask[4]
    cdef Histogram _acknowledged
    cdef Histogram _arrived
    cdef histogram *acknowledged_values
    cdef histogram *arrived_values
    cdef int poll_fd
    cdef int timer_fd
    # counts
    cdef uint32_t open_count
    cdef uint32_t ready_count
    cdef uint64_t lost
    cdef uint64_t sent
    cdef uint64_t acknowledged
    cdef uint64_t refused
    cdef uint64_t received
    cdef uint64_t in_flight
    cdef uint64_t arrived
    cdef uint64_t doubled
    cdef uint64_t reordered
    cdef uint64_t misdelivered
    cdef uint64_t sync_required
    cdef uint64_t unexpected
    cdef uint64_t pings
    cdef refusal reasons[REASONS + 1]
    cdef int lost_detail
    # pacing
    cdef bint sending
    cdef uint64_t budget  # messages that may still be sent
    cdef double gap_ns  # between two messages at a given rate; 0: as they are done
    cdef double due_ns
    cdef uint32_t due_cursor
    cdef uint32_t paused
    cdef int64_t wake_ns  # when the first of the paused may go on

    def __cinit__(
        self,
        Histogram acknowledged not None,
        Histogram arrived not None,
        *,
        Py_ssize_t connections,
        bytes run not None,
        bytes text not None,
        Py_ssize_t in_flight=1,
        bytes mask not None=b"\x00\x00\x00\x00",
    ):
        self.poll_fd = self.timer_fd = -1
        if not 1 <= connections <= MAX_CONNECTIONS:
            raise ValueError(f"connections must lie between 1 and {MAX_CONNECTIONS}")
        if not 1 <= in_flight <= MAX_IN_FLIGHT:
            raise ValueError(f"in_flight must lie between 1 and {MAX_IN_FLIGHT}")
        if len(run) != RUN_DIGITS or any(each not in b"0123456789abcdef" for each in run):
            raise ValueError(f"a run is {RUN_DIGITS} hexadecimal digits")
        if len(text) > MAX_TEXT or any(not 32 <= each <= 126 or each in b'"\\' for each in text):
            raise ValueError(f"a text is at most {MAX_TEXT} printable characters of ASCII, no quotes, no backslashes")
        if len(mask) != 4:
            raise ValueError("a mask has 4 bytes")
        self.capacity = connections
        self.depth = in_flight
        self.run = run
        self.run_text = PyBytes_AS_STRING(run)
        self.text = text
        memcpy(self.mask, PyBytes_AS_STRING(mask), 4)
        self._acknowledged = acknowledged
        self._arrived = arrived
        self.acknowledged_values = acknowledged.values
        self.arrived_values = arrived.values
        self.connections = <connection *>calloc(connections, sizeof(connection))
        self.talks = <talk *>calloc(connections, sizeof(talk))
        self.due = <uint32_t *>malloc(connections * sizeof(uint32_t))
        self.buffer = <uint8_t *>malloc(MAX_EVENT + RECEIVE_BYTES)
        self.out = <uint8_t *>malloc(OUT_BYTES + MAX_FRAME)
        if (self.connections == NULL or self.talks == NULL or self.due == NULL or self.buffer == NULL
                or self.out == NULL):
            raise MemoryError
        self.poll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self.poll_fd < 0 or self.timer_fd < 0 or not self._watch(self.timer_fd, EPOLL_CTL_ADD, EPOLLIN, TIMER):
            raise OSError(errno, os.strerror(errno))

    def __dealloc__(self):
        cdef uint32_t i
        if self.connections != NULL:
            self._close_all()
            for i in range(self.count):
                free(self.connections[i].frame)
                free(self.connections[i].messages)
                free(self.connections[i].bits)
        if self.poll_fd >= 0:
            close(self.poll_fd)
        if self.timer_fd >= 0:
            close(self.timer_fd)
        free(self.connections)
        free(self.talks)
        free(self.due)
        free(self.buffer)
        free(self.out)

    # ---- what Python asks for

    def add_talk(self, int talk_mode, members, Py_ssize_t senders):
        cdef talk *t
        cdef connection *c
        cdef uint32_t i
        cdef bytes received
        members = [(int(fd), bytes(received), int(to_from_id)) for fd, received, to_from_id in members]
        if not 1 <= senders <= len(members):
            raise ValueError("a talk has at least one sender, and no more than it has members")
        if self.count + len(members) > self.capacity:
            raise ValueError("there are no more places")
        if any(len(received) > RECEIVE_BYTES for _, received, _ in members):
            raise ValueError("too much was received already")
        t = &self.talks[self.talk_count]
        t.first = self.count
        t.members = <uint32_t>len(members)
        t.words = (t.members + WORD_BITS - 1) // WORD_BITS
        # The whole talk is put together before a descriptor is taken over.
        for i, (fd, received, to_from_id) in enumerate(members):
            c = &self.connections[self.count]
            c.index = self.count
            c.fd = -1
            c.talk = self.talk_count
            self.count += 1
            if i < <uint32_t>senders:
                self._make_sender(c, t.words, talk_mode, to_from_id)
        self.talk_count += 1
        for i, (fd, received, _) in enumerate(members):
            c = &self.connections[t.first + i]
            if not self._watch(fd, EPOLL_CTL_ADD, EPOLLIN, t.first + i):
                raise OSError(errno, os.strerror(errno))
            c.fd = fd
            self.open_count += 1
            if received:
                memcpy(self.buffer, PyBytes_AS_STRING(received), len(received))
                self._read_frames(c, self.buffer, len(received), clock_ns())

    cdef int _make_sender(self, connection *c, uint32_t words, int talk_mode, object to_from_id) except -1:
        cdef bytes id = self.run + b"%08x%08x" % (c.index, 0)
        cdef bytes payload = (
            b'{"event":"im.message.send","ackid":"%b","payload":{"msg_id":"%b","talk_mode":%d,"to_from_id":%d,'
            b'"type":"text","body":{"content":"%b"}}}' % (id, id, talk_mode, to_from_id, self.text)
        )
        cdef size_t n = PyBytes_GET_SIZE(payload), i
        cdef const uint8_t *data = <const uint8_t *>PyBytes_AS_STRING(payload)
        c.frame = <uint8_t *>malloc(14 + n)
        c.messages = <message *>calloc(self.depth, sizeof(message))
        c.bits = <uint64_t *>calloc(<size_t>self.depth * words, sizeof(uint64_t))
        if c.frame == NULL or c.messages == NULL or c.bits == NULL:
            raise MemoryError
        c.header_size = <uint32_t>ws_header(c.frame, 0x80 | WS_OP_TEXT, n)
        c.frame[1] |= 0x80
        memcpy(c.frame + c.header_size, self.mask, 4)
        c.header_size += 4
        for i in range(n):
            c.frame[c.header_size + i] = data[i] ^ self.mask[i & 3]
        c.frame_size = c.header_size + <uint32_t>n
        c.ackid_at = <uint32_t>(payload.index(id) + ID_DIGITS - 8)
        c.msg_id_at = <uint32_t>(payload.index(id, payload.index(id) + 1) + ID_DIGITS - 8)
        return 0

    def start(self, double per_s=0.0, uint64_t limit=0):
        cdef uint32_t i
        if not 0 <= per_s < 1e9:
            raise ValueError("a rate is not negative and below 1e9")
        self.sending = True
        self.budget = limit if limit else <uint64_t>-1
        self.gap_ns = 1e9 / per_s if per_s else 0.0
        self.due_ns = <double>clock_ns()
        for i in range(self.count):
            self._make_due(i)

    def stop(self):
        self.sending = False

    def step(self, double seconds, uint64_t received=0):
        if not 0 <= seconds <= 60:
            raise ValueError("a step takes at most 60 s")
        with nogil:
            self._run(clock_ns() + <int64_t>(seconds * 1e9), received)
        PyErr_CheckSignals()

    def close(self):
        self._close_all()

    def stats(self):
        return {
            "open": self.open_count,
            "ready": self.ready_count,
            "lost": self.lost,
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "received": self.received,
            "in_flight": self.in_flight,
            "arrived": self.arrived,
            "doubled": self.doubled,
            "reordered": self.reordered,
            "misdelivered": self.misdelivered,
            "sync_required": self.sync_required,
            "unexpected": self.unexpected,
            "pings": self.pings,
            "paused": self.paused,
        }

    def missing(self):
        cdef uint64_t messages = 0, arrivals = 0, unanswered = 0
        cdef uint32_t i, j
        cdef message *m
        for i in range(self.count):
            if self.connections[i].frame == NULL:
                continue
            for j in range(self.depth):
                m = &self.connections[i].messages[j]
                if not m.is_under_way:
                    continue
                if m.is_acknowledged:
                    messages += 1
                    arrivals += self.talks[self.connections[i].talk].members - m.arrived
                else:
                    unanswered += 1
        return (messages, arrivals, unanswered)

    def refusals(self):
        cdef int i
        return {
            self.reasons[i].reason.decode("ascii", "replace"): self.reasons[i].count
            for i in range(REASONS + 1) if self.reasons[i].count
        }

    def failure(self):
        if not self.lost:
            return None
        if self.lost_detail >= LOST_ERRNO:
            return os.strerror(self.lost_detail - LOST_ERRNO)
        if self.lost_detail < 0:
            return "the server sent a frame that the protocol forbids, or that is too long"
        return "the server closed the connection" + (f" with code {self.lost_detail}" if self.lost_detail else "")

    # ---- the loop

    cdef void _run(self, int64_t until_ns, uint64_t received) noexcept nogil:
        cdef epoll_event events[EVENTS]
        cdef int64_t now, wait
        cdef uint32_t index
        cdef int n, i
        while True:
            now = clock_ns()
            if now >= until_ns or (received and self.received >= received):
                return
            if self.paused and now >= self.wake_ns:
                self._wake(now)
            self._send_to_all_due(now)
            wait = min(until_ns - now, <int64_t>WAIT_NS)
            if self.paused:
                wait = min(wait, max(self.wake_ns - now, <int64_t>0))
            if self.sending and self.gap_ns > 0.0:
                self._send_by_rate(now)
                self._arm_timer(now)
            n = epoll_wait(self.poll_fd, events, EVENTS, <int>((wait + 999999) // 1000000))
            if n < 0:
                return  # EINTR: the caller looks at signals
            for i in range(n):
                if events[i].data.u64 == TIMER:
                    self._drain_timer()
                    continue
                index = <uint32_t>events[i].data.u64
                if events[i].events & EPOLLOUT:
                    self._flush(index)
                if events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP):
                    self._read(&self.connections[index])

    cdef bint _watch(self, int fd, int operation, uint32_t mask, uint64_t key) noexcept nogil:
        cdef epoll_event event
        event.events = mask
        event.data.u64 = key
        return epoll_ctl(self.poll_fd, operation, fd, &event) == 0

    # ---- reading

    cdef void _read(self, connection *c) noexcept nogil:
        cdef size_t n = c.kept_size
        cdef ssize_t got
        if c.fd < 0:
            return
        if n:
            memcpy(self.buffer, c.kept, n)
        got = recv(c.fd, self.buffer + n, RECEIVE_BYTES, MSG_DONTWAIT)
        if got <= 0:
            if got == 0:
                self._lose(c, 0)
            elif errno != EAGAIN and errno != EINTR:
                self._lose(c, LOST_ERRNO + errno)
            return
        if n:
            free(c.kept)
            c.kept = NULL
            c.kept_size = 0
        self._read_frames(c, self.buffer, n + <size_t>got, clock_ns())

    cdef void _read_frames(self, connection *c, const uint8_t *data, size_t n, int64_t now) noexcept nogil:
        """The frames of a server: whole messages, without a mask (RFC 6455 section 5.2)."""
        cdef size_t header, i
        cdef uint64_t length
        cdef uint8_t opcode
        while n >= 2:
            header = 2 + (8 if data[1] == 127 else 2 if data[1] == 126 else 0)
            if n < header:
                break
            length = data[1]
            if header > 2:
                length = 0
                for i in range(2, header):
                    length = length << 8 | data[i]
            opcode = data[0] & 0x0F
            # Our server does not split its messages; one that does is no server for this.
            if not data[0] & 0x80 or data[1] & 0x80 or length > MAX_EVENT - header:
                self._lose(c, -1)
                return
            if n < header + length:
                break
            if opcode == WS_OP_TEXT:
                self._on_event(c, data + header, <size_t>length, now)
            elif opcode == WS_OP_PING and length <= CONTROL_MAX:
                self.pings += 1
                self._pong(c, data + header, <size_t>length)
            elif opcode == WS_OP_CLOSE:
                self._lose(c, data[header] << 8 | data[header + 1] if length >= 2 else 0)
            elif opcode != WS_OP_PONG:
                self._lose(c, -1)
            if c.fd < 0:
                return
            data += header + length
            n -= header + <size_t>length
        if n:
            c.kept = <uint8_t *>malloc(n)
            if c.kept == NULL:
                self._lose(c, -1)
                return
            memcpy(c.kept, data, n)
            c.kept_size = <uint32_t>n

    cdef void _on_event(self, connection *c, const uint8_t *data, size_t n, int64_t now) noexcept nogil:
        cdef connection *sender
        cdef uint32_t number
        cdef const uint8_t *name = data + 10
        if n < 24 or memcmp(data, b'{"event":"', 10) != 0:
            self.unexpected += 1
        elif memcmp(name, b'im.message"', 11) == 0:
            sender = self._sender_of(data, n, b'"msg_id":"', 10, &number)
            if sender == NULL:
                self.unexpected += 1
            else:
                self._on_push(c, sender, number, self._sequence(data, n), now)
        elif memcmp(name, b'ack"', 4) == 0:
            sender = self._sender_of(data, n, b'"ackid":"', 9, &number)
            if sender != c:
                self.unexpected += 1
            else:
                self._on_answer(c, number, self._sequence(data, n), NULL, 0, now)
        elif memcmp(name, b'event_error"', 12) == 0:
            sender = self._sender_of(data, n, b'"ackid":"', 9, &number)
            if sender != c:
                self.unexpected += 1
            else:
                self._on_answer(c, number, 0, data, n, now)
        elif memcmp(name, b'session.ready"', 14) == 0:
            self.ready_count += not c.is_ready
            c.is_ready = 1
        elif memcmp(name, b'sync.required"', 14) == 0:
            self.sync_required += 1
        else:
            self.unexpected += 1

    cdef uint64_t _sequence(self, const uint8_t *data, size_t n) noexcept nogil:
        return read_number(data, n, after_bytes(data, n, 10, b'"sequence":', 11))

    cdef connection *_sender_of(
        self, const uint8_t *data, size_t n, const char *field, size_t size, uint32_t *number
    ) noexcept nogil:
        """Who sent the message whose id stands in that field; NULL: it is none of ours."""
        cdef Py_ssize_t at = after_bytes(data, n, 10, field, size)
        cdef uint32_t index
        if at < 0 or n - <size_t>at < ID_DIGITS or memcmp(data + at, self.run_text, RUN_DIGITS) != 0:
            return NULL
        if not read_digits(data + at + RUN_DIGITS, &index) or not read_digits(data + at + RUN_DIGITS + 8, number):
            return NULL
        if index >= self.count or self.connections[index].frame == NULL:
            return NULL
        return &self.connections[index]

    cdef void _on_push(
        self, connection *c, connection *sender, uint32_t number, uint64_t sequence, int64_t now
    ) noexcept nogil:
        cdef message *m = &sender.messages[number % self.depth]
        cdef talk *t = &self.talks[sender.talk]
        cdef uint32_t member
        cdef uint64_t *word
        cdef uint64_t bit
        if c.talk != sender.talk:
            self.misdelivered += 1
            return
        if not m.is_under_way or m.number != number:
            if sequence <= c.last_sequence:
                self.doubled += 1
            else:  # of a message that was refused, but stored all the same
                self.unexpected += 1
                c.last_sequence = sequence
            return
        member = c.index - t.first
        word = &sender.bits[<size_t>(number % self.depth) * t.words + member // WORD_BITS]
        bit = <uint64_t>1 << (member % WORD_BITS)
        if word[0] & bit:
            self.doubled += 1
            return
        word[0] |= bit
        m.arrived += 1
        self.arrived += 1
        if sequence <= c.last_sequence:
            self.reordered += 1
        else:
            c.last_sequence = sequence
        if c != sender:
            histogram_record(self.arrived_values, <uint64_t>max(now - m.began_ns, <int64_t>0), 1)
        if m.is_acknowledged and m.arrived == t.members:
            self.received += 1
            self._end(sender, m)

    cdef void _on_answer(
        self, connection *c, uint32_t number, uint64_t sequence, const uint8_t *error, size_t n, int64_t now
    ) noexcept nogil:
        """An acknowledgement with its sequence, or the event that refuses."""
        cdef message *m = &c.messages[number % self.depth]
        cdef uint64_t pause_ms
        if not m.is_under_way or m.number != number or m.is_acknowledged:
            self.unexpected += 1
            return
        if sequence:
            self.acknowledged += 1
            m.is_acknowledged = 1
            histogram_record(self.acknowledged_values, <uint64_t>max(now - m.began_ns, <int64_t>0), 1)
            if m.arrived == self.talks[c.talk].members:
                self.received += 1
                self._end(c, m)
            return
        self.refused += 1
        if error == NULL:
            self._count_refusal(b"not_stored", 10)
        else:
            self._count_reason(error, n)
            pause_ms = read_number(error, n, after_bytes(error, n, 0, b'"retry_after_ms":', 17))
            if pause_ms:
                if c.paused_until_ns == 0:
                    self.paused += 1
                c.paused_until_ns = now + <int64_t>min(pause_ms, <uint64_t>MAX_PAUSE_MS) * 1000000
                self.wake_ns = c.paused_until_ns if self.paused == 1 else min(self.wake_ns, c.paused_until_ns)
        self._end(c, m)

    cdef void _end(self, connection *sender, message *m) noexcept nogil:
        m.is_under_way = 0
        self.in_flight -= 1
        self._make_due(sender.index)

    cdef void _count_reason(self, const uint8_t *data, size_t n) noexcept nogil:
        cdef Py_ssize_t at = after_bytes(data, n, 0, b'"reason":"', 10)
        cdef size_t size = 0
        if at < 0:
            self._count_refusal(b"other", 5)
            return
        while <size_t>at + size < n and size < <size_t>(REASON_BYTES - 1) and data[<size_t>at + size] != 34:
            size += 1
        self._count_refusal(<const char *>data + at, size)

    cdef void _count_refusal(self, const char *reason, size_t size) noexcept nogil:
        cdef refusal *r
        cdef int i
        for i in range(REASONS):
            r = &self.reasons[i]
            if r.count == 0:
                memcpy(r.reason, reason, size)
                r.reason[size] = 0
            if memcmp(r.reason, reason, size) == 0 and r.reason[size] == 0:
                r.count += 1
                return
        memcpy(self.reasons[REASONS].reason, b"other", 6)
        self.reasons[REASONS].count += 1

    # ---- sending

    cdef void _make_due(self, uint32_t index) noexcept nogil:
        cdef connection *c = &self.connections[index]
        if c.frame == NULL or c.is_due or c.fd < 0 or self.gap_ns > 0.0 or not self.sending:
            return
        c.is_due = 1
        self.due[self.due_count] = index
        self.due_count += 1

    cdef void _send_to_all_due(self, int64_t now) noexcept nogil:
        cdef uint32_t i
        cdef connection *c
        for i in range(self.due_count):
            c = &self.connections[self.due[i]]
            c.is_due = 0
            if self.sending:
                self._fill(c, now)
        self.due_count = 0

    cdef bint _may_send(self, connection *c) noexcept nogil:
        return (c.frame != NULL and c.fd >= 0 and c.pending_size == 0 and c.paused_until_ns == 0
                and not c.messages[c.next_number % self.depth].is_under_way)

    cdef void _fill(self, connection *c, int64_t now) noexcept nogil:
        """Send as many as are free in the ring and in the budget."""
        cdef size_t n = 0
        while self.budget and self._may_send(c):
            n += self._put(c, self.out + n, now)
            if n >= OUT_BYTES:
                self._write(c, self.out, n)
                n = 0
        if n:
            self._write(c, self.out, n)

    cdef size_t _put(self, connection *c, uint8_t *out, int64_t began_ns) noexcept nogil:
        """The next message's frame; its account begins."""
        cdef uint32_t place = c.next_number % self.depth
        cdef uint32_t words = self.talks[c.talk].words
        cdef message *m = &c.messages[place]
        memset(&c.bits[<size_t>place * words], 0, words * sizeof(uint64_t))
        m.began_ns = began_ns
        m.number = c.next_number
        m.arrived = 0
        m.is_under_way = 1
        m.is_acknowledged = 0
        memcpy(out, c.frame, c.frame_size)
        put_digits(out + c.header_size + c.ackid_at, c.next_number, self.mask, c.ackid_at)
        put_digits(out + c.header_size + c.msg_id_at, c.next_number, self.mask, c.msg_id_at)
        c.next_number += 1
        self.sent += 1
        self.in_flight += 1
        if self.budget != <uint64_t>-1:
            self.budget -= 1
        return c.frame_size

    cdef void _pong(self, connection *c, const uint8_t *data, size_t n) noexcept nogil:
        cdef uint8_t frame[6 + CONTROL_MAX]
        cdef size_t i
        if c.pending_size - c.pending_done > MAX_PENDING_PONGS and c.frame == NULL:
            return
        frame[0] = 0x80 | WS_OP_PONG
        frame[1] = <uint8_t>(0x80 | n)
        memcpy(frame + 2, self.mask, 4)
        for i in range(n):
            frame[6 + i] = data[i] ^ self.mask[i & 3]
        self._write(c, frame, 6 + n)

    cdef void _write(self, connection *c, const uint8_t *data, size_t n) noexcept nogil:
        """Write it, behind what is pending; keep what the socket does not take."""
        cdef ssize_t done = 0
        cdef uint8_t *grown
        if c.pending_size == 0:
            done = send(c.fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT)
            if done == <ssize_t>n:
                return
            if done < 0:
                if errno != EAGAIN and errno != EINTR:
                    self._lose(c, LOST_ERRNO + errno)
                    return
                done = 0
        grown = <uint8_t *>realloc(c.pending, c.pending_size + n - <size_t>done)
        if grown == NULL:
            self._lose(c, -1)
            return
        memcpy(grown + c.pending_size, data + done, n - <size_t>done)
        c.pending = grown
        c.pending_size += <uint32_t>(n - <size_t>done)
        if not c.out_armed:
            c.out_armed = 1
            self._watch(c.fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT, c.index)

    cdef void _flush(self, uint32_t index) noexcept nogil:
        cdef connection *c = &self.connections[index]
        cdef ssize_t done
        if c.fd < 0:
            return
        while c.pending_done < c.pending_size:
            done = send(c.fd, c.pending + c.pending_done, c.pending_size - c.pending_done, MSG_NOSIGNAL | MSG_DONTWAIT)
            if done < 0:
                if errno != EAGAIN and errno != EINTR:
                    self._lose(c, LOST_ERRNO + errno)
                return
            c.pending_done += <uint32_t>done
        free(c.pending)
        c.pending = NULL
        c.pending_size = c.pending_done = 0
        c.out_armed = 0
        self._watch(c.fd, EPOLL_CTL_MOD, EPOLLIN, index)
        self._make_due(index)

    # ---- pacing

    cdef void _send_by_rate(self, int64_t now) noexcept nogil:
        """Send what is due at the given rate, each from the next sender who may. Its time counts from when it was due,
        so that a server that stands still cannot hide it."""
        cdef uint32_t tries
        cdef int turn
        cdef connection *c
        for turn in range(DUE_BATCH):
            if self.due_ns > <double>now or self.budget == 0:
                return
            tries = 0
            while True:
                c = &self.connections[self.due_cursor]
                self.due_cursor = (self.due_cursor + 1) % self.count
                if self._may_send(c):
                    break
                tries += 1
                if tries == self.count:
                    return
            self._write(c, self.out, self._put(c, self.out, <int64_t>self.due_ns))
            self.due_ns += self.gap_ns

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

    cdef void _wake(self, int64_t now) noexcept nogil:
        """Those who were told to wait, and have."""
        cdef int64_t next_ns = 0
        cdef uint32_t i
        cdef connection *c
        for i in range(self.count):
            c = &self.connections[i]
            if c.paused_until_ns == 0:
                continue
            if c.paused_until_ns <= now:
                c.paused_until_ns = 0
                self.paused -= 1
                self._make_due(i)
            elif next_ns == 0 or c.paused_until_ns < next_ns:
                next_ns = c.paused_until_ns
        self.wake_ns = next_ns

    # ---- endings

    cdef void _lose(self, connection *c, int detail) noexcept nogil:
        if c.fd < 0:
            return
        if self.lost == 0:
            self.lost_detail = detail
        self.lost += 1
        self._release(c)

    cdef void _release(self, connection *c) noexcept nogil:
        close(c.fd)
        c.fd = -1
        self.open_count -= 1
        free(c.kept)
        free(c.pending)
        c.kept = c.pending = NULL
        c.kept_size = c.pending_size = c.pending_done = 0

    cdef void _close_all(self) noexcept nogil:
        cdef uint32_t i
        self.sending = False
        for i in range(self.count):
            if self.connections[i].fd >= 0:
                self._release(&self.connections[i])
