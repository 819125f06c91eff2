"""A gateway's set of a large talk's members (members.h), for members.pyx and the engine."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from xinyu._fast.connection cimport idmap

cdef extern from "members.h" nogil:
    ctypedef struct member:
        int64_t user_id
        int64_t joined

    ctypedef struct leaver:
        int64_t user_id
        int64_t joined
        int64_t left

    ctypedef leaver member_row

    ctypedef struct member_set:
        member *members
        leaver *leavers
        uint32_t member_count
        uint32_t leaver_count

    int AUDIENCE_MEMBERS, AUDIENCE_READERS, AUDIENCE_SEEING, AUDIENCE_OTHERS, AUDIENCES

    void member_set_free(member_set *s)
    int member_set_merge(const member_set *old, const member_row *rows, uint32_t row_count, int64_t kept_from,
                         member_set *out)
    const member *member_set_find(const member_set *s, int64_t user_id)
    int member_set_has_left(const member_set *s, int64_t user_id)
    size_t member_set_pick_most(const member_set *s, const idmap *users)
    size_t member_set_pick(const member_set *s, const idmap *users, int audience, int64_t sequence, uint64_t *out)
    int member_set_touches(const member_set *s, const idmap *users)


cdef class MemberSet:
    cdef member_set set
