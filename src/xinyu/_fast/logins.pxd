# What logins.pyx offers to the engine.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from xinyu._fast.connection cimport span, upgrade_request
from xinyu._fast.tokens cimport VerifiedTokens


cdef extern from "login.h" nogil:
    enum:
        LOGIN_LEGACY
        LOGIN_JSON
        LOGIN_MOST_DEVICE
    ctypedef struct login_request:
        int codec
        span token
        span device_id
        span platform
    const char *login_lines(int codec)
    int login_read(const upgrade_request *request, login_request *login)


cdef enum:
    LOGIN_CODECS = 2
    FIRST_EVENT_MOST = 1024  # bytes
    FIRST_EVENT_PIECES = 16
    LOGINS_MOST = 256  # in one batch: some 2 ms of admit()

# What stands behind a piece of an event's text.
cdef enum first_event_field:
    FIELD_NONE
    FIELD_SESSION
    FIELD_USER
    FIELD_DEVICE
    FIELD_PLATFORM
    FIELD_NOW

cdef struct first_event_piece:
    const char *text
    size_t length
    first_event_field field

# A connection whose user is being routed. Where its device's id and platform stand is counted from the beginning of the
# request, which the connection keeps until it is decided.
cdef struct login:
    uint64_t id
    uint64_t user_id
    int64_t expires_at_ms
    uint32_t device_at
    uint8_t device_length
    char platform[3]  # filled up with zeros


cdef class Logins:
    cdef readonly int codec
    cdef uint32_t count
    cdef login items[LOGINS_MOST]


cdef class LoginDoor:
    cdef VerifiedTokens tokens
    cdef dict ended  # {user_id: expires_at_ms}
    cdef readonly uint32_t connections_per_user
    cdef uint8_t key[16]  # of the numbers below
    cdef uint64_t drawn
    cdef list texts  # keeps the pieces alive
    cdef first_event_piece pieces[LOGIN_CODECS][FIRST_EVENT_PIECES]
    cdef int piece_counts[LOGIN_CODECS]

    cdef bint has_ended(self, int64_t user_id, int64_t expires_at_ms) except -1
    cdef int _cut(self, int codec, str event) except -1
    cdef void _draw(self, uint64_t *digest) noexcept
    cdef char *_write_new_device(self, char *at) noexcept
    cdef uint64_t draw_session(self, int codec) noexcept
    cdef size_t write_first_event(self, char *out, int codec, uint64_t session_id, uint64_t user_id,
                                  const char *device_id, size_t device_length, const char *platform,
                                  size_t platform_length) noexcept
