/* The table of connections: structs in chunks, a free list, and ids that cannot be mistaken.
 *
 * A connection's address never changes (chunks are not moved) and its slot is given to another one only from the
 * engine's own loop, so that a pointer held while callbacks run stays good; what may have changed meanwhile is `state`.
 * An id is generation << 24 | slot. The generation counts up each time the slot is freed; at 2**29 - 1 the slot is
 * retired, so that ids stay below 2**53 and none is ever given twice. Id 0 is nobody.
 * Chunks are kept until the table is freed: memory follows the highest number of connections, not the present one.
 */
#ifndef XINYU_CONNECTION_H
#define XINYU_CONNECTION_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "buffers.h"
#include "frames.h"
#include "wheel.h"

#define ID_SLOT_BITS 24
#define ID_GENERATION_MAX ((UINT32_C(1) << 29) - 1)

enum connection_state {
    STATE_FREE = 0,
    STATE_HANDSHAKE, /* the request head is coming in */
    STATE_UNDECIDED, /* on_upgrade was called; accept() or refuse() is awaited */
    STATE_OPEN,
    STATE_CLOSING, /* our close frame is queued or sent; the peer's is awaited */
    STATE_LINGER,  /* nothing is read any more: flush, end our side, wait for the peer's end */
    STATE_DEAD     /* socket and memory are gone; on_close is due, then the slot is freed */
};

enum connection_flag {
    FLAG_ACCEPTED = 1,         /* on_close is owed */
    FLAG_LOGIN = 2,            /* phase_due is the login deadline */
    FLAG_LAGGING = 4,          /* messages were dropped: sync.required is owed */
    FLAG_CLOSE_SENT = 8,
    FLAG_CLOSE_RECEIVED = 16,
    FLAG_READ_PAUSED = 32,     /* echo mode: the peer does not read, so neither do we */
    FLAG_QUEUED = 64,          /* in the engine's list of work */
    FLAG_WRITE_ENDED = 128,    /* shutdown(SHUT_WR) was done */
    FLAG_SILENT = 256,         /* exported or forgotten: no on_close */
    FLAG_HELD = 512            /* its backlog waits for flush(), not for the socket */
};

struct connection;

typedef struct membership {
    struct membership *talk_prev, *talk_next; /* the talk's list */
    struct membership *next;                  /* the connection's list */
    struct connection *connection;
    uint64_t talk_id;
} membership;

/* Bytes that a connection keeps: the request while undecided, or frames that wait for credit. */
typedef struct waiting_input {
    uint32_t length;
    uint32_t offset;    /* parsed already */
    uint32_t head, key; /* of a request that is undecided: its length, and where its Sec-WebSocket-Key stands */
    uint8_t data[];
} waiting_input;

/* What only some connections need, and only for a while, hangs on pointers that are NULL otherwise. Links to other
 * connections are slot + 1, 0: none. The first 64 bytes are what a frame to the connection touches. */
typedef struct connection {
    wheel_node timer;      /* first: so the wheel finds it */
    uint32_t phase_due;    /* tick; 0: none. Deadline of the handshake, the decision, the login or the close */
    backlog *out;          /* owned: while frames wait */
    ws_parser *parser;     /* owned: in the middle of a frame or a message */
    waiting_input *input;  /* owned */
    int32_t fd;
    uint32_t slot, generation;
    uint32_t sent;         /* tick */
    uint16_t interest;     /* what epoll watches: EPOLLIN, EPOLLOUT, EPOLLRDHUP */
    uint16_t flags;
    uint16_t close_code;
    uint8_t state, codec;

    uint32_t heard, pinged; /* ticks */
    uint32_t credit;
    uint32_t work_next;
    uint32_t user_prev, user_next;
    membership *talks;
    uint64_t user_id, session_id;
    int64_t expires_at_ms; /* Unix time; 0: never */
    uint64_t opened;       /* serial number of the opening */
} connection;

_Static_assert(sizeof(void *) != 8 || (sizeof(connection) == ARENA_ALIGNMENT && offsetof(connection, heard) == 64),
               "an idle connection costs one pair of cache lines");

typedef struct table {
    arena items;        /* connections */
    uint32_t used;      /* slots ever taken: 0..used-1 exist */
    uint32_t live;      /* not free */
    uint32_t limit;
    uint32_t free_head; /* slot + 1; linked through phase_due */
} table;

static inline uint64_t connection_id(const connection *c) {
    return (uint64_t)c->generation << ID_SLOT_BITS | c->slot;
}

static inline connection *table_at(const table *t, uint32_t slot) {
    return (connection *)t->items.chunks[slot / ARENA_CHUNK] + slot % ARENA_CHUNK;
}

static inline connection *table_linked(const table *t, uint32_t link) {
    return link ? table_at(t, link - 1) : NULL;
}

/* The connection of this id, alive or dying; NULL if the id is not a present one. */
static inline connection *table_find(const table *t, uint64_t id) {
    uint32_t slot = (uint32_t)(id & ((UINT32_C(1) << ID_SLOT_BITS) - 1));
    if (slot >= t->used)
        return NULL;
    connection *c = table_at(t, slot);
    return c->state != STATE_FREE && c->generation == id >> ID_SLOT_BITS ? c : NULL;
}

/* A cleared connection in a slot of its own; NULL: the table is full or memory is out. */
static inline connection *table_take(table *t) {
    connection *c;
    if (t->live >= t->limit)
        return NULL;
    if (t->free_head) {
        c = table_at(t, t->free_head - 1);
        t->free_head = c->phase_due;
    } else {
        if (t->used == UINT32_C(1) << ID_SLOT_BITS)
            return NULL;
        t->items.item_bytes = sizeof(connection);
        if (t->used == t->items.chunk_count * ARENA_CHUNK && !arena_grow(&t->items))
            return NULL;
        c = table_at(t, t->used);
        c->slot = t->used++;
        c->generation = 1;
    }
    uint32_t slot = c->slot, generation = c->generation;
    memset(c, 0, sizeof *c);
    c->slot = slot;
    c->generation = generation;
    c->fd = -1;
    t->live++;
    return c;
}

/* Whatever the connection owned must be gone already. */
static inline void table_give(table *t, connection *c) {
    c->state = STATE_FREE;
    t->live--;
    if (c->generation == ID_GENERATION_MAX)
        return; /* retired */
    c->generation++;
    c->phase_due = t->free_head;
    t->free_head = c->slot + 1;
}

static inline void table_free(table *t) {
    arena_free(&t->items);
    memset(t, 0, sizeof *t);
}

#endif
