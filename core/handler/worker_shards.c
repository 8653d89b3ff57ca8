#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/handler/worker_parts.h"

static void messages_drop(struct worker *worker) {
    for (size_t i = 0; i < worker->message_count; i++) {
        rd_kafka_message_destroy(worker->messages[i]);
    }
    worker->message_count = 0;
}

/* Nothing is open or on its way any more, whatever became of it. */
static void batches_end(struct worker *worker) {
    struct err_info info = {0};
    enum err err = batches_drop(worker, &info);
    if (err != ERR_NONE) {
        trouble_count(worker, err);
        log_line(LOG_WARN, "handler", "what was decided last is forgotten, and will be decided again",
                 LOG_CSTR("worker", worker->name), LOG_CSTR("why", info.text));
    }
}

void shards_release(struct worker *worker, bool synced) {
    batches_end(worker);
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        struct worker_shard *shard = &worker->shards[i];
        if (shard->active) {
            engine_disown(&worker->engine, (int32_t)i);
            store_close(shard->store, synced);
            shard->store = NULL;
            shard->active = false;
        }
    }
    messages_drop(worker);
    worker->settled_generation = 0;
    worker->must_take_over = false;
    shards_count(worker);
}

/* Notes for the next owners that the shards were left in good order. */
static enum err hand_over_noted(struct worker *worker, struct err_info *info) {
    if (worker->message_count == 0) {
        ends_pass(worker);
    }
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        struct worker_shard *shard = &worker->shards[i];
        if (shard->note.kind == NOTE_OPEN) {
            shard->note.kind = NOTE_CLEAN; /* a suspect that was not reached yet stays one */
        }
    }
    return notes_commit(worker, info);
}

void shards_hand_over(struct worker *worker, bool is_last) {
    struct err_info info = {0};
    enum err err = batches_finish(worker, &info);
    bool stands = err == ERR_NONE; /* all that was decided; else it must not reach a store */
    if (stands && !worker->txn_in_doubt) {
        err = hand_over_noted(worker, &info);
    }
    if (err != ERR_NONE) {
        /* Nothing is lost: the log of the next owner merely says that this one ended otherwise. */
        trouble_count(worker, err);
        log_line(LOG_WARN, "handler", "handing over was not noted", LOG_CSTR("worker", worker->name),
                 LOG_CSTR("why", info.text));
    }
    if (stands) {
        stores_write(worker);
    }
    if (is_last && stands) {
        messages_drop(worker);
    } else {
        shards_release(worker, false);
    }
}

void shard_stop(struct worker *worker, int32_t shard, const struct err_info *why) {
    worker->shards[shard].stopped = true;
    log_line(LOG_ERROR, "handler", "shard stopped: nothing is decided on it until a person has looked",
             LOG_INT("shard", shard), LOG_CSTR("why", why->text));
    struct err_info *stop = malloc_or_end(sizeof *stop);
    *stop = *why;
    pthread_mutex_lock(&worker->report_lock);
    free(worker->stops[shard]);
    worker->stops[shard] = stop;
    pthread_mutex_unlock(&worker->report_lock);
    shards_count(worker);
}

void shards_forget_stops(struct worker *worker) {
    pthread_mutex_lock(&worker->report_lock);
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        worker->shards[i].stopped = false;
        worker->shards[i].past_end_since_us = 0;
        free(worker->stops[i]);
        worker->stops[i] = NULL;
    }
    pthread_mutex_unlock(&worker->report_lock);
}

void shards_unclaim(struct worker *worker) {
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        if (worker->shards[i].is_claimed) {
            worker->shards[i].is_claimed = false;
            standbys_unclaim(worker->options.standbys, (int32_t)i, clock_boot_us());
        }
    }
}

bool shards_are_settled(const struct worker *worker) {
    uint64_t generation = group_generation(worker->group);
    return generation > 0 && worker->settled_generation == generation && !worker->must_take_over;
}

void shards_count(struct worker *worker) {
    size_t assigned = 0;
    if (worker->group != NULL) {
        (void)group_shards(worker->group, &assigned);
    }
    int active = 0, stopped = 0, silent = 0;
    for (uint32_t i = 0; i < worker_shard_count(worker); i++) {
        active += worker->shards[i].active;
        stopped += worker->shards[i].stopped;
        silent += worker->shards[i].active && worker->shards[i].timers_stopped;
    }
    pthread_mutex_lock(&worker->report_lock);
    worker->report.shards_assigned = (int)assigned;
    worker->report.shards_active = active;
    worker->report.shards_stopped = stopped;
    worker->report.timers_stopped = silent;
    worker->report.is_settled = worker->group != NULL && shards_are_settled(worker);
    pthread_mutex_unlock(&worker->report_lock);
}
