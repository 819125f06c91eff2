/* Items of one size in chunks, found by their number: what makes a link between two of them 4 bytes instead of 8.
 *
 * Items never move, and a new chunk is all zero. Chunks are kept until the arena is freed. Items of 128 bytes lie in one
 * pair of cache lines each: chunks begin at such a pair.
 */
#ifndef XINYU_ARENA_H
#define XINYU_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_CHUNK 256u /* items */
#define ARENA_ALIGNMENT 128u

typedef struct arena {
    uint8_t **chunks;
    uint32_t chunk_count;
    uint32_t item_bytes;
} arena;

static inline void *arena_at(const arena *a, uint32_t number) {
    return a->chunks[number / ARENA_CHUNK] + (size_t)(number % ARENA_CHUNK) * a->item_bytes;
}

/* One chunk more. 0: out of memory, and nothing has changed. */
static inline int arena_grow(arena *a) {
    void *chunk;
    uint8_t **chunks = realloc(a->chunks, (a->chunk_count + (size_t)1) * sizeof *chunks);
    if (chunks == NULL)
        return 0;
    a->chunks = chunks;
    if (posix_memalign(&chunk, ARENA_ALIGNMENT, (size_t)ARENA_CHUNK * a->item_bytes) != 0)
        return 0;
    memset(chunk, 0, (size_t)ARENA_CHUNK * a->item_bytes);
    chunks[a->chunk_count++] = chunk;
    return 1;
}

static inline void arena_free(arena *a) {
    for (uint32_t i = 0; i < a->chunk_count; i++)
        free(a->chunks[i]);
    free(a->chunks);
    a->chunks = NULL;
    a->chunk_count = 0;
}

#endif
