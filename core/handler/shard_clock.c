#include "core/handler/shard_clock.h"

#include "core/base/timestamp.h"

#define DISAGREEMENT_MAX_US ((int64_t)CLOCK_DISAGREEMENT_MAX_S * MICROS_PER_SECOND)

void shard_clock_start(struct shard_clock *clock, int64_t wall_us, int64_t boot_us, int64_t newest_record_us) {
    *clock =
        (struct shard_clock){.start_wall_us = wall_us, .start_boot_us = boot_us, .newest_record_us = newest_record_us};
}

void shard_clock_record(struct shard_clock *clock, int64_t broker_us) {
    if (broker_us > clock->newest_record_us) {
        clock->newest_record_us = broker_us;
    }
}

void shard_clock_fresh(struct shard_clock *clock, int64_t boot_us, int64_t broker_us) {
    clock->is_proven = true;
    clock->fresh_ahead_us = shard_clock_now(clock, boot_us) - broker_us;
    shard_clock_record(clock, broker_us);
}

int64_t shard_clock_now(const struct shard_clock *clock, int64_t boot_us) {
    return clock->start_wall_us + (boot_us - clock->start_boot_us);
}

static bool differ(int64_t a_us, int64_t b_us) {
    return a_us - b_us > DISAGREEMENT_MAX_US || b_us - a_us > DISAGREEMENT_MAX_US;
}

bool shard_clock_mend(struct shard_clock *clock, int64_t wall_us, int64_t boot_us) {
    int64_t now_us = shard_clock_now(clock, boot_us);
    int64_t broker_us = now_us - clock->fresh_ahead_us; /* as it went on since the fresh record, by CLOCK_BOOTTIME */
    if (!clock->is_proven || !differ(wall_us, now_us) || differ(wall_us, broker_us)) {
        return false;
    }
    clock->start_wall_us = wall_us;
    clock->start_boot_us = boot_us;
    clock->fresh_ahead_us = wall_us - broker_us;
    return true;
}

enum shard_clock_trouble shard_clock_check(const struct shard_clock *clock, int64_t wall_us, int64_t boot_us) {
    int64_t now_us = shard_clock_now(clock, boot_us);
    if (differ(wall_us, now_us)) {
        return CLOCK_WALL_STEPPED;
    }
    if (clock->newest_record_us - now_us > DISAGREEMENT_MAX_US) {
        return CLOCK_BEHIND_LOG;
    }
    if (!clock->is_proven) {
        return CLOCK_UNPROVEN;
    }
    return clock->fresh_ahead_us > DISAGREEMENT_MAX_US ? CLOCK_AHEAD_OF_LOG : CLOCK_AGREES;
}
