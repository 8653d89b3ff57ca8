#include "core/gateway/admission.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"

enum { LOOK_US = 100 * 1000, SMOOTHED_OVER_US = 1000 * 1000 };

void admission_init(struct admission *admission, uint32_t shard_count, int64_t wait_ms, int64_t now_boot_us) {
    uint32_t share = ADMISSION_LEAST_OF_ALL_SHARDS / shard_count;
    *admission = (struct admission){
        .shards = calloc_or_end(shard_count, sizeof *admission->shards),
        .shard_count = shard_count,
        .least = share > ADMISSION_LEAST ? share : ADMISSION_LEAST,
        .wait_s = (double)wait_ms / 1000,
        .looked_boot_us = now_boot_us,
    };
}

void admission_release(struct admission *admission) {
    free(admission->shards);
    *admission = (struct admission){0};
}

static struct admission_shard *shard_at(struct admission *admission, int32_t shard) {
    assert(shard >= 0 && (uint32_t)shard < admission->shard_count);
    return &admission->shards[shard];
}

/* Counts the time since the last change, in which as many were in flight as are now. */
static void time_passes(const struct admission *admission, struct admission_shard *shard, int64_t now_boot_us) {
    if (shard->in_flight >= admission->least / ADMISSION_BUSY_SHARE && now_boot_us > shard->busy_boot_us) {
        shard->busy_us += now_boot_us - shard->busy_boot_us;
    }
    shard->busy_boot_us = now_boot_us;
}

bool admission_enter(struct admission *admission, int32_t number, int64_t now_boot_us) {
    struct admission_shard *shard = shard_at(admission, number);
    if (shard->in_flight >= admission->least && shard->in_flight >= shard->rate_per_s * admission->wait_s) {
        return false;
    }
    time_passes(admission, shard, now_boot_us);
    shard->in_flight++;
    return true;
}

void admission_leave(struct admission *admission, int32_t number, bool is_decided, int64_t now_boot_us) {
    struct admission_shard *shard = shard_at(admission, number);
    assert(shard->in_flight > 0);
    time_passes(admission, shard, now_boot_us);
    shard->answered += is_decided && shard->in_flight >= admission->least / ADMISSION_BUSY_SHARE;
    shard->in_flight--;
}

static void rate_learn(struct admission_shard *shard) {
    if (shard->busy_us == 0) {
        return;
    }
    shard->known_busy_us += shard->busy_us;
    shard->known_busy_us = shard->known_busy_us < SMOOTHED_OVER_US ? shard->known_busy_us : SMOOTHED_OVER_US;
    double rate_per_s = (double)shard->answered * MICROS_PER_SECOND / (double)shard->busy_us;
    /* What is longer than a second alone counts. */
    double share = shard->busy_us < shard->known_busy_us ? (double)shard->busy_us / (double)shard->known_busy_us : 1;
    shard->rate_per_s += (rate_per_s - shard->rate_per_s) * share;
    shard->answered = 0;
    shard->busy_us = 0;
}

void admission_tick(struct admission *admission, int64_t now_boot_us) {
    int64_t passed_us = now_boot_us - admission->looked_boot_us;
    if (passed_us < LOOK_US) {
        return;
    }
    admission->looked_boot_us = now_boot_us;
    for (uint32_t i = 0; i < admission->shard_count; i++) {
        time_passes(admission, &admission->shards[i], now_boot_us);
        rate_learn(&admission->shards[i]);
    }
}
