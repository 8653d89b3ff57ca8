#include "core/http/body_decoder.h"

#include <assert.h>

enum { CHUNK_SIZE_DIGITS_MAX = 8 };

struct body_decoder body_decoder_of(bool is_chunked, uint64_t length, uint64_t max_bytes) {
    return (struct body_decoder){
        .state = is_chunked    ? BODY_AT_SIZE
                 : length == 0 ? BODY_ENDED
                               : BODY_AT_DATA,
        .is_chunked = is_chunked,
        .left = is_chunked ? 0 : length,
        .max_bytes = max_bytes,
    };
}

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One byte of a chunk-size line: digits, then CR. */
static enum http_refusal take_size(struct body_decoder *decoder, char byte) {
    int digit = hex_digit(byte);
    if (digit >= 0) {
        if (++decoder->digits > CHUNK_SIZE_DIGITS_MAX) {
            return HTTP_REFUSAL_CHUNK;
        }
        decoder->left = decoder->left * 16 + (uint64_t)digit;
        return HTTP_REFUSAL_NONE;
    }
    if (byte != '\r' || decoder->digits == 0) {
        return HTTP_REFUSAL_CHUNK;
    }
    if (decoder->left > decoder->max_bytes - decoder->taken) {
        return HTTP_REFUSAL_BODY_TOO_LARGE;
    }
    decoder->state = BODY_AT_SIZE_LF;
    return HTTP_REFUSAL_NONE;
}

static enum http_refusal take_exactly(struct body_decoder *decoder, char byte, char expected, int next_state) {
    decoder->state = next_state;
    return byte == expected ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_CHUNK;
}

static enum http_refusal take_framing(struct body_decoder *decoder, char byte) {
    switch (decoder->state) {
    case BODY_AT_SIZE:
        return take_size(decoder, byte);
    case BODY_AT_SIZE_LF:
        decoder->digits = 0;
        return take_exactly(decoder, byte, '\n', decoder->left == 0 ? BODY_AT_END_CR : BODY_AT_DATA);
    case BODY_AT_DATA_CR:
        return take_exactly(decoder, byte, '\r', BODY_AT_DATA_LF);
    case BODY_AT_DATA_LF:
        return take_exactly(decoder, byte, '\n', BODY_AT_SIZE);
    case BODY_AT_END_CR: /* anything else would be a trailer */
        return take_exactly(decoder, byte, '\r', BODY_AT_END_LF);
    case BODY_AT_END_LF:
        return take_exactly(decoder, byte, '\n', BODY_ENDED);
    case BODY_AT_DATA:
    case BODY_ENDED:
        break;
    }
    assert(false && "body_decoder: these states take no framing");
    return HTTP_REFUSAL_CHUNK;
}

static size_t take_data(struct body_decoder *decoder, struct str bytes, struct buf *out) {
    size_t size = bytes.len < decoder->left ? bytes.len : (size_t)decoder->left;
    buf_bytes(out, bytes.data, size);
    decoder->left -= size;
    decoder->taken += size;
    if (decoder->left == 0) {
        decoder->state = decoder->is_chunked ? BODY_AT_DATA_CR : BODY_ENDED;
    }
    return size;
}

enum http_refusal body_decode(struct body_decoder *decoder, struct str bytes, struct buf *out, size_t *ret_used) {
    uint32_t used = 0;
    while (used < bytes.len && decoder->state != BODY_ENDED) {
        if (decoder->state == BODY_AT_DATA) {
            used += (uint32_t)take_data(decoder, str_from(bytes, used), out);
            continue;
        }
        enum http_refusal refusal = take_framing(decoder, bytes.data[used++]);
        if (refusal != HTTP_REFUSAL_NONE) {
            return refusal;
        }
    }
    *ret_used = used;
    return HTTP_REFUSAL_NONE;
}
