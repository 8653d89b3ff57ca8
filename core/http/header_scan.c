#include "core/http/header_scan.h"

#include <assert.h>

enum { IS_TOKEN = 1, IS_TARGET = 2, IS_VALUE = 4, IS_CONTROL = 8 };

/* What each byte may be part of. A target may not hold '#': a fragment is never sent (RFC 9112, 3.2.1). */
static const uint8_t CLASS[256] = {
    [0 ... 8] = IS_CONTROL,
    ['\t'] = IS_VALUE,
    ['\n' ... 31] = IS_CONTROL,
    [' '] = IS_VALUE,
    ['!'] = IS_VALUE | IS_TARGET | IS_TOKEN,
    ['"'] = IS_VALUE | IS_TARGET,
    ['#'] = IS_VALUE | IS_TOKEN,
    ['$' ... '\''] = IS_VALUE | IS_TARGET | IS_TOKEN,
    ['(' ... ')'] = IS_VALUE | IS_TARGET,
    ['*' ... '+'] = IS_VALUE | IS_TARGET | IS_TOKEN,
    [','] = IS_VALUE | IS_TARGET,
    ['-' ... '.'] = IS_VALUE | IS_TARGET | IS_TOKEN,
    ['/'] = IS_VALUE | IS_TARGET,
    ['0' ... '9'] = IS_VALUE | IS_TARGET | IS_TOKEN,
    [':' ... '@'] = IS_VALUE | IS_TARGET,
    ['A' ... 'Z'] = IS_VALUE | IS_TARGET | IS_TOKEN,
    ['[' ... ']'] = IS_VALUE | IS_TARGET,
    ['^' ... 'z'] = IS_VALUE | IS_TARGET | IS_TOKEN,
    ['{'] = IS_VALUE | IS_TARGET,
    ['|'] = IS_VALUE | IS_TARGET | IS_TOKEN,
    ['}'] = IS_VALUE | IS_TARGET,
    ['~'] = IS_VALUE | IS_TARGET | IS_TOKEN,
    [127] = IS_CONTROL,
    [128 ... 255] = IS_VALUE,
};

static bool is(char byte, unsigned class) {
    return (CLASS[(uint8_t)byte] & class) != 0;
}

bool http_is_token_byte(char byte) {
    return is(byte, IS_TOKEN);
}

static enum http_refusal refusal_of(char byte, enum http_refusal otherwise) {
    return is(byte, IS_CONTROL) ? HTTP_REFUSAL_CONTROL_BYTE : otherwise;
}

/* The three parts of the request line; the spaces between them are single. */
static enum http_refusal scan_request_line(struct header_scan *scan, char byte) {
    static const char VERSION[] = "HTTP/d.d";
    const uint32_t version_len = sizeof VERSION - 1;
    if (scan->state == SCAN_IN_METHOD) {
        if (byte == ' ' && scan->part_bytes > 0) {
            scan->state = SCAN_IN_TARGET;
            scan->part_bytes = 0;
            return HTTP_REFUSAL_NONE;
        }
        bool fits = is(byte, IS_TOKEN) && ++scan->part_bytes <= HTTP_METHOD_MAX_BYTES;
        return fits ? HTTP_REFUSAL_NONE : refusal_of(byte, HTTP_REFUSAL_REQUEST_LINE);
    }
    if (scan->state == SCAN_IN_TARGET) {
        if (byte == ' ' && scan->part_bytes > 0) {
            scan->state = SCAN_IN_VERSION;
            scan->part_bytes = 0;
            return HTTP_REFUSAL_NONE;
        }
        if (!is(byte, IS_TARGET)) {
            return refusal_of(byte, HTTP_REFUSAL_REQUEST_LINE);
        }
        return ++scan->part_bytes <= HTTP_TARGET_MAX_BYTES ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_TARGET_TOO_LONG;
    }
    assert(scan->state == SCAN_IN_VERSION);
    if (scan->part_bytes == version_len) {
        scan->state = SCAN_AT_LINE_LF;
        return byte == '\r' ? HTTP_REFUSAL_NONE : refusal_of(byte, HTTP_REFUSAL_REQUEST_LINE);
    }
    char expected = VERSION[scan->part_bytes++];
    bool matches = expected == 'd' ? byte >= '0' && byte <= '9' : byte == expected;
    return matches ? HTTP_REFUSAL_NONE : refusal_of(byte, HTTP_REFUSAL_REQUEST_LINE);
}

static enum http_refusal scan_field_start(struct header_scan *scan, char byte) {
    if (byte == '\r') {
        scan->state = SCAN_AT_LAST_LF;
        return HTTP_REFUSAL_NONE;
    }
    if (byte == ' ' || byte == '\t') {
        return HTTP_REFUSAL_OBS_FOLD;
    }
    scan->state = SCAN_IN_NAME;
    if (!is(byte, IS_TOKEN)) {
        return refusal_of(byte, HTTP_REFUSAL_FIELD_NAME);
    }
    return ++scan->field_count <= HTTP_FIELDS_MAX ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_HEAD_TOO_LARGE;
}

static enum http_refusal scan_byte(struct header_scan *scan, char byte) {
    switch (scan->state) {
    case SCAN_AT_START:
        if (byte == '\r' && scan->skipped_bytes == 0) {
            scan->state = SCAN_AT_SKIPPED_LF;
            return HTTP_REFUSAL_NONE;
        }
        scan->state = SCAN_IN_METHOD;
        return scan_request_line(scan, byte);
    case SCAN_AT_SKIPPED_LF:
        scan->state = SCAN_AT_START;
        scan->skipped_bytes = 2;
        return byte == '\n' ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_CONTROL_BYTE;
    case SCAN_IN_METHOD:
    case SCAN_IN_TARGET:
    case SCAN_IN_VERSION:
        return scan_request_line(scan, byte);
    case SCAN_AT_LINE_LF:
        scan->state = SCAN_AT_FIELD;
        return byte == '\n' ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_CONTROL_BYTE;
    case SCAN_AT_FIELD:
        return scan_field_start(scan, byte);
    case SCAN_IN_NAME:
        if (byte == ':') {
            scan->state = SCAN_IN_VALUE;
            return HTTP_REFUSAL_NONE;
        }
        return is(byte, IS_TOKEN) ? HTTP_REFUSAL_NONE : refusal_of(byte, HTTP_REFUSAL_FIELD_NAME);
    case SCAN_IN_VALUE:
        if (byte == '\r') {
            scan->state = SCAN_AT_LINE_LF;
            return HTTP_REFUSAL_NONE;
        }
        return is(byte, IS_VALUE) ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_CONTROL_BYTE;
    case SCAN_AT_LAST_LF:
        return byte == '\n' ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_CONTROL_BYTE;
    }
    assert(false && "header_scan: no such state");
    return HTTP_REFUSAL_HEAD_GRAMMAR;
}

/* How many bytes from `start` on only go on with the name or value that is being read: most bytes do, and need no look
 * at the state each. */
static uint32_t run_length(const struct header_scan *scan, struct str bytes, uint32_t start) {
    unsigned class = scan->state == SCAN_IN_VALUE ? IS_VALUE : scan->state == SCAN_IN_NAME ? IS_TOKEN : 0;
    uint32_t room = HTTP_HEAD_MAX_BYTES - scan->bytes;
    uint32_t end = bytes.len - start < room ? bytes.len : start + room;
    uint32_t at = start;
    while (at < end && is(bytes.data[at], class)) {
        at++;
    }
    return at - start;
}

enum scan_step header_scan(struct header_scan *scan, struct str bytes, size_t *ret_used,
                           enum http_refusal *ret_refusal) {
    for (uint32_t i = 0; i < bytes.len; i++) {
        uint32_t run = run_length(scan, bytes, i);
        scan->bytes += run;
        i += run;
        if (i == bytes.len) {
            break;
        }
        if (scan->bytes == HTTP_HEAD_MAX_BYTES) {
            *ret_refusal = HTTP_REFUSAL_HEAD_TOO_LARGE;
            return SCAN_REFUSED;
        }
        scan->bytes++;
        bool may_be_last = scan->state == SCAN_AT_LAST_LF;
        enum http_refusal refusal = scan_byte(scan, bytes.data[i]);
        if (refusal != HTTP_REFUSAL_NONE) {
            *ret_refusal = refusal;
            return SCAN_REFUSED;
        }
        if (may_be_last) {
            *ret_used = (size_t)i + 1;
            return SCAN_END;
        }
    }
    *ret_used = bytes.len;
    return SCAN_MORE;
}
