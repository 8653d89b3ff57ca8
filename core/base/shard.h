/* shard.h: which shard a stream lives on.
 *
 * The shard key of a stream id is what follows its prefix, up to the first dot: cart_X, ord_X.1 and pay_X.1.1 all have
 * X and so live together. A SKU may hold dots and underscores itself: for sku_ it is all that follows the prefix.
 * The shard is Kafka's own default partitioning of that key: (murmur2(key) & 0x7fffffff) mod shards, as in
 * org.apache.kafka.common.utils.Utils.murmur2, so that any Java producer or consumer finds the same partition.
 * Thread: pure; any. May use: base.
 */
#pragma once

#include "core/base/str.h"

struct str shard_key(struct str stream);
uint32_t murmur2(struct str key);
int32_t shard_of_key(struct str key, uint32_t shard_count);
int32_t shard_of_stream(struct str stream, uint32_t shard_count);
