"""The members of a large talk as a gateway holds them (members.h), and an index over several such sets.

The engine picks the connected ones itself (`Engine.fan_out_members`); what is here makes the sets, and says who is in
one.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from xinyu._fast.connection cimport *
from xinyu._fast.members cimport *

cimport cython

MEMBERS = AUDIENCE_MEMBERS
READERS = AUDIENCE_READERS
SEEING = AUDIENCE_SEEING
OTHERS = AUDIENCE_OTHERS

ROW_BYTES = sizeof(member_row)
MAX_ROWS = 1 << 24


@cython.final
cdef class MemberSet:
    """Never changed; `updated` makes another one. New, it is empty."""

    def __dealloc__(self):
        member_set_free(&self.set)

    def updated(self, rows, kept_from=0):
        cdef Py_buffer view
        cdef member_row *copy = NULL
        cdef uint32_t count, i
        cdef int64_t oldest = kept_from
        cdef MemberSet other = MemberSet.__new__(MemberSet)
        PyObject_GetBuffer(rows, &view, PyBUF_SIMPLE)
        try:
            if view.len % <Py_ssize_t>sizeof(member_row) or view.len // <Py_ssize_t>sizeof(member_row) > MAX_ROWS:
                raise ValueError("rows are triples of 64-bit numbers")
            count = <uint32_t>(view.len // <Py_ssize_t>sizeof(member_row))
            copy = <member_row *>malloc(<size_t>view.len + 1)  # bytes of a message need not be aligned
            if copy == NULL:
                raise MemoryError
            memcpy(copy, view.buf, <size_t>view.len)
            for i in range(count):
                if copy[i].user_id <= (copy[i - 1].user_id if i else 0) or copy[i].user_id >= 1 << 53:
                    raise ValueError("rows ascend by user, from 1 to 2**53 - 1")
            if not member_set_merge(&self.set, copy, count, oldest, &other.set):
                raise MemoryError
        finally:
            free(copy)
            PyBuffer_Release(&view)
        return other

    def __len__(self):
        return self.set.member_count

    def __contains__(self, user_id):
        if not 0 < user_id < 1 << 63:
            return False
        cdef int64_t wanted = user_id
        return member_set_find(&self.set, wanted) != NULL or member_set_has_left(&self.set, wanted) != 0

    @property
    def leavers(self):
        return self.set.leaver_count

    @property
    def size_bytes(self):
        return self.set.member_count * sizeof(member) + self.set.leaver_count * sizeof(leaver)

    def among(self, user_ids, audience, sequence=0):
        cdef idmap users
        cdef uint64_t *picked = NULL
        cdef idmap_entry *entry
        cdef size_t found, i
        cdef list ids = []
        _check_audience(audience)
        memset(&users, 0, sizeof(users))
        try:
            for user_id in user_ids:
                entry = idmap_put(&users, user_id)
                if entry == NULL:
                    raise MemoryError
            picked = <uint64_t *>malloc((member_set_pick_most(&self.set, &users) + 1) * sizeof(uint64_t))
            if picked == NULL:
                raise MemoryError
            found = member_set_pick(&self.set, &users, audience, sequence, picked)
            for i in range(found):
                ids.append(picked[i])
        finally:
            free(picked)
            idmap_free(&users)
        return ids


@cython.final
cdef class MemberIndex:
    """In how many of some sets a user is: one look-up, however many sets there are."""

    cdef idmap users

    def __dealloc__(self):
        idmap_free(&self.users)

    def add(self, MemberSet members not None):
        cdef uint32_t i, done = 0
        cdef member_set *s = &members.set
        for i in range(s.member_count + s.leaver_count):
            if not self._count(_user_at(s, i)):
                while done:
                    done -= 1
                    self._forget(_user_at(s, done))
                raise MemoryError
            done += 1

    def discard(self, MemberSet members not None):
        cdef uint32_t i
        cdef member_set *s = &members.set
        for i in range(s.member_count + s.leaver_count):
            self._forget(_user_at(s, i))

    cdef bint _count(self, uint64_t user_id) noexcept:
        cdef idmap_entry *entry = idmap_put(&self.users, user_id)
        if entry == NULL:
            return False
        entry.count += 1
        return True

    cdef void _forget(self, uint64_t user_id) noexcept:
        cdef idmap_entry *entry = idmap_get(&self.users, user_id)
        if entry != NULL:
            entry.count -= 1
            if not entry.count:
                idmap_remove(&self.users, user_id)

    def __contains__(self, user_id):
        return 0 < user_id < 1 << 63 and idmap_get(&self.users, user_id) != NULL

    def __len__(self):
        return self.users.used


cdef inline uint64_t _user_at(member_set *s, uint32_t i) noexcept:
    return <uint64_t>(s.members[i].user_id if i < s.member_count else s.leavers[i - s.member_count].user_id)


cdef int _check_audience(audience) except -1:
    if not 0 <= audience < AUDIENCES:
        raise ValueError("there is no such audience")
    return 0
