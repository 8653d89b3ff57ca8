/* load_schedule.h: when each item is meant to start, and how long to wait before repeating a request.
 *
 * Purpose  in an open loop the n-th item is due at start + n / rate, whether or not the server keeps up; its latency
 *          counts from then. So a server that stalls for a second is charged with that second by everybody who would
 *          have come, not by the few that were in flight (coordinated omission).
 * Promise  pure arithmetic on microseconds; no clock.
 * Thread   pure; any.            May use: libc.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct load_schedule {
    double rate_per_s; /* 0: closed loop, an item is due when there is room for it */
    int64_t start_us;
    int64_t end_us;     /* nothing is due from then on; INT64_MAX: no such time */
    uint64_t items_max; /* UINT64_MAX: no such number */
    uint64_t started;
};

/* Whether no further item will ever start. What was due before the end still starts up to 20 ms after it, for a loop
 * that wakes a moment late would otherwise be told as a server that is behind. */
bool load_schedule_is_over(const struct load_schedule *schedule, int64_t now_us);

/* When the next item is due; `now_us` in a closed loop. */
int64_t load_schedule_next_us(const struct load_schedule *schedule, int64_t now_us);

/* Items that were due by now (or by the end) and have not started: how far an open loop lags behind. */
uint64_t load_schedule_behind(const struct load_schedule *schedule, int64_t now_us);

/* The next number of a row that only spreads waits (xorshift32); *state is never 0. */
uint32_t load_random_next(uint32_t *state);

/* How long to wait before attempt number `attempt` + 1: doubling from 25 ms to 2 s, scattered over its upper half by
 * `random`, so that clients that failed together do not return together; at least what the server asked for, which
 * is believed up to 10 s. */
int64_t load_backoff_ms(uint32_t attempt, uint32_t random, int64_t retry_after_s);
