/* answer.h: an answer as the bytes that go over the wire.
 * Source   RFC 9112, 4, 6.1 and 6.2; RFC 9110, 8.6 (no Content-Length with 204).
 * Promise  whatever it is, a browser is told to take it for nothing but what it says it is, and not as a page that
 *          loads, runs or can be framed; where its own fields have a Content-Security-Policy, that one counts.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include "core/http/server.h"

struct answer {
    int status;
    const char *content_type; /* NULL: no Content-Type */
    struct str body;
    const struct http_field *fields;
    size_t field_count;
    struct str date;
    bool stays_open;   /* the head alone: the body comes in parts, chunked where the client can have it so */
    bool is_head;      /* the request was HEAD: the length of the body is told, the body not sent */
    bool is_http_1_0;  /* of the request: persistence has to be said */
    bool is_encrypted; /* browsers are told to come over TLS only: HSTS for two years (RFC 6797) */
    bool closes;
};

void answer_write(struct buf *out, const struct answer *answer);
