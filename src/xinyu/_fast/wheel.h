/* A timer wheel: deadlines of many connections at the cost of two pointers each.
 *
 * Time is a count of ticks. A node waits in the slot of its tick, modulo the number of slots; one that is due later
 * than a whole turn waits at the far end of the turn and is placed again when the hand comes by. So arm and cancel are
 * O(1), advancing costs O(1) a tick and a node, and a deadline days away costs one visit a turn (102 s at 100 ms).
 * Deliberately no hierarchy of wheels: every connection is visited for its heartbeat more often than once a turn.
 *
 * Invariants: no node lies in the hand's own slot except those due now; arming for now or the past means the next
 * tick, so that a node armed while the wheel is being drained cannot keep the drain alive.
 * Not done: nodes of one tick fire in no promised order.
 */
#ifndef XINYU_WHEEL_H
#define XINYU_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#define WHEEL_SLOTS 1024u /* a power of two */
#define WHEEL_FARTHEST (UINT32_C(1) << 30) /* ticks: deadlines beyond are cut to this */

typedef struct wheel_node {
    struct wheel_node *prev, *next; /* NULL: not armed */
    uint32_t due;                   /* tick */
} wheel_node;

typedef struct wheel {
    wheel_node slots[WHEEL_SLOTS]; /* heads of rings */
    uint32_t now;                  /* the hand: the tick that is being drained or was drained last */
    uint32_t armed;                /* nodes */
} wheel;

static inline void wheel_start(wheel *w, uint32_t now) {
    for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
        w->slots[i].prev = w->slots[i].next = &w->slots[i];
    w->now = now;
    w->armed = 0;
}

static inline int wheel_is_armed(const wheel_node *node) {
    return node->next != NULL;
}

static inline void wheel_cancel(wheel *w, wheel_node *node) {
    if (node->next == NULL)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
    w->armed--;
}

static inline void wheel_arm(wheel *w, wheel_node *node, uint32_t due) {
    wheel_cancel(w, node);
    int32_t away = (int32_t)(due - w->now); /* right across the wrap of the counter */
    if (away < 1)
        away = 1;
    if ((uint32_t)away > WHEEL_FARTHEST)
        away = (int32_t)WHEEL_FARTHEST;
    node->due = w->now + (uint32_t)away;
    if ((uint32_t)away >= WHEEL_SLOTS)
        away = (int32_t)WHEEL_SLOTS - 1;
    wheel_node *head = &w->slots[(w->now + (uint32_t)away) & (WHEEL_SLOTS - 1)];
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
    w->armed++;
}

/* Move the hand towards `target` and return the next node that is due, disarmed; NULL: the hand is at target. */
static inline wheel_node *wheel_expire(wheel *w, uint32_t target) {
    for (;;) {
        wheel_node *head = &w->slots[w->now & (WHEEL_SLOTS - 1)];
        while (head->next != head) {
            wheel_node *node = head->next;
            if (node->due == w->now) {
                wheel_cancel(w, node);
                return node;
            }
            wheel_arm(w, node, node->due); /* another turn */
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
