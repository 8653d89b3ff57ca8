/* errands_parts.h: what errands.c (the thread), errand_log.c (its reading of the log) and errand_work.c (the doing)
 * share. Nobody else includes this.
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
#include "core/connect/log_clock.h"
#include "core/connect/mailing.h"
#include "core/log/producer.h"
#include "core/log/topics.h"

/* A partition of a topic whose events may need something done. */
struct errand_shard {
    struct open_errands *open; /* NULL: not assigned */
    bool is_live;              /* it was read to its end, and can be read: so what is open is owed */
    bool is_stopped;           /* at an event of a newer release: what it asks for is not known here */
    int64_t committed_offset;  /* by us; 0 at first: a group needs no offset to begin at the beginning */
    int64_t next_offset;       /* of the record that comes next; of use once it was read to its end */
    bool is_read_again;        /* from reread_offset: what comes before it stands there is passed over */
    int64_t reread_offset;
    int64_t reread_at_us; /* clock_boot_us; not before then */
};

enum { ERASURES_AT_ONCE = 64 };

/* Erasures whose keys are being destroyed. */
struct erasure_batch {
    struct errand *errands[ERASURES_AT_ONCE];
    size_t count;
};

struct errand_counts {
    _Atomic uint64_t mails_sent, mails_failed, mails_erased, mails_deferred, mails_late, erasures, keys_left;
    _Atomic uint64_t mails_waiting, erasures_waiting; /* these and all that follow as they are now */
    _Atomic uint64_t passed_over, shards_stopped, shards_live, shards_not_live;
};

/* What many errands meet at once is one line of each kind in WARN_EVERY_S, not as many. */
enum errand_warning {
    ERRANDS_CANNOT_READ,  /* the log, before somebody mends it */
    ERRANDS_CANNOT_REACH, /* its brokers, for now */
    ERRANDS_ARE_DEFERRED, /* mails, by the server */
    ERRANDS_WAIT,         /* mails, for us */
    ERRANDS_KEEP_KEYS,    /* that are to be destroyed */
    ERRAND_WARNINGS,
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
    struct errand_shard *shards; /* of each topic that is read (errands_shard_count) config->shards */
    struct arena arena;
    bool has_work; /* begun at the end of this turn of the loop */
    bool stopping;
    struct log_clock clock;
    int64_t next_commit_us, next_vacuum_us, next_warning_us[ERRAND_WARNINGS];
    _Atomic bool is_ready;
    struct errand_counts counts;
};

/* ---- errand_log.c ------------------------------------------------------------------------------------------------ */

/* Those of orders only where mails are sent: without a server an order costs nothing here. */
size_t errands_shard_count(const struct errands *errands);

/* Joins the group, and its topics. */
MUST_CHECK enum err errands_subscribe(struct errands *errands, struct err_info *info);
/* For the consumer's configuration, whose opaque is the errands. */
void errands_on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
                          void *opaque);
/* Takes in what has come. True: there may be more, and the loop shall look at its sockets first. */
bool errands_read(struct errands *errands);
/* Reads again, where errands found no room and there is some now, and where the log could not be read. */
void errands_read_again(struct errands *errands);
/* Of live shards. */
void errands_commit(struct errands *errands, bool wait);
void errands_drop_shards(struct errands *errands);

/* ---- errand_work.c ----------------------------------------------------------------------------------------------- */

/* Begins what is due, as far as there is room; the rest when it is asked again. */
void errands_begin_due(struct errands *errands);
/* The table of keys, when its time has come. */
void errands_vacuum_when_due(struct errands *errands);
/* Ends those of the oldest mails that were over, by the log itself, before `broker_us` and that end quietly: what a
 * shop has left behind before it began to send mails takes no room. */
void errands_end_late(struct errands *errands, struct errand_shard *shard, int64_t broker_us);
/* Counts what is open. */
void errands_count(struct errands *errands);

/* Take over errands that the log has closed; that are another process's now. */
void errand_on_closed(struct errand *errand);
void errand_on_revoked(struct errand *errand);

void errands_warn(struct errands *errands, enum errand_warning what, const char *why);
