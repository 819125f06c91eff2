/* The opening handshake's request (RFC 6455 section 4.2.1 on top of RFC 9112), parsed once it is complete.
 *
 * Strict: CR LF ends lines, no folding, no space before the colon, no control characters, the headers that matter at
 * most once, no body. What a proxy in front might read in another way is refused rather than guessed.
 * Spans point into the request; nothing is allocated.
 */
#ifndef XINYU_UPGRADE_H
#define XINYU_UPGRADE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define UPGRADE_MAX_HEADERS 100

/* The answer (section 4.2.2) up to the 28 characters of its key. */
#define UPGRADE_SWITCHING                                                                        \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: "
#define UPGRADE_SWITCHING_SIZE (sizeof UPGRADE_SWITCHING - 1)

typedef struct span {
    const char *text;
    size_t length;
} span;

typedef struct upgrade_request {
    span path, query, key;
    span names[UPGRADE_MAX_HEADERS], values[UPGRADE_MAX_HEADERS];
    int header_count;
    const char *why; /* of a refusal: short text for the answer's body */
} upgrade_request;

static inline int http_token_char(uint8_t c) {
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return 1;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static inline int http_is_token(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!http_token_char((uint8_t)text[i]))
            return 0;
    return n > 0;
}

/* Visible characters, spaces, tabs and bytes above 7F (RFC 9110 section 5.5). */
static inline int http_is_field_value(const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return 0;
    }
    return 1;
}

static inline int span_is(span s, const char *lower) {
    return s.length == strlen(lower) && strncasecmp(s.text, lower, s.length) == 0;
}

/* Does a comma-separated list hold this token, in any case? */
static inline int span_lists(span s, const char *lower) {
    size_t i = 0;
    while (i < s.length) {
        while (i < s.length && (s.text[i] == ' ' || s.text[i] == '\t' || s.text[i] == ','))
            i++;
        size_t from = i;
        while (i < s.length && s.text[i] != ',')
            i++;
        size_t to = i;
        while (to > from && (s.text[to - 1] == ' ' || s.text[to - 1] == '\t'))
            to--;
        span item = {s.text + from, to - from};
        if (span_is(item, lower))
            return 1;
    }
    return 0;
}

/* 24 characters of base64 that decode to 16 bytes. */
static inline int upgrade_key_valid(span key) {
    if (key.length != 24 || key.text[22] != '=' || key.text[23] != '=')
        return 0;
    for (int i = 0; i < 22; i++) {
        char c = key.text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' || c == '/'))
            return 0;
    }
    return 1;
}

/* Length of the head with its blank line, or 0 if it is not complete; bytes before `from` were searched before. */
static inline size_t upgrade_head_length(const char *data, size_t n, size_t from) {
    from = from > 3 ? from - 3 : 0;
    const char *p = data + from, *end = data + n;
    while (end - p >= 4 && (p = memchr(p, '\r', (size_t)(end - p) - 3)) != NULL) {
        if (memcmp(p, "\r\n\r\n", 4) == 0)
            return (size_t)(p - data) + 4;
        p++;
    }
    return 0;
}

static inline int upgrade_refuse(upgrade_request *r, int status, const char *why) {
    r->why = why;
    return status;
}

/* "GET /path?query HTTP/1.1" */
static inline int upgrade_request_line(upgrade_request *r, const char *line, size_t n, int *is_get) {
    const char *end = line + n, *space = memchr(line, ' ', n);
    if (space == NULL || !http_is_token(line, (size_t)(space - line)))
        return upgrade_refuse(r, 400, "bad request line");
    *is_get = space - line == 3 && memcmp(line, "GET", 3) == 0;
    const char *target = space + 1, *after = memchr(target, ' ', (size_t)(end - target));
    if (after == NULL || after == target)
        return upgrade_refuse(r, 400, "bad request line");
    if (end - after != 9 || memcmp(after, " HTTP/1.1", 9) != 0)
        return upgrade_refuse(r, 400, "HTTP/1.1 is required");
    for (const char *p = target; p < after; p++)
        if ((uint8_t)*p <= 0x20 || (uint8_t)*p >= 0x7F || *p == '#')
            return upgrade_refuse(r, 400, "bad request target");
    if (*target != '/') { /* the absolute form: "http://host/path" */
        span scheme = {target, 0};
        if (after - target > 7 && strncasecmp(target, "http://", 7) == 0)
            scheme.length = 7;
        else if (after - target > 8 && strncasecmp(target, "https://", 8) == 0)
            scheme.length = 8;
        else
            return upgrade_refuse(r, 400, "bad request target");
        target = memchr(target + scheme.length, '/', (size_t)(after - target) - scheme.length);
        if (target == NULL)
            return upgrade_refuse(r, 400, "bad request target");
    }
    const char *mark = memchr(target, '?', (size_t)(after - target));
    r->path.text = target;
    r->path.length = (size_t)((mark ? mark : after) - target);
    r->query.text = mark ? mark + 1 : after;
    r->query.length = mark ? (size_t)(after - mark - 1) : 0;
    return 0;
}

/* Parse a complete head of n bytes, blank line included. 0: a correct upgrade; else the HTTP status of the refusal. */
static inline int upgrade_parse(const char *head, size_t n, upgrade_request *r) {
    const char *p = head, *end = head + n - 2; /* the blank line stays outside */
    int is_get = 0, first = 1, hosts = 0, keys = 0, versions = 0, version_13 = 0, upgrades = 0, connections = 0;
    memset(r, 0, offsetof(upgrade_request, names));
    r->header_count = 0;
    r->why = "";
    while (p < end) {
        const char *eol = memchr(p, '\r', (size_t)(end - p));
        if (eol == NULL || eol + 1 >= end || eol[1] != '\n')
            return upgrade_refuse(r, 400, "bad line end");
        size_t length = (size_t)(eol - p);
        if (first) {
            int status = upgrade_request_line(r, p, length, &is_get);
            if (status)
                return status;
            first = 0;
        } else {
            const char *colon = memchr(p, ':', length);
            if (colon == NULL || !http_is_token(p, (size_t)(colon - p)))
                return upgrade_refuse(r, 400, "bad header name");
            if (r->header_count == UPGRADE_MAX_HEADERS)
                return upgrade_refuse(r, 431, "too many headers");
            span name = {p, (size_t)(colon - p)}, value = {colon + 1, (size_t)(eol - colon) - 1};
            while (value.length && (*value.text == ' ' || *value.text == '\t'))
                value.text++, value.length--;
            while (value.length && (value.text[value.length - 1] == ' ' || value.text[value.length - 1] == '\t'))
                value.length--;
            if (!http_is_field_value(value.text, value.length))
                return upgrade_refuse(r, 400, "bad header value");
            r->names[r->header_count] = name;
            r->values[r->header_count++] = value;
            if (span_is(name, "host")) {
                hosts++;
            } else if (span_is(name, "upgrade")) {
                upgrades |= span_lists(value, "websocket");
            } else if (span_is(name, "connection")) {
                connections |= span_lists(value, "upgrade");
            } else if (span_is(name, "sec-websocket-key")) {
                keys++;
                r->key = value;
            } else if (span_is(name, "sec-websocket-version")) {
                versions++;
                version_13 = span_is(value, "13");
            } else if (span_is(name, "transfer-encoding") ||
                       (span_is(name, "content-length") && !span_is(value, "0"))) {
                return upgrade_refuse(r, 400, "a request body is not expected");
            }
        }
        p = eol + 2;
    }
    if (first)
        return upgrade_refuse(r, 400, "bad request line");
    if (hosts != 1)
        return upgrade_refuse(r, 400, "one Host header is required");
    if (!upgrades)
        return upgrade_refuse(r, 426, "this port speaks WebSocket only");
    if (!is_get)
        return upgrade_refuse(r, 400, "method GET is required");
    if (!connections)
        return upgrade_refuse(r, 400, "Connection: Upgrade is required");
    if (versions != 1 || !version_13)
        return upgrade_refuse(r, versions > 1 ? 400 : 426, "Sec-WebSocket-Version 13 is required");
    if (keys != 1 || !upgrade_key_valid(r->key))
        return upgrade_refuse(r, 400, "one valid Sec-WebSocket-Key is required");
    return 0;
}

#endif
