# What tokens.pyx offers to the engine: the claims of a token straight from the bytes of a request.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from xinyu._fast.connection cimport arena


cdef extern from "siphash.h" nogil:
    void siphash_128(const uint8_t *key, const uint8_t *data, size_t n, uint64_t *digest)


cdef extern from "sha_instructions.h" nogil:
    enum:
        SHA_PORTABLE
        SHA_NI
    int sha_chosen
    int sha_has(int level)


cdef extern from "sha256.h" nogil:
    enum:
        SHA256_DIGEST
    ctypedef struct hmac_sha256_key:
        pass
    void hmac_sha256_set(hmac_sha256_key *key, const uint8_t *secret, size_t n)
    void hmac_sha256(const hmac_sha256_key *key, const uint8_t *data, size_t n, uint8_t *digest)


cdef extern from "access_token.h" nogil:
    enum:
        ACCESS_TOKEN_ID
        ACCESS_TOKEN_PLATFORM
    ctypedef struct access_claims:
        int64_t user_id
        int64_t expires_at_ms
        char *token_id
        char *platform
        uint8_t mark
    int access_token_read(const hmac_sha256_key *key, const char *token, size_t n, access_claims *claims)


cdef struct token_entry:
    uint64_t digest[2]
    access_claims claims  # marked: used since the hand came by


cdef class VerifiedTokens:
    cdef uint8_t key[16]
    cdef hmac_sha256_key signing
    cdef bint is_keyed
    cdef arena entries
    cdef uint32_t count, limit, hand
    cdef uint32_t *places  # number of the entry + 1, 0: free
    cdef uint32_t place_count

    cdef token_entry *look_up(self, const char *token, size_t n) noexcept
    cdef bint _digest(self, str token, uint64_t *digest) except -1
    cdef token_entry *_enter(self, const token_entry *fresh) noexcept
    cdef token_entry *_at(self, uint32_t number) noexcept
    cdef uint32_t _find(self, const uint64_t *digest) noexcept
    cdef void _put_in(self, uint32_t number) noexcept
    cdef void _take_out(self, uint32_t number) noexcept
    cdef bint _make_room(self) noexcept
    cdef uint32_t _choose(self) noexcept
    cdef void _turn(self) noexcept
