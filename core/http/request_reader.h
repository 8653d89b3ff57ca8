/* request_reader.h: bytes of a connection, in whatever pieces, into whole valid requests.
 *
 * Promise  the same bytes give the same requests and the same refusal however they are cut. After a refusal it takes
 *          no more. Touches no socket, so the fuzzer drives it as it is.
 * Bounds   those of header_scan.h and body_decoder.h. What bodies hold is counted in the pool, for the caller to bound.
 * Memory   a header block that arrives in pieces is gathered in a buffer of the reader, given back when it is whole.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include "core/http/body_decoder.h"
#include "core/http/exchange.h"
#include "core/http/header_scan.h"

struct request_reader {
    struct exchange_pool *pool;
    enum { READER_AT_HEAD, READER_AT_BODY, READER_REFUSED } state;
    struct header_scan scan;
    struct buf head; /* the part of the header block that came before */
    struct body_decoder body;
    struct exchange *exchange; /* of the request whose body is being read */
    bool owes_continue;        /* the client waits for 100 (Continue) before it sends the body */
};

enum reader_step {
    READER_MORE,    /* all bytes taken, more are needed */
    READER_REQUEST, /* *ret_exchange holds a whole request and is the caller's */
    READER_REFUSAL, /* *ret_refusal says why */
};

void request_reader_init(struct request_reader *reader, struct exchange_pool *pool);
void request_reader_release(struct request_reader *reader);

enum reader_step request_reader_feed(struct request_reader *reader, struct str bytes, size_t *ret_used,
                                     struct exchange **ret_exchange, enum http_refusal *ret_refusal);

/* Nothing of a next request has come; an empty line before it is nothing (RFC 9112, 2.2). */
bool request_reader_is_idle(const struct request_reader *reader);
