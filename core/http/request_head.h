/* request_head.h: a scanned header block as a request: llhttp's reading of it, and the rules that decide its framing.
 *
 * Source   RFC 9112: 3.2 (only the origin form is served; Host), 6.1 to 6.3 (Transfer-Encoding, Content-Length),
 *          9.3 (persistence); RFC 9110, 10.1.1 (Expect).
 * Promise  either one reading of the message that no other hop can differ from, or a refusal. What llhttp and our own
 *          look at the framing fields disagree on is refused.
 * Memory   names and values are views into `head`; the field array is taken from the arena.
 * Thread   pure; any.            May use: base, llhttp.
 */
#pragma once

#include "core/http/refusal.h"
#include "core/http/server.h"

struct request_head {
    enum http_method method;
    struct str target;
    struct http_field *fields;
    size_t field_count;
    bool is_http_1_0;
    bool keeps_alive;
    bool expects_continue;
    bool is_chunked;
    uint64_t content_length; /* 0 when chunked or absent */
};

/* `head` is a whole header block that header_scan let pass, with as many fields as it counted. */
enum http_refusal request_head_read(struct str head, uint32_t field_count, struct arena *arena,
                                    struct request_head *ret_head);
