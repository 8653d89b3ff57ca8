/* group_reader.h: the consumer with which one of a connector's threads reads the log.
 *
 * Purpose  members of one group share the shards among them; whoever reads keeps what is open in memory and stores its
 *          offsets itself. A group without offsets begins at the start: what is done closes again as it is read.
 * Memory   the consumer is the caller's, with its queue for groups set; he closes and destroys it.
 * Thread   the caller's, before his loop runs.          May use: log, kafka.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/base/err.h"

struct group_reader_options {
    const char *brokers;
    const char *client_name;           /* as brokers and logs call it */
    const char *topic_prefix, *suffix; /* the group is "<prefix>-<suffix>" */
    void (*on_rebalance)(rd_kafka_t *consumer, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions,
                         void *context);
    void *context;
};

/* Subscribed to nothing yet. */
MUST_CHECK enum err group_reader_open(const struct group_reader_options *options, rd_kafka_t **ret_consumer,
                                      struct err_info *info);
