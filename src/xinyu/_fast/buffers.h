/* What is written to sockets: encoded frames that many backlogs share, and the backlogs.
 *
 * A frame is encoded once into a reference-counted buffer. A connection that would block queues a node that refers to
 * it, with the offset up to which it was written: no copy. `times` lets one node stand for many equal frames.
 * A backlog exists while something waits: its owner holds a pointer, NULL when all is written.
 * Live counts are kept in every build: they cost an addition, and tests assert that they return to zero.
 */
#ifndef XINYU_BUFFERS_H
#define XINYU_BUFFERS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct shared_buffer {
    int32_t references;
    uint32_t length;
    uint8_t is_text;
    uint8_t data[];
} shared_buffer;

typedef struct backlog_node {
    struct backlog_node *next;
    shared_buffer *buffer;
    uint32_t offset; /* bytes of the first of `times` frames that are written already */
    uint32_t times;
    uint32_t queued; /* tick */
} backlog_node;

typedef struct backlog {
    backlog_node *head, *tail; /* never NULL */
    uint64_t bytes;  /* still to write */
    uint32_t frames; /* still to write, a begun one included */
} backlog;

static int64_t live_buffers __attribute__((unused)) = 0, live_nodes __attribute__((unused)) = 0;

/* One reference, the caller's. NULL: out of memory, or longer than 2**32 - 1. */
static inline shared_buffer *buffer_new(size_t length) {
    if (length > UINT32_MAX - sizeof(shared_buffer))
        return NULL;
    shared_buffer *b = malloc(sizeof(shared_buffer) + length);
    if (b == NULL)
        return NULL;
    b->references = 1;
    b->length = (uint32_t)length;
    b->is_text = 0;
    live_buffers++;
    return b;
}

static inline void buffer_release(shared_buffer *b) {
    if (--b->references == 0) {
        free(b);
        live_buffers--;
    }
}

/* Bytes that are still to be written. */
static inline uint64_t backlog_bytes(const backlog *q) {
    return q != NULL ? q->bytes : 0;
}

/* Queue `times` copies of the buffer, `offset` bytes of the first being written already. 0: out of memory. */
static inline int backlog_append(backlog **owner, shared_buffer *b, uint32_t offset, uint32_t times, uint32_t tick) {
    backlog *q = *owner != NULL ? *owner : calloc(1, sizeof *q);
    if (q == NULL)
        return 0;
    backlog_node *node = malloc(sizeof *node);
    if (node == NULL) {
        if (*owner == NULL)
            free(q);
        return 0;
    }
    *owner = q;
    b->references++;
    live_nodes++;
    node->next = NULL;
    node->buffer = b;
    node->offset = offset;
    node->times = times;
    node->queued = tick;
    if (q->tail != NULL)
        q->tail->next = node;
    else
        q->head = node;
    q->tail = node;
    q->bytes += (uint64_t)b->length * times - offset;
    q->frames += times;
    return 1;
}

static inline void backlog_pop(backlog **owner) {
    backlog *q = *owner;
    backlog_node *node = q->head;
    q->bytes -= (uint64_t)node->buffer->length * node->times - node->offset;
    q->frames -= node->times;
    q->head = node->next;
    buffer_release(node->buffer);
    free(node);
    live_nodes--;
    if (q->head == NULL) {
        free(q);
        *owner = NULL;
    }
}

/* n bytes were written from the head on. */
static inline void backlog_written(backlog **owner, size_t n) {
    while (n) {
        backlog *q = *owner;
        backlog_node *node = q->head;
        size_t rest = (size_t)node->buffer->length * node->times - node->offset;
        if (n >= rest) {
            n -= rest;
            backlog_pop(owner);
            continue;
        }
        size_t whole = (node->offset + n) / node->buffer->length;
        q->bytes -= n;
        q->frames -= (uint32_t)whole;
        node->times -= (uint32_t)whole;
        node->offset = (uint32_t)((node->offset + n) % node->buffer->length);
        n = 0;
    }
}

static inline void backlog_clear(backlog **owner) {
    while (*owner != NULL)
        backlog_pop(owner);
}

/* Forget everything that has not begun to be written: a begun frame must be completed, or the stream is broken. */
static inline void backlog_drop_unbegun(backlog **owner) {
    backlog *q = *owner;
    if (q == NULL)
        return;
    backlog_node *first = q->head;
    if (first->offset == 0) {
        backlog_clear(owner);
        return;
    }
    uint32_t surplus = first->times - 1;
    q->bytes -= (uint64_t)first->buffer->length * surplus;
    q->frames -= surplus;
    first->times = 1;
    while (first->next) {
        backlog_node *node = first->next;
        first->next = node->next;
        q->bytes -= (uint64_t)node->buffer->length * node->times - node->offset;
        q->frames -= node->times;
        buffer_release(node->buffer);
        free(node);
        live_nodes--;
    }
    q->tail = first;
}

#endif
