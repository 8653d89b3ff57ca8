#include "core/gateway/trace.h"

#include <sodium.h>

/* 00-<32 hex>-<16 hex>-<2 hex>; a later version may go on after another dash. */
enum { TRACEPARENT_LEN = 55, TRACE_AT = 3, SPAN_AT = 36, SPAN_ID_LEN = 16, FLAGS_AT = 53 };

/* Lower-case hexadecimal digits. */
static bool is_hex(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

static bool is_all_zeros(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] != '0') {
            return false;
        }
    }
    return true;
}

bool trace_read(struct str traceparent, struct str *ret_trace_id) {
    if (traceparent.len < TRACEPARENT_LEN) {
        return false;
    }
    struct str version = str_first(traceparent, 2);
    struct str trace = str_of(traceparent.data + TRACE_AT, TRACE_ID_LEN);
    struct str span = str_of(traceparent.data + SPAN_AT, SPAN_ID_LEN);
    struct str flags = str_of(traceparent.data + FLAGS_AT, 2);
    bool has_dashes =
        traceparent.data[2] == '-' && traceparent.data[SPAN_AT - 1] == '-' && traceparent.data[FLAGS_AT - 1] == '-';
    bool ends_well = traceparent.len == TRACEPARENT_LEN ||
                     (!str_equal(version, STR("00")) && traceparent.data[TRACEPARENT_LEN] == '-');
    if (!has_dashes || !ends_well || str_equal(version, STR("ff")) || !is_hex(version) || !is_hex(trace) ||
        !is_hex(span) || !is_hex(flags) || is_all_zeros(trace) || is_all_zeros(span)) {
        return false;
    }
    *ret_trace_id = trace;
    return true;
}

static struct str random_hex(struct arena *arena, size_t byte_count) {
    uint8_t bytes[TRACE_ID_LEN / 2];
    randombytes_buf(bytes, byte_count);
    bytes[0] |= 1; /* never all zeros, which would mean none */
    char *text = arena_alloc(arena, 2 * byte_count + 1);
    sodium_bin2hex(text, 2 * byte_count + 1, bytes, byte_count);
    return str_of(text, 2 * byte_count);
}

struct str trace_begin(struct arena *arena) {
    return random_hex(arena, TRACE_ID_LEN / 2);
}

struct str trace_parent(struct arena *arena, struct str trace_id) {
    struct str span = random_hex(arena, SPAN_ID_LEN / 2);
    return arena_printf(arena, "00-%.*s-%.*s-01", STR_ARGS(trace_id), STR_ARGS(span));
}
