/* A timer wheel: deadlines of many connections at the cost of 12 bytes each.
 *
 * Time is a count of ticks. A node waits in the slot of its tick, modulo the number of slots; one that is due later
 * than a whole turn waits at the far end of the turn and is placed again when the hand comes by. So arm and cancel are
 * O(1), advancing costs O(1) a tick and a node, and a deadline days away costs one visit a turn (102 s at 100 ms).
 * Deliberately no hierarchy of wheels: every connection is visited for its heartbeat more often than once a turn.
 *
 * A node stands at the beginning of an arena's item and is named by the item's number. The nodes of a slot are a list in
 * both directions; a link is a number plus 1, and at both ends of the list WHEEL_SLOT | slot.
 *
 * Invariants: no node lies in the hand's own slot except those due now; arming for now or the past means the next
 * tick, so that a node armed while the wheel is being drained cannot keep the drain alive.
 * Not done: nodes of one tick fire in no promised order.
 */
#ifndef XINYU_WHEEL_H
#define XINYU_WHEEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"

#define WHEEL_SLOTS 1024u /* a power of two */
#define WHEEL_SLOT (UINT32_C(1) << 31) /* marks a link that leads to a slot; numbers of items stay below */
#define WHEEL_FARTHEST (UINT32_C(1) << 30) /* ticks: deadlines beyond are cut to this */

typedef struct wheel_node {
    uint32_t prev, next; /* links; 0: not armed */
    uint32_t due;        /* tick */
} wheel_node;

typedef struct wheel {
    uint32_t first[WHEEL_SLOTS]; /* links; 0: nothing waits here */
    const arena *items;
    uint32_t now;   /* the hand: the tick that is being drained or was drained last */
    uint32_t armed; /* nodes */
} wheel;

static inline void wheel_start(wheel *w, uint32_t now, const arena *items) {
    memset(w->first, 0, sizeof w->first);
    w->items = items;
    w->now = now;
    w->armed = 0;
}

static inline int wheel_is_armed(const wheel_node *node) {
    return node->next != 0;
}

static inline wheel_node *wheel_at(const wheel *w, uint32_t link) {
    return (wheel_node *)arena_at(w->items, link - 1);
}

static inline void wheel_cancel(wheel *w, wheel_node *node) {
    if (node->next == 0)
        return;
    if (node->prev & WHEEL_SLOT)
        w->first[node->prev & ~WHEEL_SLOT] = node->next & WHEEL_SLOT ? 0 : node->next;
    else
        wheel_at(w, node->prev)->next = node->next;
    if (!(node->next & WHEEL_SLOT))
        wheel_at(w, node->next)->prev = node->prev;
    node->prev = node->next = 0;
    w->armed--;
}

/* `node` is the node of item `number`. */
static inline void wheel_arm(wheel *w, wheel_node *node, uint32_t number, uint32_t due) {
    wheel_cancel(w, node);
    int32_t away = (int32_t)(due - w->now); /* right across the wrap of the counter */
    if (away < 1)
        away = 1;
    if ((uint32_t)away > WHEEL_FARTHEST)
        away = (int32_t)WHEEL_FARTHEST;
    node->due = w->now + (uint32_t)away;
    if ((uint32_t)away >= WHEEL_SLOTS)
        away = (int32_t)WHEEL_SLOTS - 1;
    uint32_t slot = (w->now + (uint32_t)away) & (WHEEL_SLOTS - 1);
    node->prev = WHEEL_SLOT | slot;
    node->next = w->first[slot];
    if (node->next)
        wheel_at(w, node->next)->prev = number + 1;
    else
        node->next = WHEEL_SLOT | slot;
    w->first[slot] = number + 1;
    w->armed++;
}

/* Move the hand towards `target` and return the next node that is due, disarmed; NULL: the hand is at target. */
static inline wheel_node *wheel_expire(wheel *w, uint32_t target) {
    for (;;) {
        const uint32_t *first = &w->first[w->now & (WHEEL_SLOTS - 1)];
        while (*first) {
            uint32_t number = *first - 1;
            wheel_node *node = (wheel_node *)arena_at(w->items, number);
            if (node->due == w->now) {
                wheel_cancel(w, node);
                return node;
            }
            wheel_arm(w, node, number, node->due); /* another turn */
        }
        if ((int32_t)(target - w->now) <= 0)
            return NULL;
        if (w->armed == 0) {
            w->now = target;
            return NULL;
        }
        w->now++;
    }
}

#endif
