/* The limit: what one thread with epoll can do with WebSockets when it does nothing else. For comparison only.
 *
 *     epoll_server PORT        listens on 127.0.0.1
 *
 * Accepts, answers the upgrade (SHA-1, no limits on who and what), echoes unfragmented messages, answers pings and
 * close frames, and on the text `go R` sends R text frames of 128 bytes to every open connection, one send() each.
 * There are no deadlines, no UTF-8 check, no heartbeat and no bound on what waits for a slow peer: a server that has
 * them cannot be faster, and the distance to this one is what they cost.
 *
 * A connection is 48 bytes in a table by descriptor, which the kernel gives pages for as descriptors come into use.
 * It owns memory only while half a frame, or output that its peer has not taken, waits.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sha1.h"

#define MAX_DESCRIPTORS (1u << 20)
#define RECEIVE_BYTES (1u << 18)
#define EVENTS 256
#define ACCEPT_BATCH 64
#define HEAD_MAX 16384
#define MESSAGE_MAX (1u << 24)
#define GO_PAYLOAD 128

enum state { FREE = 0, UPGRADING, OPEN };

struct connection {
    uint8_t *in;  /* the beginning of a head or frame */
    uint8_t *out; /* what could not be written */
    uint32_t in_size, out_size, out_done;
    uint32_t place; /* in the list of open connections */
    uint8_t state;
    uint8_t out_armed;
};

static struct connection *table;
static uint32_t *open_list;
static uint32_t open_count;
static int poll_fd, listening;
static uint8_t *buffer, *answers;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void close_connection(int fd) {
    struct connection *c = &table[fd];
    if (c->state == OPEN) {
        uint32_t last = open_list[--open_count];
        open_list[c->place] = last;
        table[last].place = c->place;
    }
    free(c->in);
    free(c->out);
    memset(c, 0, sizeof *c);
    close(fd);
}

static void arm(int fd, int out) {
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.fd = fd};
    if (table[fd].out_armed != out && epoll_ctl(poll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        table[fd].out_armed = (uint8_t)out;
}

/* Write, and keep what the peer does not take. 0: the connection is gone. */
static int write_or_keep(int fd, const uint8_t *data, size_t n) {
    struct connection *c = &table[fd];
    if (c->out == NULL) {
        ssize_t done = send(fd, data, n, MSG_NOSIGNAL);
        if (done == (ssize_t)n)
            return 1;
        if (done < 0 && errno != EAGAIN) {
            close_connection(fd);
            return 0;
        }
        if (done > 0)
            data += done, n -= (size_t)done;
    }
    uint8_t *grown = realloc(c->out, c->out_size + n);
    if (grown == NULL)
        die("realloc");
    memcpy(grown + c->out_size, data, n);
    c->out = grown;
    c->out_size += (uint32_t)n;
    arm(fd, 1);
    return 1;
}

static int flush(int fd) {
    struct connection *c = &table[fd];
    ssize_t done = send(fd, c->out + c->out_done, c->out_size - c->out_done, MSG_NOSIGNAL);
    if (done < 0) {
        if (errno == EAGAIN)
            return 1;
        close_connection(fd);
        return 0;
    }
    c->out_done += (uint32_t)done;
    if (c->out_done == c->out_size) {
        free(c->out);
        c->out = NULL;
        c->out_size = c->out_done = 0;
        arm(fd, 0);
    }
    return 1;
}

static void fan_out(long rounds) {
    uint8_t frame[4 + GO_PAYLOAD] = {0x81, 126, 0, GO_PAYLOAD};
    memset(frame + 4, 'x', GO_PAYLOAD);
    for (long round = 0; round < rounds; round++)
        for (uint32_t i = open_count; i-- > 0;) /* one that goes is replaced by the last, which had its frame */
            write_or_keep((int)open_list[i], frame, sizeof frame);
}

static void keep(int fd, const uint8_t *data, size_t n) {
    struct connection *c = &table[fd];
    c->in = malloc(n);
    if (c->in == NULL)
        die("malloc");
    memcpy(c->in, data, n);
    c->in_size = (uint32_t)n;
}

/* Answer the upgrade; the bytes used, 0: not all of it is there, -1: the connection is gone. */
static ssize_t upgrade(int fd, uint8_t *data, size_t n) {
    uint8_t *end = memmem(data, n, "\r\n\r\n", 4);
    if (end == NULL) {
        if (n > HEAD_MAX) {
            close_connection(fd);
            return -1;
        }
        return 0;
    }
    for (uint8_t *line = data; (line = memmem(line, (size_t)(end - line), "\r\n", 2)) != NULL;) {
        line += 2;
        if (end - line < 18 + 24 || strncasecmp((char *)line, "sec-websocket-key:", 18) != 0)
            continue;
        line += 18;
        while (*line == ' ')
            line++;
        if (end - line < 24)
            break;
        char answer[160], accept[29] = {0};
        websocket_accept_key((char *)line, accept);
        int size = snprintf(answer, sizeof answer,
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %s\r\n\r\n",
                            accept);
        table[fd].state = OPEN;
        table[fd].place = open_count;
        open_list[open_count++] = (uint32_t)fd;
        return write_or_keep(fd, (uint8_t *)answer, (size_t)size) ? end - data + 4 : -1;
    }
    close_connection(fd);
    return -1;
}

/* Append a frame to the answers of this turn; long ones are written at once. 0: the connection is gone. */
static int answer(int fd, size_t *filled, uint8_t first, const uint8_t *payload, size_t n) {
    uint8_t header[10] = {first, (uint8_t)n};
    size_t size = 2;
    if (n >= 65536) {
        header[1] = 127;
        for (int i = 0; i < 8; i++)
            header[2 + i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
        size = 10;
    } else if (n >= 126) {
        header[1] = 126;
        header[2] = (uint8_t)(n >> 8);
        header[3] = (uint8_t)n;
        size = 4;
    }
    if (*filled + size + n > RECEIVE_BYTES) {
        if (*filled && !write_or_keep(fd, answers, *filled))
            return 0;
        *filled = 0;
        if (size + n > RECEIVE_BYTES)
            return write_or_keep(fd, header, size) && write_or_keep(fd, payload, n);
    }
    memcpy(answers + *filled, header, size);
    memcpy(answers + *filled + size, payload, n);
    *filled += size + n;
    return 1;
}

static void unmask(uint8_t *data, size_t n, const uint8_t mask[4]) {
    uint64_t wide;
    size_t i = 0;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(data + i, &word, 8);
    }
    for (; i < n; i++)
        data[i] ^= mask[i & 3];
}

/* The number of `go R`, 0 if it is something else. */
static long go_rounds(const uint8_t *payload, size_t n) {
    long rounds = 0;
    if (n < 4 || n > 10 || memcmp(payload, "go ", 3) != 0)
        return 0;
    for (size_t i = 3; i < n; i++) {
        if (payload[i] < '0' || payload[i] > '9')
            return 0;
        rounds = rounds * 10 + (payload[i] - '0');
    }
    return rounds;
}

/* Handle the whole frames in data; the bytes used, -1: the connection is gone. */
static ssize_t frames(int fd, uint8_t *data, size_t n) {
    size_t used = 0, filled = 0;
    while (n - used >= 6) {
        uint8_t *p = data + used;
        uint64_t length = p[1] & 0x7F;
        size_t header = length == 127 ? 14 : length == 126 ? 8 : 6;
        uint8_t opcode = p[0] & 0x0F;
        if (!(p[1] & 0x80) || !(p[0] & 0x80) || opcode == 0) { /* unmasked, or fragmented: not for this server */
            close_connection(fd);
            return -1;
        }
        if (n - used < header)
            break;
        if (header == 8)
            length = (uint64_t)p[2] << 8 | p[3];
        else if (header == 14) {
            length = 0;
            for (int i = 2; i < 10; i++)
                length = length << 8 | p[i];
        }
        if (length > MESSAGE_MAX) {
            close_connection(fd);
            return -1;
        }
        if (n - used < header + length)
            break;
        unmask(p + header, (size_t)length, p + header - 4);
        used += header + (size_t)length;
        long rounds = opcode == 1 ? go_rounds(p + header, (size_t)length) : 0;
        if (rounds) {
            if (filled && !write_or_keep(fd, answers, filled))
                return -1;
            filled = 0;
            fan_out(rounds);
            if (table[fd].state == FREE)
                return -1;
        } else if (opcode != 10 && !answer(fd, &filled, opcode == 9 ? 0x8A : p[0], p + header, (size_t)length)) {
            return -1;
        }
        if (opcode == 8) {
            if (write_or_keep(fd, answers, filled))
                close_connection(fd);
            return -1;
        }
    }
    if (filled && !write_or_keep(fd, answers, filled))
        return -1;
    return (ssize_t)used;
}

/* One recv(), or for a message that does not fit the buffer, as many as it takes. */
static void readable(int fd) {
    struct connection *c = &table[fd];
    uint8_t *data = buffer;
    uint8_t *larger = NULL;
    size_t n = c->in_size;
    if (n > RECEIVE_BYTES) {
        larger = realloc(c->in, n + RECEIVE_BYTES);
        if (larger == NULL)
            die("realloc");
        c->in = NULL;
        data = larger;
    } else if (n) {
        memcpy(data, c->in, n);
        free(c->in);
        c->in = NULL;
    }
    c->in_size = 0;
    ssize_t got = recv(fd, data + n, RECEIVE_BYTES, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN && n)
            keep(fd, data, n);
        else if (got == 0 || errno != EAGAIN)
            close_connection(fd);
        free(larger);
        return;
    }
    n += (size_t)got;
    ssize_t used = 0;
    if (c->state == UPGRADING)
        used = upgrade(fd, data, n);
    if (used >= 0 && c->state == OPEN) {
        ssize_t more = frames(fd, data + used, n - (size_t)used);
        used = more < 0 ? more : used + more;
    }
    if (used >= 0 && (size_t)used < n)
        keep(fd, data + used, n - (size_t)used);
    free(larger);
}

static void accept_some(void) {
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int one = 1, fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if ((uint32_t)fd >= MAX_DESCRIPTORS || epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        table[fd].state = UPGRADING;
    }
}

int main(int argc, char **argv) {
    struct rlimit limit;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    if (argc != 2 || atoi(argv[1]) < 1 || atoi(argv[1]) > 65535) {
        fprintf(stderr, "usage: epoll_server PORT\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    table = mmap(NULL, MAX_DESCRIPTORS * sizeof *table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    open_list = mmap(NULL, MAX_DESCRIPTORS * sizeof *open_list, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffer = malloc(2 * RECEIVE_BYTES);
    answers = malloc(RECEIVE_BYTES);
    if (table == MAP_FAILED || open_list == MAP_FAILED || buffer == NULL || answers == NULL)
        die("memory");
    listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, sizeof address) < 0 || listen(listening, 4096) < 0)
        die("listen");
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listening};
    if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listening, &event) < 0)
        die("epoll");
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listening) {
                accept_some();
                continue;
            }
            if (table[fd].state != FREE && (events[i].events & EPOLLOUT) && !flush(fd))
                continue;
            if (table[fd].state != FREE && (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
                readable(fd);
        }
    }
}
