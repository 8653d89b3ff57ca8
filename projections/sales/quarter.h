/* quarter.h: quarters of an hour of UTC, by which sales are summed up: every zone's offset from UTC has been a whole
 * number of them since 1972, so every zone's hours, days, weeks and months begin with one.
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/timestamp.h"

#define QUARTER_US (INT64_C(15) * 60 * MICROS_PER_SECOND)

/* When the quarter began in which the time is, also before 1970: a stream may hold any time. */
static inline int64_t quarter_of(int64_t time_us) {
    int64_t within_us = time_us % QUARTER_US;
    return time_us - within_us - (within_us < 0 ? QUARTER_US : 0);
}
