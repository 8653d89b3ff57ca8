#include "core/base/steady_clock.h"

static const int64_t moves_after_us = (int64_t)STEADY_CLOCK_MOVES_AFTER_S * 1000 * 1000;

void steady_clock_init(struct steady_clock *clock, int64_t wall_us, int64_t boot_us) {
    *clock = (struct steady_clock){.ahead_of_boot_us = wall_us - boot_us, .told_us = wall_us};
}

/* What the wall clock shows is believed once it has been ahead for long enough, and then only what it always was. */
static void follow_wall(struct steady_clock *clock, int64_t boot_us) {
    if (clock->gap_us <= 0) {
        clock->is_behind = false;
        return;
    }
    if (!clock->is_behind) {
        clock->is_behind = true;
        clock->behind_since_boot_us = boot_us;
        clock->least_gap_us = clock->gap_us;
        return;
    }
    if (clock->gap_us < clock->least_gap_us) {
        clock->least_gap_us = clock->gap_us;
    }
    if (boot_us - clock->behind_since_boot_us >= moves_after_us) {
        clock->ahead_of_boot_us += clock->least_gap_us;
        clock->gap_us -= clock->least_gap_us;
        clock->is_behind = false;
    }
}

int64_t steady_clock_now(struct steady_clock *clock, int64_t wall_us, int64_t boot_us) {
    clock->gap_us = wall_us - (boot_us + clock->ahead_of_boot_us);
    follow_wall(clock, boot_us);
    int64_t now_us = boot_us + clock->ahead_of_boot_us;
    if (now_us > clock->told_us) {
        clock->told_us = now_us;
    }
    return clock->told_us;
}

int64_t steady_clock_gap_us(const struct steady_clock *clock) {
    return clock->gap_us;
}
