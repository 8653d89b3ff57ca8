/* header_scan.h: the strict look at a header block before llhttp sees it.
 *
 * Purpose  llhttp 8.1.0 lets pass what another hop may read differently: CR or LF alone as a line's end, NUL and other
 *          control bytes, obs-fold, a space before the colon. Two readings of one message are how requests are
 *          smuggled, so these are refused here.
 * Source   RFC 9112, 2.2 (line ends), 3 (request line), 5.1 (no space before the colon), 5.2 (obs-fold);
 *          RFC 9110, 5.5 and 5.6.2 (field values, tokens).
 * Promise  incremental: the same bytes give the same result however they are cut. One empty line before the request
 *          line is skipped (RFC 9112, 2.2). Obs-text (0x80 and above) may stand in values.
 * Bounds   HTTP_HEAD_MAX_BYTES in all, HTTP_FIELDS_MAX fields, HTTP_TARGET_MAX_BYTES, HTTP_METHOD_MAX_BYTES.
 * Memory   none.                 Thread: one at a time.
 */
#pragma once

#include "core/base/str.h"
#include "core/http/refusal.h"

#include <stddef.h>

enum {
    HTTP_HEAD_MAX_BYTES = 16 * 1024,
    HTTP_FIELDS_MAX = 100,
    HTTP_TARGET_MAX_BYTES = 8 * 1024,
    HTTP_METHOD_MAX_BYTES = 32,
};

struct header_scan {
    enum {
        SCAN_AT_START,
        SCAN_AT_SKIPPED_LF,
        SCAN_IN_METHOD,
        SCAN_IN_TARGET,
        SCAN_IN_VERSION,
        SCAN_AT_LINE_LF,
        SCAN_AT_FIELD,
        SCAN_IN_NAME,
        SCAN_IN_VALUE,
        SCAN_AT_LAST_LF,
    } state;
    uint32_t bytes;         /* seen so far, what was skipped included */
    uint32_t skipped_bytes; /* of an empty line before the request line */
    uint32_t part_bytes;    /* of the request line's part that is being read */
    uint32_t field_count;
};

enum scan_step { SCAN_MORE, SCAN_END, SCAN_REFUSED };

/* Looks at the next bytes. SCAN_END: the header block ends at *ret_used; SCAN_REFUSED: *ret_refusal says why. A zeroed
 * struct begins a new block. */
enum scan_step header_scan(struct header_scan *scan, struct str bytes, size_t *ret_used,
                           enum http_refusal *ret_refusal);

/* RFC 9110, 5.6.2. */
bool http_is_token_byte(char byte);
