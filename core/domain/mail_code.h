/* mail_code.h: what a mail server said, as far as it may stand in the log.
 *
 * Why      its text quotes addresses, which have no place there: its three digits are enough.
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include <stdbool.h>

#include "core/base/str.h"

/* Three digits, or nothing. */
static inline bool mail_code_is_plain(struct str code) {
    bool are_digits = true;
    for (uint32_t i = 0; i < code.len; i++) {
        are_digits = are_digits && code.data[i] >= '0' && code.data[i] <= '9';
    }
    return are_digits && (code.len == 0 || code.len == 3);
}
