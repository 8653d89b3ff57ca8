/* group.h: a worker's membership in the consumer group that shares the shards out, and the commands it reads.
 *
 * Purpose  Kafka's own group decides which worker has which shard. Range assignor, dynamic membership (static members
 *          send no LeaveGroup, so that a clean stop would cost a session time-out), read_committed (only then does
 *          librdkafka ask for stable offsets), no automatic commit and no automatic reset.
 * Promise  after an assignment nothing is read until group_read_from says where to begin: takeover comes first.
 *          on_revoked is called from within group_poll or group_leave, while the member may still commit.
 *          The end of a shard is no message: it is remembered, and group_end tells it.
 * Bounds   QUEUED_MAX_KBYTES of commands fetched ahead.
 * Thread   the worker's.         May use: base, librdkafka.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/base/err.h"
#include "core/base/str.h"

enum { GROUP_NAME_MAX = 300, GROUP_NOTE_MAX = 64, GROUP_CLUSTER_MAX = 64 };

/* The consumer group that the workers share the shards in. */
void handlers_group_name(const char *topic_prefix, char ret_name[GROUP_NAME_MAX]);

struct group;

struct group_options {
    const char *brokers;
    const char *client_id;
    const char *group_id;
    const char *topic; /* the commands */
    /* `is_lost`: the member was thrown out; it may not commit any more. */
    void (*on_revoked)(void *context, bool is_lost);
    void *context;
};

MUST_CHECK enum err group_open(const struct group_options *options, struct group **ret_group, struct err_info *info);
/* Leaves the group. */
void group_leave(struct group *group);

/* Waits for a command at most timeout_ms; NULL: none came. The message is the caller's to destroy.
 * ERR_KAFKA: this shard or the group is in trouble; retriable ones pass. */
MUST_CHECK enum err group_poll(struct group *group, int timeout_ms, rd_kafka_message_t **ret_message,
                               struct err_info *info);

/* A poll that waits, or else the next, answers soon, that nothing came. From any thread, but not while group_leave goes
 * on: librdkafka 2.0.2 would take it for the end of the closing. */
void group_wake(struct group *group);

/* Rises with every assignment and revocation: what was read before belongs to an older one. */
uint64_t group_generation(const struct group *group);
/* The shards assigned now, ascending; lent until the next poll. */
const int32_t *group_shards(const struct group *group, size_t *ret_count);

struct group_position {
    int32_t shard;
    int64_t offset;
};

/* Begins to read these shards there, and no others. None: reads nothing. */
MUST_CHECK enum err group_read_from(struct group *group, const struct group_position *positions, size_t count,
                                    struct err_info *info);

/* Where reading had come to the end of the shard when that was last told: every command before this offset was given
 * out by group_poll, and what lies between the last of them and here is none (markers, and what was aborted). -1: not
 * told since group_read_from. Never past the last stable offset, so nothing that may yet be committed lies before. */
int64_t group_end(const struct group *group, int32_t shard);

/* An offset that the group has committed for a partition, and what was noted with it. */
struct group_offset {
    const char *topic;
    int32_t partition;
    int64_t offset; /* -1: none */
    char note[GROUP_NOTE_MAX];
};

/* The group's stable offsets of these partitions, from one answer of one coordinator. */
MUST_CHECK enum err group_committed(struct group *group, struct group_offset *offsets, size_t count, int timeout_ms,
                                    struct err_info *info);

/* For the transaction that commits offsets: member and generation as of the assignment in hand, not as of now. Once the
 * group has thrown us out, librdkafka tells neither, and offsets without them are fenced by nobody. NULL between two
 * assignments; lent until the next poll. */
const rd_kafka_consumer_group_metadata_t *group_metadata(const struct group *group);

MUST_CHECK enum err group_cluster_id(const struct group *group, int timeout_ms, char ret_id[GROUP_CLUSTER_MAX],
                                     struct err_info *info);
