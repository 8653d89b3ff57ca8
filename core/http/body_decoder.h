/* body_decoder.h: takes a request's body out of the bytes that carry it: by length, or chunked.
 *
 * Source   RFC 9112, 6 and 7.1. Stricter than it where hops are known to differ: a chunk size is 1 to 8 hexadecimal
 *          digits and nothing else, every line ends in CR LF, chunk extensions and trailers are refused.
 * Promise  incremental: the same bytes give the same body however they are cut; never takes a byte of what follows.
 * Bounds   max_bytes; chunked framing costs a sender at most 6 bytes a byte of body.
 * Memory   the caller's buf.     Thread: one at a time.        May use: base.
 */
#pragma once

#include "core/base/buf.h"
#include "core/http/refusal.h"

struct body_decoder {
    enum {
        BODY_AT_DATA, /* of known length: the whole body, or one chunk */
        BODY_AT_SIZE,
        BODY_AT_SIZE_LF,
        BODY_AT_DATA_CR,
        BODY_AT_DATA_LF,
        BODY_AT_END_CR,
        BODY_AT_END_LF,
        BODY_ENDED,
    } state;
    bool is_chunked;
    uint32_t digits; /* of the chunk size read so far */
    uint64_t left;   /* bytes of data still to come, of the body or of the chunk; the chunk size while it is read */
    uint64_t taken;  /* bytes of body so far */
    uint64_t max_bytes;
};

/* `length` counts when not chunked. */
struct body_decoder body_decoder_of(bool is_chunked, uint64_t length, uint64_t max_bytes);

/* Takes from `bytes` what belongs to the body, and appends its data to `out`. *ret_used is less than bytes.len only at
 * the end, and untouched by a refusal. After HTTP_REFUSAL_NONE `state` says whether the body has ended. */
enum http_refusal body_decode(struct body_decoder *decoder, struct str bytes, struct buf *out, size_t *ret_used);
