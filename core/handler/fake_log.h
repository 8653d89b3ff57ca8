/* fake_log.h: an engine over a log in memory, for the handler's tests. For *_test.c alone.
 *
 * A transaction appends its records and then one marker to each partition it wrote to, as Kafka does, so that offsets
 * have gaps and a partition's end lies behind a marker.
 */
#pragma once

#include <assert.h>
#include <stdlib.h>

#include "core/base/shard.h"
#include "core/handler/engine.h"
#include "core/handler/fake_shop.h"
#include "core/handler/takeover.h"
#include "core/log/record.h"

enum { FAKE_SHARDS = 2, FAKE_RECORDS_MAX = 4096 };

struct fake_record {
    bool is_marker;
    int64_t timestamp_us;
    struct str key, value; /* in the log's arena */
};

struct fake_partition {
    struct fake_record *records; /* FAKE_RECORDS_MAX of them; the index is the offset */
    int64_t low;                 /* what was before it, retention has taken */
    int64_t end;
    int64_t reads_at; /* of the one reader there is; -1: not assigned */
    int64_t told_end; /* the end it was told last; -1: none */
};

struct fake_log {
    struct arena arena; /* of what was appended */
    char dir[64];
    struct log_topics topics;
    struct policy policy;
    struct fake_partition partitions[TOPIC_COUNT][FAKE_SHARDS];
    int assigns;                      /* so far */
    enum err poll_fails;              /* the next poll's answer */
    enum log_topic loses_beginning;   /* with that answer retention takes all of the topic; 0: of none */
    bool ends_early[TOPIC_COUNT];     /* the next poll of the topic tells an end before the record it stands at */
    int64_t ends_behind[TOPIC_COUNT]; /* so many of the topic's newest records who asks for its end is not told of */
    int64_t committed[FAKE_SHARDS];
    int64_t now_us; /* the broker's time; moves on with every record */

    struct engine engine;
    struct store *stores[FAKE_SHARDS]; /* NULL: not owned */
    bool writes_late;                  /* batches are kept, as by a worker that is busy; else each is written */
    uint32_t replies;                  /* so far */
    struct outcome reply;              /* the last; in the log's arena */
};

static inline struct fake_log *fake_log_new(void) {
    struct fake_log *log = calloc(1, sizeof *log);
    assert(log != NULL);
    arena_init(&log->arena, (size_t)256 << 20);
    memcpy(log->dir, "/tmp/daybook-handler-test-XXXXXX", sizeof "/tmp/daybook-handler-test-XXXXXX");
    char *made = mkdtemp(log->dir);
    assert(made != NULL);
    log_topics_name(&log->topics, "test");
    log->policy = (struct policy){.payment_deadline_us = FAKE_DEADLINE_US, .shard_count = FAKE_SHARDS};
    log->now_us = 1700000000000000;
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        for (int shard = 0; shard < FAKE_SHARDS; shard++) {
            struct fake_partition *partition = &log->partitions[topic][shard];
            partition->records = calloc(FAKE_RECORDS_MAX, sizeof *partition->records);
            assert(partition->records != NULL);
            partition->reads_at = -1;
        }
    }
    log->committed[0] = log->committed[1] = -1;
    const struct engine_options options = {
        .aggregates = &fake_aggregates,
        .policy = &log->policy,
        .topics = &log->topics,
        .source = STR("test"),
        .window_us = 3600 * (int64_t)1000000,
    };
    engine_init(&log->engine, &options);
    return log;
}

static inline struct fake_partition *fake_partition_of(struct fake_log *log, const char *topic, int32_t shard) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        if (strcmp(log->topics.names[i], topic) == 0) {
            return &log->partitions[i][shard];
        }
    }
    abort();
}

static inline int64_t fake_append(struct fake_log *log, enum log_topic topic, int32_t shard, struct str key,
                                  struct str value) {
    struct fake_partition *partition = &log->partitions[topic][shard];
    assert(partition->end < FAKE_RECORDS_MAX);
    partition->records[partition->end] = (struct fake_record){
        .timestamp_us = ++log->now_us,
        .key = arena_str_copy(&log->arena, key),
        .value = arena_str_copy(&log->arena, value),
    };
    return partition->end++;
}

/* ---- takeover over it ---- */

static inline int64_t fake_end_told(const struct fake_log *log, const struct fake_partition *partition) {
    size_t topic = (size_t)(partition - &log->partitions[0][0]) / FAKE_SHARDS;
    return partition->end - log->ends_behind[topic];
}

static inline enum err fake_watermarks(void *context, const char *topic, int32_t partition, int64_t *ret_low,
                                       int64_t *ret_high, struct err_info *info) {
    (void)info;
    *ret_low = fake_partition_of(context, topic, partition)->low;
    *ret_high = fake_end_told(context, fake_partition_of(context, topic, partition));
    return ERR_NONE;
}

static inline enum err fake_assign(void *context, const struct log_partition *partitions, size_t count,
                                   struct err_info *info) {
    (void)info;
    struct fake_log *log = context;
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        for (int shard = 0; shard < FAKE_SHARDS; shard++) {
            log->partitions[topic][shard].reads_at = log->partitions[topic][shard].told_end = -1;
        }
    }
    for (size_t i = 0; i < count; i++) {
        fake_partition_of(log, partitions[i].topic, partitions[i].partition)->reads_at = partitions[i].offset;
    }
    log->assigns++;
    return ERR_NONE;
}

static inline enum err fake_ends(void *context, enum log_end which, struct log_partition *partitions, size_t count,
                                 struct err_info *info) {
    (void)info;
    for (size_t i = 0; i < count; i++) {
        const struct fake_partition *found = fake_partition_of(context, partitions[i].topic, partitions[i].partition);
        partitions[i].offset = which == LOG_END_FIRST ? found->low : fake_end_told(context, found);
    }
    return ERR_NONE;
}

/* One record or end a partition each time. */
static inline enum err fake_poll(void *context, int timeout_ms, struct log_record *ret_records, size_t capacity,
                                 size_t *ret_count, struct err_info *info) {
    (void)timeout_ms;
    struct fake_log *log = context;
    if (log->poll_fails != ERR_NONE) {
        enum err err = log->poll_fails;
        log->poll_fails = ERR_NONE;
        for (int shard = 0; shard < FAKE_SHARDS && log->loses_beginning != 0; shard++) {
            struct fake_partition *partition = &log->partitions[log->loses_beginning][shard];
            partition->low = partition->end;
        }
        return err_set(info, err, "as the test wants it");
    }
    size_t count = 0;
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        for (int shard = 0; shard < FAKE_SHARDS && count < capacity; shard++) {
            struct fake_partition *partition = &log->partitions[topic][shard];
            while (partition->reads_at >= 0 && partition->reads_at < partition->end &&
                   partition->records[partition->reads_at].is_marker) {
                partition->reads_at++;
            }
            if (partition->reads_at < 0 || (partition->reads_at >= partition->end && partition->told_end >= 0 &&
                                            partition->told_end == partition->reads_at)) {
                continue;
            }
            struct log_record *record = &ret_records[count++];
            *record = (struct log_record){
                .topic = log->topics.names[topic], .partition = shard, .offset = partition->reads_at};
            if (partition->reads_at == partition->end || log->ends_early[topic]) {
                record->end = true;
                partition->told_end = log->ends_early[topic] ? -1 : partition->reads_at;
                log->ends_early[topic] = false;
                continue;
            }
            const struct fake_record *found = &partition->records[partition->reads_at++];
            record->key = found->key;
            record->value = found->value;
            record->timestamp_us = found->timestamp_us;
        }
    }
    *ret_count = count;
    return ERR_NONE;
}

static inline struct replay_log fake_port(struct fake_log *log) {
    return (struct replay_log){fake_watermarks, fake_assign, fake_poll, fake_ends, log};
}

/* Takes a shard over as a worker does, with the store that it holds already (NULL: it opens it); the takeover shows
 * what was found. */
static inline enum err fake_take_over_with(struct fake_log *log, int32_t shard, struct store *store,
                                           struct takeover *ret_takeover, struct err_info *info) {
    static struct replay_log port;
    port = fake_port(log);
    const struct store_options store_options = {
        .data_dir = log->dir, .shard = shard, .cluster_id = "cluster", .boot_id = "boot"};
    const char *why;
    enum err err = store == NULL ? store_open(&store_options, &store, &why, info) : ERR_NONE;
    if (err != ERR_NONE) {
        return err;
    }
    struct takeover_options options = {
        .log = &port,
        .replay =
            {
                .topics = &log->topics,
                .aggregates = &fake_aggregates,
                .shard = shard,
                .store = store,
                .window_us = log->engine.options.window_us,
            },
        .committed_offset = log->committed[shard],
    };
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        options.ends_least[topic] = log->partitions[topic][shard].end;
    }
    bool done = false;
    err = takeover_begin(ret_takeover, &options, info);
    while (err == ERR_NONE && !done) {
        err = takeover_step(ret_takeover, 0, &done, info);
    }
    takeover_release(ret_takeover);
    if (err != ERR_NONE) {
        store_close(store, false);
        return err;
    }
    log->stores[shard] = store;
    log->committed[shard] = ret_takeover->next_offset;
    engine_own(&log->engine, shard, store);
    return ERR_NONE;
}

static inline enum err fake_take_over(struct fake_log *log, int32_t shard, struct takeover *ret_takeover,
                                      struct err_info *info) {
    return fake_take_over_with(log, shard, NULL, ret_takeover, info);
}

static inline void fake_own(struct fake_log *log, int32_t shard) {
    struct takeover takeover;
    struct err_info info = {0};
    enum err err = fake_take_over(log, shard, &takeover, &info);
    if (err != ERR_NONE) {
        fprintf(stderr, "%s\n", info.text);
    }
    assert(err == ERR_NONE);
}

/* As if the process had ended: what was not committed is gone. */
static inline void fake_disown(struct fake_log *log, int32_t shard) {
    engine_disown(&log->engine, shard);
    store_close(log->stores[shard], false);
    log->stores[shard] = NULL;
}

/* What another machine finds: nothing. */
static inline void fake_forget_store(struct fake_log *log, int32_t shard) {
    char path[128];
    static const char *const names[] = {"data.mdb", "lock.mdb", "boot"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        snprintf(path, sizeof path, "%s/shard-%d/%s", log->dir, shard, names[i]);
        (void)remove(path);
    }
}

static inline void fake_log_free(struct fake_log *log) {
    for (int shard = 0; shard < FAKE_SHARDS; shard++) {
        if (log->stores[shard] != NULL) {
            fake_disown(log, shard);
        }
        fake_forget_store(log, shard);
        char path[128];
        snprintf(path, sizeof path, "%s/shard-%d", log->dir, shard);
        (void)remove(path);
        for (int topic = 0; topic < TOPIC_COUNT; topic++) {
            free(log->partitions[topic][shard].records);
        }
    }
    (void)remove(log->dir);
    engine_release(&log->engine);
    arena_release(&log->arena);
    free(log);
}

/* ---- batches ---- */

/* Decides what is unread on the shards that are owned, and timers due; nothing is committed. */
static inline enum err fake_decide(struct fake_log *log, int64_t timers_now_us, int64_t next[FAKE_SHARDS],
                                   struct err_info *info) {
    engine_batch_begin(&log->engine);
    enum err err = ERR_NONE;
    for (int32_t shard = 0; shard < FAKE_SHARDS; shard++) {
        next[shard] = log->committed[shard];
        const struct fake_partition *commands = &log->partitions[TOPIC_COMMANDS][shard];
        while (err == ERR_NONE && log->stores[shard] != NULL && next[shard] < commands->end) {
            const struct fake_record *record = &commands->records[next[shard]];
            if (!record->is_marker) {
                const struct engine_input input = {.shard = shard,
                                                   .offset = next[shard],
                                                   .timestamp_us = record->timestamp_us,
                                                   .key = record->key,
                                                   .value = record->value,
                                                   .traceparent = STR("00-trace")};
                err = engine_decide(&log->engine, &input, info);
            }
            next[shard]++;
        }
        uint32_t fired;
        if (err == ERR_NONE && log->stores[shard] != NULL) {
            err = engine_fire_timers(&log->engine, shard, timers_now_us, 100, &fired, info);
        }
    }
    return err;
}

/* No more is decided in the batch; the next may be, on top of it. */
static inline void fake_seal(struct fake_log *log, const int64_t next[FAKE_SHARDS]) {
    engine_batch_seal(&log->engine);
    memcpy(log->committed, next, sizeof log->committed);
}

/* The sealed batch stands in the log. */
static inline void fake_land(struct fake_log *log) {
    int64_t last[TOPIC_COUNT][FAKE_SHARDS];
    memset(last, 0xff, sizeof last);
    const struct out_record_array *records = &log->engine.sealed.records;
    for (uint32_t i = 0; i < records->count; i++) {
        const struct out_record *record = &records->items[i];
        last[record->topic][record->partition] =
            fake_append(log, record->topic, record->partition, record->key, record->value);
    }
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        for (int shard = 0; shard < FAKE_SHARDS; shard++) {
            struct fake_partition *partition = &log->partitions[topic][shard];
            if (last[topic][shard] >= 0) {
                partition->records[partition->end++] = (struct fake_record){.is_marker = true};
                engine_appended(&log->engine, (enum log_topic)topic, shard, last[topic][shard]);
            }
        }
    }
}

static inline void fake_commit(struct fake_log *log, const int64_t next[FAKE_SHARDS]) {
    fake_seal(log, next);
    fake_land(log);
}

/* Brings the stores up to the log, as a worker does that has nothing to decide. */
static inline void fake_write(struct fake_log *log) {
    for (int32_t shard = 0; shard < FAKE_SHARDS; shard++) {
        struct err_info info;
        enum err err = log->stores[shard] == NULL ? ERR_NONE : engine_apply(&log->engine, shard, &info);
        assert(err == ERR_NONE);
    }
}

/* Its replies are read, and it is over. */
static inline void fake_land_replies(struct fake_log *log) {
    const struct out_reply_array *replies = &log->engine.sealed.replies;
    for (uint32_t i = 0; i < replies->count; i++) {
        bool read = outcome_read(&log->arena, arena_str_copy(&log->arena, replies->items[i].value), &log->reply);
        assert(read);
    }
    log->replies += replies->count;
    engine_batch_landed(&log->engine);
}

static inline void fake_keep(struct fake_log *log) {
    fake_land_replies(log);
    if (!log->writes_late || engine_apply_is_due(&log->engine)) {
        fake_write(log);
    }
}

/* One whole batch. */
static inline void fake_run_at(struct fake_log *log, int64_t timers_now_us) {
    int64_t next[FAKE_SHARDS];
    struct err_info info = {0};
    if (timers_now_us > 0) {
        fake_write(log); /* time has passed: it was quiet before */
    }
    enum err err = fake_decide(log, timers_now_us, next, &info);
    assert(err == ERR_NONE);
    fake_commit(log, next);
    fake_keep(log);
}

static inline void fake_run(struct fake_log *log) {
    fake_run_at(log, 0);
}

/* ---- commands ---- */

/* A command id like no other: from a number. */
static inline struct str fake_command_id(struct fake_log *log, uint32_t number) {
    uint8_t bytes[ULID_BYTES] = {1};
    memcpy(bytes + 12, &number, sizeof number);
    char text[ULID_TEXT_LEN];
    ulid_write(bytes, text);
    return arena_printf(&log->arena, "cmd_%.*s", ULID_TEXT_LEN, text);
}

/* A client's command with a key, answered at the instance "gw" of partition 1. */
static inline struct command fake_command(struct fake_log *log, uint16_t type, struct str stream, uint32_t number) {
    struct command command = {.type = type};
    command.meta.command_id = fake_command_id(log, number);
    command.meta.stream = stream;
    command.meta.correlation_id = command.meta.causation_id = command.meta.command_id;
    command.meta.actor = STR("alice");
    command.meta.issued_at = log->now_us;
    command.meta.client_key = true;
    command.meta.request_hash = STR("hash");
    command.meta.reply_partition = 1;
    command.meta.reply_instance = STR("gw");
    return command;
}

static inline int64_t fake_send_to(struct fake_log *log, int32_t shard, const struct command *command) {
    struct buf value;
    buf_init(&value, 1 << 20);
    command_record_write(&value, command);
    int64_t offset = fake_append(log, TOPIC_COMMANDS, shard, shard_key(command->meta.stream), buf_text(&value));
    buf_release(&value);
    return offset;
}

static inline int64_t fake_send(struct fake_log *log, const struct command *command) {
    return fake_send_to(log, shard_of_stream(command->meta.stream, FAKE_SHARDS), command);
}

/* The n-th event of a topic and shard, markers not counted; asserts that there is one. */
static inline struct event fake_event(struct fake_log *log, enum log_topic topic, int32_t shard, int n) {
    const struct fake_partition *partition = &log->partitions[topic][shard];
    for (int64_t offset = 0; offset < partition->end; offset++) {
        if (!partition->records[offset].is_marker && n-- == 0) {
            struct event event;
            struct err_info info;
            enum err err = event_record_read(&log->arena, partition->records[offset].value, &event, &info);
            assert(err == ERR_NONE);
            return event;
        }
    }
    abort();
}

/* How many records a topic has, markers not counted. */
static inline int fake_count(const struct fake_log *log, enum log_topic topic) {
    int count = 0;
    for (int shard = 0; shard < FAKE_SHARDS; shard++) {
        const struct fake_partition *partition = &log->partitions[topic][shard];
        for (int64_t offset = 0; offset < partition->end; offset++) {
            count += !partition->records[offset].is_marker;
        }
    }
    return count;
}

/* A cart's id on the given shard. */
static inline struct str fake_cart_on(struct fake_log *log, int32_t shard) {
    for (int i = 0;; i++) {
        struct str id = arena_printf(&log->arena, "cart_C%d", i);
        if (shard_of_stream(id, FAKE_SHARDS) == shard) {
            return id;
        }
    }
}

/* The cart is opened (quantity 0), or given so many of SKU A, and that is decided. */
static inline void fake_cart_gets(struct fake_log *log, struct str cart, uint32_t number, int64_t quantity) {
    struct command command = fake_command(log, quantity == 0 ? COMMAND_OPEN_CART : COMMAND_SET_CART_LINE, cart, number);
    if (quantity == 0) {
        command.as.open_cart.currency = STR("EUR");
    } else {
        command.as.set_cart_line.sku = STR("A");
        command.as.set_cart_line.quantity = quantity;
    }
    fake_send(log, &command);
    fake_run(log);
}

/* Shard 0 with a cart of three events. */
static inline struct str fake_used_shard(struct fake_log *log) {
    fake_own(log, 0);
    struct str cart = fake_cart_on(log, 0);
    fake_cart_gets(log, cart, 1, 0);
    fake_cart_gets(log, cart, 2, 5);
    fake_cart_gets(log, cart, 3, 6);
    return cart;
}
