#include "core/handler/worker_parts.h"

#include <assert.h>

#include "core/base/logger.h"
#include "core/base/timestamp.h"
#include "core/log/client.h"

/* A record that comes this soon after a poll that found nothing was appended just now. */
#define FRESH_WITHIN_US (2 * MICROS_PER_SECOND)

/* ---- committing -------------------------------------------------------------------------------------------------- */

void offset_add(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition, int64_t offset,
                const char *note) {
    rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_add(list, topic, partition);
    place->offset = offset;
    place->metadata_size = strlen(note);
    place->metadata = strdup(note); /* the list frees it */
    assert(place->metadata != NULL);
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

enum err offsets_commit(struct worker *worker, const rd_kafka_topic_partition_list_t *offsets, struct err_info *info) {
    const rd_kafka_consumer_group_metadata_t *group = group_metadata(worker->group);
    if (group == NULL) {
        return txn_abandon(worker, err_set_retriable(info, ERR_FENCED, "the group no longer knows this member"), info);
    }
    enum err err = log_txn_commit(worker->txn, offsets, group, info);
    if (err == ERR_NONE) {
        clocks_learn(worker);
    }
    return err;
}

static void shards_committed(struct worker *worker) {
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        worker->shards[i].committed_offset = worker->shards[i].next_offset;
    }
}

/* Offsets alone append nothing that would tell the broker's time: one record does, without a value and for nobody. */
static enum err probe_produce(struct worker *worker, struct err_info *info) {
    enum err err = log_txn_produce(worker->txn, worker->options.topics->names[TOPIC_REPLIES], 0, STR("clock"),
                                   (struct str){0}, NULL, 0, info);
    return err == ERR_NONE ? ERR_NONE : txn_abandon(worker, err, info);
}

enum err notes_commit(struct worker *worker, struct err_info *info) {
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
        if (err == ERR_NONE) {
            shards_committed(worker);
        }
    }
    rd_kafka_topic_partition_list_destroy(offsets);
    return err;
}

enum err ends_note(struct worker *worker, struct err_info *info) {
    bool is_due = false;
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        struct worker_shard *shard = &worker->shards[i];
        int64_t end = shard->active ? group_end(worker->group, (int32_t)i) : -1;
        if (end > shard->next_offset) {
            shard->next_offset = end;
            shard->note = suspect_note_after(shard->note, end);
        }
        is_due = is_due || (shard->active && (shard->committed_offset < shard->next_offset || !shard->clock.is_proven));
    }
    int64_t boot_us = clock_boot_us();
    if (!is_due || boot_us - worker->noted_boot_us < NOTES_PAUSE_MS * MICROS_PER_MS) {
        return ERR_NONE;
    }
    worker->noted_boot_us = boot_us;
    return notes_commit(worker, info);
}

/* ---- deciding ---------------------------------------------------------------------------------------------------- */

static struct engine_input input_of(const rd_kafka_message_t *message) {
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    return (struct engine_input){
        .shard = message->partition,
        .offset = message->offset,
        .timestamp_us = timestamp_ms > 0 ? timestamp_ms * MICROS_PER_MS : 0,
        .key = str_of(message->key, message->key_len),
        .value = str_of(message->payload, message->len),
        .traceparent = client_message_header(message, "traceparent"),
    };
}

static void clock_learns(const struct worker *worker, struct worker_shard *shard, int64_t offset,
                         int64_t timestamp_us) {
    int64_t boot_us = clock_boot_us();
    shard_clock_record(&shard->clock, timestamp_us);
    /* What lay there before the takeover may be of any age, even if the first poll came back empty. */
    if (offset >= shard->taken_over_at && boot_us - worker->idle_boot_us < FRESH_WITHIN_US) {
        shard_clock_fresh(&shard->clock, boot_us, timestamp_us);
    }
}

static enum err message_decide(struct worker *worker, const rd_kafka_message_t *message, struct err_info *info) {
    struct worker_shard *shard = &worker->shards[message->partition];
    struct engine_input input = input_of(message);
    clock_learns(worker, shard, message->offset, input.timestamp_us);
    enum err err;
    if (suspect_is_refused(shard->note, message->offset)) {
        err = engine_set_aside(&worker->engine, &input, STR("deciding it ended the process more than once"), info);
    } else if (shard->refuse_offset == message->offset) {
        err = engine_set_aside(&worker->engine, &input, STR("deciding it passes a bound on memory or size"), info);
    } else {
        witness_deciding(worker->options.witness, worker->options.number, message->partition, message->offset);
        err = engine_decide(&worker->engine, &input, info);
        witness_rest(worker->options.witness, worker->options.number);
    }
    if (err == ERR_NONE) {
        shard->batch_next_offset = message->offset + 1;
    }
    return err;
}

/* What a shard that was given up, or has come past it, need not decide. */
static bool is_stale(const struct worker *worker, const rd_kafka_message_t *message) {
    const struct worker_shard *shard = &worker->shards[message->partition];
    return !shard->active || message->offset < shard->next_offset;
}

/* Where the batch ends early: it is full, or its commands went past a bound the last time. */
static bool is_enough(const struct worker *worker, const rd_kafka_message_t *next, size_t decided) {
    bool alone = next->offset < worker->shards[next->partition].alone_until;
    return (alone && decided > 0) || engine_is_full(&worker->engine);
}

/* Sends what the batch has brought out so far. The broker can take it while the rest is being decided. */
static enum err records_produce(struct worker *worker, struct err_info *info) {
    const struct out_record_array *records = &worker->engine.outbox.records;
    enum err err = ERR_NONE;
    if (records->count > worker->batch_produced && !log_txn_is_open(worker->txn)) {
        err = log_txn_begin(worker->txn, info);
    }
    while (worker->batch_produced < records->count && err == ERR_NONE) {
        const struct out_record *record = &records->items[worker->batch_produced++];
        err = log_txn_produce(worker->txn, worker->options.topics->names[record->topic], record->partition, record->key,
                              record->value, record->headers, record->header_count, info);
    }
    return err;
}

static enum err messages_decide(struct worker *worker, size_t from, size_t *ret_taken, struct err_info *info) {
    enum err err = ERR_NONE;
    size_t at = from;
    while (at < worker->message_count && err == ERR_NONE &&
           !is_enough(worker, worker->messages[at], worker->batch_commands)) {
        const rd_kafka_message_t *message = worker->messages[at];
        if (!is_stale(worker, message)) {
            worker->batch_commands++;
            err = message_decide(worker, message, info);
            err = err == ERR_NONE ? records_produce(worker, info) : err;
        }
        at += err == ERR_NONE;
    }
    *ret_taken = at - from;
    return err;
}

static enum err timers_decide(struct worker *worker, struct err_info *info) {
    int64_t boot_us = clock_boot_us(), wall_us = clock_wall_us();
    if (boot_us - worker->timers_checked_boot_us < TIMER_CHECK_MS * MICROS_PER_MS) {
        return ERR_NONE;
    }
    worker->timers_checked_boot_us = boot_us;
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < worker_shard_count(worker) && err == ERR_NONE; i++) {
        struct worker_shard *shard = &worker->shards[i];
        if (!shard->active) {
            continue;
        }
        if (shard_clock_mend(&shard->clock, wall_us, boot_us)) {
            log_line(LOG_WARN, "handler", "a shard's time was wrong and was set by the wall clock and the broker's",
                     LOG_INT("shard", i));
        }
        enum shard_clock_trouble trouble = shard_clock_check(&shard->clock, wall_us, boot_us);
        if (trouble == CLOCK_UNPROVEN) {
            continue; /* soon: ends_note sees to it */
        }
        if ((trouble != CLOCK_AGREES) != shard->timers_stopped) {
            shard->timers_stopped = trouble != CLOCK_AGREES;
            log_line(shard->timers_stopped ? LOG_ERROR : LOG_INFO, "handler",
                     shard->timers_stopped ? "clocks disagree: timers stand still" : "clocks agree again: timers go on",
                     LOG_INT("shard", i), LOG_INT("trouble", trouble));
            shards_count(worker);
        }
        if (!shard->timers_stopped) {
            uint32_t fired;
            err = engine_fire_timers(&worker->engine, (int32_t)i, shard_clock_now(&shard->clock, boot_us),
                                     TIMERS_PER_BATCH, &fired, info);
        }
    }
    return err;
}

/* ---- the transaction --------------------------------------------------------------------------------------------- */

/* The offsets that go along: of every shard that a command was read from, and of every shard that is written to, for
 * only they fence an owner that the group has replaced. */
static rd_kafka_topic_partition_list_t *batch_offsets(struct worker *worker) {
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(8);
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        const struct worker_shard *shard = &worker->shards[i];
        if (shard->active && (shard->batch_next_offset >= 0 || engine_wrote(&worker->engine, (int32_t)i))) {
            int64_t offset = shard->batch_next_offset >= 0 ? shard->batch_next_offset : shard->next_offset;
            command_offset_add(worker, offsets, (int32_t)i, offset, suspect_note_after(shard->note, offset));
        }
    }
    return offsets;
}

static enum err batch_commit(struct worker *worker, const rd_kafka_topic_partition_list_t *offsets,
                             struct err_info *info) {
    int64_t began_us = clock_boot_us();
    enum err err = log_txn_is_open(worker->txn) ? ERR_NONE : log_txn_begin(worker->txn, info);
    err = err == ERR_NONE ? offsets_commit(worker, offsets, info) : err;
    if (err == ERR_NONE) {
        pthread_mutex_lock(&worker->report_lock);
        histogram_record(&worker->report.commit_us, (uint64_t)(clock_boot_us() - began_us));
        pthread_mutex_unlock(&worker->report_lock);
    }
    return err;
}

/* ---- after it ---------------------------------------------------------------------------------------------------- */

/* The engine learns where its last records stand. A shard of which the broker did not say must be taken over again. */
static void batch_locate(struct worker *worker, bool *ret_unlocated) {
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
            ret_unlocated[written[i].partition] = true;
        }
    }
}

/* What was committed stands. A shard whose records cannot be located must not reach its store: the log has it all. */
static void batch_keep(struct worker *worker) {
    bool *unlocated = arena_alloc(&worker->engine.outbox.arena, worker_shard_count(worker) * sizeof *unlocated);
    batch_locate(worker, unlocated);
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        struct worker_shard *shard = &worker->shards[i];
        if (!shard->active) {
            continue;
        }
        if (shard->batch_next_offset >= 0) {
            shard->next_offset = shard->batch_next_offset;
            shard->committed_offset = shard->next_offset;
            shard->note = suspect_note_after(shard->note, shard->next_offset);
        }
        if (unlocated[i]) {
            log_line(LOG_WARN, "handler", "the broker named no offset of a batch; its shard is taken over again",
                     LOG_INT("shard", i));
            worker->must_take_over = true;
        }
    }
    engine_batch_keep(&worker->engine);
}

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

/* Best effort: whoever waits asks again. False when it could not even be queued. */
static bool reply_send(struct worker *worker, const struct out_reply *out) {
    struct err_info info;
    return local_replies_hand_over(worker->options.local_replies, out->instance, out->value) ||
           log_producer_send(worker->options.replies, worker->options.topics->names[TOPIC_REPLIES], out->partition,
                             out->instance, out->value, out->headers, out->header_count, NULL, NULL, &info) == ERR_NONE;
}

static void batch_reply_all(struct worker *worker) {
    const struct out_reply_array *replies = &worker->engine.outbox.replies;
    uint64_t failed = 0;
    for (uint32_t i = 0; i < replies->count; i++) {
        failed += !reply_send(worker, &replies->items[i]);
    }
    pthread_mutex_lock(&worker->report_lock);
    struct worker_report *report = &worker->report;
    report->replies += replies->count;
    report->replies_failed += failed;
    report->engine = worker->engine.stats;
    report->batches++;
    report->batch_commands += worker->batch_commands;
    if (worker->batch_commands > report->batch_commands_largest) {
        report->batch_commands_largest = worker->batch_commands;
    }
    pthread_mutex_unlock(&worker->report_lock);
}

/* A bound was passed. A command that did so alone is set aside the next time; else the next time each is alone. */
static void batch_too_large(struct worker *worker, size_t from) {
    if (from >= worker->message_count) {
        return;
    }
    const rd_kafka_message_t *message = worker->messages[from];
    struct worker_shard *shard = &worker->shards[message->partition];
    if (worker->batch_commands <= 1) {
        shard->refuse_offset = message->offset;
    } else {
        for (size_t i = from; i < worker->message_count; i++) {
            worker->shards[worker->messages[i]->partition].alone_until = worker->messages[i]->offset + 1;
        }
    }
}

static void batch_reset(struct worker *worker) {
    engine_batch_begin(&worker->engine);
    worker->batch_commands = 0;
    worker->batch_produced = 0;
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        worker->shards[i].batch_next_offset = -1;
    }
}

enum err batch_run(struct worker *worker, size_t from, size_t *ret_taken, struct err_info *info) {
    size_t taken = 0;
    batch_reset(worker);
    enum err err = messages_decide(worker, from, &taken, info);
    err = err == ERR_NONE ? timers_decide(worker, info) : err;
    err = err == ERR_NONE ? records_produce(worker, info) : err;
    if (err == ERR_NONE) {
        rd_kafka_topic_partition_list_t *offsets = batch_offsets(worker);
        bool is_empty = offsets->cnt == 0;
        assert(!is_empty || !log_txn_is_open(worker->txn)); /* whatever is produced has an offset to go with */
        err = is_empty ? ERR_NONE : batch_commit(worker, offsets, info);
        rd_kafka_topic_partition_list_destroy(offsets);
        if (err == ERR_NONE && is_empty) {
            engine_batch_keep(&worker->engine); /* a timer may have been disarmed */
        } else if (err == ERR_NONE) {
            batch_keep(worker);
            batch_reply_all(worker);
        }
    }
    if (err == ERR_NONE && engine_apply_is_due(&worker->engine)) {
        stores_write(worker);
    }
    if (err != ERR_NONE && log_txn_is_open(worker->txn)) {
        err = txn_abandon(worker, err, info);
    }
    if (err == ERR_TOO_LARGE) {
        batch_too_large(worker, from);
    }
    if (err == ERR_NONE) {
        *ret_taken = taken;
    }
    return err;
}
