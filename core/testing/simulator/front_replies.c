#include "core/testing/simulator/front_parts.h"

#include "core/base/timestamp.h"
#include "core/log/record.h"
#include "core/testing/simulator/world.h"

/* As in core/gateway/replies.c, which this follows step by step. */
enum {
    REPLIES_BATCH = 128,
    REPLIES_POLL_MS = 500,
    REPLIES_CHECK_MS = 2000,
    REPLIES_CHECK_TIMEOUT_MS = 3000,
    BACKOFF_MIN_MS = 200,
    BACKOFF_MAX_MS = 5000,
    QUEUE_MAX_BYTES = 16 * 1024 * 1024,
    OUTCOME_ARENA_BYTES = 4 * 1024 * 1024,
};

static void hand_over(struct front_life *life, struct arena *arena, const struct log_record *record) {
    struct outcome outcome;
    arena_reset(arena);
    if (record->value.data != NULL && outcome_read(arena, record->value, &outcome) &&
        str_equal(outcome.reply_instance, str_of_cstr(life->instance))) {
        life_post(life, LETTER_REPLY, 0, record->value);
    }
}

static const char *replies_topic(const struct front_life *life) {
    return life->front->topics.names[TOPIC_REPLIES];
}

static enum err watermarks(struct front_life *life, int64_t *ret_low, int64_t *ret_high, struct err_info *info) {
    return log_reader_watermarks(life->reader, replies_topic(life), life->reply_partition, REPLIES_CHECK_TIMEOUT_MS,
                                 ret_low, ret_high, info);
}

static enum err reader_begin(struct front_life *life, struct err_info *info) {
    const struct config *config = life->front->options.config;
    const struct log_reader_options options = {.brokers = config->kafka_brokers,
                                               .client_id = "daybook-gateway-replies",
                                               .isolation = LOG_READ_UNCOMMITTED,
                                               .queue_max_bytes = QUEUE_MAX_BYTES};
    enum err err = log_reader_open(&options, &life->reader, info);
    if (err != ERR_NONE) {
        life->reader = NULL;
        return err;
    }
    err = log_reader_check_shards(life->reader, replies_topic(life), (int32_t)config->shards, REPLIES_CHECK_TIMEOUT_MS,
                                  info);
    int64_t low = 0, high = 0;
    err = err == ERR_NONE ? watermarks(life, &low, &high, info) : err;
    if (err != ERR_NONE) {
        return err;
    }
    int64_t offset = life->replies_next < low || life->replies_next > high ? high : life->replies_next;
    const struct log_partition partition = {
        .topic = replies_topic(life), .partition = life->reply_partition, .offset = offset};
    return log_reader_assign(life->reader, &partition, 1, info);
}

static enum err check_log(struct front_life *life, struct err_info *info) {
    if (clock_boot_us() < life->replies_check_us) {
        return ERR_NONE;
    }
    int64_t low, high;
    enum err err = watermarks(life, &low, &high, info);
    life->replies_check_us = clock_boot_us() + (int64_t)REPLIES_CHECK_MS * MICROS_PER_MS;
    return err;
}

/* Reads until something fails. */
static enum err read_on(struct front_life *life, struct arena *arena, struct err_info *info) {
    for (;;) {
        struct log_record records[REPLIES_BATCH];
        size_t count = 0;
        enum err err = log_reader_poll(life->reader, REPLIES_POLL_MS, records, REPLIES_BATCH, &count, info);
        for (size_t i = 0; i < count && err == ERR_NONE; i++) {
            if (!records[i].end) {
                hand_over(life, arena, &records[i]);
            }
            int64_t next = records[i].end ? records[i].offset : records[i].offset + 1;
            life->replies_next = next > life->replies_next ? next : life->replies_next;
        }
        err = err == ERR_NONE ? check_log(life, info) : err;
        if (err != ERR_NONE) {
            return err;
        }
        life->is_heard = true;
    }
}

void *replies_run(void *context) {
    struct front_life *life = context;
    struct arena arena;
    arena_init(&arena, OUTCOME_ARENA_BYTES);
    int64_t backoff_ms = BACKOFF_MIN_MS;
    for (;;) {
        struct err_info info = {0};
        if (reader_begin(life, &info) == ERR_NONE) {
            life->is_heard = true;
            backoff_ms = BACKOFF_MIN_MS;
            (void)read_on(life, &arena, &info); /* until it fails; `info` says why */
        }
        log_reader_close(life->reader);
        life->reader = NULL;
        life->is_heard = false;
        SIM_TRACE("front: the log does not answer: %s", info.text);
        sim_sleep(backoff_ms * MICROS_PER_MS);
        backoff_ms = backoff_ms * 2 < BACKOFF_MAX_MS ? backoff_ms * 2 : BACKOFF_MAX_MS;
    }
    return NULL;
}
