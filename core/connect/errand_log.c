/* errand_log.c: the log as errands read it: a partition at a time is folded into what is open (open_errands.h).
 *
 *      assigned -> read to its end: live -> revoked
 *                    ^               | errands that found no room and have some now, or it cannot be read
 *                    +-- read again <+
 */
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/macros.h"
#include "core/base/timestamp.h"
#include "core/connect/errands_parts.h"
#include "core/log/client.h"
#include "core/log/record.h"

enum {
    MESSAGES_A_TURN = 1000, /* then the loop looks at its sockets again */
    SEEK_TIMEOUT_MS = 1000,
    SEEK_AGAIN_MS = 1000,
    UNREAD_AGAIN_MS = 10000, /* a shard that could not be read */
};

/* Whose events may need something done, and how much of it is kept at hand a shard; further ones wait in the log. An
 * event is closed by one of its own partition. A mail is some 500 bytes, and an order's 200 more for each line. */
static const struct source {
    enum log_topic topic;
    struct errand_bounds bounds;
} sources[] = {
    {TOPIC_CUSTOMERS, {.mails = 20000, .erasures = 10000}},
    {TOPIC_ORDERS, {.mails = 5000, .foreseen = 20000}},
};

/* Orders cause mails alone, and are read only where these are sent. */
static size_t source_count(const struct errands *errands) {
    return errands->calls != NULL ? ARRAY_LENGTH(sources) : 1;
}

size_t errands_shard_count(const struct errands *errands) {
    return source_count(errands) * (size_t)errands->config->shards;
}

/* ---- taking in --------------------------------------------------------------------------------------------------- */

static const struct source *source_of(const struct errands *errands, size_t shard) {
    return &sources[shard / (size_t)errands->config->shards];
}

static const char *topic_of(const struct errands *errands, size_t shard) {
    return errands->topics.names[source_of(errands, shard)->topic];
}

static int32_t partition_of(const struct errands *errands, size_t shard) {
    return (int32_t)(shard % (size_t)errands->config->shards);
}

/* NULL: none of ours. */
static struct errand_shard *shard_of(struct errands *errands, const char *topic, int32_t partition) {
    for (size_t i = 0; i < source_count(errands); i++) {
        if (strcmp(topic, errands->topics.names[sources[i].topic]) == 0 && partition >= 0 &&
            partition < errands->config->shards) {
            return &errands->shards[i * (size_t)errands->config->shards + (size_t)partition];
        }
    }
    return NULL;
}

/* Passed over, what a newer release's event asks for would never be done: nothing of the shard goes on, and its offset
 * stays before the event, until a process of that release has it. */
static void stop_shard(struct errand_shard *shard, const rd_kafka_message_t *message, const struct err_info *info) {
    shard->is_stopped = true;
    log_line(LOG_ERROR, "errands",
             "a shard's mails and erasures stand still until a connector of the newer release has them",
             LOG_CSTR("error", info->text), LOG_INT("partition", message->partition),
             LOG_INT("offset", message->offset));
}

/* The broker's time of the record; -1: it bears none. */
static int64_t broker_us_of(const rd_kafka_message_t *message) {
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp_ms * MICROS_PER_MS;
}

static void take_event(struct errands *errands, struct errand_shard *shard, const rd_kafka_message_t *message) {
    struct event event;
    struct err_info info = {0};
    arena_reset(&errands->arena);
    struct str value = str_of(message->payload, message->len);
    enum err err = event_record_read(&errands->arena, value, &event, &info);
    if (err == ERR_NOT_FOUND) {
        stop_shard(shard, message, &info);
        return;
    }
    if (err != ERR_NONE) {
        log_line(LOG_ERROR, "errands", "an event could not be read and is passed over", LOG_CSTR("error", info.text),
                 LOG_INT("partition", message->partition), LOG_INT("offset", message->offset));
        return;
    }
    struct errand *opened = open_errands_apply(shard->open, message->offset, &event,
                                               client_message_header(message, "traceparent"), errand_on_closed);
    int64_t broker_us = broker_us_of(message);
    /* The event's own time is that of the host on which it was asked for, which may be behind. */
    if (opened != NULL && broker_us > opened->asked_at_us) {
        opened->asked_at_us = broker_us;
    }
    if (broker_us >= 0) {
        log_clock_record(&errands->clock, broker_us, clock_boot_us(), shard->is_live);
        errands_end_late(errands, shard, broker_us);
    }
    errands->has_work = true;
}

/* Nothing more is begun of it until it is at its end once more. */
static void read_again_from(struct errand_shard *shard, int64_t offset, int64_t delay_ms) {
    shard->is_live = false;
    shard->is_read_again = true;
    shard->reread_offset = offset;
    shard->reread_at_us = clock_boot_us() + delay_ms * MICROS_PER_MS;
}

/* A right that is missing, say. librdkafka tells it once, goes on trying, and tells nobody that it succeeds: where it
 * was at the end before, it says so again only when it is to read anew. */
static void take_error(struct errands *errands, struct errand_shard *shard, const rd_kafka_message_t *message) {
    struct err_info info;
    bool is_passing = client_error_is_passing(message->err);
    const char *topic =
        message->rkt == NULL ? errands->topics.names[sources[0].topic] : rd_kafka_topic_name(message->rkt);
    (void)client_error_said(&info, message->err, is_passing, topic, rd_kafka_message_errstr(message));
    errands_warn(errands, is_passing ? ERRANDS_CANNOT_REACH : ERRANDS_CANNOT_READ, info.text);
    if (shard != NULL && shard->is_live && !is_passing) {
        read_again_from(shard, shard->next_offset, UNREAD_AGAIN_MS);
    }
}

static void take_message(struct errands *errands, const rd_kafka_message_t *message) {
    struct errand_shard *shard =
        message->rkt == NULL ? NULL : shard_of(errands, rd_kafka_topic_name(message->rkt), message->partition);
    bool is_open = shard != NULL && shard->open != NULL && !shard->is_stopped; /* not open: revoked meanwhile */
    bool is_read = is_open && !shard->is_read_again;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (is_read) {
            shard->next_offset = message->offset;
            shard->is_live = true;
            errands->has_work = true;
        }
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_error(errands, is_open ? shard : NULL, message);
    } else if (is_read) {
        shard->next_offset = message->offset + 1;
        take_event(errands, shard, message);
    }
}

bool errands_read(struct errands *errands) {
    for (int taken = 0; taken < MESSAGES_A_TURN; taken++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(errands->consumer, 0);
        if (message == NULL) {
            return false;
        }
        take_message(errands, message);
        rd_kafka_message_destroy(message);
    }
    return true;
}

/* ---- the group --------------------------------------------------------------------------------------------------- */

void errands_commit(struct errands *errands, bool wait) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (size_t i = 0; i < errands_shard_count(errands); i++) {
        struct errand_shard *shard = &errands->shards[i];
        /* Before a shard is live its oldest may yet be closed by what follows; nothing is lost by waiting. */
        if (shard->open == NULL || !shard->is_live) {
            continue;
        }
        int64_t offset = open_errands_resume_offset(shard->open);
        if (offset > shard->committed_offset) {
            rd_kafka_topic_partition_list_add(list, topic_of(errands, i), partition_of(errands, i))->offset = offset;
            shard->committed_offset = offset;
        }
    }
    if (list->cnt > 0) {
        rd_kafka_commit(errands->consumer, list, wait ? 0 : 1);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void drop_shard(struct errand_shard *shard) {
    if (shard->open != NULL) {
        open_errands_free(shard->open, errand_on_revoked);
    }
    *shard = (struct errand_shard){0};
}

void errands_on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
                          void *opaque) {
    struct errands *errands = opaque;
    bool is_given = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (!is_given) {
        errands_commit(errands, true);
    }
    for (int i = 0; i < partitions->cnt; i++) {
        struct errand_shard *shard = shard_of(errands, partitions->elems[i].topic, partitions->elems[i].partition);
        if (shard != NULL) {
            const struct source *source = source_of(errands, (size_t)(shard - errands->shards));
            drop_shard(shard);
            shard->open = is_given ? open_errands_create(source->bounds) : NULL;
        }
    }
    rd_kafka_assign(consumer, is_given ? partitions : NULL);
    atomic_store(&errands->is_ready, is_given);
}

void errands_drop_shards(struct errands *errands) {
    for (size_t i = 0; i < errands_shard_count(errands); i++) {
        drop_shard(&errands->shards[i]);
    }
}

enum err errands_subscribe(struct errands *errands, struct err_info *info) {
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)source_count(errands));
    for (size_t i = 0; i < source_count(errands); i++) {
        rd_kafka_topic_partition_list_add(topics, errands->topics.names[sources[i].topic], RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t subscribed = rd_kafka_subscribe(errands->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return subscribed == RD_KAFKA_RESP_ERR_NO_ERROR
               ? ERR_NONE
               : client_error(info, subscribed, "subscribing to the topics whose events ask for something");
}

/* ---- reading again ----------------------------------------------------------------------------------------------- */

/* False: it is not known whether it will. */
static bool seek(struct errands *errands, size_t shard, int64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *place =
        rd_kafka_topic_partition_list_add(list, topic_of(errands, shard), partition_of(errands, shard));
    place->offset = offset;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(errands->consumer, list, SEEK_TIMEOUT_MS);
    bool is_done = error == NULL && place->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
    return is_done;
}

/* What closes an errand that was passed over is read before it: so nothing more is begun before the end is there once
 * more. A seek whose time ran out may take place later: whatever comes before one is known to have is passed over. */
void errands_read_again(struct errands *errands) {
    for (size_t i = 0; i < errands_shard_count(errands); i++) {
        struct errand_shard *shard = &errands->shards[i];
        if (shard->open == NULL || shard->is_stopped) {
            continue;
        }
        int64_t offset;
        if (shard->is_live && open_errands_rewind(shard->open, &offset)) {
            read_again_from(shard, offset, 0);
        }
        if (!shard->is_read_again || clock_boot_us() < shard->reread_at_us) {
            continue;
        }
        shard->is_read_again = !seek(errands, i, shard->reread_offset);
        shard->reread_at_us = clock_boot_us() + SEEK_AGAIN_MS * MICROS_PER_MS;
    }
}
