/* errands_parts.h: what errands.c (the thread, and its reading of the log) and errand_work.c (the doing) share. Nobody
 * else includes this.
 * Thread   the loop's.            May use: what errands.h may.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "core/base/arena.h"
#include "core/connect/erasing.h"
#include "core/connect/errands.h"
#include "core/connect/mailing.h"
#include "core/log/producer.h"
#include "core/log/topics.h"

/* A partition of a topic whose events may need something done. */
struct errand_shard {
    struct open_errands *open; /* NULL: not assigned */
    bool is_live;              /* it was read to its end, so what is open is owed */
    bool is_stopped;           /* at an event of a newer release: what it asks for is not known here */
    int64_t committed_offset;  /* by us; 0 at first: a group needs no offset to begin at the beginning */
};

enum { ERASURES_AT_ONCE = 64 };

/* Erasures whose keys are being destroyed. */
struct erasure_batch {
    struct errand *errands[ERASURES_AT_ONCE];
    size_t count;
};

struct errand_counts {
    _Atomic uint64_t mails_sent, mails_failed, mails_erased, mails_deferred, erasures;
    _Atomic uint64_t mails_waiting, erasures_waiting, passed_over, shards_stopped; /* as they are now */
};

struct errands {
    const struct config *config;
    struct log_topics topics;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop_request;
    uv_async_t more; /* messages, or work that can begin */
    uv_poll_t kafka_ready;
    uv_timer_t tick;
    int kafka_event_fd;
    rd_kafka_t *consumer;
    struct log_producer *producer;
    struct secret secret;
    struct master_ring *masters;
    struct pg_pool *pg;
    struct vault *vault;
    struct smtp_calls *calls; /* NULL: no server takes mails */
    struct mailing *mailing;  /* likewise */
    struct erasing *erasing;
    struct erasure_batch batch;
    struct errand_shard *shards; /* of each topic config->shards */
    struct arena arena;
    bool has_work; /* begun at the end of this turn of the loop */
    bool stopping;
    int64_t next_commit_us, next_vacuum_us, next_warning_us;
    _Atomic bool is_ready;
    struct errand_counts counts;
};

/* ---- errand_work.c ----------------------------------------------------------------------------------------------- */

/* Begins what is due, as far as there is room; the rest when it is asked again. */
void errands_begin_due(struct errands *errands);
/* The table of keys, when its time has come. */
void errands_vacuum_when_due(struct errands *errands);
/* Counts what is open. */
void errands_count(struct errands *errands);

/* Take over errands that the log has closed; that are another process's now. */
void errand_on_closed(struct errand *errand);
void errand_on_revoked(struct errand *errand);

size_t errands_shard_count(const struct errands *errands);
