#include "core/connect/log_clock.h"

void log_clock_record(struct log_clock *clock, int64_t broker_us, int64_t boot_us, bool is_fresh) {
    int64_t ahead_us = broker_us - boot_us;
    if (!clock->is_set || is_fresh || ahead_us > clock->ahead_of_boot_us) {
        clock->ahead_of_boot_us = ahead_us;
    }
    clock->is_set = true;
    clock->is_proven = clock->is_proven || is_fresh;
}

int64_t log_clock_now(const struct log_clock *clock, int64_t wall_us, int64_t boot_us) {
    return clock->is_proven ? boot_us + clock->ahead_of_boot_us : wall_us;
}

enum log_clock_said log_clock_is_over(const struct log_clock *clock, int64_t time_us, int64_t wall_us,
                                      int64_t boot_us) {
    if (clock->is_set && boot_us + clock->ahead_of_boot_us >= time_us) {
        return LOG_CLOCK_OVER;
    }
    return !clock->is_proven && wall_us >= time_us ? LOG_CLOCK_UNSURE : LOG_CLOCK_NOT_YET;
}
