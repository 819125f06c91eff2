/* Sets of connections by an id: a hash map from id to the beginning of an intrusive list.
 *
 * Open addressing with linear probing and deletion by shifting back, so that there are no tombstones and a map that
 * lived long is as fast as a new one. At most three quarters full; it shrinks when it is an eighth full. Key 0 marks an
 * empty place. The lists belong to the caller, and so does what an entry says of one: where it begins, by a pointer or
 * by a number and the list's length. 16 bytes a place.
 */
#ifndef XINYU_SETS_H
#define XINYU_SETS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IDMAP_SMALLEST 64u /* places, a power of two */

typedef struct idmap_entry {
    uint64_t key;
    union {
        void *head;
        struct {
            uint32_t first, count;
        };
    };
} idmap_entry;

typedef struct idmap {
    idmap_entry *places;
    uint32_t size; /* of places; a power of two or 0 */
    uint32_t used;
} idmap;

static inline uint32_t idmap_home(const idmap *m, uint64_t key) {
    /* Ids count up, and a client cannot choose many of them: multiplying spreads them well enough. */
    return (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (m->size - 1);
}

static inline idmap_entry *idmap_get(const idmap *m, uint64_t key) {
    if (m->used == 0 || key == 0)
        return NULL;
    for (uint32_t i = idmap_home(m, key);; i = (i + 1) & (m->size - 1)) {
        if (m->places[i].key == key)
            return &m->places[i];
        if (m->places[i].key == 0)
            return NULL;
    }
}

/* 0: out of memory, and nothing has changed. */
static inline int idmap_resize(idmap *m, uint32_t size) {
    idmap bigger = {calloc(size, sizeof(idmap_entry)), size, m->used};
    if (bigger.places == NULL)
        return 0;
    for (uint32_t i = 0; i < m->size; i++) {
        if (m->places[i].key == 0)
            continue;
        uint32_t j = idmap_home(&bigger, m->places[i].key);
        while (bigger.places[j].key)
            j = (j + 1) & (size - 1);
        bigger.places[j] = m->places[i];
    }
    free(m->places);
    *m = bigger;
    return 1;
}

/* The entry of this key, made if there was none (head NULL; first and count 0). NULL: out of memory. An entry's address holds
 * until the next put or remove. */
static inline idmap_entry *idmap_put(idmap *m, uint64_t key) {
    idmap_entry *entry = idmap_get(m, key);
    if (entry != NULL)
        return entry;
    if ((uint64_t)(m->used + 1) * 4 > (uint64_t)m->size * 3 && !idmap_resize(m, m->size ? m->size * 2 : IDMAP_SMALLEST))
        return NULL;
    uint32_t i = idmap_home(m, key);
    while (m->places[i].key)
        i = (i + 1) & (m->size - 1);
    memset(&m->places[i], 0, sizeof m->places[i]);
    m->places[i].key = key;
    m->used++;
    return &m->places[i];
}

static inline void idmap_remove(idmap *m, uint64_t key) {
    idmap_entry *entry = idmap_get(m, key);
    if (entry == NULL)
        return;
    uint32_t mask = m->size - 1, hole = (uint32_t)(entry - m->places), i = hole;
    for (;;) {
        i = (i + 1) & mask;
        if (m->places[i].key == 0)
            break;
        /* move it into the hole unless its home lies behind the hole (cyclically) */
        uint32_t home = idmap_home(m, m->places[i].key);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->places[hole] = m->places[i];
            hole = i;
        }
    }
    m->places[hole].key = 0;
    m->used--;
    if (m->size > IDMAP_SMALLEST && m->used * 8 < m->size)
        idmap_resize(m, m->size / 2); /* failing to shrink harms nobody */
}

static inline void idmap_free(idmap *m) {
    free(m->places);
    m->places = NULL;
    m->size = m->used = 0;
}

#endif
