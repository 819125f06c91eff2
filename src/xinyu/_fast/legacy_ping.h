/* Is a text message the reference client's heartbeat? (contract: ws-events, "Heartbeat")
 *
 * {"event":"ping"}, with white space anywhere that JSON allows it, and with "payload" absent, null or {} before or
 * behind. Everything else, an escaped spelling of the same included, is left to the general path.
 */
#ifndef XINYU_LEGACY_PING_H
#define XINYU_LEGACY_PING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LEGACY_PING_MAX 96 /* bytes; a longer text is not looked at */

static inline const char *ping_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* Behind `text` if it stands at p (after white space), else NULL. */
static inline const char *ping_expect(const char *p, const char *end, const char *text) {
    size_t n = strlen(text);
    if (p == NULL)
        return NULL;
    p = ping_space(p, end);
    return (size_t)(end - p) >= n && memcmp(p, text, n) == 0 ? p + n : NULL;
}

static inline int is_legacy_ping(const uint8_t *data, size_t n) {
    const char *p = (const char *)data, *end = p + n, *q;
    int events = 0, payloads = 0;
    if (n < 16 || n > LEGACY_PING_MAX)
        return 0;
    p = ping_expect(p, end, "{");
    while (p != NULL) {
        if ((q = ping_expect(p, end, "\"event\"")) != NULL) {
            p = ping_expect(ping_expect(q, end, ":"), end, "\"ping\"");
            events++;
        } else if ((q = ping_expect(p, end, "\"payload\"")) != NULL) {
            q = ping_expect(q, end, ":");
            p = ping_expect(q, end, "null");
            if (p == NULL)
                p = ping_expect(ping_expect(q, end, "{"), end, "}");
            payloads++;
        } else {
            return 0;
        }
        if ((q = ping_expect(p, end, "}")) != NULL)
            return ping_space(q, end) == end && events == 1 && payloads <= 1;
        p = ping_expect(p, end, ",");
    }
    return 0;
}

#endif
