#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/handler/replay_reader.h"
#include "core/handler/worker_parts.h"

enum {
    TAKEOVER_STEP_MS = 100,
    TAKEOVER_FETCH_WAIT_MS = 5, /* each shard's takeover ends with its ends of partitions */
    TAKEOVER_SLOW_S = 15,
    /* A transaction left open by a dead owner is aborted by the broker after its 4 s; three times that is no delay. */
    TAKEOVER_STALLED_S = 12,
    PAST_END_S = 15,
};

static void shard_activate(struct worker *worker, int32_t number, struct store *store, const struct takeover *takeover,
                           struct suspect_note found) {
    struct worker_shard *shard = &worker->shards[number];
    int64_t died_at = -1;
    (void)witness_died_at(worker->options.witness, number, &died_at);
    *shard = (struct worker_shard){
        .is_claimed = shard->is_claimed,
        .active = true,
        .store = store,
        .next_offset = takeover->next_offset,
        .taken_over_at = takeover->commands_high,
        .batch_next_offset = -1,
        .alone_until = shard->alone_until,
        .note = suspect_note_taken_over(found, died_at, takeover->next_offset),
        .refuse_offset = shard->refuse_offset,
    };
    if (shard->note.kind == NOTE_SUSPECT) {
        log_line(LOG_WARN, "handler", "processes have died deciding a command", LOG_INT("shard", number),
                 LOG_INT("offset", shard->note.offset), LOG_INT("deaths", shard->note.deaths));
    }
    shard_clock_start(&shard->clock, clock_wall_us(), clock_boot_us(), store_progress(store)->log_time_us);
    engine_own(&worker->engine, number, store);
}

static void takeover_tell(struct worker *worker, int32_t shard, const struct takeover *takeover, bool was_standby,
                          int64_t took_us, const char *note) {
    pthread_mutex_lock(&worker->report_lock);
    worker->report.takeovers++;
    worker->report.records_replayed += takeover->replay.replayed;
    worker->report.records_foreign += takeover->replay.foreign;
    worker->report.stores_discarded += takeover->replay.discarded != NULL;
    worker->report.takeover_us_last = (uint64_t)took_us;
    pthread_mutex_unlock(&worker->report_lock);
    if (takeover->replay.discarded != NULL) {
        log_line(LOG_WARN, "handler", "a state store was thrown away and filled anew from the log",
                 LOG_INT("shard", shard), LOG_CSTR("why", takeover->replay.discarded));
    }
    log_line(LOG_INFO, "handler", "shard taken over", LOG_INT("shard", shard), LOG_CSTR("worker", worker->name),
             LOG_INT("next_command", takeover->next_offset), LOG_INT("records", takeover->replay.replayed),
             LOG_INT("foreign", takeover->replay.foreign), LOG_INT("standby", was_standby),
             LOG_INT("ms", took_us / MICROS_PER_MS), LOG_CSTR("left", note[0] == '\0' ? "(nothing)" : note));
}

/* Whether the takeover in hand is pointless by now. Serves the group's membership as well. */
static bool is_called_off(struct worker *worker, uint64_t generation) {
    rd_kafka_message_t *message = NULL;
    struct err_info info;
    if (group_poll(worker->group, 0, &message, &info) == ERR_NONE && message != NULL) {
        rd_kafka_message_destroy(message); /* nothing is read now: a remainder of before */
    }
    return atomic_load(&worker->stopping) || group_generation(worker->group) != generation;
}

static void stalled_set(struct worker *worker, int stalled) {
    pthread_mutex_lock(&worker->report_lock);
    worker->report.takeovers_stalled = stalled;
    pthread_mutex_unlock(&worker->report_lock);
}

/* How a takeover gets on, for those who watch. */
struct takeover_watch {
    int64_t began_us;
    int64_t moved_us; /* when something was read last */
    uint64_t records;
    bool told_slow, told_stalled;
};

static void takeover_watch(struct worker *worker, struct takeover_watch *watch, const struct takeover *takeover) {
    int64_t now_us = clock_boot_us();
    uint64_t records = takeover->replay.replayed + takeover->replay.foreign;
    if (records != watch->records) {
        watch->records = records;
        watch->moved_us = now_us;
    }
    if (!watch->told_slow && now_us - watch->began_us > TAKEOVER_SLOW_S * (int64_t)MICROS_PER_SECOND) {
        watch->told_slow = true;
        log_line(LOG_INFO, "handler", "a takeover goes on", LOG_INT("shard", takeover->options.replay.shard),
                 LOG_INT("records", takeover->replay.replayed));
    }
    if (!watch->told_stalled && now_us - watch->moved_us > TAKEOVER_STALLED_S * (int64_t)MICROS_PER_SECOND) {
        watch->told_stalled = true;
        stalled_set(worker, 1);
        struct err_info info;
        takeover_waits_for(takeover, &info);
        log_line(LOG_ERROR, "handler", "a takeover stands still", LOG_INT("shard", takeover->options.replay.shard),
                 LOG_CSTR("why", info.text));
    }
}

/* Steps until done; *ret_called_off says that it ended early. */
static enum err takeover_finish(struct worker *worker, struct takeover *takeover, bool *ret_called_off,
                                struct err_info *info) {
    uint64_t generation = group_generation(worker->group);
    int64_t began_us = clock_boot_us();
    struct takeover_watch watch = {.began_us = began_us, .moved_us = began_us};
    bool done = false, called_off = false;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && !done && !called_off) {
        err = takeover_step(takeover, TAKEOVER_STEP_MS, &done, info);
        called_off = !done && is_called_off(worker, generation);
        takeover_watch(worker, &watch, takeover);
    }
    if (watch.told_stalled) {
        stalled_set(worker, 0);
    }
    *ret_called_off = called_off;
    return err;
}

/* The shard's store: its standby, when there is one, as it is; else what lies in data_dir. */
static enum err store_obtain(struct worker *worker, int32_t shard, struct store **ret_store, bool *ret_was_standby,
                             const char **ret_why_discarded, struct err_info *info) {
    struct store *standby = NULL;
    if (!worker->shards[shard].is_claimed) {
        worker->shards[shard].is_claimed = true;
        standby = standbys_claim(worker->options.standbys, shard);
    }
    *ret_was_standby = standby != NULL;
    if (standby != NULL) {
        *ret_store = standby;
        *ret_why_discarded = NULL;
        return ERR_NONE;
    }
    const struct store_options options = {
        .data_dir = worker->options.config->data_dir, .shard = shard, .cluster_id = worker->cluster_id};
    return store_open(&options, ret_store, ret_why_discarded, info);
}

/* What has to be known of a shard before its takeover. */
struct shard_end {
    int32_t shard;
    struct group_offset committed;
    int64_t ends_least[TOPIC_COUNT];
};

/* In portions, each a transaction that must end in its time: on a disk that takes long for each partition fewer fit. */
static enum err barriers_write(struct worker *worker, struct log_partition *barriers, size_t count,
                               struct err_info *info) {
    enum err err = ERR_NONE;
    for (size_t at = 0, portion; at < count && err == ERR_NONE; at += portion) {
        portion = count - at < worker->barriers_most ? count - at : worker->barriers_most;
        err = log_txn_barrier(worker->txn, barriers + at, portion, info);
    }
    size_t most = worker->barriers_most;
    worker->barriers_most = err != ERR_NONE ? (most + 1) / 2 : most < BARRIERS_MOST / 2 ? most * 2 : BARRIERS_MOST;
    return err;
}

/* Barriers in all that is read of these shards. */
static enum err barriers_learn(struct worker *worker, struct shard_end *ends, size_t count, struct err_info *info) {
    struct log_partition *barriers = calloc_or_end(count * TOPIC_COUNT + 1, sizeof *barriers);
    size_t barrier_count = 0;
    for (size_t i = 0; i < count; i++) {
        for (int topic = 0; topic < TOPIC_COUNT; topic++) {
            if (replay_reads((enum log_topic)topic)) {
                barriers[barrier_count++] =
                    (struct log_partition){worker->options.topics->names[topic], ends[i].shard, -1};
            }
        }
    }
    enum err err = barriers_write(worker, barriers, barrier_count, info);
    barrier_count = 0;
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        for (int topic = 0; topic < TOPIC_COUNT; topic++) {
            if (replay_reads((enum log_topic)topic)) {
                ends[i].ends_least[topic] = barriers[barrier_count++].offset + 1;
            }
        }
    }
    free(barriers);
    return err;
}

/* The barrier of the group's offsets: a note that nobody has made before, at a partition whose offset is nobody's. A
 * coordinator that was replaced and does not know it would answer without it. */
static enum err nonce_commit(struct worker *worker, struct group_offset *nonce, struct err_info *info) {
    (void)snprintf(nonce->note, sizeof nonce->note, "asked %" PRId64 ".%" PRId64, clock_wall_us(), clock_boot_us());
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    offset_add(list, nonce->topic, nonce->partition, 0, nonce->note);
    enum err err = log_txn_begin(worker->txn, info);
    err = err == ERR_NONE ? offsets_commit(worker, list, info) : err;
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

/* The group's offsets of these shards, as they are after all that was committed before. */
static enum err offsets_learn(struct worker *worker, struct shard_end *ends, size_t count, struct err_info *info) {
    const struct log_topics *topics = worker->options.topics;
    struct group_offset *offsets = calloc_or_end(count + 1, sizeof *offsets);
    for (size_t i = 0; i < count; i++) {
        offsets[i] = (struct group_offset){.topic = topics->names[TOPIC_COMMANDS], .partition = ends[i].shard};
    }
    struct group_offset nonce = {.topic = topics->names[TOPIC_DEAD_LETTERS], .partition = ends[0].shard};
    enum err err = nonce_commit(worker, &nonce, info);
    offsets[count] = nonce;
    err = err == ERR_NONE ? group_committed(worker->group, offsets, count + 1, KAFKA_CALL_TIMEOUT_MS, info) : err;
    if (err == ERR_NONE && strcmp(offsets[count].note, nonce.note) != 0) {
        err = err_set_retriable(info, ERR_KAFKA, "a coordinator of before answered for the group's offsets");
    }
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        ends[i].committed = offsets[i];
    }
    free(offsets);
    return err;
}

/* Of all assigned shards that are not stopped: the offsets, and only then the barriers. */
static enum err ends_learn(struct worker *worker, struct shard_end *ret_ends, size_t *ret_count,
                           struct err_info *info) {
    size_t assigned_count;
    const int32_t *assigned = group_shards(worker->group, &assigned_count);
    *ret_count = 0;
    for (size_t i = 0; i < assigned_count; i++) {
        int32_t shard = assigned[i];
        if (shard < 0 || (uint32_t)shard >= worker_shard_count(worker)) {
            return err_set(info, ERR_CONFIG, "the commands topic was given more partitions than the %d of `shards`",
                           (int)worker_shard_count(worker));
        }
        if (!worker->shards[shard].stopped) {
            ret_ends[(*ret_count)++].shard = shard;
        }
    }
    if (*ret_count == 0) {
        return ERR_NONE;
    }
    enum err err = offsets_learn(worker, ret_ends, *ret_count, info);
    return err == ERR_NONE ? barriers_learn(worker, ret_ends, *ret_count, info) : err;
}

/* A broker that leads the commands no more tells an old end until it hears of that. What is told again and again for so
 * long is a leader's word: commands are gone. */
static enum err past_end_judged(struct worker_shard *shard, struct err_info *info) {
    int64_t now_us = clock_boot_us();
    bool is_told_again =
        shard->past_end_since_us > 0 && now_us - shard->past_end_told_us < 2 * BACKOFF_MAX_MS * (int64_t)MICROS_PER_MS;
    shard->past_end_since_us = is_told_again ? shard->past_end_since_us : now_us;
    shard->past_end_told_us = now_us;
    if (now_us - shard->past_end_since_us >= PAST_END_S * (int64_t)MICROS_PER_SECOND) {
        return ERR_CONFLICT;
    }
    const struct err_info told = *info;
    return err_set_retriable(info, ERR_KAFKA, "%s; asked again for %d s", told.text, PAST_END_S);
}

static enum err shard_take_over(struct worker *worker, const struct shard_end *end, const struct replay_log *log,
                                struct err_info *info) {
    int64_t began_us = clock_boot_us();
    int32_t shard = end->shard;
    struct store *store;
    bool was_standby;
    const char *why_discarded;
    enum err err = store_obtain(worker, shard, &store, &was_standby, &why_discarded, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct takeover_options options = {
        .log = log,
        .replay =
            {
                .topics = worker->options.topics,
                .aggregates = worker->options.aggregates,
                .shard = shard,
                .store = store,
                .window_us = worker->engine.options.window_us,
            },
        .committed_offset = end->committed.offset,
    };
    memcpy(options.ends_least, end->ends_least, sizeof options.ends_least);
    struct takeover takeover;
    bool called_off = false;
    err = takeover_begin(&takeover, &options, info);
    if (takeover.is_past_end) {
        err = past_end_judged(&worker->shards[shard], info);
    } else {
        worker->shards[shard].past_end_since_us = 0;
    }
    takeover.replay.discarded = takeover.replay.discarded != NULL ? takeover.replay.discarded : why_discarded;
    err = err == ERR_NONE ? takeover_finish(worker, &takeover, &called_off, info) : err;
    if (err == ERR_NONE && !called_off) {
        shard_activate(worker, shard, store, &takeover, suspect_note_read(end->committed.note));
        takeover_tell(worker, shard, &takeover, was_standby, clock_boot_us() - began_us, end->committed.note);
    } else {
        store_close(store, false);
    }
    takeover_release(&takeover);
    return err;
}

/* All assigned shards, one after the other, until one fails or the assignment changes. */
static enum err each_taken_over(struct worker *worker, const struct replay_log *log, struct err_info *info) {
    uint64_t generation = group_generation(worker->group);
    struct shard_end *ends = calloc_or_end(worker_shard_count(worker), sizeof *ends);
    size_t count;
    enum err err = ends_learn(worker, ends, &count, info);
    bool called_off = is_called_off(worker, generation);
    enum err past_end = ERR_NONE; /* of a shard that is to be asked again: the others' times pass meanwhile */
    struct err_info past_end_info = {0};
    for (size_t i = 0; i < count && err == ERR_NONE && !called_off; i++) {
        err = shard_take_over(worker, &ends[i], log, info);
        called_off = is_called_off(worker, generation);
        if (!called_off && (err == ERR_BROKEN_HISTORY || err == ERR_CONFLICT)) {
            shard_stop(worker, ends[i].shard, info);
            err = ERR_NONE;
        } else if (err == ERR_KAFKA && worker->shards[ends[i].shard].past_end_since_us > 0) {
            past_end = err;
            past_end_info = *info;
            err = ERR_NONE;
        }
    }
    free(ends);
    if (err == ERR_NONE && past_end != ERR_NONE) {
        err = past_end;
        *info = past_end_info;
    }
    if (called_off) {
        return err == ERR_IN_DOUBT ? err : ERR_NONE;
    }
    if (err == ERR_NONE) {
        worker->settled_generation = generation;
    }
    return err;
}

static void deaths_counted(struct worker *worker) {
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        if (worker->shards[i].active) {
            witness_counted(worker->options.witness, (int32_t)i);
        }
    }
}

static enum err reading_begin(struct worker *worker, struct err_info *info) {
    struct group_position *positions = calloc_or_end(worker_shard_count(worker) + 1, sizeof *positions);
    size_t count = 0;
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        if (worker->shards[i].active) {
            positions[count++] = (struct group_position){(int32_t)i, worker->shards[i].next_offset};
        }
    }
    enum err err = group_read_from(worker->group, positions, count, info);
    free(positions);
    return err;
}

/* With the shards at rest: each is taken over, and then they are read from. */
static enum err all_taken_over(struct worker *worker, struct err_info *info) {
    const struct log_reader_options options = {
        .brokers = worker->options.config->kafka_brokers,
        .client_id = worker->name,
        .isolation = LOG_READ_COMMITTED,
        .fetch_wait_ms = TAKEOVER_FETCH_WAIT_MS,
    };
    struct log_reader *reader;
    enum err err = log_reader_open(&options, &reader, info);
    if (err != ERR_NONE) {
        return err;
    }
    const struct replay_log log = replay_log_of_reader(reader);
    err = log_reader_check_shards(reader, worker->options.topics->names[TOPIC_COMMANDS],
                                  (int32_t)worker_shard_count(worker), KAFKA_CALL_TIMEOUT_MS, info);
    err = err == ERR_NONE ? each_taken_over(worker, &log, info) : err;
    log_reader_close(reader);
    if (err == ERR_NONE && shards_are_settled(worker)) {
        /* From here on an unclean end must be seen as one, and a fresh shard must not look like one that lost its
         * offset: so the offsets are committed before anything is decided. */
        err = notes_commit(worker, info);
        if (err == ERR_NONE) {
            deaths_counted(worker);
            err = reading_begin(worker, info);
        }
    }
    return err;
}

enum err shards_take_over(struct worker *worker, struct err_info *info) {
    shards_release(worker, false);
    size_t assigned;
    (void)group_shards(worker->group, &assigned);
    if (assigned == 0) {
        /* Between two assignments, or there are more workers than shards. */
        worker->settled_generation = group_generation(worker->group);
        shards_count(worker);
        return ERR_NONE;
    }
    enum err err = group_read_from(worker->group, NULL, 0, info);
    if (err == ERR_NONE && worker->cluster_id[0] == '\0') {
        err = group_cluster_id(worker->group, KAFKA_CALL_TIMEOUT_MS, worker->cluster_id, info);
    }
    err = err == ERR_NONE ? all_taken_over(worker, info) : err;
    if (err != ERR_NONE) {
        worker->settled_generation = 0;
    }
    shards_count(worker);
    return err;
}
