/* stream_hash.h: a stream's name in 8 bytes, for position tokens and the views' contiguity tables.
 *
 * The low 60 bits are of BLAKE2b-256(stream id); the high 4 bits are the index of its event topic (TOPIC_x minus
 * TOPIC_FIRST_EVENTS), so that a view can tell which streams it does not read. With 5 million streams the chance that
 * any two collide is about 1 in 100,000; a collision makes a view wait for the larger version, never lose data.
 * A position is a sequence of: 8 bytes of hash, big-endian; the version as unsigned LEB128. At most 16 pairs.
 * Thread: pure; any. May use: base.
 */
#pragma once

#include "core/base/buf.h"
#include "core/log/topics.h"

enum { POSITION_PAIRS_MAX = 16 };

struct position_pair {
    uint64_t hash;
    int64_t version;
};

uint64_t stream_hash(struct str stream, enum log_topic topic);
enum log_topic stream_hash_topic(uint64_t hash);

void position_write(struct buf *out, uint64_t hash, int64_t version);
/* The number of pairs; -1 when malformed or more than POSITION_PAIRS_MAX. */
MUST_CHECK int position_read(struct str bytes, struct position_pair ret_pairs[POSITION_PAIRS_MAX]);
