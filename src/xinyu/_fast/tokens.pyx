"""What access tokens say: verified here where they have the plain form (access_token.h), and kept by a digest of their
text, so that one that comes again is not verified again.

Entries of 64 bytes stand in chunks (arena.h) in the order in which they came; an open table of 4-byte numbers (linear
probing, at most three quarters full) finds them. Both grow as they fill, up to `max_entries`: some 75 bytes a token.

A token is known by SipHash-2-4-128 of its whole text, under a random key that never leaves this object. The text itself
is not kept: whoever reads this memory finds nothing to log in with. To be answered for a token that was not verified,
somebody would have to find a second text with the same 128 bits without knowing the key or seeing a digest; he has but
one try a request, each with a chance of entries / 2**128. For the same reason nobody can choose where his token falls
in the table, and how long a comparison takes tells nothing.

When there are `max_entries` the next entry takes the place of one that was not used since the hand came by last (CLOCK): the
hand goes round, and each entry that it finds used loses its mark and stays. After MAX_LOOKS of them it takes the one
where it stands, so that the work of one call is bounded. One that came once is the first to go.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strlen

from xinyu._fast.connection cimport ARENA_CHUNK, arena_at, arena_free, arena_grow

cimport cython

import os

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    FIRST_PLACES = 128  # a power of two
    MOST_ENTRIES = 16777216
    LOOKS = 32

MAX_LOOKS = LOOKS
SHA_IMPLEMENTATIONS = tuple(
    name for name, level in (("portable", SHA_PORTABLE), ("sha-ni", SHA_NI)) if sha_has(level)
)


def siphash(bytes key not None, bytes data not None):
    """SipHash-2-4-128, 16 bytes. `key` has 16. For tests."""
    cdef uint64_t digest[2]
    cdef int i
    if len(key) != 16:
        raise ValueError("a key has 16 bytes")
    siphash_128(<const uint8_t *>PyBytes_AS_STRING(key), <const uint8_t *>PyBytes_AS_STRING(data), len(data), digest)
    return b"".join([int(digest[i]).to_bytes(8, "little") for i in range(2)])


def sign_hs256(bytes secret not None, bytes data not None, str implementation not None):
    """HMAC-SHA256, 32 bytes, by one of SHA_IMPLEMENTATIONS. For tests."""
    global sha_chosen
    cdef hmac_sha256_key key
    cdef uint8_t digest[SHA256_DIGEST]
    cdef int before = sha_chosen
    if implementation not in SHA_IMPLEMENTATIONS:
        raise ValueError(f"not here: {implementation}")
    sha_chosen = SHA_NI if implementation == "sha-ni" else SHA_PORTABLE
    hmac_sha256_set(&key, <const uint8_t *>PyBytes_AS_STRING(secret), len(secret))
    hmac_sha256(&key, <const uint8_t *>PyBytes_AS_STRING(data), len(data), digest)
    sha_chosen = before
    return PyBytes_FromStringAndSize(<char *>digest, SHA256_DIGEST)


@cython.final
cdef class VerifiedTokens:
    """See tokens.pyi."""

    def __cinit__(self, Py_ssize_t max_entries, bytes secret not None=b""):
        if not 1 <= max_entries <= MOST_ENTRIES:
            raise ValueError(f"max_entries must lie between 1 and {MOST_ENTRIES}")
        self.is_keyed = len(secret) != 0
        if self.is_keyed:
            hmac_sha256_set(&self.signing, <const uint8_t *>PyBytes_AS_STRING(secret), len(secret))
        cdef bytes key = os.urandom(16)
        memcpy(self.key, PyBytes_AS_STRING(key), 16)
        self.limit = <uint32_t>max_entries
        self.entries.item_bytes = sizeof(token_entry)
        self.places = <uint32_t *>calloc(FIRST_PLACES, sizeof(uint32_t))
        if self.places == NULL:
            raise MemoryError
        self.place_count = FIRST_PLACES

    def __dealloc__(self):
        arena_free(&self.entries)
        free(self.places)

    def __len__(self):
        return self.count

    @property
    def size_bytes(self):
        return self.entries.chunk_count * ARENA_CHUNK * sizeof(token_entry) + self.place_count * sizeof(uint32_t)

    def get(self, str token not None):
        cdef Py_ssize_t size
        cdef const char *text
        cdef token_entry *found
        if not PyUnicode_IS_ASCII(token):
            return None
        text = PyUnicode_AsUTF8AndSize(token, &size)
        found = self.look_up(text, <size_t>size)
        if found == NULL:
            return None
        return (
            found.claims.user_id,
            _text(found.claims.token_id, ACCESS_TOKEN_ID),
            _text(found.claims.platform, ACCESS_TOKEN_PLATFORM),
            found.claims.expires_at_ms,
        )

    cdef token_entry *look_up(self, const char *token, size_t n) noexcept:
        """Good until the next call of anything here. NULL: unknown, and not of the plain form or not signed by us."""
        cdef token_entry fresh
        cdef uint32_t link
        cdef token_entry *found
        memset(&fresh, 0, sizeof(fresh))
        siphash_128(self.key, <const uint8_t *>token, n, fresh.digest)
        link = self._find(fresh.digest)
        if link:
            found = self._at(link - 1)
            found.claims.mark = 1
            return found
        if not self.is_keyed or not access_token_read(&self.signing, token, n, &fresh.claims):
            return NULL
        return self._enter(&fresh)

    def put(self, str token not None, int64_t user_id, str token_id not None, str platform not None,
            int64_t expires_at_ms):
        cdef token_entry fresh
        cdef uint32_t link
        memset(&fresh, 0, sizeof(fresh))
        if (not self._digest(token, fresh.digest) or not _keep(token_id, fresh.claims.token_id, ACCESS_TOKEN_ID)
                or not _keep(platform, fresh.claims.platform, ACCESS_TOKEN_PLATFORM)):
            return False
        fresh.claims.user_id = user_id
        fresh.claims.expires_at_ms = expires_at_ms
        link = self._find(fresh.digest)
        if link:
            fresh.claims.mark = self._at(link - 1).claims.mark
            self._at(link - 1)[0] = fresh
        elif self._enter(&fresh) == NULL:
            raise MemoryError
        return True

    cdef token_entry *_enter(self, const token_entry *fresh) noexcept:
        """A token that is not here. NULL: no memory, and all is as it was."""
        cdef uint32_t number
        if self.count < self.limit:
            if not self._make_room():
                return NULL
            number = self.count
            self.count += 1
        else:
            number = self._choose()
            self._take_out(number)
        self._at(number)[0] = fresh[0]
        self._put_in(number)
        return self._at(number)

    def discard(self, str token not None):
        cdef uint64_t digest[2]
        cdef uint32_t link, number, last
        if not self._digest(token, digest):
            return False
        link = self._find(digest)
        if link == 0:
            return False
        number = link - 1
        last = self.count - 1
        self._take_out(number)
        if number != last:  # the last one fills the hole
            self._take_out(last)
            self._at(number)[0] = self._at(last)[0]
            self._put_in(number)
        self.count = last
        if self.hand >= last:
            self.hand = 0
        return True

    cdef bint _digest(self, str token, uint64_t *digest) except -1:
        """False: no token of ours, and nothing that could be found here."""
        cdef Py_ssize_t size
        cdef const char *text
        if not PyUnicode_IS_ASCII(token):
            return False
        text = PyUnicode_AsUTF8AndSize(token, &size)
        siphash_128(self.key, <const uint8_t *>text, <size_t>size, digest)
        return True

    cdef token_entry *_at(self, uint32_t number) noexcept:
        return <token_entry *>arena_at(&self.entries, number)

    cdef uint32_t _find(self, const uint64_t *digest) noexcept:
        """Number of the entry + 1, or 0."""
        cdef uint32_t mask = self.place_count - 1
        cdef uint32_t place = <uint32_t>(digest[0] & mask)
        cdef token_entry *each
        while self.places[place]:
            each = self._at(self.places[place] - 1)
            if each.digest[0] == digest[0] and each.digest[1] == digest[1]:
                return self.places[place]
            place = (place + 1) & mask
        return 0

    cdef void _put_in(self, uint32_t number) noexcept:
        """Enters an entry into the table of places, which has room."""
        cdef uint32_t mask = self.place_count - 1
        cdef uint32_t place = <uint32_t>(self._at(number).digest[0] & mask)
        while self.places[place]:
            place = (place + 1) & mask
        self.places[place] = number + 1

    cdef void _take_out(self, uint32_t number) noexcept:
        """Takes an entry out of the table of places; those behind it that would not be found any more move up."""
        cdef uint32_t mask = self.place_count - 1
        cdef uint32_t hole = <uint32_t>(self._at(number).digest[0] & mask)
        cdef uint32_t place, home
        while self.places[hole] != number + 1:
            hole = (hole + 1) & mask
        place = (hole + 1) & mask
        while self.places[place]:
            home = <uint32_t>(self._at(self.places[place] - 1).digest[0] & mask)
            # From its home it is as far to the hole or less: the hole lies on its way.
            if ((place + self.place_count - home) & mask) >= ((place + self.place_count - hole) & mask):
                self.places[hole] = self.places[place]
                hole = place
            place = (place + 1) & mask
        self.places[hole] = 0

    cdef bint _make_room(self) noexcept:
        """For one more entry. False: no memory."""
        cdef uint32_t *places
        cdef uint32_t number
        if self.count == self.entries.chunk_count * ARENA_CHUNK and not arena_grow(&self.entries):
            return False
        if <uint64_t>4 * (self.count + 1) > <uint64_t>3 * self.place_count:
            places = <uint32_t *>calloc(2 * <size_t>self.place_count, sizeof(uint32_t))
            if places == NULL:
                return False
            free(self.places)
            self.places = places
            self.place_count *= 2
            for number in range(self.count):
                self._put_in(number)
        return True

    cdef uint32_t _choose(self) noexcept:
        """The entry that has to go."""
        cdef uint32_t chosen
        cdef int looks = 0
        while self._at(self.hand).claims.mark and looks < LOOKS:
            self._at(self.hand).claims.mark = 0
            self._turn()
            looks += 1
        chosen = self.hand
        self._turn()
        return chosen

    cdef void _turn(self) noexcept:
        self.hand = self.hand + 1 if self.hand + 1 < self.count else 0


cdef bint _keep(str text, char *field, Py_ssize_t most) except -1:
    """Copies a short text without zeros into a cleared field. False: it is none."""
    cdef Py_ssize_t size
    cdef const char *data
    if not PyUnicode_IS_ASCII(text):
        return False
    data = PyUnicode_AsUTF8AndSize(text, &size)
    if size > most or strlen(data) != <size_t>size:
        return False
    memcpy(field, data, <size_t>size)
    return True


cdef str _text(const char *field, Py_ssize_t most):
    cdef Py_ssize_t size = 0
    while size < most and field[size]:
        size += 1
    return PyUnicode_DecodeASCII(field, size, NULL)
