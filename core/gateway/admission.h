/* admission.h: whether a shard has room for one more command, so that who is let in is answered in time.
 *
 * Purpose  what is asked faster than it can be decided would wait ever longer in the log, until nobody is answered
 *          before he gives up, while all the work is still done. So a command is refused at once, before anything was
 *          done for it, when those before it would take longer than `wait_ms` at the shard's rate.
 * Promise  by Little's law in_flight = rate * wait: the bound needs no setting for the machine and follows it. The rate
 *          is that of the last second in which the shard was busy: a crowd that was told to come again in a second
 *          comes all at once and then not at all, and a pause tells nothing of what a shard can do. `least` commands
 *          of a shard are let in however slow it was: of one that was never busy nothing is known.
 *          A shard that stands still or has a slow provider fills its own part, not that of others.
 * Bounds   one small struct a shard.
 * Thread   the loop's.           May use: base.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    ADMISSION_LEAST = 64,
    ADMISSION_LEAST_OF_ALL_SHARDS = 256,
    ADMISSION_BUSY_SHARE = 8, /* with an eighth of the least in flight a shard is busy */
};

struct admission_shard {
    uint32_t in_flight;
    uint32_t answered;     /* while it was busy, since the last look at the rate */
    int64_t busy_us;       /* how long it was, since then */
    int64_t busy_boot_us;  /* until when that is counted */
    int64_t known_busy_us; /* over how much of it the rate is smoothed: a second at most */
    double rate_per_s;
};

struct admission {
    struct admission_shard *shards;
    uint32_t shard_count;
    uint32_t least;
    double wait_s;
    int64_t looked_boot_us;
};

void admission_init(struct admission *admission, uint32_t shard_count, int64_t wait_ms, int64_t now_boot_us);
void admission_release(struct admission *admission);

/* Takes a place; false: there is none, shed load. Whoever was let in leaves once. */
bool admission_enter(struct admission *admission, int32_t shard, int64_t now_boot_us);
/* `is_decided`: by an outcome, which is what the rate counts. */
void admission_leave(struct admission *admission, int32_t shard, bool is_decided, int64_t now_boot_us);
/* Several times a second: looks at the rates. */
void admission_tick(struct admission *admission, int64_t now_boot_us);
