/* shard_clock.h: the time by which timers fire.
 *
 * Purpose  a wall clock may be stepped by hours, and an order must not lose its stock for that. The shard's time starts
 *          at the wall clock's and then advances with CLOCK_BOOTTIME, which never steps and counts suspended time.
 * Promise  timers may fire only while shard_clock_check agrees: a record that was appended just now has shown the
 *          broker's time since the start, the wall clock is within CLOCK_DISAGREEMENT_MAX_S of the shard's time, no
 *          record bears a broker's time further ahead of it than that, and the last record known to be fresh is not
 *          that far behind. It is a level, not a latch: clocks that agree again let timers go on, also those of a shard
 *          whose time was started while the wall clock was wrong (shard_clock_mend).
 *          The start is checked against the newest record of the log: a machine whose clock is behind it by more
 *          than the bound does not fire until its time has passed the record's. A clock that is ahead cannot be told
 *          from a log that has been quiet: hence the fresh record (docs/adr/0012).
 * Thread   pure; one at a time.  May use: base.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_DISAGREEMENT_MAX_S = 30 };

enum shard_clock_trouble {
    CLOCK_AGREES,
    CLOCK_UNPROVEN,     /* no record is known yet to have been appended since the start */
    CLOCK_WALL_STEPPED, /* the wall clock has left the shard's time */
    CLOCK_BEHIND_LOG,   /* a record is from the future */
    CLOCK_AHEAD_OF_LOG, /* a record that was just appended is from the past */
};

struct shard_clock {
    int64_t start_wall_us;
    int64_t start_boot_us;
    int64_t newest_record_us; /* the newest broker time seen */
    bool is_proven;           /* a fresh record has been seen */
    int64_t fresh_ahead_us;   /* by how much the shard's time was ahead of the last fresh record's; negative: behind */
};

void shard_clock_start(struct shard_clock *clock, int64_t wall_us, int64_t boot_us, int64_t newest_record_us);

/* A record of the log bears this broker's time; it may be old. */
void shard_clock_record(struct shard_clock *clock, int64_t broker_us);

/* A record that was appended within the last second or so bears this broker's time. */
void shard_clock_fresh(struct shard_clock *clock, int64_t boot_us, int64_t broker_us);

int64_t shard_clock_now(const struct shard_clock *clock, int64_t boot_us);

/* When the wall clock and the broker's time agree with one another and the shard's time with neither, the shard's time
 * is the one that is wrong: it is started anew. False: there is nothing to mend, or nobody to believe. */
bool shard_clock_mend(struct shard_clock *clock, int64_t wall_us, int64_t boot_us);

enum shard_clock_trouble shard_clock_check(const struct shard_clock *clock, int64_t wall_us, int64_t boot_us);
