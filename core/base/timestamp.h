/* timestamp.h: points in time, as microseconds since 1970-01-01T00:00:00Z, and their RFC 3339 text.
 *
 * Promise  pure, for the years 1970 to 9999. Leap seconds are not counted (POSIX time).
 * Thread   pure; any.            May use: libc.
 */
#pragma once

#include "core/base/buf.h"

enum { MICROS_PER_SECOND = 1000000, MICROS_PER_MS = 1000 };

/* 9999-12-31T23:59:59.999999Z. */
#define TIMESTAMP_MOST_US INT64_C(253402300799999999)

/* Longest text: 2026-11-23T06:22:51.123456Z. */
enum { TIMESTAMP_TEXT_MAX = 27 };

/* Writes e.g. 2026-11-23T06:22:51.123456Z (always six places); returns its length. Asserts that the time is one of
 * those years. */
size_t timestamp_write(int64_t time_us, char ret_text[TIMESTAMP_TEXT_MAX + 1]);

/* Reads any RFC 3339 UTC or offset time with up to nine places (more than six are cut). */
MUST_CHECK bool timestamp_read(struct str text, int64_t *ret_time_us);

/* The wall clock and CLOCK_BOOTTIME, which also counts while the machine is suspended and never steps.
 * Not for the domain, which has no clock. */
int64_t clock_wall_us(void);
int64_t clock_boot_us(void);
