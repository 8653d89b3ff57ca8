/* broker.h: Kafka in memory: partitions, idempotent and transactional producers, consumer groups.
 *
 * Purpose  what a broker does with the requests that Daybook's clients send, and when: each call here is one request as
 *          it is handled, in the world's time. Nothing here waits; who asks (client.c, through wire.h) brings requests
 *          late, twice or never, and loses answers.
 * Source   the transaction protocol of KIP-98 with the checks of KIP-360 (epochs), KIP-447 (offsets are fenced by the
 *          group's generation) and KIP-890 part 1 (a record is refused when its partition is not in an open
 *          transaction), EndTxn as of version 1: it names a producer's epoch and no transaction. Groups as of KIP-62.
 *          Codes are those of the protocol guide ("Error Codes").
 * Memory   records are the broker's, for the length of the run.
 * Thread   one.                  May use: base, librdkafka's constants.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/str.h"

enum { BROKER_HEADERS_MAX = 8, BROKER_NOTE_MAX = 64, BROKER_NAME_MAX = 128 };

/* ---- the log ----------------------------------------------------------------------------------------------------- */

struct broker_header {
    const char *name;
    struct str value;
};

enum broker_kind { BROKER_DATA, BROKER_COMMIT_MARKER, BROKER_ABORT_MARKER };

struct broker_record {
    int64_t timestamp_ms; /* LogAppendTime, of the broker's clock */
    struct str key, value;
    bool has_value;
    struct broker_header *headers;
    size_t header_count;
    int64_t producer_id; /* -1: none */
    enum broker_kind kind;
    bool is_transactional;
    bool is_aborted; /* its transaction was aborted, as far as is known by now */
};

/* A partition's records stand at their offsets: records[0] is offset 0, also when retention has taken it. */
struct broker_partition {
    const char *topic;
    int32_t number;
    struct broker_record *records;
    int64_t count, capacity; /* count: the high watermark, the next offset */
    int64_t low;             /* the first offset that retention has left */
    struct open_txn *open;   /* transactions with records here and no marker yet */
    int64_t old_end;         /* where it ends for a broker that led it and leads it no more (broker_new_leader) */
    int64_t old_until_us;
    uint32_t old_salt;
    struct producer_state *producers;
};

void broker_topic_create(const char *topic, int32_t partitions);
int32_t broker_topic_partitions(const char *topic); /* 0: there is no such topic */
size_t broker_topic_count(void);
const char *broker_topic_name(size_t index);

/* NULL: there is no such partition. */
struct broker_partition *broker_partition(const char *topic, int32_t number);
/* Everything before it belongs to no transaction that is still open. */
int64_t broker_stable_offset(const struct broker_partition *partition);
/* Whether a reader who waits for commits is shown the record. Only below the stable offset. */
bool broker_is_visible(const struct broker_record *record);

/* Another broker leads the partition from now on. The one before does not know it for a while, and half of those who
 * read, and of those who ask for ends, ask that one: for them the partition ends where it ended now. Who writes is
 * refused by it, and so writes to the new one: nothing that is acknowledged later stands in the old log. */
void broker_new_leader(struct broker_partition *partition, int64_t until_us);
/* Where the partition ends for this client. */
int64_t broker_end_told(const struct broker_partition *partition, bool is_committed, const char *client);

/* What retention takes: everything before the offset. */
void broker_delete_before(struct broker_partition *partition, int64_t offset);

/* The broker's clock against the world's, for faults. */
extern int64_t broker_wall_offset_us;
int64_t broker_now_ms(void);

/* ---- producing --------------------------------------------------------------------------------------------------- */

struct broker_producer {
    int64_t id;
    int16_t epoch;
    const char *transactional_id; /* NULL: idempotent only */
};

/* InitProducerId. With a transactional id: CONCURRENT_TRANSACTIONS while an older transaction of it is being ended,
 * which this sees to. */
rd_kafka_resp_err_t broker_init_producer(const char *transactional_id, int32_t timeout_ms,
                                         struct broker_producer *ret_producer);

/* Produce: a batch of one partition; `sequence` is that of its first record. A batch that stands already is answered
 * with no error and *ret_offset -1. */
rd_kafka_resp_err_t broker_produce(const struct broker_producer *producer, const char *topic, int32_t partition,
                                   int32_t sequence, const struct broker_record *records, size_t count,
                                   int64_t *ret_offset);

rd_kafka_resp_err_t broker_add_partition(const struct broker_producer *producer, const char *topic, int32_t partition);
rd_kafka_resp_err_t broker_add_group(const struct broker_producer *producer, const char *group);
rd_kafka_resp_err_t broker_end_txn(const struct broker_producer *producer, bool commit);

struct broker_offset {
    const char *topic;
    int32_t partition;
    int64_t offset;
    char note[BROKER_NOTE_MAX];
};

/* TxnOffsetCommit. */
rd_kafka_resp_err_t broker_txn_offsets(const struct broker_producer *producer, const char *group, const char *member,
                                       int32_t generation, const struct broker_offset *offsets, size_t count);

/* ---- consumer groups --------------------------------------------------------------------------------------------- */

/* The answer to a join, as it leaves the broker; called within another member's request or an event of the world.
 * `partitions` is lent for the call. */
typedef void broker_assigned_cb(void *context, int32_t generation, const int32_t *partitions, size_t count);

struct broker_member_terms {
    const char *topic;
    int32_t session_ms;
    int32_t rebalance_ms; /* so long the others wait for it to join again */
    broker_assigned_cb *on_assigned;
    void *context;
};

/* JoinGroup with its SyncGroup: it is answered once all members have joined, or the rebalance's time is over. The id is
 * that which the broker gave in an answer before this one (KIP-394), so that a join sent again is no second member. */
void broker_group_join(const char *group, const char member[BROKER_NAME_MAX], const struct broker_member_terms *terms);
void broker_group_leave(const char *group, const char *member);
/* REBALANCE_IN_PROGRESS: it must give up what it has and join again. UNKNOWN_MEMBER_ID: it was thrown out. */
rd_kafka_resp_err_t broker_group_heartbeat(const char *group, const char *member, int32_t generation);

/* OffsetCommit by a member. */
rd_kafka_resp_err_t broker_group_commit(const char *group, const char *member, int32_t generation,
                                        const struct broker_offset *offsets, size_t count);
/* OffsetFetch. offset -1: none. `stable`: UNSTABLE_OFFSET_COMMIT while a transaction holds one back. `client` NULL: as
 * it is. */
rd_kafka_resp_err_t broker_group_offset(const char *group, const char *topic, int32_t partition, bool stable,
                                        const char *client, struct broker_offset *ret_offset);

/* Another broker coordinates the groups from now on. Until then half of the clients ask the one before for offsets,
 * which answers as of now; what is committed goes to the new one. */
void broker_new_coordinator(int64_t until_us);

/* ---- a power cut under it ---------------------------------------------------------------------------------------- */

/* Nothing after a moment had reached the disk: a log without flushing, on a machine that lost its power. The moment is
 * kept first, and later all is set back to it: records, offsets and ends of transactions since are gone. What was open
 * then is aborted, what was on its way to a commit is committed; there are no members, and all producers are fenced. */
void broker_keep_moment(void);
void broker_set_back(void);
/* Whether records under the key were lost so. */
bool broker_has_lost(struct str key);

/* ---- its life ---------------------------------------------------------------------------------------------------- */

/* Appends, stable offsets and topics that change are told here; NULL: to nobody. client.c wakes its fetches with it. */
extern void (*broker_on_progress)(const struct broker_partition *partition);

/* Markers are written so long after EndTxn: a draw between the two, each time. */
extern int64_t broker_marker_least_us, broker_marker_most_us;

/* While it is down no request reaches it (wire.h). Back again it knows what it has answered, and every member of a
 * group has a whole session to come back. */
bool broker_is_up(void);
void broker_set_up(bool is_up);
