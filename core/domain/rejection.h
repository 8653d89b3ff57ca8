/* rejection.h: business refusals, the answers `no` of decide. A refusal appends nothing.
 * The table is rejection.def. Thread: pure; any. May use: base.
 */
#pragma once

#include "core/base/str.h"

enum rejection {
    ACCEPTED, /* not a refusal */
#define REJECTION(name, code, http_status, of, text) REJECT_##name,
#include "core/domain/rejection.def"
#undef REJECTION
    REJECTION_COUNT
};

struct rejection_info {
    const char *code;
    int http_status;
    const char *text;
};

/* Of any but ACCEPTED. */
const struct rejection_info *rejection_info(enum rejection rejection);

/* The rejection with this code; ACCEPTED for the empty text; false for an unknown one. */
bool rejection_by_code(struct str code, enum rejection *ret_rejection);
