#include "core/handler/standbys.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"

enum { POLL_RECORDS = 512 };

#define REST_US ((int64_t)STANDBY_REST_S * MICROS_PER_SECOND)
#define BACKOFF_MIN_US ((int64_t)STANDBY_BACKOFF_MIN_S * MICROS_PER_SECOND)
#define BACKOFF_MAX_US ((int64_t)STANDBY_BACKOFF_MAX_S * MICROS_PER_SECOND)
#define CHOOSE_EVERY_US ((int64_t)1000 * MICROS_PER_MS)
#define LAG_EVERY_US ((int64_t)15 * MICROS_PER_SECOND)
#define LAG_SOON_US ((int64_t)2 * MICROS_PER_SECOND) /* while any is behind */
#define DISK_RESERVE_MAX_BYTES ((uint64_t)1024 * 1024 * 1024)

/* A shard is claimed, or open (`store` is there), or neither: it rests, waits for another try, or is not chosen. */
struct standby {
    int claims;
    bool is_chosen;
    int64_t rests_until_us;
    int64_t retry_at_us; /* after a trouble */
    int64_t backoff_us;  /* of the last trouble */
    int64_t opened_us;
    struct store *store;
    struct replay *replay; /* while `store` is there */
    int64_t lag;           /* -1: not known */
};

struct standbys {
    struct standbys_options options;
    /* The lock is held while records are folded and written, never while a broker is asked. */
    pthread_mutex_t lock;
    struct standby *shards;
    struct standbys_report report;

    /* The thread's alone, but for must_assign. */
    bool must_assign;    /* what is read is not what is open; under the lock */
    size_t folded_bytes; /* about: since all were written last */
    int64_t choose_at_us, written_us, lag_at_us;
};

static struct standby *standby_of(struct standbys *standbys, int32_t shard) {
    assert(shard >= 0 && (uint32_t)shard < standbys->options.shard_count);
    return &standbys->shards[shard];
}

struct standbys *standbys_new(const struct standbys_options *options, int64_t now_us) {
    struct standbys *standbys = calloc_or_end(1, sizeof *standbys);
    standbys->options = *options;
    standbys->shards = calloc_or_end(options->shard_count, sizeof *standbys->shards);
    for (uint32_t i = 0; i < options->shard_count; i++) {
        standbys->shards[i].rests_until_us = now_us + REST_US;
    }
    pthread_mutex_init(&standbys->lock, NULL);
    return standbys;
}

void standbys_free(struct standbys *standbys) {
    if (standbys != NULL) {
        for (uint32_t i = 0; i < standbys->options.shard_count; i++) {
            assert(standbys->shards[i].store == NULL);
        }
        pthread_mutex_destroy(&standbys->lock);
        free(standbys->shards);
        free(standbys);
    }
}

/* ---- opening and closing; with the lock -------------------------------------------------------------------------- */

/* The store stays open, and is the caller's. */
static struct store *replay_ended(struct standbys *standbys, struct standby *standby) {
    struct store *store = standby->store;
    replay_release(standby->replay);
    free(standby->replay);
    standby->replay = NULL;
    standby->store = NULL;
    standby->lag = -1;
    standbys->must_assign = true;
    standbys->report.open--;
    store_rest(store);
    return store;
}

static void standby_close(struct standbys *standbys, struct standby *standby, bool synced) {
    store_close(replay_ended(standbys, standby), synced);
}

static void standby_discard(struct standbys *standbys, struct standby *standby) {
    struct store *store = replay_ended(standbys, standby);
    struct err_info info;
    enum err err = store_discard(store, &info); /* what cannot be emptied is looked at again when it is opened */
    (void)err;
    store_close(store, false);
    standbys->report.discarded++;
}

/* Twice as long each time, until it has once been well for as long as that can be. */
static void backoff_begin(struct standbys *standbys, struct standby *standby, int64_t now_us) {
    bool was_well = standby->backoff_us == 0 || now_us - standby->opened_us > BACKOFF_MAX_US;
    standby->backoff_us = was_well ? BACKOFF_MIN_US : standby->backoff_us * 2;
    standby->backoff_us = standby->backoff_us < BACKOFF_MAX_US ? standby->backoff_us : BACKOFF_MAX_US;
    standby->retry_at_us = now_us + standby->backoff_us;
    standbys->report.failed++;
}

/* Leaves a store that cannot go on. The disk's room is worth more to the shards that are owned here. */
static void standby_failed(struct standbys *standbys, int32_t shard, int64_t now_us, const struct err_info *why) {
    struct standby *standby = standby_of(standbys, shard);
    if (standby->store != NULL && why->code == ERR_STORE) {
        standby_discard(standbys, standby);
    } else if (standby->store != NULL) {
        standby_close(standbys, standby, false);
    }
    backoff_begin(standbys, standby, now_us);
    log_line(LOG_WARN, "handler", "a standby store is left for a while", LOG_INT("shard", shard),
             LOG_INT("seconds", standby->backoff_us / MICROS_PER_SECOND), LOG_CSTR("why", why->text));
}

static void unfit_tell(int32_t shard, const char *why) {
    log_line(LOG_WARN, "handler", "a standby store was thrown away and is filled anew from the log",
             LOG_INT("shard", shard), LOG_CSTR("why", why));
}

static void standby_open(struct standbys *standbys, int32_t shard, const char *cluster_id,
                         const struct replay_range ranges[TOPIC_COUNT], int64_t now_us) {
    struct standby *standby = standby_of(standbys, shard);
    const struct standbys_options *options = &standbys->options;
    const struct store_options store_options = {
        .data_dir = options->data_dir, .shard = shard, .cluster_id = cluster_id, .boot_id = options->boot_id};
    struct err_info info = {0};
    const char *why = NULL;
    standby->opened_us = now_us;
    standbys->lag_at_us = now_us;
    if (store_open(&store_options, &standby->store, &why, &info) != ERR_NONE) {
        standby_failed(standbys, shard, now_us, &info);
        return;
    }
    standbys->report.open++;
    standbys->must_assign = true;
    standby->lag = -1;
    standby->replay = malloc_or_end(sizeof *standby->replay);
    const struct replay_options replay_options = {
        .topics = options->topics,
        .aggregates = options->aggregates,
        .shard = shard,
        .store = standby->store,
        .window_us = options->window_us,
        .is_endless = true,
    };
    bool fits;
    replay_begin(standby->replay, &replay_options, ranges, &fits);
    if (!fits) {
        why = "it knows records that the log does not have";
        if (replay_anew(standby->replay, why, ranges, &info) != ERR_NONE) {
            standby_failed(standbys, shard, now_us, &info);
        }
    }
    if (why != NULL) {
        standbys->report.discarded++;
        unfit_tell(shard, why);
    }
}

/* ---- which ------------------------------------------------------------------------------------------------------- */

static bool is_free(const struct standby *standby, int64_t now_us) {
    return standby->claims == 0 && now_us >= standby->rests_until_us;
}

/* How far each shard is from the next one that is owned here, or may be in a moment. */
static void distances_set(const struct standbys *standbys, int64_t now_us, uint32_t *ret_distances) {
    uint32_t count = standbys->options.shard_count;
    uint32_t since = count;
    for (uint32_t i = 0; i < count; i++) {
        since = is_free(&standbys->shards[i], now_us) ? since + 1 : 0;
        ret_distances[i] = since;
    }
    since = count;
    for (uint32_t i = count; i-- > 0;) {
        since = is_free(&standbys->shards[i], now_us) ? since + 1 : 0;
        ret_distances[i] = since < ret_distances[i] ? since : ret_distances[i];
    }
}

/* The nearest `most` of those that are free. */
static void choose(struct standbys *standbys, int64_t now_us) {
    uint32_t count = standbys->options.shard_count, left = standbys->options.most;
    if (left >= count) {
        for (uint32_t i = 0; i < count; i++) {
            standbys->shards[i].is_chosen = is_free(&standbys->shards[i], now_us);
        }
        return;
    }
    uint32_t *distances = malloc_or_end(count * sizeof *distances);
    distances_set(standbys, now_us, distances);
    for (uint32_t i = 0; i < count; i++) {
        standbys->shards[i].is_chosen = false;
    }
    for (uint32_t distance = 1; distance <= 2 * count && left > 0; distance++) {
        for (uint32_t i = 0; i < count && left > 0; i++) {
            if (distances[i] == distance) {
                standbys->shards[i].is_chosen = true;
                left--;
            }
        }
    }
    free(distances);
}

static bool is_due(const struct standby *standby, int64_t now_us) {
    return standby->is_chosen && standby->store == NULL && is_free(standby, now_us) && now_us >= standby->retry_at_us;
}

static bool disk_has_room(const char *path) {
    struct statvfs disk;
    if (statvfs(path, &disk) != 0) {
        return true; /* if it has none, writing will tell */
    }
    uint64_t reserve = (uint64_t)disk.f_blocks * disk.f_frsize / 20;
    reserve = reserve < DISK_RESERVE_MAX_BYTES ? reserve : DISK_RESERVE_MAX_BYTES;
    return (uint64_t)disk.f_bavail * disk.f_frsize >= reserve;
}

/* Closes what is not chosen any more, and one for its room when the disk has none. */
static void surplus_close(struct standbys *standbys, bool has_room, int64_t now_us) {
    for (uint32_t i = 0; i < standbys->options.shard_count; i++) {
        struct standby *standby = &standbys->shards[i];
        if (standby->store != NULL && !standby->is_chosen) {
            standby_close(standbys, standby, false);
        } else if (standby->store != NULL && !has_room) {
            struct err_info why;
            (void)err_set(&why, ERR_STORE, "%s has too little room", standbys->options.data_dir);
            standby_failed(standbys, (int32_t)i, now_us, &why);
            has_room = true; /* perhaps now: the next step looks again */
        }
    }
}

bool standbys_are_wanted(struct standbys *standbys, int64_t now_us) {
    bool are_wanted = false;
    pthread_mutex_lock(&standbys->lock);
    choose(standbys, now_us);
    for (uint32_t i = 0; i < standbys->options.shard_count && !are_wanted; i++) {
        are_wanted = standbys->shards[i].store != NULL || is_due(&standbys->shards[i], now_us);
    }
    pthread_mutex_unlock(&standbys->lock);
    return are_wanted;
}

/* Each in its turn, for asking the broker takes time, and meanwhile shards may be claimed. */
static enum err due_open(struct standbys *standbys, const struct replay_log *log, const char *cluster_id,
                         int64_t now_us, struct err_info *info) {
    for (uint32_t i = 0; i < standbys->options.shard_count; i++) {
        pthread_mutex_lock(&standbys->lock);
        bool is_wanted = is_due(&standbys->shards[i], now_us);
        pthread_mutex_unlock(&standbys->lock);
        struct replay_range ranges[TOPIC_COUNT];
        enum err err =
            is_wanted ? replay_ranges_ask(log, standbys->options.topics, (int32_t)i, ranges, info) : ERR_NONE;
        if (err != ERR_NONE) {
            return err;
        }
        pthread_mutex_lock(&standbys->lock);
        if (is_wanted && is_due(&standbys->shards[i], now_us)) {
            standby_open(standbys, (int32_t)i, cluster_id, ranges, now_us);
        }
        pthread_mutex_unlock(&standbys->lock);
    }
    return ERR_NONE;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* What is to be read of all that are open; the caller frees it. */
static struct log_partition *partitions_of_open(struct standbys *standbys, size_t *ret_count) {
    size_t count = 0;
    struct log_partition *partitions =
        calloc_or_end((size_t)standbys->report.open * TOPIC_COUNT + 1, sizeof *partitions);
    for (uint32_t i = 0; i < standbys->options.shard_count; i++) {
        if (standbys->shards[i].store != NULL) {
            count += replay_partitions(standbys->shards[i].replay, partitions + count);
        }
    }
    *ret_count = count;
    return partitions;
}

static enum err open_assign(struct standbys *standbys, const struct replay_log *log, struct err_info *info) {
    pthread_mutex_lock(&standbys->lock);
    bool must_assign = standbys->must_assign;
    size_t count = 0;
    struct log_partition *partitions = must_assign ? partitions_of_open(standbys, &count) : NULL;
    standbys->must_assign = false;
    pthread_mutex_unlock(&standbys->lock);
    enum err err = must_assign ? log->assign(log->context, partitions, count, info) : ERR_NONE;
    free(partitions);
    if (err != ERR_NONE) {
        pthread_mutex_lock(&standbys->lock);
        standbys->must_assign = true;
        pthread_mutex_unlock(&standbys->lock);
    }
    return err;
}

static void open_write(struct standbys *standbys, int64_t now_us) {
    standbys->folded_bytes = 0;
    standbys->written_us = now_us;
    for (uint32_t i = 0; i < standbys->options.shard_count; i++) {
        struct standby *standby = &standbys->shards[i];
        struct err_info info = {0};
        if (standby->store != NULL && replay_write(standby->replay, &info) != ERR_NONE) {
            standby_failed(standbys, (int32_t)i, now_us, &info);
        }
    }
}

/* Records of a shard that was claimed since they were asked for are nobody's. */
static void record_take(struct standbys *standbys, const struct log_record *record, int64_t now_us) {
    struct standby *standby = standby_of(standbys, record->partition);
    if (standby->store == NULL) {
        return;
    }
    struct replay *replay = standby->replay;
    size_t before = replay->arena.used_bytes;
    uint64_t replayed = replay->replayed;
    bool mismatch = false;
    struct err_info info = {0};
    enum err err = replay_take(replay, record, &mismatch, &info);
    if (err == ERR_BROKEN_HISTORY && replay_may_err(replay, record)) {
        unfit_tell(record->partition, info.text);
        standby_discard(standbys, standby);
        standbys->choose_at_us = now_us;
    } else if (err != ERR_NONE) {
        standby_failed(standbys, record->partition, now_us, &info);
    } else if (mismatch) {
        unfit_tell(record->partition, "the record it applied last is another one in the log");
        standby_discard(standbys, standby);
        standbys->choose_at_us = now_us; /* to be opened anew at once */
    } else {
        standbys->report.replayed += replay->replayed - replayed;
        standbys->folded_bytes += replay->arena.used_bytes - before;
        if (standbys->folded_bytes > STANDBYS_PORTION_BYTES) {
            open_write(standbys, now_us);
        }
    }
}

static enum err open_read(struct standbys *standbys, const struct replay_log *log, int64_t now_us, int timeout_ms,
                          struct err_info *info) {
    struct log_record records[POLL_RECORDS];
    size_t count = 0;
    enum err err = log->poll(log->context, timeout_ms, records, POLL_RECORDS, &count, info);
    pthread_mutex_lock(&standbys->lock);
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        record_take(standbys, &records[i], now_us);
    }
    if (count == 0 || now_us - standbys->written_us >= STANDBY_WRITE_EVERY_MS * MICROS_PER_MS) {
        open_write(standbys, now_us);
    }
    pthread_mutex_unlock(&standbys->lock);
    return err;
}

/* ---- how far they are -------------------------------------------------------------------------------------------- */

static int64_t lag_of(const struct replay *replay, const struct log_partition *ends, size_t count) {
    int64_t lag = 0;
    struct log_partition own[TOPIC_COUNT];
    size_t own_count = replay_partitions(replay, own);
    for (size_t i = 0; i < own_count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (ends[j].partition == own[i].partition && ends[j].topic == own[i].topic &&
                ends[j].offset > own[i].offset) {
                lag += ends[j].offset - own[i].offset;
            }
        }
    }
    return lag;
}

static enum err lags_ask(struct standbys *standbys, const struct replay_log *log, int64_t now_us,
                         struct err_info *info) {
    if (now_us < standbys->lag_at_us) {
        return ERR_NONE;
    }
    bool is_behind = false;
    size_t count;
    pthread_mutex_lock(&standbys->lock);
    struct log_partition *ends = partitions_of_open(standbys, &count);
    pthread_mutex_unlock(&standbys->lock);
    enum err err = count == 0 ? ERR_NONE : log->ends(log->context, LOG_END_NEXT, ends, count, info);
    pthread_mutex_lock(&standbys->lock);
    for (uint32_t i = 0; i < standbys->options.shard_count && err == ERR_NONE; i++) {
        struct standby *standby = &standbys->shards[i];
        if (standby->store != NULL) {
            standby->lag = lag_of(standby->replay, ends, count);
            is_behind = is_behind || standby->lag > 0;
        }
    }
    pthread_mutex_unlock(&standbys->lock);
    free(ends);
    standbys->lag_at_us = now_us + (is_behind ? LAG_SOON_US : LAG_EVERY_US);
    return err;
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

enum err standbys_step(struct standbys *standbys, const struct replay_log *log, const char *cluster_id, int64_t now_us,
                       int timeout_ms, struct err_info *info) {
    enum err err = ERR_NONE;
    if (now_us >= standbys->choose_at_us) {
        standbys->choose_at_us = now_us + CHOOSE_EVERY_US;
        bool has_room = disk_has_room(standbys->options.data_dir);
        pthread_mutex_lock(&standbys->lock);
        choose(standbys, now_us);
        surplus_close(standbys, has_room, now_us);
        pthread_mutex_unlock(&standbys->lock);
        err = has_room ? due_open(standbys, log, cluster_id, now_us, info) : ERR_NONE;
    }
    err = err == ERR_NONE ? open_assign(standbys, log, info) : err;
    err = err == ERR_NONE ? open_read(standbys, log, now_us, timeout_ms, info) : err;
    return err == ERR_NONE ? lags_ask(standbys, log, now_us, info) : err;
}

void standbys_let_go(struct standbys *standbys, bool synced) {
    pthread_mutex_lock(&standbys->lock);
    for (uint32_t i = 0; i < standbys->options.shard_count; i++) {
        if (standbys->shards[i].store != NULL) {
            standby_close(standbys, &standbys->shards[i], synced);
        }
    }
    standbys->choose_at_us = 0;
    pthread_mutex_unlock(&standbys->lock);
}

/* ---- for others -------------------------------------------------------------------------------------------------- */

struct store *standbys_claim(struct standbys *standbys, int32_t shard) {
    if (standbys == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&standbys->lock);
    struct standby *standby = standby_of(standbys, shard);
    standby->claims++;
    struct store *store = standby->store == NULL ? NULL : replay_ended(standbys, standby);
    standbys->report.handed_over += store != NULL;
    pthread_mutex_unlock(&standbys->lock);
    return store;
}

void standbys_unclaim(struct standbys *standbys, int32_t shard, int64_t now_us) {
    if (standbys == NULL) {
        return;
    }
    pthread_mutex_lock(&standbys->lock);
    struct standby *standby = standby_of(standbys, shard);
    assert(standby->claims > 0);
    standby->claims--;
    standby->rests_until_us = now_us + REST_US;
    pthread_mutex_unlock(&standbys->lock);
}

void standbys_report(struct standbys *standbys, struct standbys_report *ret_report) {
    pthread_mutex_lock(&standbys->lock);
    *ret_report = standbys->report;
    pthread_mutex_unlock(&standbys->lock);
}

bool standbys_lag(struct standbys *standbys, int32_t from, int32_t *ret_shard, int64_t *ret_records) {
    bool found = false;
    pthread_mutex_lock(&standbys->lock);
    for (uint32_t i = (uint32_t)from; i < standbys->options.shard_count && !found; i++) {
        found = standbys->shards[i].store != NULL;
        if (found) {
            *ret_shard = (int32_t)i;
            *ret_records = standbys->shards[i].lag;
        }
    }
    pthread_mutex_unlock(&standbys->lock);
    return found;
}
