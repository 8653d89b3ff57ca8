#include "core/handler/worker_parts.h"

#include <assert.h>

#include "core/base/logger.h"
#include "core/base/timestamp.h"
#include "core/log/client.h"

/* A record that comes this soon after a poll that found nothing was appended just now. */
#define FRESH_WITHIN_US (2 * MICROS_PER_SECOND)

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
    return !shard->active || message->offset < shard->next_offset || message->offset < shard->batch_next_offset;
}

/* Where the batch ends: it is full, or its commands went past a bound the last time. */
static bool is_enough(const struct worker *worker, const rd_kafka_message_t *next) {
    if (!worker->is_deciding) {
        return false;
    }
    bool alone = next->offset < worker->shards[next->partition].alone_until;
    return (alone && worker->batch_commands > 0) || worker->batch_commands >= worker->batch_most ||
           engine_is_full(&worker->engine);
}

/* Two producers have a connection each, and records of one partition must keep their order. */
static bool may_produce(const struct worker *worker) {
    return !batch_is_on_its_way(worker) || committer_is_taken(worker->committer);
}

enum err records_produce(struct worker *worker, struct err_info *info) {
    const struct out_record_array *records = &worker->engine.outbox.records;
    enum err err = ERR_NONE;
    if (records->count == worker->batch_produced || !may_produce(worker)) {
        return ERR_NONE;
    }
    if (!log_txn_is_open(worker->txn)) {
        err = log_txn_begin(worker->txn, info);
    }
    while (worker->batch_produced < records->count && err == ERR_NONE) {
        const struct out_record *record = &records->items[worker->batch_produced++];
        err = log_txn_produce(worker->txn, worker->options.topics->names[record->topic], record->partition, record->key,
                              record->value, record->headers, record->header_count, info);
    }
    return err;
}

/* A request for each partition costs the same whether it holds one record or hundreds, so what the batch brings out
 * waits for its seal; a large batch begins early, so that the broker has something to do meanwhile. */
static enum err records_send_ahead(struct worker *worker, struct err_info *info) {
    bool are_many = worker->engine.outbox.records.count >= worker->batch_produced + SEND_AHEAD_FROM;
    return are_many ? records_produce(worker, info) : ERR_NONE;
}

/* Begins a batch where none is open. */
static void batch_open(struct worker *worker) {
    if (worker->is_deciding) {
        return;
    }
    engine_batch_begin(&worker->engine);
    worker->is_deciding = true;
    worker->batch_commands = 0;
    worker->batch_produced = 0;
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        worker->shards[i].batch_next_offset = -1;
    }
}

/* Ends early as well when the batch on its way is over: its replies are waited for. */
static enum err messages_decide(struct worker *worker, size_t *at, struct err_info *info) {
    enum err err = ERR_NONE;
    while (*at < worker->message_count && err == ERR_NONE && !is_enough(worker, worker->messages[*at]) &&
           !committer_is_over(worker->committer)) {
        const rd_kafka_message_t *message = worker->messages[*at];
        if (!is_stale(worker, message)) {
            batch_open(worker);
            worker->batch_commands++;
            err = message_decide(worker, message, info);
            err = err == ERR_NONE ? records_send_ahead(worker, info) : err;
        }
        *at += err == ERR_NONE;
    }
    return err;
}

static enum err timers_decide(struct worker *worker, struct err_info *info) {
    int64_t boot_us = clock_boot_us(), wall_us = clock_wall_us();
    if (boot_us - worker->timers_checked_boot_us < TIMER_CHECK_MS * MICROS_PER_MS) {
        return ERR_NONE;
    }
    worker->timers_checked_boot_us = boot_us;
    batch_open(worker);
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

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* A bound was passed, by a batch that is dropped; `at` is the message in hand. A command that did so alone is set aside
 * the next time; else the next time each is alone. */
static void batch_too_large(struct worker *worker, size_t at) {
    bool was_alone = worker->batch_commands == 1, was_decided = false;
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        struct worker_shard *shard = &worker->shards[i];
        was_decided = was_decided || shard->batch_next_offset >= 0;
        if (was_alone && shard->batch_next_offset >= 0) {
            shard->refuse_offset = shard->batch_next_offset - 1;
        } else if (shard->batch_next_offset > shard->alone_until) {
            shard->alone_until = shard->batch_next_offset;
        }
    }
    /* Found out while it was decided; else the message in hand is the next one. */
    if (was_alone && !was_decided && at < worker->message_count) {
        worker->shards[worker->messages[at]->partition].refuse_offset = worker->messages[at]->offset;
    }
    for (size_t i = at; i < worker->message_count && !was_alone; i++) {
        worker->shards[worker->messages[i]->partition].alone_until = worker->messages[i]->offset + 1;
    }
}

int batch_wait_ms(const struct worker *worker) {
    size_t commands =
        worker->batch_commands > worker->sealed_commands ? worker->batch_commands : worker->sealed_commands;
    if (!worker->is_deciding || commands < PACED_FROM || worker->batch_commands >= worker->batch_most ||
        engine_is_full(&worker->engine)) {
        return 0;
    }
    int64_t left_us = worker->sealed_boot_us + PACE_MS * (int64_t)MICROS_PER_MS - clock_boot_us();
    return left_us > 0 ? (int)(left_us / MICROS_PER_MS) + 1 : 0;
}

/* One step of the pipeline: decides into the open batch what fits, and seals it when none is on its way and its time
 * has come. */
static enum err batch_step(struct worker *worker, size_t *at, struct err_info *info) {
    enum err err = messages_decide(worker, at, info);
    err = err == ERR_NONE ? timers_decide(worker, info) : err;
    err = err == ERR_NONE ? records_send_ahead(worker, info) : err;
    bool are_left = *at < worker->message_count; /* which it does not take */
    bool is_time = !batch_is_on_its_way(worker) && (are_left || batch_wait_ms(worker) == 0);
    return err == ERR_NONE && is_time ? batch_seal(worker, info) : err;
}

enum err batches_run(struct worker *worker, struct err_info *info) {
    size_t at = 0;
    enum err err = ERR_NONE;
    bool is_full = false; /* the open batch takes no more, and another is on its way */
    do {
        if (is_full || committer_is_over(worker->committer)) {
            err = batch_land(worker, info);
        }
        if (err == ERR_NONE && engine_apply_is_due(&worker->engine)) {
            err = batches_finish(worker, info);
            if (err == ERR_NONE) {
                stores_write(worker);
            }
        }
        if (err == ERR_NONE && !worker->must_take_over) {
            size_t before = at;
            err = batch_step(worker, &at, info);
            is_full = at == before && worker->is_deciding;
        }
    } while (err == ERR_NONE && at < worker->message_count && !worker->must_take_over);
    if (err == ERR_TOO_LARGE && worker->is_deciding && worker->batch_commands > 0) {
        batch_too_large(worker, at);
    }
    return err;
}
