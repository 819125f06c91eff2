/* The engine's reads and writes of its sockets: they never block, and a write never raises SIGPIPE.
 *
 * TCP may give and take any number of bytes at a time, but on loopback it nearly always does all at once: tests would
 * see few of the borders. So a debug build can be told to be difficult: with XINYU_SPLIT_READS=SEED in its environment
 * each read asks for a random few bytes, with XINYU_SPLIT_WRITES=SEED each write offers a random few, and one call in
 * sixteen is refused with EAGAIN or EINTR although it could go on. Three of four are of 1 to 17 bytes, which cuts
 * headers, masks and characters everywhere; the fourth has up to 256 KiB, any order of magnitude being as likely as
 * the next, so that large messages come to an end. The same seed gives the same sizes in the same order.
 * A release build holds nothing of it: tests/packaging/test_debug_build.py looks for the names.
 */
#ifndef XINYU_SOCKET_IO_H
#define XINYU_SOCKET_IO_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#if XINYU_DEBUG_BUILD

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/uio.h>

#define SPLIT_VECTORS 64 /* as many as the engine gives to one sendmsg() */

typedef struct splitter {
    const char *variable;
    int known, on;
    uint64_t state;
} splitter;

static splitter split_reads = {"XINYU_SPLIT_READS", 0, 0, 0}, split_writes = {"XINYU_SPLIT_WRITES", 0, 0, 0};

/* splitmix64 (Steele, Lea, Flood 2014): any seed will do. */
static inline uint64_t split_random(splitter *s) {
    uint64_t z = s->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* How many of n bytes this call may move; 0: none, errno says why. */
static inline size_t split(splitter *s, size_t n) {
    if (!s->known) {
        const char *seed = getenv(s->variable);
        s->known = 1;
        s->on = seed != NULL && *seed != 0;
        s->state = s->on ? strtoull(seed, NULL, 10) : 0;
    }
    assert(n > 0);
    if (!s->on)
        return n;
    uint64_t random = split_random(s);
    if (random % 16 == 0) {
        errno = random & 16 ? EAGAIN : EINTR;
        return 0;
    }
    size_t few = (random >> 8) % 4 ? 1 + (random >> 16) % 17 : (size_t)1 << (random >> 16) % 19;
    return few < n ? few : n;
}

static inline ssize_t socket_recv(int fd, void *data, size_t n) {
    n = split(&split_reads, n);
    return n ? recv(fd, data, n, MSG_DONTWAIT) : -1;
}

static inline ssize_t socket_send(int fd, const void *data, size_t n) {
    n = split(&split_writes, n);
    return n ? send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) : -1;
}

static inline ssize_t socket_sendmsg(int fd, const struct msghdr *message) {
    struct iovec vectors[SPLIT_VECTORS];
    struct msghdr part = *message;
    size_t total = 0, few;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        total += message->msg_iov[i].iov_len;
    few = split(&split_writes, total);
    if (few == 0)
        return -1;
    part.msg_iov = vectors;
    part.msg_iovlen = 0;
    for (size_t left = few; left;) {
        size_t i = part.msg_iovlen++;
        assert(i < SPLIT_VECTORS && i < message->msg_iovlen);
        vectors[i] = message->msg_iov[i];
        if (vectors[i].iov_len > left)
            vectors[i].iov_len = left;
        left -= vectors[i].iov_len;
    }
    return sendmsg(fd, &part, MSG_DONTWAIT | MSG_NOSIGNAL);
}

#else

static inline ssize_t socket_recv(int fd, void *data, size_t n) {
    return recv(fd, data, n, MSG_DONTWAIT);
}

static inline ssize_t socket_send(int fd, const void *data, size_t n) {
    return send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static inline ssize_t socket_sendmsg(int fd, const struct msghdr *message) {
    return sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

#endif

#endif
