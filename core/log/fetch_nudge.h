/* fetch_nudge.h: a consumer whose queue was full reads on at once.
 *
 * Purpose  whether its full queue (queued.max.messages.kbytes) has room again librdkafka 2.0.2 looks once a second, or
 *          when something else makes the thread of a partition's leader wake up (2.2 has fetch.queue.backoff.ms).
 *          A question does: it is asked each time that half the queue was taken, and its answer is not looked at.
 *          Without it nobody reads more than his queue's bytes a second.
 * Bounds   the question blocks for its answer, 100 ms at most.
 * Thread   the consumer's.       May use: librdkafka.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdint.h>

struct fetch_nudge {
    rd_kafka_topic_partition_list_t *assigned; /* NULL: nothing is read */
    int64_t after_bytes;
    int64_t taken_bytes;
};

void fetch_nudge_init(struct fetch_nudge *nudge, int64_t queue_max_bytes);
void fetch_nudge_release(struct fetch_nudge *nudge);

/* What is read from now on. The list is copied; NULL: nothing. */
void fetch_nudge_assigned(struct fetch_nudge *nudge, const rd_kafka_topic_partition_list_t *list);

/* A message was taken from the queue; NULL: it is empty. */
void fetch_nudge_took(struct fetch_nudge *nudge, const rd_kafka_message_t *message);

/* Before a poll: asks, when it is time. */
void fetch_nudge_ask(struct fetch_nudge *nudge, rd_kafka_t *consumer);
