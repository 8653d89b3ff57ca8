/* topics.h: the topics of an installation: their names, how they are made, and whether they are as they must be.
 *
 * Promise  all topics have the same number of partitions (the shards). log_topics_check compares partition counts,
 *          copies and the settings that matter (cleanup.policy, retention, message.timestamp.type = LogAppendTime,
 *          max.message.bytes, min.insync.replicas) with what log_topics_create would make, and says each difference in
 *          words.
 * Thread   any; calls block on the broker.       May use: base.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"

/* TOPIC(id, suffix, retention in ms, -1 for ever). New ones go to the end: position tokens and the views' streams hold
 * the index of an event topic. A store of another number of topics does not fit: raise STORE_FORMAT. */
#define LOG_TOPIC_TABLE(TOPIC)                                                                                         \
    TOPIC(COMMANDS, "commands", 7 * 24 * 3600 * 1000LL)                                                                \
    TOPIC(OUTCOMES, "outcomes", 50 * 3600 * 1000LL)                                                                    \
    TOPIC(REPLIES, "replies", 10 * 60 * 1000LL)                                                                        \
    TOPIC(DEAD_LETTERS, "dead-letters", -1)                                                                            \
    TOPIC(CATALOG, "catalog", -1)                                                                                      \
    TOPIC(STOCK, "stock", -1)                                                                                          \
    TOPIC(CARTS, "carts", -1)                                                                                          \
    TOPIC(ORDERS, "orders", -1)                                                                                        \
    TOPIC(PAYMENTS, "payments", -1)                                                                                    \
    TOPIC(IDENTITIES, "identities", -1)                                                                                \
    TOPIC(CUSTOMERS, "customers", -1)                                                                                  \
    TOPIC(KEYS, "keys", -1)                                                                                            \
    TOPIC(CATEGORIES, "categories", -1)

enum log_topic {
#define TOPIC_ENUM(id, suffix, retention) TOPIC_##id,
    LOG_TOPIC_TABLE(TOPIC_ENUM)
#undef TOPIC_ENUM
        TOPIC_COUNT,
    TOPIC_FIRST_EVENTS = TOPIC_CATALOG,
};

/* The full names under one prefix. */
struct log_topics {
    char names[TOPIC_COUNT][256];
};

void log_topics_name(struct log_topics *topics, const char *prefix);

/* The event topic of a family ("carts"), or TOPIC_COUNT. */
enum log_topic log_topic_of_family(struct str family);
/* The family of an event topic. */
const char *log_topic_family(enum log_topic topic);

/* Makes what is missing; leaves what exists as it is. */
MUST_CHECK enum err log_topics_create(const char *brokers, const struct log_topics *topics, int32_t shards,
                                      int replication_factor, struct err_info *info);

/* Whether the installation was made with this number of shards: a client that believes in another one puts streams
 * where nobody looks for them, and reads a part for the whole. ERR_CONFIG names both numbers; ERR_NOT_FOUND
 * (retriable): a topic does not exist; ERR_KAFKA: no broker answered within timeout_ms. */
MUST_CHECK enum err log_topics_check_shards(const char *brokers, const struct log_topics *topics, int32_t shards,
                                            int timeout_ms, struct err_info *info);

struct rd_kafka_metadata;

/* What log_topics_check has from a broker's metadata: a line for each topic that is missing, or has another number of
 * partitions or of copies. Pure. */
void log_topics_compare(const struct rd_kafka_metadata *metadata, const struct log_topics *topics, int32_t shards,
                        int replication_factor, struct buf *ret_report);

/* ERR_CONFLICT when something is not as it must be; `ret_report` has a line for each difference. */
MUST_CHECK enum err log_topics_check(const char *brokers, const struct log_topics *topics, int32_t shards,
                                     int replication_factor, struct buf *ret_report, struct err_info *info);
