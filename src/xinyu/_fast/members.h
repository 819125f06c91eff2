/* The members of one large talk, as a gateway holds them: who is in and since which message, and who left a while ago
 * and up to which.
 *
 * Two arrays, ascending by user, 16 bytes a member and 24 one who left. A set is made once and never changed: what is
 * newer makes another one (member_set_merge, one pass over both), so that whoever holds a set may go on with it. To find
 * the connected ones the smaller side is walked: members looked up among the users who are connected, or those looked up
 * among the members.
 */
#ifndef XINYU_MEMBERS_H
#define XINYU_MEMBERS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sets.h"

typedef struct member {
    int64_t user_id, joined; /* the first sequence that he may see */
} member;

typedef struct leaver {
    int64_t user_id, joined, left; /* and the last one */
} leaver;

/* A row as it is told: `left` -1 for one who is in. */
typedef leaver member_row;

typedef struct member_set {
    member *members;
    leaver *leavers;
    uint32_t member_count, leaver_count;
} member_set;

/* Who of a talk is meant. The numbers are those of `Audience` in gateway.proto. */
enum {
    AUDIENCE_MEMBERS = 0, /* all who are in */
    AUDIENCE_READERS = 1, /* who may see `sequence`, those who left after it included */
    AUDIENCE_SEEING = 2,  /* of those who are in, who may see it */
    AUDIENCE_OTHERS = 3,  /* of those who are in, who may not */
    AUDIENCES = 4
};

static inline void member_set_free(member_set *s) {
    free(s->members);
    free(s->leavers);
    memset(s, 0, sizeof *s);
}

/* `old` with `rows` (ascending by user, each once) in place of what it says of the same users. Of those who left, only
 * they are kept who could see `kept_from` or something after it. 0: out of memory. */
static inline int member_set_merge(const member_set *old, const member_row *rows, uint32_t row_count, int64_t kept_from,
                                   member_set *out) {
    uint32_t m = 0, l = 0, r;
    memset(out, 0, sizeof *out);
    out->members = malloc(((size_t)old->member_count + row_count + 1) * sizeof(member));
    out->leavers = malloc(((size_t)old->leaver_count + row_count + 1) * sizeof(leaver));
    if (out->members == NULL || out->leavers == NULL) {
        member_set_free(out);
        return 0;
    }
    for (r = 0; r <= row_count; r++) {
        int64_t user_id = r < row_count ? rows[r].user_id : INT64_MAX;
        while (m < old->member_count && old->members[m].user_id < user_id)
            out->members[out->member_count++] = old->members[m++];
        while (l < old->leaver_count && old->leavers[l].user_id < user_id) {
            if (old->leavers[l].left >= kept_from)
                out->leavers[out->leaver_count++] = old->leavers[l];
            l++;
        }
        if (r == row_count)
            break;
        if (m < old->member_count && old->members[m].user_id == user_id)
            m++;
        if (l < old->leaver_count && old->leavers[l].user_id == user_id)
            l++;
        if (rows[r].left < 0) {
            member in = {user_id, rows[r].joined};
            out->members[out->member_count++] = in;
        } else if (rows[r].left >= kept_from && rows[r].joined <= rows[r].left) {
            out->leavers[out->leaver_count++] = rows[r];
        }
    }
    /* What was too much is given back; failing to shrink harms nobody. */
    member *members = realloc(out->members, ((size_t)out->member_count + 1) * sizeof(member));
    leaver *leavers = realloc(out->leavers, ((size_t)out->leaver_count + 1) * sizeof(leaver));
    out->members = members != NULL ? members : out->members;
    out->leavers = leavers != NULL ? leavers : out->leavers;
    return 1;
}

static inline const member *member_set_find(const member_set *s, int64_t user_id) {
    uint32_t low = 0, high = s->member_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->members[middle].user_id < user_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->member_count && s->members[low].user_id == user_id ? &s->members[low] : NULL;
}

static inline int member_set_has_left(const member_set *s, int64_t user_id) {
    uint32_t low = 0, high = s->leaver_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->leavers[middle].user_id < user_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->leaver_count && s->leavers[low].user_id == user_id;
}

static inline int member_is_meant(const member *m, int audience, int64_t sequence) {
    return audience == AUDIENCE_MEMBERS || (m->joined <= sequence) == (audience != AUDIENCE_OTHERS);
}

/* How many users member_set_pick may find. */
static inline size_t member_set_pick_most(const member_set *s, const idmap *users) {
    return (size_t)(s->member_count < users->used ? s->member_count : users->used) + s->leaver_count;
}

/* Writes those who are meant and are among `users`, each once; `out` has room for member_set_pick_most. */
static inline size_t member_set_pick(const member_set *s, const idmap *users, int audience, int64_t sequence,
                                     uint64_t *out) {
    size_t found = 0;
    if (s->member_count <= users->used) {
        for (uint32_t i = 0; i < s->member_count; i++)
            if (member_is_meant(&s->members[i], audience, sequence) && idmap_get(users, (uint64_t)s->members[i].user_id))
                out[found++] = (uint64_t)s->members[i].user_id;
    } else {
        for (uint32_t i = 0; i < users->size; i++) {
            uint64_t user_id = users->places[i].key;
            const member *m = user_id ? member_set_find(s, (int64_t)user_id) : NULL;
            if (m != NULL && member_is_meant(m, audience, sequence))
                out[found++] = user_id;
        }
    }
    if (audience == AUDIENCE_READERS)
        for (uint32_t i = 0; i < s->leaver_count; i++) {
            const leaver *l = &s->leavers[i];
            if (l->joined <= sequence && sequence <= l->left && idmap_get(users, (uint64_t)l->user_id))
                out[found++] = (uint64_t)l->user_id;
        }
    return found;
}

/* Whether one who is in, or left a while ago, is among `users`. */
static inline int member_set_touches(const member_set *s, const idmap *users) {
    for (uint32_t i = 0; i < s->leaver_count; i++)
        if (idmap_get(users, (uint64_t)s->leavers[i].user_id))
            return 1;
    if (s->member_count <= users->used) {
        for (uint32_t i = 0; i < s->member_count; i++)
            if (idmap_get(users, (uint64_t)s->members[i].user_id))
                return 1;
    } else {
        for (uint32_t i = 0; i < users->size; i++)
            if (users->places[i].key && member_set_find(s, (int64_t)users->places[i].key) != NULL)
                return 1;
    }
    return 0;
}

#endif
