#include "cmd/load_schedule.h"

enum { BACKOFF_FIRST_MS = 25, BACKOFF_MOST_MS = 2000, RETRY_AFTER_MOST_S = 10, LATE_MOST_US = 20 * 1000 };

bool load_schedule_is_over(const struct load_schedule *schedule, int64_t now_us) {
    if (schedule->started >= schedule->items_max) {
        return true;
    }
    if (now_us < schedule->end_us) {
        return false;
    }
    return now_us - schedule->end_us >= LATE_MOST_US || load_schedule_next_us(schedule, now_us) >= schedule->end_us;
}

int64_t load_schedule_next_us(const struct load_schedule *schedule, int64_t now_us) {
    if (schedule->rate_per_s == 0) {
        return now_us;
    }
    return schedule->start_us + (int64_t)((double)schedule->started * 1e6 / schedule->rate_per_s);
}

uint64_t load_schedule_behind(const struct load_schedule *schedule, int64_t now_us) {
    int64_t until_us = now_us < schedule->end_us ? now_us : schedule->end_us;
    if (schedule->rate_per_s == 0 || until_us < schedule->start_us) {
        return 0;
    }
    /* The item with number 0 is due at the start itself. */
    uint64_t due = (uint64_t)((double)(until_us - schedule->start_us) * schedule->rate_per_s / 1e6) + 1;
    due = due < schedule->items_max ? due : schedule->items_max;
    return due > schedule->started ? due - schedule->started : 0;
}

uint32_t load_random_next(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

int64_t load_backoff_ms(uint32_t attempt, uint32_t random, int64_t retry_after_s) {
    int64_t most_ms = BACKOFF_FIRST_MS;
    for (uint32_t i = 1; i < attempt && most_ms < BACKOFF_MOST_MS; i++) {
        most_ms *= 2;
    }
    most_ms = most_ms < BACKOFF_MOST_MS ? most_ms : BACKOFF_MOST_MS;
    int64_t wait_ms = most_ms / 2 + (int64_t)(random % (uint32_t)(most_ms / 2 + 1));
    int64_t asked_s = retry_after_s < RETRY_AFTER_MOST_S ? retry_after_s : RETRY_AFTER_MOST_S;
    return wait_ms > asked_s * 1000 ? wait_ms : asked_s * 1000;
}
