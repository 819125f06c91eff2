# What the C headers of this directory offer to Cython.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from xinyu._fast.linux cimport msghdr


cdef extern from "simd.h" nogil:
    enum:
        SIMD_UNKNOWN
        SIMD_PORTABLE
        SIMD_SSE2
        SIMD_SSSE3
        SIMD_AVX2
        SIMD_NEON
    bint simd_has(int level)


cdef extern from "mask.h" nogil:
    void ws_mask(uint8_t *data, size_t n, uint8_t *mask)
    void mask_with(int level, uint8_t *data, size_t n, uint32_t key)
    uint32_t mask_turned(uint32_t key, size_t n)


cdef extern from "utf8.h" nogil:
    ctypedef struct utf8_state:
        uint8_t owed
        uint8_t non_ascii
    void utf8_start(utf8_state *s)
    int utf8_feed(utf8_state *s, const uint8_t *p, size_t n)
    int utf8_feed_with(int level, utf8_state *s, const uint8_t *p, size_t n)


cdef extern from "frames.h" nogil:
    enum:
        WS_OP_CONTINUATION
        WS_OP_TEXT
        WS_OP_BINARY
        WS_OP_CLOSE
        WS_OP_PING
        WS_OP_PONG
        WS_MORE
        WS_MESSAGE
        WS_PING
        WS_PONG
        WS_CLOSE
        WS_FAIL
        WS_HEADER
        WS_PAYLOAD
        WS_FIN
        WS_CONTROL_MAX
        WS_SERVER_HEADER_MAX
    ctypedef struct ws_limits:
        uint32_t max_message
        uint32_t max_fragments
    ctypedef struct ws_parser:
        uint64_t left
        uint8_t *message
        uint8_t *control
        uint32_t length
        uint32_t capacity
        uint32_t fragments
        utf8_state utf8
        uint8_t mask[4]
        uint8_t header[14]
        uint8_t header_length
        uint8_t control_length
        uint8_t stage
        uint8_t first
        uint8_t message_opcode
    ctypedef struct ws_event:
        uint8_t *data
        size_t length
        const char *why
        uint16_t code
        uint8_t is_text
        uint8_t is_ascii
    void ws_start(ws_parser *p)
    void ws_done(ws_parser *p)
    bint ws_is_idle(const ws_parser *p)
    void ws_free(ws_parser *p)
    int ws_keep(ws_parser *p, const uint8_t *data, size_t n)
    int ws_close_code_allowed(uint32_t code)
    size_t ws_header(uint8_t *out, uint8_t first, uint64_t length)
    int ws_next(ws_parser *p, const ws_limits *limits, uint8_t **cursor, uint8_t *end, ws_event *event)


cdef extern from "sha1.h" nogil:
    void websocket_accept_key(const char *key, char *out)


cdef extern from "upgrade.h" nogil:
    const char *UPGRADE_SWITCHING
    const size_t UPGRADE_SWITCHING_SIZE
    ctypedef struct span:
        const char *text
        size_t length
    ctypedef struct upgrade_request:
        span path
        span query
        span key
        span *names
        span *values
        int header_count
        const char *why
    int http_is_token(const char *text, size_t n)
    int http_is_field_value(const char *text, size_t n)
    int span_is(span s, const char *lower)
    size_t upgrade_head_length(const char *data, size_t n, size_t start)
    int upgrade_parse(const char *head, size_t n, upgrade_request *r)


cdef extern from "legacy_ping.h" nogil:
    int is_legacy_ping(const uint8_t *data, size_t n)


cdef extern from "arena.h" nogil:
    enum:
        ARENA_CHUNK
    ctypedef struct arena:
        uint32_t chunk_count
        uint32_t item_bytes
    void *arena_at(const arena *a, uint32_t number)
    bint arena_grow(arena *a)
    void arena_free(arena *a)


cdef extern from "wheel.h" nogil:
    ctypedef struct wheel_node:
        uint32_t due
    ctypedef struct wheel:
        uint32_t now
        uint32_t armed
    void wheel_start(wheel *w, uint32_t now, const arena *items)
    bint wheel_is_armed(const wheel_node *node)
    void wheel_cancel(wheel *w, wheel_node *node)
    void wheel_arm(wheel *w, wheel_node *node, uint32_t number, uint32_t due)
    wheel_node *wheel_expire(wheel *w, uint32_t target)


cdef extern from "sets.h" nogil:
    ctypedef struct idmap_entry:
        uint64_t key
        void *head
        uint32_t first
        uint32_t count
    ctypedef struct idmap:
        idmap_entry *places
        uint32_t size
        uint32_t used
    idmap_entry *idmap_get(const idmap *m, uint64_t key)
    idmap_entry *idmap_put(idmap *m, uint64_t key)
    void idmap_remove(idmap *m, uint64_t key)
    void idmap_free(idmap *m)


cdef extern from "buffers.h" nogil:
    ctypedef struct shared_buffer:
        int32_t references
        uint32_t length
        uint8_t is_text
        uint8_t data[]
    ctypedef struct backlog_node:
        backlog_node *next
        shared_buffer *buffer
        uint32_t offset
        uint32_t times
        uint32_t queued
    ctypedef struct backlog:
        backlog_node *head
        backlog_node *tail
        uint64_t bytes
        uint32_t frames
    int64_t live_buffers
    int64_t live_nodes
    shared_buffer *buffer_new(size_t length)
    void buffer_release(shared_buffer *b)
    uint64_t backlog_bytes(const backlog *q)
    int backlog_append(backlog **owner, shared_buffer *b, uint32_t offset, uint32_t times, uint32_t tick)
    void backlog_written(backlog **owner, size_t n)
    void backlog_clear(backlog **owner)
    void backlog_drop_unbegun(backlog **owner)


cdef extern from "socket_io.h" nogil:
    ssize_t socket_recv(int fd, void *data, size_t n)
    ssize_t socket_send(int fd, const void *data, size_t n)
    ssize_t socket_sendmsg(int fd, const msghdr *message)


cdef extern from "connection.h" nogil:
    enum:
        ID_SLOT_BITS
        STATE_FREE
        STATE_HANDSHAKE
        STATE_UNDECIDED
        STATE_OPEN
        STATE_CLOSING
        STATE_LINGER
        STATE_DEAD
        FLAG_ACCEPTED
        FLAG_LOGIN
        FLAG_LAGGING
        FLAG_CLOSE_SENT
        FLAG_CLOSE_RECEIVED
        FLAG_READ_PAUSED
        FLAG_QUEUED
        FLAG_WRITE_ENDED
        FLAG_SILENT
        FLAG_HELD
    ctypedef struct membership:
        membership *talk_prev
        membership *talk_next
        membership *next
        connection *connection
        uint64_t talk_id
    ctypedef struct waiting_input:
        uint32_t length
        uint32_t offset
        uint32_t head
        uint32_t key
        uint8_t data[]
    ctypedef struct connection:
        wheel_node timer
        uint32_t phase_due
        backlog *out
        ws_parser *parser
        waiting_input *input
        int32_t fd
        uint32_t slot
        uint32_t generation
        uint32_t sent
        uint16_t interest
        uint16_t flags
        uint16_t close_code
        uint8_t state
        uint8_t codec
        uint32_t heard
        uint32_t pinged
        uint32_t credit
        uint32_t work_next
        uint32_t user_prev
        uint32_t user_next
        membership *talks
        uint64_t user_id
        uint64_t session_id
        int64_t expires_at_ms
        uint64_t opened
    ctypedef struct table:
        arena items
        uint32_t used
        uint32_t live
        uint32_t limit
    uint64_t connection_id(const connection *c)
    connection *table_at(const table *t, uint32_t slot)
    connection *table_linked(const table *t, uint32_t link)
    connection *table_find(const table *t, uint64_t id)
    connection *table_take(table *t)
    void table_give(table *t, connection *c)
    void table_free(table *t)
