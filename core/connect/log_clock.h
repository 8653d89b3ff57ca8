/* log_clock.h: what time it is in the log, for those who must not end something for good by a clock of their own.
 *
 * Purpose  a machine's clock may be hours off, and what it takes for over is ended for everybody. All topics bear their
 *          brokers' time (LogAppendTime): one clock for the installation. It goes on by CLOCK_BOOTTIME, which never
 *          steps, between one record and the next.
 * Promise  a record that was just appended sets it, forward or back; an old one, of the past that is read at the start,
 *          at most forward. Before the first it is 1970, so that nothing is over.
 *          Until a fresh record has come it may be late, by as long as the log was quiet before the start: where the
 *          wall clock then takes something for over, and the log's does not, nobody knows.
 * Thread   pure; one at a time.          May use: libc.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing was seen. */
struct log_clock {
    int64_t ahead_of_boot_us; /* what CLOCK_BOOTTIME lacks to the log's time */
    bool is_set, is_proven;   /* a record was seen; a fresh one was */
};

/* A record bears this broker's time, in microseconds since 1970. `is_fresh`: it was appended within the last second or
 * so, as far as can be told. */
void log_clock_record(struct log_clock *clock, int64_t broker_us, int64_t boot_us, bool is_fresh);

/* What time it is, in microseconds since 1970; the wall clock's before a fresh record has come. */
int64_t log_clock_now(const struct log_clock *clock, int64_t wall_us, int64_t boot_us);

enum log_clock_said { LOG_CLOCK_NOT_YET, LOG_CLOCK_OVER, LOG_CLOCK_UNSURE };

/* Whether a time, in microseconds since 1970, is over. */
enum log_clock_said log_clock_is_over(const struct log_clock *clock, int64_t time_us, int64_t wall_us, int64_t boot_us);
