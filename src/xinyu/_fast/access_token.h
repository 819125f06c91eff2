/* The plain form of an access token: what xinyu.base.token mints, byte for byte, and nothing that it might also mean.
 *
 * A JSON Web Token (RFC 7519) whose header is the one text of HS256, whose signature is right, and whose claims are the
 * six of ours in the order in which they are minted, without white space or escapes. What is anything else is not
 * refused here but left to xinyu.base.token, which decides on every token: whatever is taken here it would take, with
 * the same claims. The signature is compared in constant time and before the claims are read.
 */
#ifndef XINYU_ACCESS_TOKEN_H
#define XINYU_ACCESS_TOKEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sha256.h"

#define ACCESS_TOKEN_HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
#define ACCESS_TOKEN_SIGNATURE 43     /* characters of base64url for 32 bytes */
#define ACCESS_TOKEN_MOST_CLAIMS 512  /* characters: ours have some 140 */
#define ACCESS_TOKEN_ID 24            /* characters of `jti` */
#define ACCESS_TOKEN_PLATFORM 7       /* of `plt` */
#define ACCESS_TOKEN_MOST_USER INT64_C(9007199254740991)
#define ACCESS_TOKEN_MOST_EXPIRES INT64_C(4503599627370) /* seconds: xinyu.base.token has the reason */

typedef struct access_claims {
    int64_t user_id, expires_at_ms;
    char token_id[ACCESS_TOKEN_ID];       /* filled up with zeros */
    char platform[ACCESS_TOKEN_PLATFORM]; /* likewise */
    uint8_t mark;                         /* of whoever keeps them: a byte that would be empty */
} access_claims;

_Static_assert(sizeof(access_claims) == 48, "what a remembered token costs");

/* Six bits, or 255. */
static inline uint8_t base64url_value(char c) {
    return c >= 'A' && c <= 'Z'   ? (uint8_t)(c - 'A')
           : c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 26)
           : c >= '0' && c <= '9' ? (uint8_t)(c - '0' + 52)
           : c == '-'             ? 62
           : c == '_'             ? 63
                                  : 255;
}

/* RFC 4648 section 5 without padding. Bytes written, or 0: not such a text. `out` has room for 3 bytes of 4 characters
 * and 3 more. */
static inline size_t base64url_decode(const char *text, size_t n, char *out) {
    size_t size = 0;
    if (n % 4 == 1)
        return 0;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t bits = 0;
        size_t left = n - i < 4 ? n - i : 4;
        uint8_t bad = 0;
        for (size_t k = 0; k < left; k++) {
            uint8_t value = base64url_value(text[i + k]);
            bad |= value & 0xC0;
            bits |= (uint32_t)(value & 63) << (18 - 6 * k);
        }
        if (bad)
            return 0;
        out[size++] = (char)(bits >> 16);
        if (left > 2)
            out[size++] = (char)(bits >> 8);
        if (left > 3)
            out[size++] = (char)bits;
    }
    return size;
}

/* 43 characters. */
static inline void base64url_digest(const uint8_t digest[SHA256_DIGEST], char *out) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int i = 0; i < 10; i++) {
        uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int k = 0; k < 4; k++)
            out[4 * i + k] = alphabet[three >> (18 - 6 * k) & 63];
    }
    uint32_t two = (uint32_t)digest[30] << 16 | (uint32_t)digest[31] << 8;
    for (int k = 0; k < 3; k++)
        out[40 + k] = alphabet[two >> (18 - 6 * k) & 63];
}

/* Where the claims are read; NULL once something did not fit. */
typedef struct claims_cursor {
    const char *at, *end;
} claims_cursor;

static inline void claims_expect(claims_cursor *c, const char *text) {
    size_t n = strlen(text);
    if (c->at != NULL && (size_t)(c->end - c->at) >= n && memcmp(c->at, text, n) == 0)
        c->at += n;
    else
        c->at = NULL;
}

/* 0 .. 10**16 - 1, as JSON writes an integer. */
static inline int64_t claims_number(claims_cursor *c) {
    int64_t number = 0;
    int digits = 0;
    if (c->at == NULL)
        return 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9' && digits <= 16; digits++)
        number = number * 10 + (*c->at++ - '0');
    if (digits == 0 || digits > 16 || (digits > 1 && c->at[-digits] == '0'))
        c->at = NULL;
    return number;
}

/* The text up to the next quotation mark, which stays; visible ASCII and spaces without escapes. */
static inline void claims_text(claims_cursor *c, char *field, size_t most) {
    size_t n = 0;
    if (c->at == NULL)
        return;
    while (c->at + n < c->end && n <= most && c->at[n] >= 0x20 && c->at[n] < 0x7F && c->at[n] != '"' &&
           c->at[n] != '\\')
        n++;
    if (n > most) {
        c->at = NULL;
        return;
    }
    memcpy(field, c->at, n);
    c->at += n;
}

/* `claims` is cleared by the caller. 0: not of the plain form, or not signed with this key. */
static inline int access_token_read(const hmac_sha256_key *key, const char *token, size_t n, access_claims *claims) {
    const size_t header = sizeof ACCESS_TOKEN_HEADER - 1;
    uint8_t digest[SHA256_DIGEST];
    char signature[ACCESS_TOKEN_SIGNATURE], json[ACCESS_TOKEN_MOST_CLAIMS / 4 * 3 + 3];
    if (n < header + 1 + ACCESS_TOKEN_SIGNATURE || n > header + ACCESS_TOKEN_MOST_CLAIMS + 1 + ACCESS_TOKEN_SIGNATURE ||
        memcmp(token, ACCESS_TOKEN_HEADER, header) != 0)
        return 0;
    size_t signed_size = n - 1 - ACCESS_TOKEN_SIGNATURE;
    if (token[signed_size] != '.')
        return 0;
    hmac_sha256(key, (const uint8_t *)token, signed_size, digest);
    base64url_digest(digest, signature);
    uint8_t differs = 0;
    for (int i = 0; i < ACCESS_TOKEN_SIGNATURE; i++)
        differs |= (uint8_t)(signature[i] ^ token[signed_size + 1 + (size_t)i]);
    if (differs)
        return 0;
    claims_cursor c = {json, json + base64url_decode(token + header, signed_size - header, json)};
    claims_expect(&c, "{\"iss\":\"xinyu\",\"uid\":");
    claims->user_id = claims_number(&c);
    claims_expect(&c, ",\"jti\":\"");
    claims_text(&c, claims->token_id, ACCESS_TOKEN_ID);
    claims_expect(&c, "\",\"exp\":");
    int64_t expires_at_s = claims_number(&c);
    claims_expect(&c, ",\"plt\":\"");
    claims_text(&c, claims->platform, ACCESS_TOKEN_PLATFORM);
    claims_expect(&c, "\",\"iat\":");
    claims_number(&c);
    claims_expect(&c, "}");
    if (c.at != c.end || claims->user_id < 1 || claims->user_id > ACCESS_TOKEN_MOST_USER ||
        expires_at_s > ACCESS_TOKEN_MOST_EXPIRES)
        return 0;
    claims->expires_at_ms = expires_at_s * 1000;
    return 1;
}

#endif
