/* problem.h: errors as RFC 9457 application/problem+json: type, title, status, code, detail, pointer, trace_id.
 * `code` is stable, clients switch on it; `type` is urn:daybook:problem:<code>.
 * Thread: the exchange's. May use: http.
 */
#pragma once

#include "core/http/server.h"

struct problem {
    int status;
    const char *code;    /* e.g. "unknown_field" */
    const char *detail;  /* one sentence for the developer who called */
    struct str pointer;  /* RFC 6901 pointer into the body; empty for none */
    struct str trace_id; /* 32 hexadecimal digits; empty for none */
    struct str members;  /* further members as JSON text without braces, e.g. "skus":["A"]; empty for none */
    int retry_after_s;   /* 0: no Retry-After */
};

void problem_write(struct buf *out, const struct problem *problem);
void http_answer_problem(struct http_exchange *exchange, const struct problem *problem);
