/* steady_clock.h: the time by which credentials are judged: what has expired stays expired, whatever the clock does.
 *
 * Purpose  a token that has died must not live again because somebody, or a time server, sets the machine's clock back.
 * Promise  begins at the wall clock and advances with CLOCK_BOOTTIME, which also counts while the machine sleeps. It
 *          never goes back. Where the wall clock is ahead without a break for STEADY_CLOCK_MOVES_AFTER_S, it moves
 *          forward by the least that the wall clock was ahead meanwhile: an hour that is set by mistake and taken back
 *          within that time changes nothing. Where the wall clock is behind it stays, until the process starts again.
 * Rule     the wall clock is seen when somebody asks: ask once a second, also when there is nothing to judge.
 *          A gap beyond STEADY_CLOCK_ALARM_US, either way, is worth a line in the log, and a metric.
 * Memory   the caller's; no resources.
 * Thread   one at a time; each loop has its own.          May use: libc.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { STEADY_CLOCK_MOVES_AFTER_S = 300, STEADY_CLOCK_ALARM_US = 30 * 1000 * 1000 };

struct steady_clock {
    int64_t ahead_of_boot_us; /* what CLOCK_BOOTTIME lacks to the time that is told */
    int64_t told_us;          /* last */
    int64_t gap_us;           /* by how much the wall clock was ahead when last seen; negative: behind */
    bool is_behind;           /* for some time the wall clock has always been ahead, by least_gap_us at least */
    int64_t behind_since_boot_us, least_gap_us;
};

/* Of clock_wall_us and clock_boot_us, at one moment. */
void steady_clock_init(struct steady_clock *clock, int64_t wall_us, int64_t boot_us);

/* The time, in microseconds since 1970, given what the two clocks show now. */
int64_t steady_clock_now(struct steady_clock *clock, int64_t wall_us, int64_t boot_us);

/* By how much the wall clock was ahead when last seen; negative: behind. */
int64_t steady_clock_gap_us(const struct steady_clock *clock);
