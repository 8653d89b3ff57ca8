#include "core/handler/worker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/thread_name.h"
#include "core/base/timestamp.h"
#include "core/handler/worker_parts.h"

/* ---- callbacks of the group; all within group_poll and group_leave -------------------------------------------------
 */

static void on_revoked(void *context, bool is_lost) {
    struct worker *worker = context;
    log_line(is_lost ? LOG_WARN : LOG_INFO, "handler", is_lost ? "shards lost" : "shards given up",
             LOG_CSTR("worker", worker->name));
    bool stopping = atomic_load(&worker->stopping);
    if (is_lost) {
        shards_release(worker, stopping);
    } else {
        shards_hand_over(worker, stopping);
    }
    shards_forget_stops(worker);
    if (!stopping) {
        shards_unclaim(worker); /* else the stores are still open, and all ends soon */
    }
    shards_count(worker);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Waits a while, serving the group when there is one. Doubles the next wait. */
static void back_off(struct worker *worker, int *backoff_ms) {
    int64_t until_us = clock_boot_us() + (int64_t)*backoff_ms * MICROS_PER_MS;
    while (!atomic_load(&worker->stopping) && clock_boot_us() < until_us) {
        if (worker->group == NULL) {
            nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
            continue;
        }
        rd_kafka_message_t *message = NULL;
        struct err_info info;
        if (group_poll(worker->group, POLL_MS, &message, &info) == ERR_NONE && message != NULL) {
            rd_kafka_message_destroy(message); /* a takeover follows, which reads it again */
        }
    }
    *backoff_ms = *backoff_ms * 2 < BACKOFF_MAX_MS ? *backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void tell_trouble(const struct worker *worker, enum err err, const struct err_info *info) {
    log_line(info->retriable ? LOG_WARN : LOG_ERROR, "handler", err_text(err), LOG_CSTR("worker", worker->name),
             LOG_CSTR("why", info->text));
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static enum err txn_connect(struct worker *worker, struct err_info *info) {
    if (worker->txn != NULL) {
        return ERR_NONE;
    }
    const struct log_txn_options options = {
        .brokers = worker->options.config->kafka_brokers,
        .transactional_id = worker->name,
        .warm_up_topic = worker->options.topics->names[TOPIC_REPLIES],
    };
    return log_txn_open(&options, &worker->txn, info);
}

static enum err group_connect(struct worker *worker, struct err_info *info) {
    if (worker->group != NULL) {
        return ERR_NONE;
    }
    const struct group_options options = {
        .brokers = worker->options.config->kafka_brokers,
        .client_id = worker->name,
        .group_id = worker->group_id,
        .topic = worker->options.topics->names[TOPIC_COMMANDS],
        .on_revoked = on_revoked,
        .context = worker,
    };
    return group_open(&options, &worker->group, info);
}

/* The writer first: until its transactions work there is no use in holding shards. */
static enum err connect_all(struct worker *worker, struct err_info *info) {
    enum err err = txn_connect(worker, info);
    return err == ERR_NONE ? group_connect(worker, info) : err;
}

/* ---- one round --------------------------------------------------------------------------------------------------- */

/* Takes what has arrived, waiting for the first. What belongs to an older assignment is dropped. A passing trouble is
 * the consumer's to overcome; whether we may still write, the commit tells. */
static enum err messages_read(struct worker *worker, struct err_info *info) {
    uint64_t generation = group_generation(worker->group);
    int timeout_ms = worker->is_deciding && !batch_is_on_its_way(worker) ? batch_wait_ms(worker) : POLL_MS;
    int64_t began_us = clock_boot_us();
    while (worker->message_count < worker->batch_most) {
        rd_kafka_message_t *message = NULL;
        enum err err = group_poll(worker->group, timeout_ms, &message, info);
        if (err != ERR_NONE) {
            return info->retriable ? ERR_NONE : err;
        }
        if (message == NULL) {
            int64_t now_us = clock_boot_us();
            if (worker->message_count == 0 && now_us - began_us >= WAITED_MS * (int64_t)MICROS_PER_MS) {
                worker->idle_boot_us = now_us; /* else it was merely woken */
            }
            return ERR_NONE;
        }
        if (group_generation(worker->group) != generation) {
            rd_kafka_message_destroy(message); /* on_revoked has dropped the others */
            return ERR_NONE;
        }
        worker->messages[worker->message_count++] = message;
        timeout_ms = 0;
    }
    return ERR_NONE;
}

static enum err messages_run(struct worker *worker, struct err_info *info) {
    enum err err = batches_run(worker, info);
    for (size_t i = 0; i < worker->message_count; i++) {
        rd_kafka_message_destroy(worker->messages[i]);
    }
    worker->message_count = 0;
    return err;
}

/* Woken when the batch on its way moves on; the worker may be waiting for commands. Thread: the committer's. */
static void on_committer(void *context) {
    struct worker *worker = context;
    group_wake(worker->group);
}

/* Waits for the group to assign something. */
static enum err assignment_await(struct worker *worker, struct err_info *info) {
    rd_kafka_message_t *message = NULL;
    enum err err = group_poll(worker->group, POLL_MS, &message, info);
    if (err == ERR_NONE && message != NULL) {
        rd_kafka_message_destroy(message); /* of an older assignment */
    }
    return err;
}

static enum err round_run(struct worker *worker, struct err_info *info) {
    enum err err = ERR_NONE;
    if (worker->txn_in_doubt) {
        err = log_txn_renew(worker->txn, info);
        if (err != ERR_NONE) {
            return err;
        }
        worker->txn_in_doubt = false;
    }
    if (group_generation(worker->group) == 0) {
        return assignment_await(worker, info);
    }
    if (!shards_are_settled(worker)) {
        return shards_take_over(worker, info);
    }
    int64_t idle_before_us = worker->idle_boot_us;
    err = messages_read(worker, info);
    bool is_at_rest = worker->message_count == 0 && !worker->is_deciding && !batch_is_on_its_way(worker);
    if (is_at_rest && worker->idle_boot_us != idle_before_us) {
        stores_write(worker); /* nothing came for a while: there is time */
    }
    err = err == ERR_NONE && shards_are_settled(worker) ? messages_run(worker, info) : err;
    return err == ERR_NONE && shards_are_settled(worker) ? ends_note(worker, info) : err;
}

/* A round failed: what it held is forgotten, and the shards are taken over again. */
static void recover(struct worker *worker, enum err err, const struct err_info *info, int *backoff_ms) {
    tell_trouble(worker, err, info);
    trouble_count(worker, err);
    shards_release(worker, false);
    back_off(worker, backoff_ms);
}

/* Before the group is left: while that goes on nothing may wake its consumer, so nothing may be on its way. */
static void last_batches_land(struct worker *worker) {
    struct err_info info = {0};
    enum err err = batches_finish(worker, &info);
    if (err != ERR_NONE) {
        tell_trouble(worker, err, &info);
        trouble_count(worker, err);
        shards_release(worker, false);
    }
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void *worker_run(void *context) {
    struct worker *worker = context;
    thread_name("worker %d", worker->options.number);
    int backoff_ms = BACKOFF_MIN_MS;
    while (!atomic_load(&worker->stopping)) {
        struct err_info info = {0};
        enum err err = connect_all(worker, &info);
        if (err != ERR_NONE) {
            tell_trouble(worker, err, &info);
            back_off(worker, &backoff_ms);
            continue;
        }
        err = round_run(worker, &info);
        if (err != ERR_NONE) {
            recover(worker, err, &info, &backoff_ms);
        } else if (shards_are_settled(worker)) {
            backoff_ms = BACKOFF_MIN_MS;
        }
    }
    last_batches_land(worker);
    group_leave(worker->group); /* hands the shards over through on_revoked */
    worker->group = NULL;
    shards_release(worker, true);
    shards_unclaim(worker);
    log_txn_close(worker->txn);
    worker->txn = NULL;
    return NULL;
}

static void names_set(struct worker *worker) {
    const char *prefix = worker->options.config->topic_prefix;
    (void)snprintf(worker->name, sizeof worker->name, "%.40s-handler-%.60s-%d", prefix, worker->options.host,
                   worker->options.number);
    handlers_group_name(prefix, worker->group_id);
}

static void worker_free(struct worker *worker) {
    shards_forget_stops(worker);
    engine_release(&worker->engine);
    pthread_mutex_destroy(&worker->report_lock);
    free(worker->stops);
    free(worker->shards);
    free(worker->messages);
    free(worker);
}

enum err worker_start(const struct worker_options *options, struct worker **ret_worker, struct err_info *info) {
    struct worker *worker = calloc_or_end(1, sizeof *worker);
    worker->options = *options;
    names_set(worker);
    worker->batch_most = (size_t)options->config->batch_commands_max;
    worker->barriers_most = BARRIERS_MOST;
    uint32_t shard_count = options->policy->shard_count;
    worker->shards = calloc_or_end(shard_count, sizeof *worker->shards);
    worker->messages = calloc_or_end((size_t)options->config->batch_commands_max, sizeof(rd_kafka_message_t *));
    worker->stops = calloc_or_end(shard_count, sizeof *worker->stops);
    for (uint32_t i = 0; i < shard_count; i++) {
        worker->shards[i].refuse_offset = -1;
    }
    const struct engine_options engine_options = {
        .aggregates = options->aggregates,
        .policy = options->policy,
        .topics = options->topics,
        .source = str_of_cstr(options->config->topic_prefix),
        .window_us = options->config->dedup_window_s * MICROS_PER_SECOND,
    };
    engine_init(&worker->engine, &engine_options);
    pthread_mutex_init(&worker->report_lock, NULL);
    atomic_init(&worker->stopping, false);
    char name[32];
    (void)snprintf(name, sizeof name, "commit %d", options->number);
    enum err err = committer_start(name, on_committer, worker, &worker->committer, info);
    if (err != ERR_NONE) {
        worker_free(worker);
        return err;
    }
    if (pthread_create(&worker->thread, NULL, worker_run, worker) != 0) {
        committer_stop(worker->committer);
        worker_free(worker);
        return err_set(info, ERR_IO, "no thread could be made for a handler worker");
    }
    *ret_worker = worker;
    return ERR_NONE;
}

void worker_stop(struct worker *worker) {
    atomic_store(&worker->stopping, true);
}

void worker_join(struct worker *worker) {
    int failed = pthread_join(worker->thread, NULL);
    assert(failed == 0);
    committer_stop(worker->committer);
    worker_free(worker);
}

void worker_report(struct worker *worker, struct worker_report *ret_report) {
    pthread_mutex_lock(&worker->report_lock);
    *ret_report = worker->report;
    pthread_mutex_unlock(&worker->report_lock);
}

bool worker_stopped_shard(struct worker *worker, int32_t from, int32_t *ret_shard, struct err_info *ret_why) {
    int32_t count = (int32_t)worker_shard_count(worker);
    bool found = false;
    pthread_mutex_lock(&worker->report_lock);
    for (int32_t i = from; i < count && !found; i++) {
        found = worker->stops[i] != NULL;
        if (found) {
            *ret_shard = i;
            *ret_why = *worker->stops[i];
        }
    }
    pthread_mutex_unlock(&worker->report_lock);
    return found;
}
