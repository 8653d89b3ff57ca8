#include "core/handler/handler.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/handler/data_dir.h"
#include "core/handler/standby_thread.h"
#include "core/handler/worker.h"

enum { REPLIES_LINGER_MS = 0, REPLIES_TIMEOUT_MS = 10000, REPLIES_CLOSE_MS = 2000, HOST_MAX = 256 };

struct handler {
    struct policy policy;
    struct log_topics topics;
    struct log_producer *replies;
    struct witness witness;
    int lock; /* of data_dir; -1: none yet */
    struct standbys *standbys;
    struct standby_thread *standby_thread;
    struct worker **workers;
    int worker_count;
};

static const struct aggregates all_aggregates = {.of_stream = aggregate_of_stream, .of_command = command_info};

static void handler_free(struct handler *handler) {
    for (int i = 0; i < handler->worker_count; i++) {
        worker_stop(handler->workers[i]);
    }
    for (int i = 0; i < handler->worker_count; i++) {
        worker_join(handler->workers[i]);
    }
    /* After the workers: what they hand over is waited for by others. */
    standby_thread_stop(handler->standby_thread);
    standbys_free(handler->standbys);
    if (handler->replies != NULL) {
        log_producer_close(handler->replies, REPLIES_CLOSE_MS);
    }
    witness_close(&handler->witness);
    data_dir_unlock(handler->lock);
    free(handler->workers);
    free(handler);
}

static enum err workers_start(struct handler *handler, const struct config *config, struct local_replies *local,
                              struct err_info *info) {
    char host[HOST_MAX] = "localhost";
    if (config->handler_name[0] == '\0' && gethostname(host, sizeof host - 1) != 0) {
        return err_set(info, ERR_CONFIG, "the host has no name; set handler_name");
    }
    const struct worker_options shared = {
        .config = config,
        .aggregates = &all_aggregates,
        .topics = &handler->topics,
        .policy = &handler->policy,
        .replies = handler->replies,
        .local_replies = local,
        .witness = &handler->witness,
        .standbys = handler->standbys,
        .host = config->handler_name[0] == '\0' ? host : config->handler_name,
    };
    for (int i = 0; i < (int)config->handler_workers; i++) {
        struct worker_options options = shared;
        options.number = i;
        enum err err = worker_start(&options, &handler->workers[i], info);
        if (err != ERR_NONE) {
            return err;
        }
        handler->worker_count = i + 1;
    }
    return ERR_NONE;
}

static enum err standbys_start(struct handler *handler, const struct config *config, struct err_info *info) {
    if (config->standby_stores == 0) {
        return ERR_NONE;
    }
    const struct standbys_options options = {
        .data_dir = config->data_dir,
        .topics = &handler->topics,
        .aggregates = &all_aggregates,
        .shard_count = handler->policy.shard_count,
        .most = (uint32_t)config->standby_stores,
        .window_us = config->dedup_window_s * MICROS_PER_SECOND,
    };
    handler->standbys = standbys_new(&options, clock_boot_us());
    return standby_thread_start(handler->standbys, config->kafka_brokers, &handler->standby_thread, info);
}

enum err handler_start(const struct config *config, struct local_replies *local, struct handler **ret_handler,
                       struct err_info *info) {
    struct handler *handler = calloc_or_end(1, sizeof *handler);
    handler->policy = (struct policy){
        .payment_deadline_us = config->payment_deadline_s * MICROS_PER_SECOND,
        .shard_count = (uint32_t)config->shards,
    };
    handler->lock = -1;
    log_topics_name(&handler->topics, config->topic_prefix);
    handler->workers = calloc_or_end((size_t)config->handler_workers, sizeof(struct worker *));
    const struct log_producer_options options = {
        .brokers = config->kafka_brokers,
        .client_id = "daybook-handler-replies",
        .linger_ms = REPLIES_LINGER_MS,
        .delivery_timeout_ms = REPLIES_TIMEOUT_MS,
    };
    enum err err = log_producer_open(&options, &handler->replies, info);
    err = err == ERR_NONE ? data_dir_lock(config->data_dir, &handler->lock, info) : err;
    err = err == ERR_NONE ? witness_open(&handler->witness, config->data_dir, info) : err;
    err = err == ERR_NONE ? standbys_start(handler, config, info) : err;
    err = err == ERR_NONE ? workers_start(handler, config, local, info) : err;
    if (err != ERR_NONE) {
        handler_free(handler);
        return err;
    }
    *ret_handler = handler;
    return ERR_NONE;
}

void handler_stop(struct handler *handler) {
    if (handler != NULL) {
        handler_free(handler);
    }
}

bool handler_is_ready(const struct handler *handler) {
    struct worker_report *report = malloc_or_end(sizeof *report); /* it holds a histogram */
    bool ready = true;
    for (int i = 0; i < handler->worker_count; i++) {
        worker_report(handler->workers[i], report);
        ready =
            ready && report->is_settled && report->shards_active + report->shards_stopped == report->shards_assigned;
    }
    free(report);
    return ready;
}

/* Calls `tell` with each stopped shard of the process. */
static void each_stopped(const struct handler *handler,
                         void (*tell)(void *context, int32_t shard, const struct err_info *why), void *context) {
    for (int i = 0; i < handler->worker_count; i++) {
        struct err_info why;
        for (int32_t shard = 0; worker_stopped_shard(handler->workers[i], shard, &shard, &why); shard++) {
            tell(context, shard, &why);
        }
    }
}

static void stop_count(void *context, int32_t shard, const struct err_info *why) {
    (void)shard, (void)why;
    ++*(int *)context;
}

static void stop_describe(void *context, int32_t shard, const struct err_info *why) {
    struct json_writer *writer = context;
    json_object_begin(writer);
    json_field_int(writer, "shard", shard);
    json_field_string(writer, "why", str_of_cstr(why->text));
    json_object_end(writer);
}

void handler_describe(const struct handler *handler, struct json_writer *writer) {
    int stopped = 0;
    each_stopped(handler, stop_count, &stopped);
    if (stopped > 0) {
        json_name(writer, STR("stopped_shards"));
        json_array_begin(writer);
        each_stopped(handler, stop_describe, writer);
        json_array_end(writer);
    }
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

static void metric(struct buf *out, const char *name, const char *type, const char *help, uint64_t value) {
    buf_printf(out, "# HELP daybook_handler_%s %s\n# TYPE daybook_handler_%s %s\ndaybook_handler_%s %" PRIu64 "\n",
               name, help, name, type, name, value);
}

/* The reports of all workers, added up. */
static void reports_sum(const struct handler *handler, struct worker_report *sum) {
    struct worker_report *one = malloc_or_end(sizeof *one);
    for (int i = 0; i < handler->worker_count; i++) {
        worker_report(handler->workers[i], one);
#define ADD(field) sum->field += one->field
        ADD(engine.commands);
        ADD(engine.refused);
        ADD(engine.repeated);
        ADD(engine.expired);
        ADD(engine.asked);
        ADD(engine.events);
        ADD(engine.follow_ups_local);
        ADD(engine.follow_ups_sent);
        ADD(engine.dead_letters);
        ADD(engine.timers_fired);
        ADD(engine.lost_answers);
        ADD(batches);
        ADD(batch_commands);
        ADD(commits_in_doubt);
        ADD(commits_fenced);
        ADD(commits_failed);
        ADD(replies);
        ADD(replies_failed);
        ADD(takeovers);
        ADD(records_replayed);
        ADD(records_foreign);
        ADD(stores_discarded);
        ADD(shards_assigned);
        ADD(shards_active);
        ADD(shards_stopped);
        ADD(timers_stopped);
        ADD(takeovers_stalled);
#undef ADD
        if (one->batch_commands_largest > sum->batch_commands_largest) {
            sum->batch_commands_largest = one->batch_commands_largest;
        }
        if (one->takeover_us_last > sum->takeover_us_last) {
            sum->takeover_us_last = one->takeover_us_last;
        }
        histogram_merge(&sum->commit_us, &one->commit_us);
    }
    free(one);
}

static void metrics_of_commits(struct buf *out, const struct histogram *commit_us) {
    static const char *const quantiles[] = {"0.5", "0.9", "0.99", "0.999"};
    static const double shares[] = {0.5, 0.9, 0.99, 0.999};
    buf_printf(out, "# HELP daybook_handler_commit_seconds Time from the seal of a batch to its answered commit.\n"
                    "# TYPE daybook_handler_commit_seconds summary\n");
    for (size_t i = 0; i < ARRAY_LENGTH(quantiles); i++) {
        buf_printf(out, "daybook_handler_commit_seconds{quantile=\"%s\"} %.6f\n", quantiles[i],
                   (double)histogram_at(commit_us, shares[i]) / MICROS_PER_SECOND);
    }
    buf_printf(out, "daybook_handler_commit_seconds_sum %.6f\n", (double)commit_us->sum / MICROS_PER_SECOND);
    buf_printf(out, "daybook_handler_commit_seconds_count %" PRIu64 "\n", commit_us->total);
}

/* A label's value: backslash, quote and line feed are escaped in the text format. */
static void label_write(struct buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"') {
            buf_byte(out, '\\');
        }
        buf_byte(out, *text == '\n' ? ' ' : *text);
    }
}

static void stop_metric(void *context, int32_t shard, const struct err_info *why) {
    struct buf *out = context;
    buf_printf(out, "daybook_handler_shard_stopped{shard=\"%" PRId32 "\",why=\"", shard);
    label_write(out, why->text);
    buf_str(out, STR("\"} 1\n"));
}

static void metrics_of_stops(const struct handler *handler, struct buf *out) {
    buf_str(out, STR("# HELP daybook_handler_shard_stopped A shard that needs a person, and why.\n"
                     "# TYPE daybook_handler_shard_stopped gauge\n"));
    each_stopped(handler, stop_metric, out);
}

static void metrics_of_standbys(const struct handler *handler, struct buf *out) {
    struct standbys_report report = {0};
    if (handler->standbys != NULL) {
        standbys_report(handler->standbys, &report);
    }
    metric(out, "standbys", "gauge", "Standby stores that are kept: of shards that other processes own.",
           (uint64_t)report.open);
    metric(out, "standbys_replayed_total", "counter", "Records folded into standby stores.", report.replayed);
    metric(out, "standbys_handed_over_total", "counter", "Takeovers that began with a standby store.",
           report.handed_over);
    metric(out, "standbys_failed_total", "counter", "Standby stores left for a while because of a trouble.",
           report.failed);
    metric(out, "standbys_discarded_total", "counter",
           "Standby stores thrown away: they did not fit the log, or the disk had too little room.", report.discarded);
    buf_str(out, STR("# HELP daybook_handler_standby_lag_records Records of the log that a standby store lacks.\n"
                     "# TYPE daybook_handler_standby_lag_records gauge\n"));
    int64_t lag;
    for (int32_t shard = 0; handler->standbys != NULL && standbys_lag(handler->standbys, shard, &shard, &lag);
         shard++) {
        if (lag >= 0) {
            buf_printf(out, "daybook_handler_standby_lag_records{shard=\"%" PRId32 "\"} %" PRId64 "\n", shard, lag);
        }
    }
}

void handler_metrics(const struct handler *handler, struct buf *out) {
    struct worker_report *sum = calloc_or_end(1, sizeof *sum);
    reports_sum(handler, sum);
    const struct engine_stats *engine = &sum->engine;
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"commands_total", "counter", "Commands decided, follow-ups included.", engine->commands},
        {"refused_total", "counter", "Commands refused by a business rule.", engine->refused},
        {"repeated_total", "counter", "Commands that the window had seen.", engine->repeated},
        {"expired_total", "counter", "Commands older than the window.", engine->expired},
        {"asked_total", "counter", "Questions for an outcome.", engine->asked},
        {"events_total", "counter", "Events decided.", engine->events},
        {"follow_ups_local_total", "counter", "Follow-ups decided at once.", engine->follow_ups_local},
        {"follow_ups_sent_total", "counter", "Follow-ups sent to the commands topic.", engine->follow_ups_sent},
        {"dead_letters_total", "counter", "Records set aside.", engine->dead_letters},
        {"timers_fired_total", "counter", "Timers fired.", engine->timers_fired},
        {"lost_answers_total", "counter", "Reactions that answered a command not pending here.", engine->lost_answers},
        {"batches_total", "counter", "Transactions committed.", sum->batches},
        {"batch_commands_total", "counter", "Commands read in them.", sum->batch_commands},
        {"batch_commands_largest", "gauge", "Commands of the largest batch.", sum->batch_commands_largest},
        {"commits_in_doubt_total", "counter", "Commits of which it was not known whether they happened.",
         sum->commits_in_doubt},
        {"commits_fenced_total", "counter", "Batches given up because of a rebalance.", sum->commits_fenced},
        {"commits_failed_total", "counter", "Batches given up for other reasons.", sum->commits_failed},
        {"replies_total", "counter", "Replies sent.", sum->replies},
        {"replies_failed_total", "counter", "Replies that could not be queued.", sum->replies_failed},
        {"takeovers_total", "counter", "Shards taken over.", sum->takeovers},
        {"replayed_total", "counter", "Records folded in takeovers.", sum->records_replayed},
        {"foreign_total", "counter", "Records passed over in takeovers because they are none of ours.",
         sum->records_foreign},
        {"stores_discarded_total", "counter", "State stores thrown away.", sum->stores_discarded},
        {"shards_assigned", "gauge", "Shards that the group assigned.", (uint64_t)sum->shards_assigned},
        {"shards_active", "gauge", "Shards decided on.", (uint64_t)sum->shards_active},
        {"shards_stopped", "gauge", "Shards that need a person.", (uint64_t)sum->shards_stopped},
        {"timers_stopped", "gauge", "Shards whose timers stand still because clocks disagree.",
         (uint64_t)sum->timers_stopped},
        {"takeovers_stalled", "gauge", "Takeovers that wait for a transaction which is neither committed nor aborted.",
         (uint64_t)sum->takeovers_stalled},
        {"takeover_last_us", "gauge", "Microseconds that the last takeover of a shard took.", sum->takeover_us_last},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        metric(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
    }
    metrics_of_stops(handler, out);
    metrics_of_standbys(handler, out);
    metrics_of_commits(out, &sum->commit_us);
    free(sum);
}
