/* errands.c: the thread and its loop, and what it holds.
 *
 * librdkafka tells through an eventfd that there are messages (errand_log.c). A partition is live once it was read to
 * its end: only then is done what is open (errand_work.c). The vault is asked by a pipelined connection of the loop's
 * own; keys are destroyed beside the loop (erasing.h).
 */
#include "core/connect/errands.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/thread_name.h"
#include "core/base/timestamp.h"
#include "core/connect/errands_parts.h"
#include "core/connect/group_reader.h"
#include "core/log/client.h"
#include "core/log/record.h"

enum {
    TICK_MS = 200, /* how often what is due for another try is looked for */
    COMMIT_INTERVAL_MS = 1000,
    ARENA_MAX_BYTES = 8 * 1024 * 1024,
    COMMANDS_GATHER_MS = 5, /* as the front's commands (docs/performance.md) */
    COMMANDS_WITHIN_MS = 10000,
    KEY_QUESTIONS_MAX = 2 * MAILING_MAX,
};

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void on_kafka_ready(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct errands *errands = poll->data;
    uint64_t ignored;
    if (read(errands->kafka_event_fd, &ignored, sizeof ignored) < 0) {
        /* Nothing to read: another turn took it. */
    }
    uv_async_send(&errands->more);
}

static void on_more(uv_async_t *async) {
    struct errands *errands = async->data;
    if (errands_read(errands)) {
        uv_async_send(async);
    }
    if (errands->has_work) {
        errands_begin_due(errands);
    }
}

static void on_tick(uv_timer_t *timer) {
    struct errands *errands = timer->data;
    errands_begin_due(errands);
    errands_count(errands);
    uv_async_send(&errands->more); /* a quiet log must be polled too, or the group takes us for dead */
    errands_read_again(errands);
    errands_vacuum_when_due(errands);
    int64_t now_us = clock_boot_us();
    if (now_us >= errands->next_commit_us) {
        errands->next_commit_us = now_us + COMMIT_INTERVAL_MS * MICROS_PER_MS;
        errands_commit(errands, false);
    }
}

static void on_stop_request(uv_async_t *async) {
    struct errands *errands = async->data;
    if (errands->stopping) {
        return;
    }
    errands->stopping = true;
    uv_poll_stop(&errands->kafka_ready);
    uv_close((uv_handle_t *)&errands->kafka_ready, NULL);
    uv_close((uv_handle_t *)&errands->more, NULL);
    uv_close((uv_handle_t *)&errands->tick, NULL);
    uv_close((uv_handle_t *)&errands->stop_request, NULL);
    pg_pool_close(errands->pg, NULL, NULL);
    if (errands->calls != NULL) {
        smtp_calls_close(errands->calls, NULL, NULL);
    }
}

static void *run_loop(void *context) {
    struct errands *errands = context;
    thread_name("errands");
    uv_run(&errands->loop, UV_RUN_DEFAULT);
    errands_commit(errands, true);
    errands_drop_shards(errands);
    rd_kafka_consumer_close(errands->consumer);
    return NULL;
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static enum err open_consumer(struct errands *errands, struct err_info *info) {
    const struct group_reader_options options = {
        .brokers = errands->config->kafka_brokers,
        .client_name = "daybook-errands",
        .topic_prefix = errands->config->topic_prefix,
        .suffix = "errands",
        .on_rebalance = errands_on_rebalance,
        .context = errands,
    };
    enum err err = group_reader_open(&options, &errands->consumer, info);
    if (err != ERR_NONE) {
        return err;
    }
    return errands_subscribe(errands, info);
}

static void open_loop(struct errands *errands) {
    uv_loop_init(&errands->loop);
    uv_async_init(&errands->loop, &errands->stop_request, on_stop_request);
    uv_async_init(&errands->loop, &errands->more, on_more);
    uv_timer_init(&errands->loop, &errands->tick);
    errands->stop_request.data = errands->more.data = errands->tick.data = errands;
    uv_timer_start(&errands->tick, on_tick, TICK_MS, TICK_MS);
}

static enum err watch_kafka(struct errands *errands, struct err_info *info) {
    static const uint64_t one = 1; /* what an eventfd wants written */
    errands->kafka_event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (errands->kafka_event_fd < 0 ||
        uv_poll_init(&errands->loop, &errands->kafka_ready, errands->kafka_event_fd) != 0) {
        return err_set(info, ERR_IO, "cannot make an eventfd for the log's events");
    }
    errands->kafka_ready.data = errands;
    uv_poll_start(&errands->kafka_ready, UV_READABLE, on_kafka_ready);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(errands->consumer);
    rd_kafka_queue_io_event_enable(queue, errands->kafka_event_fd, &one, sizeof one);
    rd_kafka_queue_destroy(queue);
    uv_async_send(&errands->more); /* what came before the watch */
    return ERR_NONE;
}

/* The secret, for tokens; the ring and the database, for keys. */
static enum err open_vault(struct errands *errands, struct err_info *info) {
    const struct config *config = errands->config;
    enum err err = secret_load(config->secret_file, &errands->secret, info);
    if (err == ERR_NONE) {
        err = master_load(config->master_key_file, config->master_keys_secret, &errands->masters, info);
    }
    const struct pg_pool_options options = {.conninfo = config_vault_postgres(config),
                                            .queries_max = KEY_QUESTIONS_MAX};
    if (err == ERR_NONE) {
        err = pg_pool_open(&errands->loop, &options, &errands->pg, info);
    }
    if (err == ERR_NONE) {
        errands->vault = vault_open(errands->pg, errands->masters);
        errands->erasing = erasing_open(&errands->loop, config_vault_postgres(config));
    }
    return err;
}

static enum err open_mailing(struct errands *errands, struct err_info *info) {
    const struct config *config = errands->config;
    if (config->smtp_url[0] == '\0') {
        return ERR_NONE;
    }
    const struct smtp_server server = {.url = config->smtp_url,
                                       .username = config->smtp_username,
                                       .password = config->smtp_password,
                                       .ca_file = config->smtp_ca_file};
    enum err err = smtp_calls_open(&errands->loop, &server, &errands->calls, info);
    if (err != ERR_NONE) {
        return err;
    }
    const struct mailing_options options = {.vault = errands->vault,
                                            .secret = &errands->secret,
                                            .calls = errands->calls,
                                            .from = config->mail_from,
                                            .public_url = config->public_url};
    return mailing_open(&options, &errands->mailing, info);
}

enum err errands_start(const struct config *config, struct errands **ret_errands, struct err_info *info) {
    struct errands *errands = calloc_or_end(1, sizeof *errands);
    errands->config = config;
    log_topics_name(&errands->topics, config->topic_prefix);
    arena_init(&errands->arena, ARENA_MAX_BYTES);
    open_loop(errands);
    enum err err = open_vault(errands, info);
    err = err == ERR_NONE ? open_mailing(errands, info) : err;
    errands->shards = calloc_or_end(errands_shard_count(errands), sizeof *errands->shards); /* as many as are mailed */
    const struct log_producer_options producer_options = {.brokers = config->kafka_brokers,
                                                          .client_id = "daybook-errands",
                                                          .linger_ms = 1,
                                                          .gather_ms = COMMANDS_GATHER_MS,
                                                          .delivery_timeout_ms = COMMANDS_WITHIN_MS};
    err = err == ERR_NONE ? log_producer_open(&producer_options, &errands->producer, info) : err;
    err = err == ERR_NONE ? open_consumer(errands, info) : err;
    err = err == ERR_NONE ? watch_kafka(errands, info) : err;
    if (err == ERR_NONE && pthread_create(&errands->thread, NULL, run_loop, errands) != 0) {
        err = err_set(info, ERR_IO, "cannot start the thread of errands");
    }
    if (err == ERR_NONE) {
        *ret_errands = errands;
    }
    /* On failure the process is about to end (cmd/serve.c); what was opened goes with it. */
    return err;
}

void errands_stop(struct errands *errands) {
    uv_async_send(&errands->stop_request);
    pthread_join(errands->thread, NULL);
    uv_loop_close(&errands->loop);
    rd_kafka_destroy(errands->consumer);
    close(errands->kafka_event_fd);
    log_producer_close(errands->producer, 2000);
    mailing_close(errands->mailing);
    erasing_close(errands->erasing);
    vault_close(errands->vault);
    master_free(errands->masters);
    secret_forget(&errands->secret);
    arena_release(&errands->arena);
    free(errands->shards);
    free(errands);
}

bool errands_is_ready(const struct errands *errands) {
    return atomic_load(&errands->is_ready);
}

void errands_metrics(const struct errands *errands, struct buf *out) {
    const struct errand_counts *counts = &errands->counts;
    const struct {
        const char *name, *help, *type;
        uint64_t value;
    } rows[] = {
        {"daybook_mails_sent_total", "Mails that the server took.", "counter", atomic_load(&counts->mails_sent)},
        {"daybook_mails_deferred_total", "Times that the server did not take a mail, which is tried again.", "counter",
         atomic_load(&counts->mails_deferred)},
        {"daybook_mails_failed_total", "Mails that were given up: refused, tried too often, or of no use any more.",
         "counter", atomic_load(&counts->mails_failed)},
        {"daybook_mails_erased_total", "Mails to people who were erased before they were sent.", "counter",
         atomic_load(&counts->mails_erased)},
        {"daybook_mails_late_total",
         "Confirmations of orders that were of no use any more before they could be sent; the log is told nothing.",
         "counter", atomic_load(&counts->mails_late)},
        {"daybook_mails_waiting", "Mails that are owed.", "gauge", atomic_load(&counts->mails_waiting)},
        {"daybook_erasures_total", "People whose keys were destroyed.", "counter", atomic_load(&counts->erasures)},
        {"daybook_erasures_waiting", "People who are to be erased.", "gauge", atomic_load(&counts->erasures_waiting)},
        {"daybook_erasure_keys_left_total",
         "Keys that were somebody else's by the time that an erasure which names them was carried out.", "counter",
         atomic_load(&counts->keys_left)},
        {"daybook_errands_shards_live",
         "Shards whose mails and erasures are done here: as many as there are shards, over all connectors.", "gauge",
         atomic_load(&counts->shards_live)},
        {"daybook_errands_shards_not_live",
         "Shards that are this process's and were not read to their end yet, or cannot be read.", "gauge",
         atomic_load(&counts->shards_not_live)},
        {"daybook_errands_shards_full",
         "Shards with more mails or erasures than are kept at hand: the rest waits in the log.", "gauge",
         atomic_load(&counts->passed_over)},
        {"daybook_errands_shards_stopped",
         "Shards whose mails and erasures stand still at an event of a newer release.", "gauge",
         atomic_load(&counts->shards_stopped)},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type,
                   rows[i].name, (unsigned long long)rows[i].value);
    }
}
