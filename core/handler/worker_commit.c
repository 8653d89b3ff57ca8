#include <assert.h>
#include <string.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/handler/worker_parts.h"

/* ---- offsets ----------------------------------------------------------------------------------------------------- */

void offset_add(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition, int64_t offset,
                const char *note) {
    rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_add(list, topic, partition);
    place->offset = offset;
    place->metadata_size = strlen(note);
    place->metadata = strdup_or_end(note); /* the list frees it */
}

static void command_offset_add(const struct worker *worker, rd_kafka_topic_partition_list_t *list, int32_t shard,
                               int64_t offset, struct suspect_note note) {
    char text[SUSPECT_NOTE_MAX];
    suspect_note_write(note, text);
    offset_add(list, worker->options.topics->names[TOPIC_COMMANDS], shard, offset, text);
}

/* Gives the open transaction up after `err`; a doubt weighs more. */
static enum err txn_abandon(struct worker *worker, enum err err, struct err_info *info) {
    struct err_info aborted;
    if (log_txn_abort(worker->txn, &aborted) == ERR_NONE) {
        return err;
    }
    *info = aborted;
    return ERR_IN_DOUBT;
}

/* After a commit: what it appended was appended just now, and bears the broker's time. The time of the commit comes on
 * top, some seconds at most, which is little beside what clocks may differ by. */
static void clocks_learn(struct worker *worker) {
    int64_t appended_us = log_txn_appended_us(worker->txn);
    int64_t boot_us = clock_boot_us();
    for (uint32_t i = 0; i < worker_shard_count(worker) && appended_us > 0; i++) {
        if (worker->shards[i].active) {
            shard_clock_fresh(&worker->shards[i].clock, boot_us, appended_us);
        }
    }
}

/* The assignment that is decided under, for a transaction that is open; it is given up when there is none. */
static enum err assignment_named(struct worker *worker, const rd_kafka_consumer_group_metadata_t **ret_group,
                                 struct err_info *info) {
    *ret_group = group_metadata(worker->group);
    return *ret_group != NULL
               ? ERR_NONE
               : txn_abandon(worker, err_set_retriable(info, ERR_FENCED, "the group no longer knows this member"),
                             info);
}

enum err offsets_commit(struct worker *worker, const rd_kafka_topic_partition_list_t *offsets, struct err_info *info) {
    const rd_kafka_consumer_group_metadata_t *group;
    enum err err = assignment_named(worker, &group, info);
    err = err == ERR_NONE ? log_txn_commit(worker->txn, offsets, group, info) : err;
    if (err == ERR_NONE) {
        clocks_learn(worker);
    }
    return err;
}

void trouble_count(struct worker *worker, enum err err) {
    pthread_mutex_lock(&worker->report_lock);
    worker->report.commits_in_doubt += err == ERR_IN_DOUBT;
    worker->report.commits_fenced += err == ERR_FENCED;
    worker->report.commits_failed += err == ERR_KAFKA;
    pthread_mutex_unlock(&worker->report_lock);
    worker->txn_in_doubt = worker->txn_in_doubt || err == ERR_IN_DOUBT;
    if (err == ERR_IN_DOUBT) {
        /* A batch that could not be committed in its time, because a disk is slow, would fail again as it is. */
        worker->batch_most = worker->batch_most > 1 ? worker->batch_most / 2 : 1;
    }
}

/* ---- after a commit ---------------------------------------------------------------------------------------------- */

/* The engine learns where its last records stand. A shard of which the broker did not say must be taken over again. */
static void batch_locate(struct worker *worker) {
    size_t count;
    const struct log_partition *written = log_txn_written(worker->txn, &count);
    for (size_t i = 0; i < count; i++) {
        int topic = 0;
        while (strcmp(worker->options.topics->names[topic], written[i].topic) != 0) {
            topic++;
            assert(topic < TOPIC_COUNT);
        }
        bool is_folded = topic == TOPIC_OUTCOMES || topic >= TOPIC_FIRST_EVENTS;
        if (written[i].offset >= 0) {
            engine_appended(&worker->engine, (enum log_topic)topic, written[i].partition, written[i].offset);
        } else if (is_folded) {
            log_line(LOG_WARN, "handler", "the broker named no offset of a batch; its shard is taken over again",
                     LOG_INT("shard", written[i].partition));
            worker->must_take_over = true;
        }
    }
}

/* Best effort: whoever waits asks again. False when it could not even be queued. */
static bool reply_send(struct worker *worker, const struct out_reply *out) {
    struct err_info info;
    return local_replies_hand_over(worker->options.local_replies, out->instance, out->value) ||
           log_producer_send(worker->options.replies, worker->options.topics->names[TOPIC_REPLIES], out->partition,
                             out->instance, out->value, out->headers, out->header_count, NULL, NULL, &info) == ERR_NONE;
}

static uint64_t replies_send(struct worker *worker) {
    const struct out_reply_array *replies = &worker->engine.sealed.replies;
    uint64_t failed = 0;
    for (uint32_t i = 0; i < replies->count; i++) {
        failed += !reply_send(worker, &replies->items[i]);
    }
    return failed;
}

static void batch_tell(struct worker *worker, uint64_t replies_failed) {
    const struct batch_on_its_way *sealed = &worker->sealed;
    pthread_mutex_lock(&worker->report_lock);
    struct worker_report *report = &worker->report;
    histogram_record(&report->commit_us, (uint64_t)(clock_boot_us() - sealed->began_us));
    report->replies += worker->engine.sealed.replies.count;
    report->replies_failed += replies_failed;
    report->engine = worker->engine.stats;
    report->batches++;
    report->batch_commands += sealed->commands;
    if (sealed->commands > report->batch_commands_largest) {
        report->batch_commands_largest = sealed->commands;
    }
    pthread_mutex_unlock(&worker->report_lock);
}

/* It stands in the log: a shard whose records cannot be located must not reach its store, for the log has it all. */
static void batch_stands(struct worker *worker) {
    clocks_learn(worker);
    batch_locate(worker);
    batch_tell(worker, replies_send(worker));
    size_t most = (size_t)worker->options.config->batch_commands_max;
    worker->batch_most = worker->batch_most < most / 2 ? worker->batch_most * 2 : most;
}

/* ---- a batch on its way ------------------------------------------------------------------------------------------ */

bool batch_is_on_its_way(const struct worker *worker) {
    return worker->sealed.offsets != NULL;
}

enum err batch_land(struct worker *worker, struct err_info *info) {
    if (!batch_is_on_its_way(worker)) {
        return ERR_NONE;
    }
    enum err err = committer_wait(worker->committer, info);
    log_txn_settle(worker->txn, err);
    if (err == ERR_NONE) {
        batch_stands(worker);
        engine_batch_landed(&worker->engine);
    } else {
        engine_batch_failed(&worker->engine);
    }
    rd_kafka_topic_partition_list_destroy(worker->sealed.offsets);
    worker->sealed = (struct batch_on_its_way){0};
    return err;
}

/* The offsets that go along: of every shard that a command was read from, and of every shard that is written to, for
 * only they fence an owner that the group has replaced. */
static rd_kafka_topic_partition_list_t *batch_offsets(struct worker *worker) {
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(8);
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        struct worker_shard *shard = &worker->shards[i];
        if (shard->active && (shard->batch_next_offset >= 0 || engine_wrote(&worker->engine, (int32_t)i))) {
            int64_t offset = shard->batch_next_offset >= 0 ? shard->batch_next_offset : shard->next_offset;
            shard->next_offset = offset;
            shard->note = suspect_note_after(shard->note, offset);
            command_offset_add(worker, offsets, (int32_t)i, offset, shard->note);
        }
    }
    return offsets;
}

/* The transaction of the open batch may have begun long ago, while the commit before it was slow: what is left of its
 * time would not do, and it would end in doubt. Its records are sent again in another. */
static enum err transaction_renew(struct worker *worker, struct err_info *info) {
    if (!log_txn_is_open(worker->txn) || log_txn_has_time(worker->txn)) {
        return ERR_NONE;
    }
    worker->batch_produced = 0;
    return log_txn_abort(worker->txn, info);
}

enum err batch_seal(struct worker *worker, struct err_info *info) {
    assert(!batch_is_on_its_way(worker));
    if (!worker->is_deciding) {
        return ERR_NONE;
    }
    enum err err = transaction_renew(worker, info);
    err = err == ERR_NONE ? records_produce(worker, info) : err;
    if (err != ERR_NONE) {
        return err;
    }
    worker->is_deciding = false;
    engine_batch_seal(&worker->engine);
    rd_kafka_topic_partition_list_t *offsets = batch_offsets(worker);
    const rd_kafka_consumer_group_metadata_t *group = NULL;
    if (offsets->cnt > 0) {
        err = log_txn_is_open(worker->txn) ? ERR_NONE : log_txn_begin(worker->txn, info);
        err = err == ERR_NONE ? assignment_named(worker, &group, info) : err;
    }
    if (err != ERR_NONE || offsets->cnt == 0) {
        rd_kafka_topic_partition_list_destroy(offsets);
        assert(!log_txn_is_open(worker->txn)); /* whatever is produced has an offset to go with */
        if (err == ERR_NONE) {
            engine_batch_landed(&worker->engine); /* of nothing, though a timer may have been disarmed */
        } else {
            engine_batch_failed(&worker->engine);
        }
        return err;
    }
    worker->sealed =
        (struct batch_on_its_way){.offsets = offsets, .commands = worker->batch_commands, .began_us = clock_boot_us()};
    worker->sealed_commands = worker->batch_commands;
    worker->sealed_boot_us = worker->sealed.began_us;
    log_txn_seal(worker->txn);
    committer_give(worker->committer, worker->txn, offsets, group);
    return ERR_NONE;
}

enum err batches_finish(struct worker *worker, struct err_info *info) {
    enum err err = batch_land(worker, info);
    err = err == ERR_NONE ? batch_seal(worker, info) : err;
    return err == ERR_NONE ? batch_land(worker, info) : err;
}

enum err batches_drop(struct worker *worker, struct err_info *info) {
    enum err err = batch_land(worker, info);
    worker->is_deciding = false;
    /* After a doubt the writer is renewed, which aborts what is open as well. */
    if (err != ERR_IN_DOUBT && !worker->txn_in_doubt && worker->txn != NULL && log_txn_is_open(worker->txn)) {
        err = txn_abandon(worker, err, info);
    }
    return err;
}

/* ---- stores ------------------------------------------------------------------------------------------------------ */

void stores_write(struct worker *worker) {
    for (uint32_t i = 0; i < worker_shard_count(worker) && !worker->must_take_over; i++) {
        struct err_info info = {0};
        if (worker->shards[i].active && engine_apply(&worker->engine, (int32_t)i, &info) != ERR_NONE) {
            log_line(LOG_WARN, "handler", "a store did not take committed batches; its shard is taken over again",
                     LOG_INT("shard", i), LOG_CSTR("why", info.text));
            worker->must_take_over = true;
        }
    }
}

/* ---- offsets without a batch ------------------------------------------------------------------------------------- */

/* Offsets alone append nothing that would tell the broker's time: one record does, without a value and for nobody. */
static enum err probe_produce(struct worker *worker, struct err_info *info) {
    enum err err = log_txn_produce(worker->txn, worker->options.topics->names[TOPIC_REPLIES], 0, STR("clock"),
                                   (struct str){0}, NULL, 0, info);
    return err == ERR_NONE ? ERR_NONE : txn_abandon(worker, err, info);
}

enum err notes_commit(struct worker *worker, struct err_info *info) {
    assert(!batch_is_on_its_way(worker) && !worker->is_deciding);
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(4);
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        if (worker->shards[i].active) {
            command_offset_add(worker, offsets, (int32_t)i, worker->shards[i].next_offset, worker->shards[i].note);
        }
    }
    enum err err = ERR_NONE;
    if (offsets->cnt > 0) {
        err = log_txn_begin(worker->txn, info);
        err = err == ERR_NONE ? probe_produce(worker, info) : err;
        err = err == ERR_NONE ? offsets_commit(worker, offsets, info) : err;
    }
    rd_kafka_topic_partition_list_destroy(offsets);
    return err;
}

/* Where the shard's offset can be moved to, past markers alone; -1: nowhere. */
static int64_t markers_end(const struct worker *worker, int32_t number) {
    const struct worker_shard *shard = &worker->shards[number];
    int64_t end = shard->active ? group_end(worker->group, number) : -1;
    return end > shard->next_offset && (!worker->is_deciding || end > shard->batch_next_offset) ? end : -1;
}

static bool is_note_due(const struct worker *worker) {
    bool is_due = false;
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        const struct worker_shard *shard = &worker->shards[i];
        is_due = is_due || markers_end(worker, (int32_t)i) >= 0 || (shard->active && !shard->clock.is_proven);
    }
    return is_due;
}

void ends_pass(struct worker *worker) {
    assert(worker->message_count == 0 && !worker->is_deciding);
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        struct worker_shard *shard = &worker->shards[i];
        int64_t end = markers_end(worker, (int32_t)i);
        if (end >= 0) {
            shard->next_offset = end;
            shard->note = suspect_note_after(shard->note, end);
        }
    }
}

enum err ends_note(struct worker *worker, struct err_info *info) {
    int64_t boot_us = clock_boot_us();
    if (boot_us - worker->noted_boot_us < NOTES_PAUSE_MS * MICROS_PER_MS || !is_note_due(worker)) {
        return ERR_NONE;
    }
    enum err err = batches_finish(worker, info);
    if (err != ERR_NONE || worker->must_take_over) {
        return err;
    }
    ends_pass(worker);
    worker->noted_boot_us = boot_us;
    return notes_commit(worker, info);
}
