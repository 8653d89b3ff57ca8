/* pace.h: whether records come so fast that it pays to gather them before they are sent.
 *
 * Purpose  a request costs client and broker the same whether it holds one record or a hundred: at 1,500 commands a
 *          second each with a request of its own was a fifth of a machine of two processors (docs/performance.md).
 *          Who comes alone, or nearly so, must not wait for others.
 * Promise  busy means that PACE_FROM records or more came within PACE_WINDOW_US: within this window or in the one
 *          before it.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_FROM = 8,
    PACE_WINDOW_US = 10 * 1000,
};

struct pace {
    int64_t window_us; /* when it began */
    int count;         /* in it */
    bool was_busy;     /* the window before it */
};

/* One more record comes now. */
bool pace_is_busy(struct pace *pace, int64_t now_us);
