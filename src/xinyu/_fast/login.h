/* A login in an upgrade request, as most clients spell it, read without making anything of it.
 *
 * What is read here is what xinyu.gateway.ws.upgrade would read, and means the same. Whatever is rarer is left to it: a
 * page's Origin, a ticket, several subprotocols, a header that comes twice, escapes in the query, a field that may not be
 * so. Spans point into the request.
 */
#ifndef XINYU_LOGIN_H
#define XINYU_LOGIN_H

#include <stdint.h>
#include <string.h>

#include "upgrade.h"

#define LOGIN_SUBPROTOCOL "xinyu.v1.json"
#define LOGIN_MOST_FIELDS 16
#define LOGIN_MOST_DEVICE 64 /* characters of a device's id */

enum login_codec { LOGIN_LEGACY = 0, LOGIN_JSON = 1 };

typedef struct login_request {
    int codec;
    span token, device_id, platform; /* device_id may be empty, platform is not */
} login_request;

/* Headers of the answer to such a login. */
static inline const char *login_lines(int codec) {
    return codec == LOGIN_JSON ? "Sec-WebSocket-Protocol: " LOGIN_SUBPROTOCOL "\r\n" : "";
}

static inline int login_device_id_valid(span s) {
    for (size_t i = 0; i < s.length; i++) {
        char c = s.text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
              c == ':' || c == '-'))
            return 0;
    }
    return s.length <= LOGIN_MOST_DEVICE;
}

static inline int login_span_equals(span s, const char *text) {
    return s.length == strlen(text) && memcmp(s.text, text, s.length) == 0;
}

/* The last field of each name counts. 0: a query that has to be read with more care. */
static inline int login_read_query(span query, login_request *login, span *token) {
    const char *p = query.text, *end = query.text + query.length;
    if (memchr(p, '%', query.length) != NULL || memchr(p, '+', query.length) != NULL)
        return 0;
    for (int fields = 1; p < end; fields++) {
        const char *part_end = memchr(p, '&', (size_t)(end - p));
        if (part_end == NULL)
            part_end = end;
        const char *equals = memchr(p, '=', (size_t)(part_end - p));
        span name = {p, (size_t)((equals != NULL ? equals : part_end) - p)};
        span value = {part_end, 0};
        if (equals != NULL) {
            value.text = equals + 1;
            value.length = (size_t)(part_end - equals) - 1;
        }
        if (login_span_equals(name, "token"))
            *token = value;
        else if (login_span_equals(name, "device_id"))
            login->device_id = value;
        else if (login_span_equals(name, "platform"))
            login->platform = value;
        if (part_end < end && fields == LOGIN_MOST_FIELDS)
            return 0; /* one more begins behind the mark, even an empty one */
        p = part_end < end ? part_end + 1 : end;
    }
    return 1;
}

/* 1: a login of this kind, whose token is yet to be verified. */
static inline int login_read(const upgrade_request *request, login_request *login) {
    span protocols = {NULL, 0}, authorization = {NULL, 0}, token = {NULL, 0};
    for (int i = 0; i < request->header_count; i++) {
        span name = request->names[i];
        span *of = span_is(name, "sec-websocket-protocol") ? &protocols
                   : span_is(name, "authorization")        ? &authorization
                                                           : NULL;
        if (span_is(name, "origin") || (of != NULL && of->text != NULL))
            return 0;
        if (of != NULL)
            *of = request->values[i];
    }
    memset(login, 0, sizeof *login);
    if (protocols.text == NULL)
        login->codec = LOGIN_LEGACY;
    else if (login_span_equals(protocols, LOGIN_SUBPROTOCOL))
        login->codec = LOGIN_JSON;
    else
        return 0;
    int is_legacy_path = request->path.length >= 5 && memcmp(request->path.text, "/wss/", 5) == 0;
    if (!is_legacy_path && !(login->codec == LOGIN_JSON && login_span_equals(request->path, "/ws")))
        return 0;
    if (!login_read_query(request->query, login, &token) || !login_device_id_valid(login->device_id))
        return 0;
    if (login->platform.length == 0) {
        login->platform.text = "web";
        login->platform.length = 3;
    } else if (!login_span_equals(login->platform, "web") && !login_span_equals(login->platform, "pc") &&
               !login_span_equals(login->platform, "app")) {
        return 0;
    }
    if (login->codec == LOGIN_LEGACY && token.length) {
        login->token = token;
    } else if (authorization.length > 7 && memcmp(authorization.text, "Bearer ", 7) == 0) {
        login->token.text = authorization.text + 7;
        login->token.length = authorization.length - 7;
    }
    /* No token of ours begins with a space: one that does is left to who strips it. */
    return login->token.length != 0;
}

#endif
