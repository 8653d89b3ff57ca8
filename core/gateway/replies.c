#include "core/gateway/replies.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/thread_name.h"
#include "core/base/timestamp.h"
#include "core/gateway/loop.h"
#include "core/log/reader.h"
#include "core/log/record.h"

enum {
    REPLIES_BATCH = 512,
    REPLIES_POLL_MS = 500,
    REPLIES_CHECK_MS = 2000,
    REPLIES_CHECK_TIMEOUT_MS = 3000,
    BACKOFF_MIN_MS = 200,
    BACKOFF_MAX_MS = 5000,
    QUEUE_MAX_BYTES = 16 * 1024 * 1024,
    OUTCOME_ARENA_BYTES = 4 * 1024 * 1024,
};

struct replies {
    struct gateway *gateway;
    pthread_t thread;
    _Atomic bool heard;
    _Atomic uint64_t unreadable;
    _Atomic bool stopping;
    pthread_mutex_t lock; /* of the backoff's wait */
    pthread_cond_t stop;
    struct log_reader *reader;
    int64_t next_offset; /* -1: from the end */
    int64_t next_check_boot_us;
    bool has_told; /* whether the log answers: said at the start, too, when it does not */
    struct arena arena;
};

static void tell_state(struct replies *replies, bool is_heard, const char *why) {
    bool is_news = atomic_exchange(&replies->heard, is_heard) != is_heard || !replies->has_told;
    replies->has_told = true;
    if (is_news) {
        if (is_heard) {
            log_line(LOG_INFO, "gateway", "the log answers", LOG_INT("partition", replies->gateway->reply_partition));
        } else {
            log_line(LOG_WARN, "gateway", "the log does not answer; commands are refused until it does",
                     LOG_CSTR("why", why));
        }
    }
}

/* ---- one reply ----------------------------------------------------------------------------------------------------
 */

/* The loop that the instance text names, or NULL when it is not one of ours. */
static struct gateway_loop *loop_of(struct gateway *gateway, struct str instance) {
    uint32_t dot = str_find(instance, '.');
    int64_t number;
    if (!str_equal(str_first(instance, dot), str_of_cstr(gateway->instance)) ||
        !int64_read(str_from(instance, dot + 1), &number) || number < 0 || (size_t)number >= gateway->loop_count) {
        return NULL;
    }
    return &gateway->loops[number];
}

bool replies_take_local(void *context, struct str instance, struct str value) {
    struct gateway_loop *loop = loop_of(context, instance);
    if (loop != NULL) {
        (void)mailbox_post(&loop->mailbox, LETTER_OUTCOME, value);
    }
    return loop != NULL;
}

/* Only looks for whom it is; the loop decodes it again, in its own memory. */
static void hand_over(struct replies *replies, const struct log_record *record) {
    if (record->value.data == NULL) {
        return; /* no reply at all: a handler that warms a transaction up, or asks the broker for its time */
    }
    arena_reset(&replies->arena);
    struct outcome outcome;
    if (!outcome_read(&replies->arena, record->value, &outcome)) {
        atomic_fetch_add_explicit(&replies->unreadable, 1, memory_order_relaxed);
        return; /* not ours to judge: whoever waits will ask again */
    }
    (void)replies_take_local(replies->gateway, outcome.reply_instance, record->value);
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void reader_drop(struct replies *replies) {
    log_reader_close(replies->reader);
    replies->reader = NULL;
}

static enum err reader_begin(struct replies *replies, struct err_info *info) {
    const struct gateway *gateway = replies->gateway;
    const char *topic = gateway->topics.names[TOPIC_REPLIES];
    const struct log_reader_options options = {.brokers = gateway->config->kafka_brokers,
                                               .client_id = "daybook-gateway-replies",
                                               .isolation =
                                                   LOG_READ_UNCOMMITTED, /* replies are sent outside transactions */
                                               .queue_max_bytes = QUEUE_MAX_BYTES};
    enum err err = log_reader_open(&options, &replies->reader, info);
    if (err != ERR_NONE) {
        replies->reader = NULL;
        return err;
    }
    /* Before anything is sent: with another number a command would reach a shard that is not its stream's. */
    err = log_reader_check_shards(replies->reader, topic, (int32_t)gateway->config->shards, REPLIES_CHECK_TIMEOUT_MS,
                                  info);
    if (err != ERR_NONE) {
        return err;
    }
    int64_t low, high;
    err = log_reader_watermarks(replies->reader, topic, gateway->reply_partition, REPLIES_CHECK_TIMEOUT_MS, &low, &high,
                                info);
    if (err != ERR_NONE) {
        return err;
    }
    int64_t offset = replies->next_offset;
    if (offset < low || offset > high) {
        offset = high;
    }
    const struct log_partition partition = {.topic = topic, .partition = gateway->reply_partition, .offset = offset};
    return log_reader_assign(replies->reader, &partition, 1, info);
}

/* A reader alone does not notice that the broker is gone: it waits for it. So it is asked for something now and then.
 */
static enum err check_log(struct replies *replies, struct err_info *info) {
    int64_t now = clock_boot_us();
    if (now < replies->next_check_boot_us) {
        return ERR_NONE;
    }
    int64_t low, high;
    enum err err =
        log_reader_watermarks(replies->reader, replies->gateway->topics.names[TOPIC_REPLIES],
                              replies->gateway->reply_partition, REPLIES_CHECK_TIMEOUT_MS, &low, &high, info);
    replies->next_check_boot_us = clock_boot_us() + (int64_t)REPLIES_CHECK_MS * MICROS_PER_MS;
    return err;
}

/* Reads until something fails or it is told to stop. */
static enum err read_on(struct replies *replies, struct err_info *info) {
    struct log_record records[REPLIES_BATCH];
    while (!atomic_load(&replies->stopping)) {
        size_t count = 0;
        enum err err = log_reader_poll(replies->reader, REPLIES_POLL_MS, records, REPLIES_BATCH, &count, info);
        if (err != ERR_NONE) {
            return err;
        }
        for (size_t i = 0; i < count; i++) {
            if (!records[i].end) {
                hand_over(replies, &records[i]);
            }
            int64_t next = records[i].end ? records[i].offset : records[i].offset + 1;
            replies->next_offset = next > replies->next_offset ? next : replies->next_offset;
        }
        err = check_log(replies, info);
        if (err != ERR_NONE) {
            return err;
        }
        tell_state(replies, true, NULL);
    }
    return ERR_NONE;
}

static void wait_backoff(struct replies *replies, int backoff_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += backoff_ms / 1000;
    until.tv_nsec += (backoff_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&replies->lock);
    int waited = 0;
    while (!atomic_load(&replies->stopping) && waited == 0) {
        waited = pthread_cond_timedwait(&replies->stop, &replies->lock, &until);
    }
    pthread_mutex_unlock(&replies->lock);
}

static void *replies_run(void *context) {
    struct replies *replies = context;
    thread_name("replies");
    int backoff_ms = BACKOFF_MIN_MS;
    while (!atomic_load(&replies->stopping)) {
        struct err_info info = {0};
        enum err err = reader_begin(replies, &info);
        if (err == ERR_NONE) {
            tell_state(replies, true, NULL);
            backoff_ms = BACKOFF_MIN_MS;
            err = read_on(replies, &info);
        }
        reader_drop(replies);
        if (err != ERR_NONE) {
            tell_state(replies, false, info.text);
            wait_backoff(replies, backoff_ms);
            backoff_ms = backoff_ms * 2 < BACKOFF_MAX_MS ? backoff_ms * 2 : BACKOFF_MAX_MS;
        }
    }
    return NULL;
}

/* ---- life cycle ---------------------------------------------------------------------------------------------------
 */

enum err replies_start(struct gateway *gateway, struct replies **ret_replies, struct err_info *info) {
    struct replies *replies = calloc_or_end(1, sizeof *replies);
    replies->gateway = gateway;
    replies->next_offset = -1;
    arena_init(&replies->arena, OUTCOME_ARENA_BYTES);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&replies->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&replies->lock, NULL);
    if (pthread_create(&replies->thread, NULL, replies_run, replies) != 0) {
        free(replies);
        return err_set(info, ERR_IO, "no thread could be started for the gateway's replies");
    }
    *ret_replies = replies;
    return ERR_NONE;
}

void replies_stop(struct replies *replies) {
    if (replies == NULL) {
        return;
    }
    pthread_mutex_lock(&replies->lock);
    atomic_store(&replies->stopping, true);
    pthread_cond_broadcast(&replies->stop);
    pthread_mutex_unlock(&replies->lock);
    pthread_join(replies->thread, NULL);
    pthread_mutex_destroy(&replies->lock);
    pthread_cond_destroy(&replies->stop);
    arena_release(&replies->arena);
    free(replies);
}

bool replies_are_heard(const struct replies *replies) {
    return replies != NULL && atomic_load_explicit(&replies->heard, memory_order_relaxed);
}

uint64_t replies_unreadable(const struct replies *replies) {
    return replies == NULL ? 0 : atomic_load_explicit(&replies->unreadable, memory_order_relaxed);
}
