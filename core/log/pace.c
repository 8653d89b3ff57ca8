#include "core/log/pace.h"

bool pace_is_busy(struct pace *pace, int64_t now_us) {
    int64_t passed_us = now_us - pace->window_us;
    if (passed_us >= PACE_WINDOW_US) {
        pace->was_busy = pace->count >= PACE_FROM && passed_us < 2 * PACE_WINDOW_US;
        pace->window_us = now_us;
        pace->count = 0;
    }
    pace->count += pace->count < PACE_FROM;
    return pace->was_busy || pace->count >= PACE_FROM;
}
