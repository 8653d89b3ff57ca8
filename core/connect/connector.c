/* connector.c: the loop that carries payment intents out.
 *
 * One thread, one uv loop. librdkafka tells through an eventfd that there are messages; they are folded into open
 * intents (intents.h), a partition at a time. A partition is live once it was read to its end: only then are its
 * intents carried out. An intent is done when the event with its outcome comes back through the log, not when the
 * provider answered, so a crash anywhere in between repeats the call under the same key and loses nothing. A charge
 * that waits for the shopper is looked up ever more seldom until it has an end: its webhook may be lost.
 */
#include "core/connect/connector.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/shard.h"
#include "core/base/text.h"
#include "core/base/thread_name.h"
#include "core/base/timestamp.h"
#include "core/connect/group_reader.h"
#include "core/connect/http_calls.h"
#include "core/connect/http_provider.h"
#include "core/connect/intents.h"
#include "core/connect/outcome_command.h"
#include "core/log/client.h"
#include "core/log/producer.h"
#include "core/log/record.h"
#include "core/log/topics.h"

enum {
    INTENTS_MAX = 20000,       /* open ones a shard; further ones wait in the log */
    MESSAGES_A_TURN = 1000,    /* then the loop looks at its sockets again */
    TICK_MS = 100,             /* how often what is due for another try is looked for */
    COMMIT_INTERVAL_MS = 1000, /* offsets; later ones cost a longer replay, never an intent */
    BACKOFF_FIRST_MS = 200,
    BACKOFF_MAX_MS = 30000,
    PENDING_LOOKUP_MS = 2000, /* the provider works on it: look again after this */
    SLOW_LOOKUPS_A_TICK = 10, /* of charges that were heard of; an urgent one is beside these */
    OUTCOMES_GATHER_MS = 5,   /* as the front's commands (docs/performance.md) */
    OUTCOME_SEEN_WITHIN_MS =
        10000,                    /* an outcome sent as a command and not seen in the log by then is asked for again */
    OUTCOME_SEEN_MAX_MS = 600000, /* and after twice that, and so on up to this */
    OUTCOME_OVERDUE_SENDS = 5,    /* so often sent and still not seen: somebody should look */
    ARENA_MAX_BYTES = 8 * 1024 * 1024,
    SEEK_TIMEOUT_MS = 1000,
};

enum task_state { TASK_WAITING, TASK_CALLING, TASK_SENT };

/* What is being done about one open intent. Outlives the intent while a call is under way. */
struct task {
    struct connector *connector;
    struct intent *intent; /* NULL: closed or revoked meanwhile */
    struct intent asked;   /* what the call under way asks for, whatever became of the intent since */
    enum task_state state;
    bool asks_first; /* the provider may have seen the key: look it up before calling */
    int tries;
    int sends; /* of an outcome that the log has not shown yet */
    int64_t due_at_us;
};

struct shard {
    struct intents *intents; /* NULL: not assigned */
    bool is_live;
    bool is_stopped; /* at an event of a newer release: what it asks for is not known here, nor what it ends */
    bool rereads;    /* it went back for intents that found no room: whether they are new is not known any more */
    int64_t committed_offset; /* by us; 0 at first: a group needs no offset to begin at the beginning */
};

struct connector {
    const struct config *config;
    struct log_topics topics;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop_request;
    uv_async_t more_messages;
    uv_poll_t kafka_ready;
    uv_timer_t tick;
    int kafka_event_fd;
    rd_kafka_t *consumer;
    struct log_producer *producer;
    struct http_calls *calls;
    struct http_provider *test_provider;
    struct shard *shards;
    struct arena arena;
    int64_t next_commit_us;
    bool stopping;
    _Atomic bool is_ready;
    _Atomic uint64_t calls_total, lookups_total, outcomes_total, refused_total, unknown_total, open_intents,
        shards_stopped;
};

static void run_task(struct task *task);

/* ---- one intent ---------------------------------------------------------------------------------------------- */

static enum err send_outcome(struct connector *connector, const struct intent *intent,
                             const struct provider_outcome *outcome) {
    struct arena *arena = &connector->arena;
    arena_reset(arena);
    struct command command = outcome_command(arena, intent, outcome, clock_wall_us());
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    command_record_write(&value, &command);
    int32_t partition = shard_of_stream(command.meta.stream, (uint32_t)connector->config->shards);
    const struct log_header trace = {.name = "traceparent", .value = str_of_cstr(intent->traceparent)};
    /* No delivery callback: whether it arrived shows in the log, and a task that does not see it there asks again. */
    enum err err = buf_ok(&value) ? log_producer_send(connector->producer, connector->topics.names[TOPIC_COMMANDS],
                                                      partition, shard_key(command.meta.stream), buf_text(&value),
                                                      &trace, trace.value.len > 0 ? 1 : 0, NULL, NULL, NULL)
                                  : ERR_TOO_LARGE;
    buf_release(&value);
    return err;
}

static int64_t backoff_us(int tries) {
    int64_t delay_ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < tries && delay_ms < BACKOFF_MAX_MS; i++) {
        delay_ms *= 2;
    }
    delay_ms = delay_ms < BACKOFF_MAX_MS ? delay_ms : BACKOFF_MAX_MS;
    /* Up to a quarter is drawn, so that many intents that failed together do not come back together. */
    return (delay_ms + (int64_t)randombytes_uniform((uint32_t)(delay_ms / 4 + 1))) * MICROS_PER_MS;
}

static void wait_for(struct task *task, int64_t delay_us) {
    task->state = TASK_WAITING;
    task->due_at_us = clock_boot_us() + delay_us;
}

/* The outcome is on its way: the event that it becomes closes the intent. One that the log does not show (nobody
 * decides the shard, or the command was set aside) is brought again ever more seldom. */
static void await_in_log(struct task *task, const struct provider_outcome *outcome) {
    int64_t delay_ms = OUTCOME_SEEN_WITHIN_MS;
    for (int i = 0; i < task->sends && delay_ms < OUTCOME_SEEN_MAX_MS; i++) {
        delay_ms *= 2;
    }
    delay_ms = delay_ms < OUTCOME_SEEN_MAX_MS ? delay_ms : OUTCOME_SEEN_MAX_MS;
    task->state = TASK_SENT;
    task->due_at_us = clock_boot_us() + delay_ms * MICROS_PER_MS;
    if (++task->sends == OUTCOME_OVERDUE_SENDS) {
        log_line(LOG_ERROR, "connector", "a provider's outcome was sent again and again, and the log does not show it",
                 LOG_CSTR("intent", task->asked.key), LOG_STR("result", outcome->result),
                 LOG_INT("sends", task->sends));
    }
}

static void bring(struct task *task, const struct provider_outcome *outcome) {
    task->asks_first = true;
    if (send_outcome(task->connector, task->intent, outcome) == ERR_NONE) {
        atomic_fetch_add(&task->connector->outcomes_total, 1);
        await_in_log(task, outcome);
    } else {
        wait_for(task, backoff_us(++task->tries));
    }
}

/* The provider has never seen the key: it is called. Not so for a charge that it knew before, which it has dropped:
 * that call would charge a shopper who left long ago. */
static void on_not_found(struct task *task) {
    const struct provider_outcome dropped = {.answer = PROVIDER_DECIDED,
                                             .result = intent_refusal(task->intent->kind),
                                             .code = STR("not_found"),
                                             .message = STR("The provider does not know this charge any more.")};
    if (task->intent->heard != HEARD_NOTHING) {
        bring(task, &dropped);
        return;
    }
    task->asks_first = false;
    wait_for(task, 0);
    run_task(task);
}

/* The intent is closed (a void came first, say) or another connector's. Should the provider have charged all the same,
 * the payment must hear of it, or nobody would refund it; what it knows already changes nothing. */
static void on_outcome_too_late(struct task *task, const struct provider_outcome *outcome) {
    struct connector *connector = task->connector;
    if (outcome->answer == PROVIDER_DECIDED && send_outcome(connector, &task->asked, outcome) == ERR_NONE) {
        atomic_fetch_add(&connector->outcomes_total, 1);
    }
    free(task);
}

static void on_outcome(void *context, const struct provider_outcome *outcome) {
    struct task *task = context;
    struct connector *connector = task->connector;
    if (task->intent == NULL) {
        on_outcome_too_late(task, outcome);
        return;
    }
    if (connector->stopping) {
        task->state = TASK_WAITING;
        return;
    }
    if (outcome->answer != PROVIDER_UNKNOWN && !provider_outcome_is_news(outcome, task->intent->heard)) {
        wait_for(task, intent_lookup_interval_us(task->intent, clock_wall_us()));
        return;
    }
    switch (outcome->answer) {
    case PROVIDER_UNKNOWN:
        atomic_fetch_add(&connector->unknown_total, 1);
        task->asks_first = true;
        wait_for(task, backoff_us(++task->tries));
        break;
    case PROVIDER_NOT_FOUND:
        on_not_found(task);
        break;
    case PROVIDER_PENDING:
        task->asks_first = true;
        wait_for(task, PENDING_LOOKUP_MS * MICROS_PER_MS);
        break;
    case PROVIDER_DECIDED:
        bring(task, outcome);
        break;
    }
}

static struct provider *provider_named(struct connector *connector, const char *name) {
    return strcmp(name, "test") == 0 ? http_provider_port(connector->test_provider) : NULL;
}

static void run_task(struct task *task) {
    struct connector *connector = task->connector;
    struct provider *provider = provider_named(connector, task->intent->provider);
    bool looks_up = task->asks_first || task->intent->heard != HEARD_NOTHING;
    task->state = TASK_CALLING;
    task->intent->is_urgent = false;
    task->asked = *task->intent;
    if (provider == NULL) {
        struct provider_outcome none = {.answer = PROVIDER_DECIDED,
                                        .result = intent_refusal(task->intent->kind),
                                        .code = STR("unknown_provider"),
                                        .message = STR("There is no such payment provider.")};
        on_outcome(task, &none);
        return;
    }
    struct err_info info = {0};
    enum err err = looks_up ? provider->lookup(provider, task->intent, on_outcome, task, &info)
                            : provider->call(provider, task->intent, on_outcome, task, &info);
    if (err != ERR_NONE) { /* as many calls as may be are in flight: the next tick tries again */
        wait_for(task, TICK_MS * MICROS_PER_MS);
        return;
    }
    atomic_fetch_add(looks_up ? &connector->lookups_total : &connector->calls_total, 1);
}

/* A charge whose step the shopper takes or does not take. */
static bool is_slow(const struct intent *intent) {
    return intent->heard != HEARD_NOTHING && !intent->is_urgent;
}

static void start_task(struct connector *connector, struct intent *intent, bool asks_first) {
    struct task *task = calloc_or_end(1, sizeof *task);
    *task = (struct task){.connector = connector, .intent = intent, .asks_first = asks_first};
    intent->call = task;
    if (is_slow(intent)) { /* there may be thousands, all of them new to us */
        int64_t interval_us = intent_lookup_interval_us(intent, clock_wall_us());
        wait_for(task, (int64_t)randombytes_uniform((uint32_t)(interval_us / MICROS_PER_MS)) * MICROS_PER_MS);
    } else {
        run_task(task);
    }
}

/* The intent is gone: done, or another connector's now. A call under way frees the task when it returns. */
static void drop_task(struct intent *intent) {
    struct task *task = intent->call;
    if (task == NULL) {
        return;
    }
    intent->call = NULL;
    task->intent = NULL;
    if (task->state != TASK_CALLING) {
        free(task);
    }
}

static bool is_due(const struct intent *intent, int64_t now_us) {
    const struct task *task = intent->call;
    return task != NULL && task->state != TASK_CALLING && (task->due_at_us <= now_us || intent->is_urgent);
}

static void run_due_tasks(struct connector *connector) {
    int64_t now_us = clock_boot_us();
    uint64_t open = 0, stopped = 0;
    int slow_left = SLOW_LOOKUPS_A_TICK;
    for (int64_t i = 0; i < connector->config->shards; i++) {
        struct shard *shard = &connector->shards[i];
        if (shard->intents == NULL) {
            continue;
        }
        open += intents_count(shard->intents);
        stopped += shard->is_stopped;
        if (shard->is_stopped) {
            continue;
        }
        for (struct intent *intent = intents_first(shard->intents); intent != NULL; intent = intent->next) {
            if (!is_due(intent, now_us) || (is_slow(intent) && slow_left == 0)) {
                continue;
            }
            slow_left -= is_slow(intent);
            run_task(intent->call);
        }
    }
    atomic_store(&connector->open_intents, open);
    atomic_store(&connector->shards_stopped, stopped);
}

/* ---- the log ------------------------------------------------------------------------------------------------- */

static void go_live(struct connector *connector, struct shard *shard) {
    if (shard->is_live) {
        return;
    }
    shard->is_live = true;
    /* A connector before us may have called for these and died before the outcome was in the log: ask first. */
    for (struct intent *intent = intents_first(shard->intents); intent != NULL; intent = intent->next) {
        start_task(connector, intent, true);
    }
}

/* Reads again from where intents found no room. False: not now. */
static bool read_again(struct connector *connector, int32_t partition, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *place =
        rd_kafka_topic_partition_list_add(list, connector->topics.names[TOPIC_PAYMENTS], partition);
    place->offset = offset;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(connector->consumer, list, SEEK_TIMEOUT_MS);
    bool is_done = error == NULL && place->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
    return is_done;
}

/* Nothing is asked again: the payment waits for somebody to look at what the provider holds. */
static void tell_refused(struct connector *connector, const struct event *event) {
    const struct payment_outcome_refused *refused = &event->as.payment_outcome_refused;
    atomic_fetch_add(&connector->refused_total, 1);
    log_line(LOG_ERROR, "connector", "a provider told what contradicts what it was asked for: a person must look",
             LOG_STR("payment", event->meta.stream), LOG_STR("intent", refused->intent),
             LOG_STR("result", refused->result), LOG_INT("amount", refused->amount.amount),
             LOG_STR("currency", refused->amount.currency), LOG_STR("reason", refused->reason));
}

/* Passed over, what a newer release's event asks for would never be done: nothing of the shard goes on, and its offset
 * stays before the event, until a connector of that release has it. */
static void stop_shard(struct shard *shard, const rd_kafka_message_t *message, const struct err_info *info) {
    shard->is_stopped = true;
    log_line(LOG_ERROR, "connector", "a shard's payments stand still until a connector of the newer release has them",
             LOG_CSTR("error", info->text), LOG_INT("partition", message->partition),
             LOG_INT("offset", message->offset));
}

static void take_event(struct connector *connector, struct shard *shard, const rd_kafka_message_t *message) {
    struct event event;
    struct err_info info = {0};
    arena_reset(&connector->arena);
    struct str value = str_of(message->payload, message->len);
    enum err err = event_record_read(&connector->arena, value, &event, &info);
    if (err == ERR_NOT_FOUND) {
        stop_shard(shard, message, &info);
        return;
    }
    if (err != ERR_NONE) {
        log_line(LOG_ERROR, "connector", "an event could not be read and is passed over", LOG_CSTR("error", info.text),
                 LOG_INT("partition", message->partition), LOG_INT("offset", message->offset));
        return;
    }
    if (event.type == EVENT_PAYMENT_OUTCOME_REFUSED && shard->is_live) {
        tell_refused(connector, &event);
    }
    struct intent *opened = intents_apply(shard->intents, message->offset, &event, drop_task);
    if (opened != NULL) {
        intent_set_trace(opened, client_message_header(message, "traceparent"));
    }
    if (opened != NULL && shard->is_live) {
        start_task(connector, opened, shard->rereads);
    }
}

static void take_message(struct connector *connector, const rd_kafka_message_t *message) {
    if (message->partition < 0 || message->partition >= connector->config->shards) {
        return;
    }
    struct shard *shard = &connector->shards[message->partition];
    if (shard->intents == NULL || shard->is_stopped) { /* NULL: revoked meanwhile */
        return;
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        go_live(connector, shard);
    } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_event(connector, shard, message);
    }
}

static void on_kafka_ready(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct connector *connector = poll->data;
    uint64_t ignored;
    if (read(connector->kafka_event_fd, &ignored, sizeof ignored) < 0) {
        /* Nothing to read: another turn took it. */
    }
    uv_async_send(&connector->more_messages);
}

static void on_more_messages(uv_async_t *async) {
    struct connector *connector = async->data;
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(connector->consumer, 0);
        if (message == NULL) {
            return;
        }
        take_message(connector, message);
        rd_kafka_message_destroy(message);
    }
    uv_async_send(async); /* there may be more */
}

static void commit_offsets(struct connector *connector, bool wait) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (int32_t i = 0; i < connector->config->shards; i++) {
        struct shard *shard = &connector->shards[i];
        /* Before a shard is live its oldest open intent may yet be closed by what follows; nothing is lost by waiting.
         */
        if (shard->intents == NULL || !shard->is_live) {
            continue;
        }
        int64_t offset = intents_resume_offset(shard->intents);
        if (offset > shard->committed_offset) {
            rd_kafka_topic_partition_list_add(list, connector->topics.names[TOPIC_PAYMENTS], i)->offset = offset;
            shard->committed_offset = offset;
        }
    }
    if (list->cnt > 0) {
        rd_kafka_commit(connector->consumer, list, wait ? 0 : 1);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void drop_shard(struct shard *shard) {
    if (shard->intents != NULL) {
        intents_free(shard->intents, drop_task);
    }
    *shard = (struct shard){0};
}

static void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
                         void *opaque) {
    struct connector *connector = opaque;
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        for (int i = 0; i < partitions->cnt; i++) {
            int32_t partition = partitions->elems[i].partition;
            if (partition < connector->config->shards) {
                drop_shard(&connector->shards[partition]);
                connector->shards[partition].intents = intents_create(INTENTS_MAX);
            }
        }
        rd_kafka_assign(consumer, partitions);
        atomic_store(&connector->is_ready, true);
    } else {
        commit_offsets(connector, true);
        for (int i = 0; i < partitions->cnt; i++) {
            if (partitions->elems[i].partition < connector->config->shards) {
                drop_shard(&connector->shards[partitions->elems[i].partition]);
            }
        }
        rd_kafka_assign(consumer, NULL);
        atomic_store(&connector->is_ready, false);
    }
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer) {
    struct connector *connector = timer->data;
    run_due_tasks(connector);
    uv_async_send(&connector->more_messages); /* a quiet log must be polled too, or the group takes us for dead */
    for (int32_t i = 0; i < connector->config->shards; i++) {
        struct shard *shard = &connector->shards[i];
        int64_t offset;
        if (shard->intents != NULL && !shard->is_stopped && intents_rewind(shard->intents, &offset)) {
            shard->rereads = true;
            if (!read_again(connector, i, offset)) {
                intents_rewind_failed(shard->intents, offset);
            }
        }
    }
    int64_t now_us = clock_boot_us();
    if (now_us >= connector->next_commit_us) {
        connector->next_commit_us = now_us + COMMIT_INTERVAL_MS * MICROS_PER_MS;
        commit_offsets(connector, false);
    }
}

static void on_stop_request(uv_async_t *async) {
    struct connector *connector = async->data;
    if (connector->stopping) {
        return;
    }
    connector->stopping = true;
    uv_poll_stop(&connector->kafka_ready);
    uv_close((uv_handle_t *)&connector->kafka_ready, NULL);
    uv_close((uv_handle_t *)&connector->more_messages, NULL);
    uv_close((uv_handle_t *)&connector->tick, NULL);
    uv_close((uv_handle_t *)&connector->stop_request, NULL);
    http_calls_close(connector->calls, NULL, NULL);
}

static void *run_loop(void *context) {
    struct connector *connector = context;
    thread_name("connector");
    uv_run(&connector->loop, UV_RUN_DEFAULT);
    commit_offsets(connector, true);
    for (int64_t i = 0; i < connector->config->shards; i++) {
        drop_shard(&connector->shards[i]);
    }
    rd_kafka_consumer_close(connector->consumer);
    return NULL;
}

static enum err open_consumer(struct connector *connector, struct err_info *info) {
    const struct group_reader_options options = {
        .brokers = connector->config->kafka_brokers,
        .client_name = "daybook-connector",
        .topic_prefix = connector->config->topic_prefix,
        .suffix = "connectors",
        .on_rebalance = on_rebalance,
        .context = connector,
    };
    enum err err = group_reader_open(&options, &connector->consumer, info);
    if (err != ERR_NONE) {
        return err;
    }
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, connector->topics.names[TOPIC_PAYMENTS], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t subscribed = rd_kafka_subscribe(connector->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return subscribed == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_NONE
                                                    : client_error(info, subscribed, "subscribing to the payments");
}

static void open_loop(struct connector *connector) {
    uv_loop_init(&connector->loop);
    uv_async_init(&connector->loop, &connector->stop_request, on_stop_request);
    uv_async_init(&connector->loop, &connector->more_messages, on_more_messages);
    uv_timer_init(&connector->loop, &connector->tick);
    connector->stop_request.data = connector->more_messages.data = connector->tick.data = connector;
    uv_timer_start(&connector->tick, on_tick, TICK_MS, TICK_MS);
}

static enum err watch_kafka(struct connector *connector, struct err_info *info) {
    static const uint64_t one = 1; /* what an eventfd wants written */
    connector->kafka_event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (connector->kafka_event_fd < 0 ||
        uv_poll_init(&connector->loop, &connector->kafka_ready, connector->kafka_event_fd) != 0) {
        return err_set(info, ERR_IO, "cannot make an eventfd for the log's events");
    }
    connector->kafka_ready.data = connector;
    uv_poll_start(&connector->kafka_ready, UV_READABLE, on_kafka_ready);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(connector->consumer);
    rd_kafka_queue_io_event_enable(queue, connector->kafka_event_fd, &one, sizeof one);
    rd_kafka_queue_destroy(queue);
    uv_async_send(&connector->more_messages); /* what came before the watch */
    return ERR_NONE;
}

enum err connector_start(const struct config *config, struct connector **ret_connector, struct err_info *info) {
    struct connector *connector = calloc_or_end(1, sizeof *connector);
    struct shard *shards = calloc_or_end((size_t)config->shards, sizeof *shards);
    connector->config = config;
    connector->shards = shards;
    log_topics_name(&connector->topics, config->topic_prefix);
    arena_init(&connector->arena, ARENA_MAX_BYTES);
    open_loop(connector);
    const struct log_producer_options producer_options = {.brokers = config->kafka_brokers,
                                                          .client_id = "daybook-connector",
                                                          .linger_ms = 1,
                                                          .gather_ms = OUTCOMES_GATHER_MS,
                                                          .delivery_timeout_ms = OUTCOME_SEEN_WITHIN_MS};
    enum err err = log_producer_open(&producer_options, &connector->producer, info);
    if (err == ERR_NONE) {
        err = http_calls_open(&connector->loop, (int)config->provider_calls_max, &connector->calls, info);
    }
    if (err == ERR_NONE) {
        connector->test_provider =
            http_provider_create(connector->calls, config->provider_url, (int)config->provider_timeout_ms);
        err = open_consumer(connector, info);
    }
    if (err == ERR_NONE) {
        err = watch_kafka(connector, info);
    }
    if (err == ERR_NONE && pthread_create(&connector->thread, NULL, run_loop, connector) != 0) {
        err = err_set(info, ERR_IO, "cannot start the connector's thread");
    }
    if (err == ERR_NONE) {
        *ret_connector = connector;
    }
    /* On failure the process is about to end (cmd/serve.c); what was opened goes with it. */
    return err;
}

void connector_stop(struct connector *connector) {
    uv_async_send(&connector->stop_request);
    pthread_join(connector->thread, NULL);
    uv_loop_close(&connector->loop);
    rd_kafka_destroy(connector->consumer);
    close(connector->kafka_event_fd);
    log_producer_close(connector->producer, 2000);
    http_provider_free(connector->test_provider);
    arena_release(&connector->arena);
    free(connector->shards);
    free(connector);
}

bool connector_is_ready(const struct connector *connector) {
    return atomic_load(&connector->is_ready);
}

void connector_metrics(const struct connector *connector, struct buf *out) {
    const struct {
        const char *name, *help, *type;
        uint64_t value;
    } rows[] = {
        {"daybook_connector_calls_total", "Calls to payment providers that may have an effect.", "counter",
         atomic_load(&connector->calls_total)},
        {"daybook_connector_lookups_total", "Questions to providers about earlier calls.", "counter",
         atomic_load(&connector->lookups_total)},
        {"daybook_connector_outcomes_total", "Outcomes brought back as commands.", "counter",
         atomic_load(&connector->outcomes_total)},
        {"daybook_connector_outcomes_refused_total",
         "Outcomes that contradict what was asked for; each is a PaymentOutcomeRefused and a line in the log.",
         "counter", atomic_load(&connector->refused_total)},
        {"daybook_connector_unknown_total", "Calls whose outcome was not known and was asked for again.", "counter",
         atomic_load(&connector->unknown_total)},
        {"daybook_connector_open_intents",
         "Provider calls that are owed, and charges whose step the shopper has not taken.", "gauge",
         atomic_load(&connector->open_intents)},
        {"daybook_connector_shards_stopped", "Shards whose payments stand still at an event of a newer release.",
         "gauge", atomic_load(&connector->shards_stopped)},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type,
                   rows[i].name, (unsigned long long)rows[i].value);
    }
}
